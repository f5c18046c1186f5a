"""What a recording's journal says, one record a line, in the order in which things happened.

    Opened Joined (Pictured | Described | Begin | Piece | Cut | End | Kept | Stored
                   | Announced)* Left
           (Joined ... Left)*

The state of a recording is what its records add up to (see `manifest`): a server that was
killed reads them and goes on. A `Piece` is written after the bytes that it speaks of.
"""

from typing import Any

import msgspec
from msgspec import Struct

from headwater.core.errors import HeadwaterError
from headwater.recording.layout import RecordedRendition, ThumbnailSize


class JournalError(HeadwaterError):
    """A journal cannot be read."""


class Opened(Struct, frozen=True, kw_only=True, tag="opened"):
    """A recording begins: what it is of, and where it goes."""

    session_id: str  # recording_session_id
    prefix: str
    bucket_name: str
    account: str
    region: str
    channel_id: str
    channel_arn: str
    started_at_ms: int  # Unix
    reconnect_window_ms: int
    configuration_id: str
    thumbnail_configuration: dict[str, Any]


class Joined(Struct, frozen=True, kw_only=True, tag="joined"):
    """A stream's media follows."""

    stream_id: str
    at_ms: int  # Unix


class Announced(Struct, frozen=True, kw_only=True, tag="announced"):
    """Recording Start was sent."""

    at_ms: int


class Pictured(Struct, frozen=True, kw_only=True, tag="pictured"):
    """Thumbnails are made."""

    sequential: ThumbnailSize | None
    latest: ThumbnailSize | None


class Described(Struct, frozen=True, kw_only=True, tag="described"):
    """A rendition."""

    rendition: RecordedRendition
    position: int  # from 0, best first
    automatic: bool  # players may pick it by themselves


class Begin(Struct, frozen=True, kw_only=True, tag="begin"):
    """A recorded segment begins."""

    rendition: str
    number: int
    program_date_time_ms: int
    discontinuity: bool
    init_number: int | None


class Piece(Struct, frozen=True, kw_only=True, tag="piece", omit_defaults=True):
    """A live part was added to the open segment of a rendition."""

    rendition: str
    length_bytes: int
    duration_ms: float
    begins_range: bool  # a key frame, or whatever the segment begins with
    is_gap: bool = False  # no media is in it
    lost: str = ""  # why its media could not be kept, which is then not in the segment


class End(Struct, frozen=True, kw_only=True, tag="end"):
    """The open segment of a rendition is complete."""

    rendition: str


class Kept(Struct, frozen=True, kw_only=True, tag="kept"):
    """An object that is no segment (an init segment, a thumbnail) waits in the spool."""

    key: str
    size_bytes: int
    file: str  # its name in the spool


class Cut(Struct, frozen=True, kw_only=True, tag="cut"):
    """Of a rendition's open segment only so many bytes are on the disk: the power was lost."""

    rendition: str
    size_bytes: int
    lost: str


class Stored(Struct, frozen=True, kw_only=True, tag="stored"):
    """An object is where it belongs, and no more in the spool."""

    key: str


class Left(Struct, frozen=True, kw_only=True, tag="left"):
    """The stream is over."""

    at_ms: int  # Unix


Step = Begin | Piece | End
Record = (
    Opened
    | Joined
    | Announced
    | Pictured
    | Described
    | Begin
    | Piece
    | Cut
    | End
    | Kept
    | Stored
    | Left
)

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Record)


def line(record: Record) -> bytes:
    """The record as it is written."""
    return _ENCODER.encode(record) + b"\n"


def parse(journal: bytes) -> tuple[list[Record], int]:
    """The records of a journal, and how many of its bytes they take.

    What follows the last whole record was being written when the server was killed.

    Raises:
        JournalError: it holds something else before its end.
    """
    records: list[Record] = []
    whole = journal.rpartition(b"\n")[0]
    lines = whole.split(b"\n") if whole else []
    used = 0
    for position, each in enumerate(lines):
        try:
            records.append(_DECODER.decode(each))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            if position + 1 == len(lines):
                break  # blocks of a file may reach the disk in any order
            raise JournalError(f"line {position + 1}: {error}") from None
        used += len(each) + 1
    return records, used
