"""One timeline out of the timelines of several encoders that come one after another.

    of one encoder <--(join: another one's first TrackSet)--> of the next

Each encoder's own timeline starts at 0 (`media.timeline`). Here the next one's is moved
behind everything that is out, in whole milliseconds, so that its sound stays with its picture.

It is continuous, without a TrackSet, where viewers can't tell: both encoders have the same
configurations to the byte, and the pause between them is no longer than one that a single
encoder may make. Anything else is a discontinuity, as if one encoder had jumped.

Tracks of the same kind (`differences`) go on in time whether there is a discontinuity or not:
the first picture is shown one interval behind the last. What has to be decoded before it, since
the newcomer reorders pictures, gets decode times that rise by the least step; sound that would
lie over sound that is out already is dropped.
"""

from collections.abc import Sequence

from msgspec import structs

from headwater.core.packet import Packet
from headwater.core.timebase import rescale
from headwater.core.track import VIDEO_TIMESCALE, TrackSet
from headwater.media.clock import DEFAULT_INTERVAL_MS, FORWARD_MS
from headwater.media.codec.aac import SAMPLES_PER_FRAME

MAX_HOLE = 2 * SAMPLES_PER_FRAME
"""Of sound between two encoders, that is closed: nobody notices sound that is 40 ms early."""

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
            self._close_up(following)
            return []
        akin = self.tracks is not None and not differences(self.tracks, tracks)
        self._offset_ms = (
            self._behind(following) if akin else max(self._behind_pictures(), self._behind_sound())
        )
        fresh = structs.replace(tracks, discontinuity=True, times_go_on=akin)
        self._begin(fresh)
        if akin:
            self._audio_end = self._in_sound(self._reached_ms, tracks)
            self._close_up(following)
        return [fresh]

    def _close_up(self, following: Sequence[TrackSet | Packet]) -> None:
        """Move a newcomer's sound by a moment to where the last ended: players stop at holes."""
        sounds = [each.dts for each in _packets(following) if each.kind == "audio"]
        starts = [dts + self._audio_offset for dts in sounds]
        hole = min(
            (each - self._audio_end for each in starts if each >= self._audio_end), default=0
        )
        if hole < MAX_HOLE:
            self._audio_offset -= hole

    def _begin(self, tracks: TrackSet) -> None:
        self._reached_ms, self._audio_end = self._behind_sound(), 0
        self.tracks = structs.replace(tracks, discontinuity=False, times_go_on=False)
        self._audio_offset = self._in_sound(self._offset_ms, tracks)

    def _in_sound(self, milliseconds: int, tracks: TrackSet) -> int:
        rate_hz = tracks.audio.timescale if tracks.audio else 1
        return -(-milliseconds * rate_hz // 1000)

    def _behind(self, following: Sequence[TrackSet | Packet]) -> int:
        """Where the clock's track may go on as if nothing had happened."""
        if self.tracks is None or self.tracks.video is None:
            return self._behind_sound()
        pictures = [each.pts for each in _packets(following) if each.kind == "video"]
        return self._behind_pictures(min(pictures, default=0))

    def _behind_pictures(self, first_pts: int = 0) -> int:
        """Where a picture that is shown `first_pts` after the start follows all there are."""
        if self._last_dts < 0:
            return 0
        return -(-(self.edge_pts + self._interval - first_pts) // _TICKS_PER_MS)

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
        dts = max(dts, self._last_dts + 1)
        pts = max(pts, dts)
        self._last_dts = dts
        self.edge_pts = max(self.edge_pts, pts)
        return packet if dts == packet.dts else structs.replace(packet, dts=dts, pts=pts)


def differences(before: TrackSet, now: TrackSet) -> list[str]:
    """Why decoders and screens cannot just go on with other tracks; [] if they can.

    Profile, level and sample rate are an encoder's settings; AAC-LC is another codec than HE-AAC.
    """
    return [
        f"{name} {new or 'none'} instead of {old or 'none'}"
        for name, old, new in (
            ("resolution", _resolution(before), _resolution(now)),
            ("video codec", _video_codec(before), _video_codec(now)),
            ("audio codec", _audio_codec(before), _audio_codec(now)),
        )
        if old != new
    ]


def _resolution(tracks: TrackSet) -> str:
    return f"{tracks.video.width}x{tracks.video.height}" if tracks.video else ""


def _video_codec(tracks: TrackSet) -> str:
    return tracks.video.codec_string.partition(".")[0] if tracks.video else ""


def _audio_codec(tracks: TrackSet) -> str:
    return tracks.audio.codec_string if tracks.audio else ""


def _packets(items: Sequence[TrackSet | Packet]) -> list[Packet]:
    return [item for item in items if isinstance(item, Packet)]
