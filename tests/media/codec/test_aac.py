import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import PeerError
from headwater.media.codec import aac

LC_48_STEREO = bytes.fromhex("1190")

ACCEPTED = [
    # id,                       config,        Hz,     channels
    ("2 bytes",                 "1190",        48_000, 2),
    ("44.1 kHz",                "1210",        44_100, 2),
    ("mono",                    "1188",        48_000, 1),
    ("7.1",                     "11b8",        48_000, 8),
    ("5 bytes, no SBR (R-56)",  "119056e500",  48_000, 2),
    ("explicit 48 kHz",         "17805dc010",  48_000, 2),
    ("odd tail",                "1190ff",      48_000, 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "rate", "channels"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED]
)
def test_accepts(data, rate, channels):
    config = aac.parse_config(bytes.fromhex(data))

    assert (config.sample_rate_hz, config.channels) == (rate, channels)
    assert config.codec_string == "mp4a.40.2"


REJECTED = [
    ("empty",             "",            "empty"),
    ("1 byte",            "11",          "ends in the middle"),
    ("too long",          "1190" * 40,   "at most"),
    ("HE-AAC",            "2b118800",    "HE-AAC is not supported"),
    ("HE-AAC v2",         "eb098800",    "HE-AAC v2 is not supported"),
    ("HE-AAC hidden",     "131056e598",  "HE-AAC is not supported"),
    ("Main",              "0990",        "AAC Main is not supported"),
    ("escape type",       "f9419000",    "xHE-AAC is not supported"),
    ("channels 0",        "1180",        "channel configuration 0"),
    ("channels 8",        "11c0",        "channel configuration 8"),
    ("960 samples",       "1194",        "960 samples"),
    ("rate index 13",     "1690",        "index 13 is reserved"),
    ("rate 12345",        "17801818c8",  "sample rate of 12"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "says"), [row[1:] for row in REJECTED], ids=[row[0] for row in REJECTED]
)
def test_rejects(data, says):
    with pytest.raises(PeerError, match=says):
        aac.parse_config(bytes.fromhex(data))


def test_an_adts_header_says_rate_channels_and_size():
    header = aac.adts_writer(aac.parse_config(LC_48_STEREO))(100)

    assert header.hex() == "fff14c800d7ffc"


def test_an_adts_header_left_on_is_taken_off():
    frame = b"\x21\x10\x05" * 30
    header = aac.adts_writer(aac.parse_config(LC_48_STEREO))

    assert aac.raw_frame(header(len(frame)) + frame) == frame
    assert aac.raw_frame(frame) is frame


@pytest.mark.parametrize("data", [b"", bytes(9000)], ids=["empty", "beyond 13 bits"])
def test_an_unusable_frame_is_none(data):
    assert aac.raw_frame(data) is None


@given(st.binary(max_size=20))
def test_any_bytes_give_a_value_or_a_peer_error(data):
    aac.raw_frame(data)
    try:
        config = aac.parse_config(data)
    except PeerError:
        return
    assert len(aac.adts_writer(config)(aac.MAX_FRAME_BYTES)) == aac.ADTS_BYTES
