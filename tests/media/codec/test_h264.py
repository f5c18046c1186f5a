import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.errors import LimitError, PeerError
from headwater.media.codec import h264
from headwater.media.codec.bits import BitReader
from headwater.media.codec.h264_sps import parse_sps
from media.encoders import HEIGHT, WIDTH, encode
from media.nals import (
    AUD,
    FILLER,
    IDR,
    PPS,
    RECOVERY,
    SEI,
    SLICE,
    SPS_1080P,
    annex_b,
    avcc,
    record,
)


def config(length_size=4):
    return h264.parse_config(record(length_size))


def test_an_sps_gives_profile_level_size_and_frame_rate():
    sps = parse_sps(SPS_1080P)

    assert (sps.profile, sps.constraints, sps.level) == (100, 0, 42)
    assert (sps.width, sps.height, sps.frame_rate) == (1920, 1080, 30.0)
    assert h264.codec_string(sps) == "avc1.64002A"


def test_a_real_encoders_configuration_comes_back_byte_for_byte():
    data = encode().video_config

    parsed = h264.parse_config(data)

    assert (parsed.info.width, parsed.info.height) == (WIDTH, HEIGHT)
    assert parsed.info.frame_rate == 30.0
    assert h264.build_config(parsed) == data


def test_the_built_configuration_says_four_byte_lengths_and_keeps_the_extension():
    assert h264.build_config(config(length_size=2)) == record(4)


def test_a_configuration_of_start_codes_is_understood():
    assert h264.parse_config(annex_b(SPS_1080P, PPS)).sps == (SPS_1080P,)


REJECTED = [
    # id,             bytes,                                  error,      says
    ("empty",         b"",                                    PeerError,  "not an AVCDecoder"),
    ("version 2",     b"\x02" + record()[1:],                 PeerError,  "not an AVCDecoder"),
    ("no PPS",        record()[: 8 + len(SPS_1080P)],         PeerError,  "before its PPS"),
    ("short SPS",     record()[:20],                          PeerError,  "inside a parameter set"),
    ("PPS cut",       record(extension=b"")[:-2],             PeerError,  "inside a parameter set"),
    ("SPS is a PPS",  record(sps=PPS),                        PeerError,  "not an SPS"),
    ("SPS cut",       record(sps=SPS_1080P[:6]),              PeerError,  "middle of a field|long"),
    ("huge",          record(extension=bytes(20_000)),        LimitError, "at most"),
    ("huge SPS",      record(sps=SPS_1080P + bytes(5_000)),   LimitError, "SPS of"),
    ("annex b no sps", annex_b(PPS),                          PeerError,  "no SPS"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "error", "says"), [row[1:] for row in REJECTED], ids=[row[0] for row in REJECTED]
)
def test_rejects(data, error, says):
    with pytest.raises(error, match=says):
        h264.parse_config(data)


UNITS = [
    # id,                   length, frame,                                claimed, kept,          key
    ("key",                 4, avcc(IDR),                                 True,  [IDR],           True),
    ("key not claimed",     4, avcc(IDR),                                 False, [IDR],           True),
    ("claimed only",        4, avcc(SLICE),                               True,  [SLICE],         False),
    ("two slices",          4, avcc(SLICE, SLICE),                        False, [SLICE, SLICE],  False),
    ("length 1",            1, avcc(SLICE, size=1),                       False, [SLICE],         False),
    ("length 2",            2, avcc(SEI, IDR, size=2),                    True,  [SEI, IDR],      True),
    ("length 3 (R-57)",     3, avcc(IDR, size=3),                         True,  [IDR],           True),
    ("annex b (R-57)",      4, annex_b(AUD, IDR),                         True,  [IDR],           True),
    ("annex b bare",        4, annex_b(IDR, IDR),                         True,  [IDR, IDR],      True),
    ("annex b short code",  4, annex_b(SEI, IDR, code=b"\x00\x00\x01"),   True,  [SEI, IDR],      True),
    ("annex b, length 2",   2, annex_b(IDR),                              True,  [IDR],           True),
    ("empty NAL unit",      4, avcc(b"", IDR, b""),                       True,  [IDR],           True),
    ("same parameters",     4, avcc(AUD, SPS_1080P, PPS, IDR),            True,  [IDR],           True),
    ("filler",              4, avcc(IDR, FILLER),                         True,  [IDR],           True),
    ("open GOP (R-58)",     4, avcc(RECOVERY, SLICE),                     True,  [RECOVERY, SLICE], True),
    ("recovery, no claim",  4, avcc(RECOVERY, SLICE),                     False, [RECOVERY, SLICE], False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("length_size", "data", "claimed", "kept", "key"),
    [row[1:] for row in UNITS],
    ids=[row[0] for row in UNITS],
)
def test_an_access_unit_is_cleaned(length_size, data, claimed, kept, key):
    unit = h264.read_access_unit(data, config(length_size), claimed_key=claimed)

    assert unit.data == avcc(*kept)
    assert unit.keyframe == key


@pytest.mark.parametrize("data", [b"", avcc(AUD), avcc(SEI)], ids=["empty", "AUD", "SEI"])
def test_a_frame_without_a_picture_is_none(data):
    assert h264.read_access_unit(data, config(), claimed_key=False) is None


def test_a_clean_frame_is_not_copied():
    data = avcc(SEI, IDR)

    assert h264.read_access_unit(data, config(), claimed_key=True).data is data


def test_a_length_beyond_the_frame_is_refused():
    with pytest.raises(PeerError, match="beyond its frame"):
        h264.read_access_unit(avcc(IDR)[:-1], config(), claimed_key=True)


@pytest.mark.parametrize(
    "data", [bytes(4 * 5000), b"\x00\x00\x01" + b"\x41\x00\x00\x01" * 5000], ids=["avcc", "annex b"]
)
def test_too_many_nal_units_are_refused(data):
    with pytest.raises(LimitError, match="NAL units"):
        h264.split_nals(data, 4)


def test_other_parameters_in_a_frame_are_kept_and_reported():
    other = SPS_1080P[:-1] + b"\xd0"

    unit = h264.read_access_unit(avcc(other, PPS, IDR), config(), claimed_key=True)

    assert unit.sps == (other,)
    assert other in h264.split_avcc(unit.data, 4)
    assert h264.with_parameter_sets(config(), unit.sps, unit.pps).sps == (other,)


def test_a_transport_stream_unit_has_a_delimiter_and_parameters_before_the_key_frame():
    parameters = h264.parameter_sets_annex_b(config())

    assert parameters == annex_b(SPS_1080P, PPS)
    assert h264.to_annex_b(avcc(IDR), parameters) == annex_b(SPS_1080P, PPS, IDR)


RECOVERY_POINTS = [
    ("exact",       RECOVERY,                         True),
    ("second SEI",  b"\x06\x05\x01\x00\x06\x01\xc4",  True),
    ("later",       b"\x06\x06\x01\x44\x80",          False),
    ("other SEI",   SEI,                              False),
    ("big size",    b"\x06\x05\xff\xff\x00",          False),
    ("no SEI",      SLICE,                            False),
    ("cut",         b"\x06\x06\xff",                  False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("nal", "expected"), [r[1:] for r in RECOVERY_POINTS], ids=[r[0] for r in RECOVERY_POINTS]
)
def test_recovery_points(nal, expected):
    assert h264.is_recovery_point(nal) == expected


CODES = [("1", 0, 0), ("010", 1, 1), ("011", 2, -1), ("00100", 3, 2), ("00101", 4, -2)]


@pytest.mark.parametrize(("code", "unsigned", "signed"), CODES, ids=[row[0] for row in CODES])
def test_exp_golomb_codes(code, unsigned, signed):
    data = int(code.ljust(8, "0"), 2).to_bytes(1, "big")

    assert BitReader(data).ue() == unsigned
    assert BitReader(data).se() == signed


def value_or_peer_error(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except PeerError:
        return None


@settings(max_examples=200)
@given(st.binary(max_size=120))
def test_any_bytes_give_a_value_or_a_peer_error(data):
    value_or_peer_error(h264.parse_config, data)
    value_or_peer_error(h264.parse_config, b"\x01" + data)
    value_or_peer_error(parse_sps, b"\x67" + data)
    value_or_peer_error(parse_sps, b"\x67\x64\x00\x1f" + data)
    value_or_peer_error(parse_sps, SPS_1080P[: len(data) % 28 + 1] + data)
    for size in (1, 2, 3, 4):
        value_or_peer_error(h264.read_access_unit, data, config(size), claimed_key=True)
    if data:
        h264.is_recovery_point(b"\x06" + data)


@given(st.lists(st.binary(min_size=1, max_size=20).map(lambda tail: b"\x41" + tail), min_size=1))
def test_what_is_joined_is_split_again(nals):
    assert h264.split_nals(h264.join_avcc(nals), 4) == nals
