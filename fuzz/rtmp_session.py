"""Any bytes after the handshake give events or a PeerError, the same in every step size.

Input: one byte for the step size, one for where the session stands (0: at its start, odd:
connected, even: live with both codecs), then what the encoder sends.
"""

from headwater.core.errors import PeerError
from headwater.ingest.rtmp.amf0 import encode
from headwater.ingest.rtmp.chunk import MAX_CHUNK_STREAMS, OPEN_MESSAGES_FACTOR, write_message
from headwater.ingest.rtmp.message import Message
from headwater.ingest.rtmp.session import (
    MAX_HELD_BYTES,
    PublishRequested,
    RtmpSession,
)

NONCE = bytes(1528)
HANDSHAKE = b"\x03" + bytes(2 * 1536)
MAX_OUT_PER_BYTE = 16
"""Bytes answered for each byte read: a ping of 16 is answered with 18, a call with more."""
SPARE_OUT = 8192


def _message(type_id: int, body: bytes) -> bytes:
    message = Message(type_id=type_id, stream_id=1, timestamp_ms=0, body=body)
    return write_message(message, chunk_stream_id=3, chunk_size_bytes=128)


CONNECT = _message(20, encode("connect", 1.0, {"app": "app"}))
PUBLISH = _message(20, encode("publish", 2.0, None, "key", "live"))
CONFIGS = _message(9, bytes.fromhex("1700000000 0164001f ffe1 0004 6764001f 01 0004 68ee3cb0"))
CONFIGS += _message(8, bytes.fromhex("af001190"))


def run(data: bytes) -> None:
    """One input."""
    step, state, sent = data[:1], data[1:2], data[2:]
    start = b""
    if state and state[0]:
        start = CONNECT if state[0] % 2 else CONNECT + PUBLISH + CONFIGS
    whole = _outcome(start + sent, len(start + sent))
    if step:
        steps = _outcome(start + sent, 1 + step[0])
        if whole != steps:
            raise AssertionError(f"in one piece {whole}, in steps {steps}")


def _outcome(data: bytes, step: int) -> tuple[list[object], str | None]:
    session = RtmpSession(nonce=NONCE, now_s=0.0)
    session.receive_data(HANDSHAKE, 0.0)
    session.data_to_send()
    events: list[object] = []
    said = 0
    for at in range(0, len(data), max(step, 1)):
        try:
            found = session.receive_data(data[at : at + step], 0.0)
            while found:
                events += found
                if not isinstance(found[-1], PublishRequested):
                    break
                session.accept_publish()
                found = session.receive_data(b"", 0.0)
        except PeerError as error:
            return _without_lost(events), str(error)
        said += len(session.data_to_send())
        _check_bounds(session)
    if said > MAX_OUT_PER_BYTE * len(data) + SPARE_OUT:
        raise AssertionError(f"{said} bytes said for {len(data)} read")
    return events, None


def _without_lost(_: list[object]) -> list[object]:
    """Events of the call that failed are lost, so how many came before depends on the step."""
    return []


def _check_bounds(session: RtmpSession) -> None:
    reader = session._reader  # noqa: SLF001 - what is kept is looked at
    if len(session._held) > MAX_HELD_BYTES:  # noqa: SLF001
        raise AssertionError("too much held")
    if len(reader._streams) > MAX_CHUNK_STREAMS:  # noqa: SLF001
        raise AssertionError("too many chunk streams")
    kept = sum(len(stream.body) for stream in reader._streams.values())  # noqa: SLF001
    if kept != reader._open_bytes or kept > OPEN_MESSAGES_FACTOR * reader.max_message_bytes:  # noqa: SLF001
        raise AssertionError(f"{kept} bytes in open messages")
