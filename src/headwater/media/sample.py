"""What the container writers take: packets whose duration is known, and timed metadata."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from headwater.core.packet import Packet
from headwater.core.track import TrackSet


class Sample(Struct, frozen=True, kw_only=True, gc=False):
    """One access unit and how long it lasts, in ticks of its track."""

    packet: Packet
    duration: int  # ticks, > 0


class TimedTag(Struct, frozen=True, kw_only=True):
    """An ID3 tag and the moment it belongs to."""

    pts: int  # 90 kHz ticks on the timeline of the tracks
    data: bytes


class PartWriter(Protocol):
    """A container, as the segmenter uses it."""

    def set_tracks(self, tracks: TrackSet) -> bytes | None:
        """Write these tracks from now on; the init segment, where the container has one."""

    def write_part(
        self, video: Sequence[Sample], audio: Sequence[Sample], tags: Sequence[TimedTag] = ()
    ) -> bytes:
        """One part that begins with `tags`; either track may have nothing in it."""
