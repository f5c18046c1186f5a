"""Any bytes give AMF0 values, a command and metadata, or a PeerError; values survive a round trip."""

import contextlib
import math

from headwater.core.errors import PeerError
from headwater.ingest.rtmp.amf0 import MAX_VALUES, Value, decode_all, encode
from headwater.ingest.rtmp.command import parse_command
from headwater.ingest.rtmp.flv import read_metadata
from headwater.ingest.rtmp.message import Message


def run(data: bytes) -> None:
    """One input: a message body."""
    for type_id in (17, 20):
        with contextlib.suppress(PeerError):
            parse_command(Message(type_id=type_id, stream_id=0, timestamp_ms=0, body=data))
    with contextlib.suppress(PeerError):
        read_metadata(Message(type_id=18, stream_id=0, timestamp_ms=0, body=data))
    try:
        values = decode_all(data)
    except PeerError:
        return
    if sum(map(_count, values)) > MAX_VALUES:
        raise AssertionError("more values than allowed")
    again = decode_all(encode(*values))
    if not all(map(_same, values, again)):
        raise AssertionError(f"{values} became {again}")


def _count(value: Value) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_count, inner))


def _same(one: Value, other: Value) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other
