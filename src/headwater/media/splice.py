"""One timeline out of the timelines of several encoders that come one after another.

    of one encoder <--(join: another one's first TrackSet)--> of the next

Each encoder's own timeline starts at 0 (`media.timeline`). Here the next one's is moved
behind everything that is out, in whole milliseconds, so that its sound stays with its picture.

It is continuous, without a TrackSet, where viewers can't tell: both encoders have the same
configurations to the byte, and the pause between them is no longer than one that a single
encoder may make. Sound that would lie over sound that is out already is dropped. Anything else
is a discontinuity, as if one encoder had jumped.
"""

from collections.abc import Sequence

from msgspec import structs

from headwater.core.packet import Packet
from headwater.core.timebase import rescale
from headwater.core.track import VIDEO_TIMESCALE, TrackSet
from headwater.media.clock import DEFAULT_INTERVAL_MS, FORWARD_MS
from headwater.media.codec.aac import SAMPLES_PER_FRAME

_TICKS_PER_MS = VIDEO_TIMESCALE // 1000


class Splice:
    """Takes what `Timeline.push` gives, of one encoder and then of the next."""

    def __init__(self) -> None:
        self.edge_pts = 0  # the newest picture, or sound where there is none; 90 kHz
        self.tracks: TrackSet | None = None  # as they are now
        self._pause_ms = 0  # before the encoder that joins
        self._is_joining = False
        self._offset_ms = 0  # of the encoder in hand
        self._audio_offset = 0  # the same in ticks of its sound
        self._last_dts = -1  # of video
        self._interval = DEFAULT_INTERVAL_MS * _TICKS_PER_MS
        self._audio_end = 0  # ticks of these tracks' sound; nothing is placed before it
        self._reached_ms = 0  # by the sound of tracks that are no more

    def join(self, pause_ms: int) -> None:
        """What follows is another encoder's, from its start on.

        Args:
            pause_ms: from the last encoder's last frame to this one's first, as they came in.
        """
        self._is_joining = True
        self._pause_ms = max(0, pause_ms)

    def push(self, items: Sequence[TrackSet | Packet]) -> list[TrackSet | Packet]:
        """The same on the one timeline."""
        placed: list[TrackSet | Packet] = []
        for position, item in enumerate(items):
            if isinstance(item, TrackSet):
                placed += self._change(item, items[position + 1 :])
            elif (packet := self._place(item)) is not None:
                placed.append(packet)
        return placed

    def _change(self, tracks: TrackSet, following: Sequence[TrackSet | Packet]) -> list[TrackSet]:
        """Other tracks from here on; [] if nobody needs to know."""
        joining, self._is_joining = self._is_joining and self.tracks is not None, False
        if not joining:
            self._begin(tracks)
            return [tracks]
        same = structs.replace(tracks, discontinuity=False) == self.tracks
        if same and self._pause_ms <= FORWARD_MS:
            self._offset_ms = self._behind(following) + self._pause_ms
            self._audio_offset = self._in_sound(self._offset_ms, tracks)
            return []
        self._offset_ms = max(self._behind_pictures(), self._behind_sound())
        fresh = structs.replace(tracks, discontinuity=True)
        self._begin(fresh)
        return [fresh]

    def _begin(self, tracks: TrackSet) -> None:
        self._reached_ms, self._audio_end = self._behind_sound(), 0
        self.tracks = structs.replace(tracks, discontinuity=False)
        self._audio_offset = self._in_sound(self._offset_ms, tracks)

    def _in_sound(self, milliseconds: int, tracks: TrackSet) -> int:
        rate_hz = tracks.audio.timescale if tracks.audio else 1
        return -(-milliseconds * rate_hz // 1000)

    def _behind(self, following: Sequence[TrackSet | Packet]) -> int:
        """Where the clock's track may go on as if nothing had happened."""
        if self.tracks is None or self.tracks.video is None:
            return self._behind_sound()
        first = next((each for each in _packets(following) if each.kind == "video"), None)
        return self._behind_pictures(first.pts - first.dts if first else 0)

    def _behind_pictures(self, delay: int = 0) -> int:
        """Where a picture that is shown `delay` after decoding follows all there are."""
        if self._last_dts < 0:
            return 0
        end = max(self._last_dts, self.edge_pts - delay) + self._interval
        return -(-end // _TICKS_PER_MS)

    def _behind_sound(self) -> int:
        if self.tracks is None or self.tracks.audio is None:
            return self._reached_ms
        return max(self._reached_ms, -(-self._audio_end * 1000 // self.tracks.audio.timescale))

    def _place(self, packet: Packet) -> Packet | None:
        if packet.kind == "video":
            return self._place_picture(packet)
        dts = packet.dts + self._audio_offset
        if dts < self._audio_end:
            return None
        self._audio_end = dts + SAMPLES_PER_FRAME
        if self.tracks is not None and self.tracks.audio and not self.tracks.video:
            pts = rescale(dts, self.tracks.audio.timescale, VIDEO_TIMESCALE)
            self.edge_pts = max(self.edge_pts, pts)
        if not self._audio_offset:
            return packet
        return structs.replace(packet, dts=dts, pts=dts)

    def _place_picture(self, packet: Packet) -> Packet:
        offset = self._offset_ms * _TICKS_PER_MS
        dts, pts = packet.dts + offset, packet.pts + offset
        if 0 <= self._last_dts < dts:
            self._interval = dts - self._last_dts
        self._last_dts = dts
        self.edge_pts = max(self.edge_pts, pts)
        return structs.replace(packet, dts=dts, pts=pts) if offset else packet


def _packets(items: Sequence[TrackSet | Packet]) -> list[Packet]:
    return [item for item in items if isinstance(item, Packet)]
