import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.errors import LimitError, PeerError
from headwater.ingest.rtmp.chunk import (
    MAX_CHUNK_STREAMS,
    ChunkReader,
    write_message,
)
from headwater.ingest.rtmp.message import Message
from ingest.rtmp.wire import header, message

BODY = bytes(range(256)) * 2
STEPS = [1, 7, 128, 129, 1_000_000]
MAX = 100_000


def new(chunk_size=128, max_message_bytes=MAX):
    reader = ChunkReader(max_message_bytes=max_message_bytes)
    reader.set_chunk_size(chunk_size)
    return reader


def read(data, step=1_000_000, reader=None):
    reader = reader or new()
    messages = []
    for start in range(0, len(data), step):
        reader.receive_data(data[start : start + step])
        while (found := reader.next_message()) is not None:
            messages.append(found)
    return messages


def times(data):
    return [each.timestamp_ms for each in read(data)]


def expected(type_id, body, time_ms, stream_id=1):
    return Message(type_id=type_id, stream_id=stream_id, timestamp_ms=time_ms, body=body)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("csid", [2, 63, 64, 319, 320, 65_599])
def test_every_chunk_stream_id_reads_the_same_however_the_bytes_arrive(csid, step):
    data = message(9, BODY, csid=csid, stream_id=1, time_field=40)

    assert read(data, step) == [expected(9, BODY, 40)]


@pytest.mark.parametrize("step", STEPS)
def test_messages_interleave_on_several_chunk_streams(step):
    data = (
        header(0, 6, time_field=10, length=300, type_id=9, stream_id=1)
        + BODY[:128]
        + message(8, b"sound", csid=4, stream_id=1, time_field=12)
        + header(3, 6)
        + BODY[128:256]
        + message(8, b"again", csid=4, time_field=21, header_format=1)
        + header(3, 6)
        + BODY[256:300]
    )

    assert read(data, step) == [
        expected(8, b"sound", 12),
        expected(8, b"again", 33),
        expected(9, BODY[:300], 10),
    ]


def test_formats_one_to_three_inherit_what_they_leave_out():
    data = (
        message(8, b"abcd", csid=4, stream_id=1, time_field=1000)
        + message(9, b"efghi", csid=4, time_field=20, header_format=1)
        + header(2, 4, time_field=23)
        + b"jklmn"
        + header(3, 4)
        + b"opqrs"
    )

    assert read(data) == [
        expected(8, b"abcd", 1000),
        expected(9, b"efghi", 1020),
        expected(9, b"jklmn", 1043),
        expected(9, b"opqrs", 1066),
    ]


FORMAT_3_STARTS = [
    # id,                             first header (format, time field), times
    ("after format 0: time as delta", (0, 23),                           [23, 46]),
    ("after format 1: delta again",   (1, 40),                           [40, 80]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "expect"),
    [row[1:] for row in FORMAT_3_STARTS],
    ids=[row[0] for row in FORMAT_3_STARTS],
)
def test_format_three_that_starts_a_message_adds_the_delta_again(first, expect):
    data = message(9, b"a", header_format=first[0], time_field=first[1]) + header(3, 3) + b"b"

    assert times(data) == expect


@pytest.mark.parametrize("repeat_time", [True, False], ids=["repeated", "left out"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("time_ms", [0xFFFFFE, 0xFFFFFF, 0x1000000, 100_800_000, 2**31, 2**32 - 1])
def test_extended_times_are_read_whether_format_three_repeats_them(time_ms, step, repeat_time):
    data = message(9, BODY, stream_id=1, time_field=time_ms, repeat_time=repeat_time)

    assert read(data * 2, step) == [expected(9, BODY, time_ms)] * 2


def test_a_repeated_time_may_have_its_top_bit_set():
    plain = message(9, BODY[:200], stream_id=1, time_field=0x0100_0000)
    repeated = bytes.fromhex("c3 81000000")

    assert read(plain.replace(bytes.fromhex("c3 01000000"), repeated)) == [
        expected(9, BODY[:200], 0x0100_0000)
    ]


def test_a_payload_that_starts_like_the_time_waits_only_while_it_could_be_the_time():
    body = bytes(128) + bytes.fromhex("01 00 00 07")
    data = message(9, body, stream_id=1, time_field=0x0100_0000, repeat_time=False)

    assert read(data, 1) == [expected(9, body, 0x0100_0000)]


def test_an_extended_delta_adds_up_and_wraps():
    first = message(9, b"a", stream_id=1, time_field=1000)

    assert times(first + message(9, b"b", time_field=0x0100_0000, header_format=1)) == [
        1000,
        1000 + 0x0100_0000,
    ]
    assert times(first + message(9, b"b", time_field=2**32 - 30, header_format=1)) == [1000, 970]


def test_time_passes_the_32_bit_edge():
    data = message(9, b"a", time_field=2**32 - 10) + header(1, 3, time_field=40, length=1) + b"b"

    assert times(data) == [2**32 - 10, 30]


@pytest.mark.parametrize("header_format", [0, 1, 2])
def test_a_repeated_full_header_continues_the_open_message(header_format):
    start = header(0, 6, time_field=40, length=200, type_id=9, stream_id=1)
    again = header(header_format, 6, time_field=40, length=200, type_id=9, stream_id=1)

    assert read(start + BODY[:128] + again + BODY[128:200]) == [expected(9, BODY[:200], 40)]


@pytest.mark.parametrize("header_format", [0, 1])
def test_another_header_gives_the_open_message_up(header_format):
    start = header(0, 6, time_field=40, length=200, type_id=9, stream_id=1)
    other = header(header_format, 6, time_field=5, length=3, type_id=9, stream_id=1)

    messages = read(start + BODY[:128] + other + b"new")

    assert [each.body for each in messages] == [b"new"]


def test_an_aborted_message_is_forgotten():
    reader = new()
    open_message = header(0, 6, length=200, type_id=9) + BODY[:128]
    assert read(open_message, reader=reader) == []

    reader.abort(6)
    reader.abort(99)

    assert read(message(9, b"next", csid=6), reader=reader) == [expected(9, b"next", 0, 0)]


def test_a_message_may_be_empty():
    assert read(message(9, b"") + header(3, 3)) == [expected(9, b"", 0, 0)] * 2


@pytest.mark.parametrize("size", [128, 4096, 65_536, 0x7FFF_FFFF])
def test_chunk_sizes_up_to_31_bits_hold(size):
    body = BODY * 150
    data = message(9, body, chunk_size=size)

    assert [each.body for each in read(data, 1000, new(size))] == [body]


def test_the_chunk_size_changes_between_the_chunks_of_a_message():
    reader = new()
    read(header(0, 6, length=500, type_id=9) + BODY[:128], reader=reader)
    reader.set_chunk_size(4096)

    assert [each.body for each in read(header(3, 6) + BODY[128:500], reader=reader)] == [BODY[:500]]


CHUNK_SIZES = [
    # id,       size,         error,      says
    ("zero",    0,            LimitError, "chunk size 0, at least 128"),
    ("one",     1,            LimitError, "chunk size 1, at least 128"),
    ("top bit", 0x8000_0000,  PeerError,  "top bit"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "error", "says"), [row[1:] for row in CHUNK_SIZES], ids=[row[0] for row in CHUNK_SIZES]
)
def test_chunk_sizes_that_make_no_sense_are_refused(size, error, says):
    with pytest.raises(error, match=says):
        new().set_chunk_size(size)


@pytest.mark.parametrize("header_format", [2, 3])
def test_a_chunk_stream_cannot_start_without_type_and_length(header_format):
    with pytest.raises(PeerError, match=f"starts with a header of format {header_format}"):
        read(header(header_format, 9))


def test_format_one_may_start_a_chunk_stream():
    assert read(message(4, b"ping", csid=2, header_format=1, time_field=7)) == [
        expected(4, b"ping", 7, 0)
    ]


def test_a_large_message_is_refused_at_its_header():
    with pytest.raises(LimitError, match="message of 16777215 bytes, at most 100000"):
        read(header(0, 6, length=0xFFFFFF, type_id=9))


def test_too_many_chunk_streams_are_refused():
    data = b"".join(message(9, b"x", csid=csid) for csid in range(64, 64 + MAX_CHUNK_STREAMS))
    reader = new()
    assert len(read(data, reader=reader)) == MAX_CHUNK_STREAMS

    with pytest.raises(LimitError, match="chunk streams"):
        read(message(9, b"x", csid=5), reader=reader)


def test_unfinished_messages_have_one_bound_together():
    reader = new(chunk_size=900, max_message_bytes=1000)
    part = bytes(900)
    for csid in (10, 11):
        read(header(0, csid, length=1000, type_id=9) + part, reader=reader)

    with pytest.raises(LimitError, match="unfinished"):
        read(header(0, 12, length=1000, type_id=9) + part, reader=reader)


def test_given_up_and_finished_messages_count_no_more():
    reader = new(chunk_size=900, max_message_bytes=1000)
    restart = header(0, 10, length=1000, type_id=9) + bytes(900)
    other = header(0, 10, length=999, type_id=9) + bytes(900)

    assert read((restart + other) * 10, reader=reader) == []
    assert len(read(message(9, bytes(1000), chunk_size=900) * 10, reader=reader)) == 10


def test_the_reader_tells_how_far_it_read():
    reader = new()
    reader.receive_data(message(9, b"one") + message(9, b"two"))

    reader.next_message()

    assert (reader.received_bytes, reader.consumed_bytes) == (30, 15)


@pytest.mark.parametrize("time_ms", [0, 0xFFFFFE, 0xFFFFFF, 2**32 - 1])
@pytest.mark.parametrize("size", [0, 1, 128, 129, 512])
def test_a_message_is_written_as_format_zero_and_then_three(size, time_ms):
    data = write_message(
        expected(20, BODY[:size], time_ms), chunk_stream_id=5, chunk_size_bytes=128
    )

    assert data == message(20, BODY[:size], csid=5, stream_id=1, time_field=time_ms)


written = st.builds(
    Message,
    type_id=st.integers(0, 255),
    stream_id=st.integers(0, 2**32 - 1),
    timestamp_ms=st.sampled_from([0, 0xFFFFFE, 0xFFFFFF, 0x1000000, 2**32 - 1])
    | st.integers(0, 2**32 - 1),
    body=st.binary(max_size=100) | st.binary(min_size=129, max_size=600),
)


@settings(max_examples=60)
@given(st.lists(written, max_size=5), st.sampled_from([128, 200, 4096]), st.integers(1, 700))
def test_what_is_written_reads_back(messages, chunk_size, step):
    data = b"".join(
        write_message(each, chunk_stream_id=2 + index, chunk_size_bytes=chunk_size)
        for index, each in enumerate(messages)
    )

    assert read(data, step, new(chunk_size)) == messages


@settings(max_examples=150)
@given(st.binary(max_size=600), st.integers(1, 100))
def test_any_bytes_give_messages_or_a_peer_error_in_any_step(data, step):
    def outcome(size):
        reader, found = new(max_message_bytes=300), []
        try:
            for start in range(0, len(data), size):
                reader.receive_data(data[start : start + size])
                while (each := reader.next_message()) is not None:
                    found.append(each)
        except PeerError as error:
            return found, str(error)
        return found, None

    assert outcome(step) == outcome(1000)
