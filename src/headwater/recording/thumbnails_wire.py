"""What the node and the process that makes thumbnails say to each other over two pipes. Sans-IO.

    node -> process    Wanted*
    process -> node    (Made | NotMade)*     one for each Wanted, in their order

A message is framed as the transcoder's are (`media.transcode.wire`).
"""

import msgspec
from msgspec import Struct

from headwater.media.transcode.wire import MessageReader, write_message

MAX_MEDIA_BYTES = 12 << 20
"""From a key frame on. A key frame of 8.5 Mb/s has less than 2 MB."""


class Wanted(Struct, frozen=True, kw_only=True, tag=True):
    """A picture is wanted."""

    number: int  # repeated in the answer
    media: bytes  # MPEG-TS, or MP4 with its init segment, whose first picture is a key frame
    width: int  # pixels of the thumbnail
    height: int


class Made(Struct, frozen=True, kw_only=True, tag=True):
    """It was made."""

    number: int
    jpeg: bytes


class NotMade(Struct, frozen=True, kw_only=True, tag=True):
    """It cannot be made of this media."""

    number: int
    reason: str


Answer = Made | NotMade


def write(message: Wanted | Answer) -> bytes:
    """The message as it goes into the pipe."""
    return write_message(message)


def wanted_reader() -> MessageReader[Wanted]:
    """The process's end."""
    return MessageReader(msgspec.msgpack.Decoder(Wanted))


def answer_reader() -> MessageReader[Answer]:
    """The node's end."""
    return MessageReader(msgspec.msgpack.Decoder(Answer))
