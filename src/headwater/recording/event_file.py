"""A recording's event files, read: recording-started, -ended and -failed.json.

Source: "Auto-Record to Amazon S3" of the IVS user guide, JSON metadata files. Members that are
not named there are skipped, so that recordings made by others can be read.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from headwater.core.errors import LimitError, PeerError
from headwater.recording.layout import Status

MAX_EVENT_FILE_BYTES = 4 << 20
"""One of ours has below 2 kB, and 150 bytes more for each gap."""

Pixels = Annotated[int, Meta(ge=1, le=65_535)]
RelativePath = Annotated[str, Meta(pattern=r"^(?!\.{1,2}(/|\Z))[^/\\\x00-\x1f][^\\\x00-\x1f]*\Z")]
"""Of an object or folder below the one that holds it."""


class GapEntry(Struct, frozen=True, kw_only=True):
    """Media that is missing from a rendition."""

    start: datetime
    duration_ms: Annotated[int, Meta(ge=0)]
    reason: str


class RenditionEntry(Struct, frozen=True, kw_only=True):
    """A rendition; its paths are below `media.hls.path`."""

    path: RelativePath
    playlist: RelativePath
    byte_range_playlist: RelativePath | None = None
    resolution_width: Pixels | None = None  # None: sound only
    resolution_height: Pixels | None = None
    gaps: tuple[GapEntry, ...] = ()


class HlsEntry(Struct, frozen=True, kw_only=True):
    """What was recorded of the media."""

    path: RelativePath
    playlist: RelativePath
    byte_range_playlist: RelativePath | None = None
    duration_ms: Annotated[int, Meta(ge=0)] | None = None
    renditions: tuple[RenditionEntry, ...] = ()


class ThumbnailEntry(Struct, frozen=True, kw_only=True):
    """Thumbnails: the folder of the numbered ones, or the one that is overwritten."""

    path: RelativePath
    resolution_width: Pixels | None = None
    resolution_height: Pixels | None = None


class MediaEntry(Struct, frozen=True, kw_only=True):
    """Everything that was recorded."""

    hls: HlsEntry | None = None  # None: no rendition was to be recorded
    thumbnails: ThumbnailEntry | None = None
    latest_thumbnail: ThumbnailEntry | None = None


class EventFile(Struct, frozen=True, kw_only=True):
    """What one of the files says."""

    version: Literal["v1"]
    channel_arn: str
    recording_started_at: datetime
    recording_status: Status
    media: MediaEntry
    recording_ended_at: datetime | None = None
    recording_status_message: str = ""


_decoder = msgspec.json.Decoder(EventFile)


def parse_event_file(body: bytes) -> EventFile:
    """What the file says.

    Raises:
        PeerError: it is no event file; the text names the member.
    """
    if len(body) > MAX_EVENT_FILE_BYTES:
        raise LimitError(f"{len(body)} bytes, at most {MAX_EVENT_FILE_BYTES}")
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PeerError(f"not a recording's event file: {error}") from None
