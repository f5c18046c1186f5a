"""Command messages: what encoders call, and what the server answers.

Source: Adobe RTMP 1.0 §7.2; FCPublish, FCUnpublish and releaseStream as Flash Media
Live Encoder and all encoders since send them.
"""

from msgspec import Struct

from headwater.core.errors import PeerError
from headwater.ingest.rtmp.amf0 import Value, decode_all, encode
from headwater.ingest.rtmp.message import Message, MessageType

MEDIA_STREAM_ID = 1
"""The one message stream that createStream gives out: a connection publishes one at a time."""


class Command(Struct, frozen=True, kw_only=True):
    """One call: its name, and what came with it. Transaction id 0 wants no answer."""

    name: str
    transaction_id: float
    properties: dict[str, Value]  # the command object; empty when it was null or missing
    arguments: list[Value]


def parse_command(message: Message) -> Command:
    """Read a command message (types 17 and 20).

    Tolerates calls without transaction id or command object, as some hardware sends.

    Raises:
        PeerError: no AMF0, or no name.
    """
    body = message.body
    if message.type_id == MessageType.COMMAND_AMF3 and body[:1] == b"\0":
        body = body[1:]  # AMF0 follows, as long as objectEncoding 0 was agreed on
    values = decode_all(body)
    name = values[0] if values else None
    if not isinstance(name, str):
        raise PeerError("command without a name")
    position = 1
    transaction_id = 0.0
    if isinstance(second := _at(values, position), float):
        transaction_id = second
        position += 1
    properties: dict[str, Value] = {}
    third = _at(values, position)
    if isinstance(third, dict):
        properties = third
    if third is None or isinstance(third, dict):
        position += 1
    return Command(
        name=name,
        transaction_id=transaction_id,
        properties=properties,
        arguments=values[position:],
    )


def text_argument(command: Command, index: int) -> str:
    """The text argument at `index`; empty when it is missing or no text."""
    argument = _at(command.arguments, index)
    return argument if isinstance(argument, str) else ""


def _at(values: list[Value], index: int) -> Value:
    return values[index] if index < len(values) else None


def command_message(*values: Value, stream_id: int = 0) -> Message:
    """A command message of these values."""
    return Message(
        type_id=MessageType.COMMAND, stream_id=stream_id, timestamp_ms=0, body=encode(*values)
    )


def connect_result(transaction_id: float) -> Message:
    """The answer to connect, with the properties that Flash Media Server 3 gives."""
    return command_message(
        "_result",
        transaction_id,
        {"fmsVer": "FMS/3,5,7,7009", "capabilities": 31.0, "mode": 1.0},
        {
            "level": "status",
            "code": "NetConnection.Connect.Success",
            "description": "Connection succeeded.",
            "objectEncoding": 0.0,
        },
    )


def status(code: str, description: str) -> Message:
    """An onStatus call. Its level is "status" for *.Start and *.Success, else "error"."""
    level = "status" if code.endswith((".Start", ".Success")) else "error"
    return command_message(
        "onStatus",
        0.0,
        None,
        {"level": level, "code": code, "description": description},
        stream_id=MEDIA_STREAM_ID,
    )
