"""The seam between a recording and its thumbnails: key frames go one way, files the other.

The recorder makes one Thumbnailer for each recording, by a ThumbnailerFactory; it gives it the
key frames of every rendition, recorded or not, and puts the files it makes below the prefix.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from headwater.core.segment import Container
from headwater.recording.layout import ThumbnailSize


class KeyFrame(Struct, frozen=True, kw_only=True):
    """A live part that starts with a key frame."""

    rendition: str
    container: Container
    init: bytes | None  # its init segment (fragmented MP4); TS: None
    payload: bytes  # the part, complete: its first video frame is the key frame
    at_ms: int  # media since the recording began


class PictureSource(Struct, frozen=True, kw_only=True):
    """A rendition that pictures can be taken of."""

    name: str
    width: int
    height: int


Put = Callable[[str, bytes], None]
"""Stores an object below the recording's prefix: key (as `layout` makes them) and body. Returns
at once; an object put again under its key replaces the earlier one."""


class Thumbnailer(Protocol):
    """Makes the thumbnails of one recording. Every call is from the event loop."""

    def push(self, frame: KeyFrame) -> None:
        """Look at a key frame; never blocks, and may ignore it."""

    def sequential(self) -> ThumbnailSize | None:
        """What `media.thumbnails` says; None: there are none."""

    def latest(self) -> ThumbnailSize | None:
        """What `media.latest_thumbnail` says; None: there is none."""

    async def close(self) -> None:
        """No more key frames will come: everything is put when this returns."""


class ThumbnailWishes(Struct, frozen=True, kw_only=True):
    """What a recording wants of its thumbnails."""

    configuration: dict[str, Any]  # thumbnailConfiguration, the wire's names, defaults filled in
    sources: Sequence[PictureSource]  # best first; without those that have no picture
    first_number: int = 0  # of the next SEQUENTIAL one: a merged recording counts on
    next_at_ms: int = 0  # when, in media since the recording began, the next one is due


ThumbnailerFactory = Callable[[ThumbnailWishes, Put], Thumbnailer | None]
"""None: the configuration wants none, or there is no picture."""
