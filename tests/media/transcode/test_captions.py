import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.media.codec import h264
from headwater.media.transcode.captions import (
    MAX_CONSTRUCTS,
    MAX_WAITING_CONSTRUCTS,
    Captions,
    captions_of,
    with_captions,
)

SLICE, SEI, SPS = b"\x41\x9a", b"\x06\x05\x01\x00\x80", b"\x67\x42"
ONE = bytes.fromhex("fc 9420")  # CEA-608, field 1, valid
OTHER = bytes.fromhex("fd 8080")
FILLING = bytes.fromhex("fa 0000")
USER_DATA = bytes.fromhex("b5 0031 47413934 03")


def sei(payload, kind=4):
    return bytes([6, kind, len(payload)]) + payload + b"\x80"


def user_data(constructs, flags=0x40, count=None):
    number = len(constructs) // 3 if count is None else count
    return USER_DATA + bytes([flags | number, 0xFF]) + constructs + b"\xff"


def numbered(first, count, kind=0xFC):
    return b"".join(bytes([kind, 0x20, number % 256]) for number in range(first, first + count))


def test_constructs_are_written_before_the_first_slice_and_after_the_encoders_sei():
    nals = with_captions([SEI, SLICE, SLICE], ONE + OTHER)

    assert nals == [SEI, sei(user_data(ONE + OTHER)), SLICE, SLICE]
    assert nals[1].hex() == "060411b50031474139340342fffc9420fd8080ff80"


def test_zero_bytes_do_not_look_like_a_start_code():
    [unit, _] = with_captions([SLICE], b"\xfc\x00\x00" + b"\x01\x02\x03")

    assert b"\xfc\x00\x00\x03\x01\x02\x03" in unit
    assert captions_of(h264.join_avcc([unit])) == b"\xfc\x00\x00\x01\x02\x03"


READ = [
    # id,                    units,                                                    constructs
    ("none",                 [SPS, SEI, SLICE],                                        b""),
    ("some",                 [SEI, sei(user_data(ONE)), SLICE],                        ONE),
    ("twice",                [sei(user_data(ONE)), sei(user_data(OTHER)), SLICE],      ONE + OTHER),
    ("behind another message", [b"\x06\x05\x01\x00" + sei(user_data(ONE))[1:]],        ONE),
    ("no SEI",               [b"\x0c" + sei(user_data(ONE))[1:]],                      b""),
    ("another kind",         [sei(user_data(ONE), kind=5)],                            b""),
    ("not ATSC's",           [sei(b"\xb5\x00\x3cGA94" + user_data(ONE)[7:])],          b""),
    ("bar data",             [sei(USER_DATA[:7] + b"\x06" + user_data(ONE)[8:])],      b""),
    ("not to be processed",  [sei(user_data(ONE, flags=0))],                           b""),
    ("fewer than it says",   [sei(user_data(ONE, count=9))],                           b""),
    ("cut off",              [sei(USER_DATA)],                                         b""),
    ("no message",           [b"\x06\x80"],                                            b""),
    ("no payload",           [b"\x06\x04\xff\xff"],                                    b""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("units", "constructs"), [row[1:] for row in READ], ids=[row[0] for row in READ]
)
def test_constructs_are_found_in_an_access_unit(units, constructs):
    assert captions_of(h264.join_avcc(units)) == constructs


def test_a_broken_access_unit_has_none():
    assert captions_of(b"\x00\x00\x01\x00\x06") == b""


@settings(max_examples=200, deadline=None)
@given(constructs=st.binary(min_size=3, max_size=93).filter(lambda data: len(data) % 3 == 0))
def test_what_is_written_can_be_read(constructs):
    assert captions_of(h264.join_avcc(with_captions([SLICE], constructs))) == constructs


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=60), payload=st.binary(max_size=40))
def test_any_bytes_can_be_looked_at(data, payload):
    for unit in (b"\x06" + data, sei(USER_DATA + payload)):
        assert len(captions_of(h264.join_avcc([unit]))) % 3 == 0
    captions_of(data)


def test_what_was_left_out_comes_before_what_follows():
    captions = Captions()
    captions.add(ONE)
    captions.add(b"")
    captions.add(OTHER)

    assert captions.take() == ONE + OTHER
    assert captions.take() == b""


def test_places_that_were_only_filled_give_way_when_a_frame_is_full():
    captions = Captions()
    captions.add(numbered(0, 20) + 5 * FILLING)
    captions.add(numbered(20, 5) + 15 * FILLING)

    assert captions.take() == numbered(0, 25)


def test_places_that_were_only_filled_stay_while_there_is_room():
    captions = Captions()
    captions.add(ONE + 19 * FILLING)

    assert captions.take() == ONE + 19 * FILLING


def test_what_is_too_much_for_a_frame_waits_for_the_next():
    captions = Captions()
    captions.add(numbered(0, 20))
    captions.add(numbered(20, 20))

    assert captions.take() == numbered(0, MAX_CONSTRUCTS)
    captions.add(numbered(40, 2))
    assert captions.take() == numbered(MAX_CONSTRUCTS, 42 - MAX_CONSTRUCTS)


def test_the_oldest_are_lost_when_nothing_is_kept_for_long():
    captions = Captions()
    for number in range(100):
        captions.add(numbered(10 * number, 10))

    waiting = captions.take_all()
    assert waiting == numbered(1000 - MAX_WAITING_CONSTRUCTS, MAX_WAITING_CONSTRUCTS)
    assert captions.take_all() == b""


def test_half_a_construct_is_none():
    captions = Captions()
    captions.add(ONE + b"\xfc\x20")

    assert captions.take() == ONE
