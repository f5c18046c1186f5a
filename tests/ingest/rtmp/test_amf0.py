import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import LimitError, PeerError
from headwater.ingest.rtmp.amf0 import MAX_DEPTH, MAX_VALUES, Decoder, decode_all, encode

ONE = b"\0" + struct.pack(">d", 1.0)

READ = [
    # id,                  bytes,                                                    value
    ("number",             b"\0" + struct.pack(">d", 2.5),                           2.5),
    ("true",               b"\x01\x01",                                              True),
    ("false",              b"\x01\x00",                                              False),
    ("string",             b"\x02\x00\x03abc",                                       "abc"),
    ("string, not utf-8",  b"\x02\x00\x02\xff\xfe",                                  "��"),
    ("object",             b"\x03\x00\x01a" + ONE + b"\0\0\x09",                     {"a": 1.0}),
    ("object, empty name", b"\x03\x00\x00" + ONE + b"\0\0\x09",                      {"": 1.0}),
    ("object, no end",     b"\x03\x00\x01a" + ONE,                                   {"a": 1.0}),
    ("null",               b"\x05",                                                  None),
    ("undefined",          b"\x06",                                                  None),
    ("reference",          b"\x07\x00\x00",                                          None),
    ("ecma array",         b"\x08\0\0\0\x63\x00\x01a" + ONE + b"\0\0\x09",           {"a": 1.0}),
    ("strict array",       b"\x0a\0\0\0\x02" + ONE + b"\x05",                        [1.0, None]),
    ("date",               b"\x0b" + struct.pack(">d", 7.0) + b"\0\0",               7.0),
    ("long string",        b"\x0c\0\0\0\x03abc",                                     "abc"),
    ("unsupported",        b"\x0d",                                                  None),
    ("xml",                b"\x0f\0\0\0\x04<a/>",                                    "<a/>"),
    ("typed object",       b"\x10\x00\x01T\x00\x01a" + ONE + b"\0\0\x09",            {"a": 1.0}),
    ("nested",             b"\x03\x00\x01a\x0a\0\0\0\x01\x05\0\0\x09",               {"a": [None]}),
]  # fmt: skip


@pytest.mark.parametrize(("data", "value"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_every_type_of_value_reads(data, value):
    decoder = Decoder(data)

    assert decoder.read() == value
    assert decoder.at_end


DEEP = b"\x0a\0\0\0\x01" * 10_000
REJECTED = [
    # id,                     bytes,                      error,      says
    ("only a marker",         b"\x02",                    PeerError,  "cut off"),
    ("number cut off",        b"\0\0",                    PeerError,  "cut off"),
    ("string cut off",        b"\x02\x00\x09abc",         PeerError,  "cut off"),
    ("key without end",       b"\x03\xff\xffab",          PeerError,  "cut off"),
    ("key without value",     b"\x03\x00\x01a",           PeerError,  "cut off"),
    ("long string of 4 GB",   b"\x0c\xff\xff\xff\xffab",  PeerError,  "cut off"),
    ("movie clip",            b"\x04",                    PeerError,  "type 4 is not known"),
    ("AMF3",                  b"\x11\x04\x01",            PeerError,  "AMF3 values are not"),
    ("stray end marker",      b"\x09",                    PeerError,  "type 9 is not known"),
    ("depth bomb",            DEEP,                       LimitError, "deeper than 16"),
    ("object bomb",           b"\x03\0\x01a" * 10_000,    LimitError, "deeper than 16"),
    ("array of 2**31",        b"\x0a\x80\0\0\0",          LimitError, "array of 2147483648"),
    ("count bomb",            b"\x05" * 10_000,           LimitError, "more than 2000 AMF0"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "error", "says"), [row[1:] for row in REJECTED], ids=[row[0] for row in REJECTED]
)
def test_bytes_that_are_no_values_are_rejected(data, error, says):
    with pytest.raises(error, match=says):
        decode_all(data)


def test_values_up_to_the_bounds_read():
    deep = b"\x0a\0\0\0\x01" * MAX_DEPTH + b"\x05"

    assert decode_all(deep)
    assert len(decode_all(b"\x05" * MAX_VALUES)) == MAX_VALUES


def test_a_text_beyond_64_kb_becomes_a_long_string():
    data = encode("é" * 40_000)

    assert data[:5] == b"\x0c" + (80_000).to_bytes(4, "big")
    assert decode_all(data) == ["é" * 40_000]


def test_whole_numbers_are_written_as_numbers():
    assert encode(1) == ONE


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=15,
)


@given(st.lists(values, max_size=3))
def test_what_is_written_reads_back(written):
    assert decode_all(encode(*written)) == written


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from(list(READ)), max_size=9).map(
        lambda rows: b"".join(row[1] for row in rows)[:-1]
    )
)
def test_any_bytes_give_values_or_a_peer_error(data):
    with contextlib.suppress(PeerError):
        decode_all(data)
