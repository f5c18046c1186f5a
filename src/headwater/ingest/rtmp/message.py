"""RTMP messages, their type ids, and the protocol control messages.

Source: Adobe RTMP 1.0 §5.4 (control messages), §6.1 (types), §7.1.7 (user control).
"""

from enum import IntEnum

from msgspec import Struct

from headwater.core.errors import PeerError

CONTROL_CHUNK_STREAM = 2
COMMAND_CHUNK_STREAM = 3
STATUS_CHUNK_STREAM = 5

_UINT32_BYTES = 4


class MessageType(IntEnum):
    """Message type ids that a server of publishers meets or sends."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_ACK_SIZE = 5
    SET_PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_AMF3 = 15
    COMMAND_AMF3 = 17
    DATA = 18
    COMMAND = 20
    AGGREGATE = 22


class UserControl(IntEnum):
    """User control event types in use here."""

    STREAM_BEGIN = 0
    PING_REQUEST = 6
    PING_RESPONSE = 7


class Message(Struct, frozen=True, kw_only=True, gc=False):
    """One complete message. `timestamp_ms` is absolute, 0..2**32-1."""

    type_id: int
    stream_id: int
    timestamp_ms: int
    body: bytes


def control(type_id: MessageType, body: bytes) -> Message:
    """A protocol control message: stream 0, time 0."""
    return Message(type_id=type_id, stream_id=0, timestamp_ms=0, body=body)


def user_control(event: UserControl, body: bytes) -> Message:
    """A user control message of `event`."""
    return control(MessageType.USER_CONTROL, event.to_bytes(2, "big") + body)


def first_uint32(message: Message) -> int:
    """The 32-bit number that a control message starts with.

    Raises:
        PeerError: it has fewer than 4 bytes.
    """
    number = message.body[:_UINT32_BYTES]
    if len(number) < _UINT32_BYTES:
        raise PeerError(f"control message of type {message.type_id} has less than 4 bytes")
    return int.from_bytes(number, "big")
