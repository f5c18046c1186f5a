"""CBOR against the examples of its RFC, and against itself."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.api.cbor import MAX_DEPTH, decode, encode
from headwater.core.errors import LimitError, PeerError

READ = [
    # hex (RFC 8949, appendix A),      item
    ("00",                             0),
    ("17",                             23),
    ("1818",                           24),
    ("1903e8",                         1000),
    ("1a000f4240",                     1_000_000),
    ("1bffffffffffffffff",             2**64 - 1),
    ("20",                             -1),
    ("3903e7",                         -1000),
    ("f93c00",                         1.0),
    ("fa47c35000",                     100_000.0),
    ("fb3ff199999999999a",             1.1),
    ("f4",                             False),
    ("f5",                             True),
    ("f6",                             None),
    ("f7",                             None),
    ("c11a514b67b0",                   1_363_896_240),
    ("c1fb41d452d9ec200000",           1_363_896_240.5),
    ("60",                             ""),
    ("6449455446",                     "IETF"),
    ("62c3bc",                         "ü"),
    ("80",                             []),
    ("8301820203820405",               [1, [2, 3], [4, 5]]),
    ("a0",                             {}),
    ("a26161016162820203",             {"a": 1, "b": [2, 3]}),
    ("7f657374726561646d696e67ff",     "streaming"),
    ("9fff",                           []),
    ("9f018202039f0405ffff",           [1, [2, 3], [4, 5]]),
    ("bf61610161629f0203ffff",         {"a": 1, "b": [2, 3]}),
]  # fmt: skip


@pytest.mark.parametrize(("data", "item"), READ, ids=[row[0] for row in READ])
def test_reads(data, item):
    found = decode(bytes.fromhex(data))

    assert found == item
    assert type(found) is type(item)


REFUSED = [
    # id,                      hex,        says
    ("nothing",                "",         "ends early"),
    ("half a number",          "19ff",     "ends early"),
    ("half a text",            "64494554", "ends early"),
    ("more than its data",     "9a00ffffff00", "ends early"),
    ("no break",               "9f00",     "ends early"),
    ("two items",              "0000",     "bytes follow"),
    ("bytes",                  "4100",     "not used"),
    ("a break",                "ff",       "not used"),
    ("a simple value",         "f8ff",     "not used"),
    ("a number for ever",      "1f",       "no length"),
    ("a reserved length",      "1c",       "no length"),
    ("a key that is no text",  "a10000",   "key"),
    ("a bignum",               "c240",     "tags"),
    ("a time that is a text",  "c160",     "a number"),
    ("a time that is true",    "c1f5",     "a number"),
    ("a text of bytes",        "7f4100ff", "pieces of text"),
    ("no UTF-8",               "61ff",     "UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "says"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refuses(data, says):
    with pytest.raises(PeerError, match=says):
        decode(bytes.fromhex(data))


def test_levels_have_a_bound():
    assert decode(b"\x81" * MAX_DEPTH + b"\x00")
    with pytest.raises(LimitError):
        decode(b"\x81" * (MAX_DEPTH + 1) + b"\x00")


items = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(items)
def test_what_is_written_is_read(item):
    assert decode(encode(item)) == item


@given(st.binary(max_size=60))
def test_any_bytes_are_an_item_or_an_error(data):
    try:
        decode(data)
    except PeerError:
        return


def test_times_and_other_types():
    assert decode(encode(datetime(2026, 1, 2, tzinfo=UTC))) == 1_767_312_000
    assert math.isnan(decode(encode(math.nan)))
    with pytest.raises(TypeError):
        encode(b"bytes")
