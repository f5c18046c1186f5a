"""Sample: a packet whose duration is known, as the container writers take it."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from headwater.core.packet import Packet
from headwater.core.track import TrackSet


class Sample(Struct, frozen=True, kw_only=True, gc=False):
    """One access unit and how long it lasts, in ticks of its track."""

    packet: Packet
    duration: int  # ticks, > 0


class PartWriter(Protocol):
    """A container, as the segmenter uses it."""

    def set_tracks(self, tracks: TrackSet) -> bytes | None:
        """Write these tracks from now on; the init segment, where the container has one."""

    def write_part(self, video: Sequence[Sample], audio: Sequence[Sample]) -> bytes:
        """One part; either track may have nothing in it."""
