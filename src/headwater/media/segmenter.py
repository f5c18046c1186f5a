"""From tracks and packets to the plan, segments and parts that delivery serves.

Source: draft-pantos-hls-rfc8216bis; segments near 2 s as Amazon IVS makes them.

    planning --(second key frame, enough media or bytes)--> cutting --(flush)--> over

While planning, everything is held, since the plan must be right from the first playlist
on; then it goes through the Cutter as if it came then, with its own arrival times.
"""

from headwater.core.packet import Packet
from headwater.core.segment import Container, MediaEvent, StreamFinished
from headwater.core.timebase import rescale
from headwater.core.track import VIDEO_TIMESCALE, TrackSet
from headwater.media.cutter import Cut, Cutter
from headwater.media.fmp4.fragment import Fmp4Writer
from headwater.media.plan import decide_plan
from headwater.media.sample import TimedTag
from headwater.media.ts.muxer import TsWriter

MAX_PLANNING_MS = 6000  # of media: the longest GOP that a target duration is made for
AUDIO_PLANNING_MS = 1000  # of media, where no key frame is to be waited for
MAX_PLANNING_BYTES = 32 << 20  # 6 s at 40 Mb/s
MAX_PLANNING_ITEMS = 20_000  # 6 s at 60 frames and 94 sounds a second are 1,000


class Segmenter:
    """Turns one rendition's TrackSet and Packet into MediaEvents."""

    def __init__(
        self,
        container: Container,
        *,
        low_latency: bool,
        segment_target_ms: int = 2000,
        part_target_ms: int = 333,
        segment_tags: bool = True,
        frames_together: int = 1,
    ) -> None:
        """Nothing is cut yet.

        Args:
            container: what to write.
            low_latency: make parts; else a segment is one part.
            segment_target_ms: segments are cut at the key frames nearest to it.
            part_target_ms: parts have the whole number of frames nearest to it.
            segment_tags: begin each segment with an ID3 tag that says when it came in.
            frames_together: parts hold a multiple of so many frames, so that renditions
                with that fraction of the frames can be cut at the same times.
        """
        self._frames_together = frames_together
        self._container = container
        self._segment_target_ms = segment_target_ms
        self._part_target_ms = part_target_ms if low_latency else None
        self._segment_tags = segment_tags
        self._cutter: Cutter | None = None
        self._held: list[tuple[TrackSet | Packet, int]] = []
        self._held_bytes = 0
        self._media_ms = 0  # held, over all timelines
        self._tracks: TrackSet | None = None
        self._timeline: list[Packet] = []  # held since the last TrackSet
        self._first_ms: int | None = None  # of the timeline
        self._keys: list[int] = []  # decode times of its key frames
        self._early: list[TimedTag] = []  # tags that came before the plan
        self._over = False

    def push(self, item: TrackSet | Packet, now_ms: int) -> list[MediaEvent]:
        """Take the next item, which arrived at `now_ms` (Unix ms).

        Raises:
            LimitError: a part would hold more bytes than any real stream's.
            RuntimeError: called after flush, or with a packet before any TrackSet.
        """
        if self._over:
            raise RuntimeError("segmenter is flushed")
        if self._cutter is not None:
            return _cut(self._cutter, item, now_ms)
        self._held.append((item, now_ms))
        if isinstance(item, TrackSet):
            self._media_ms += self._timeline_ms()
            self._tracks, self._timeline, self._keys = item, [], []
            self._first_ms = None
            return []
        if self._tracks is None:
            raise RuntimeError("a TrackSet comes before the first packet")
        self._note(item)
        return self._begin() if self._can_plan(self._tracks) else []

    def cuts(self) -> list[Cut]:
        """Where it was cut since the last call, for a Follower; none before the plan."""
        return self._cutter.drain_cuts() if self._cutter is not None else []

    def insert(self, tag: TimedTag) -> None:
        """Put an ID3 tag into the part that its time lies in; the next one, if that is out."""
        if self._cutter is None:
            self._early.append(tag)
        else:
            self._cutter.insert(tag)

    def flush(self) -> list[MediaEvent]:
        """End the open part, the open segment and the stream."""
        events: list[MediaEvent] = []
        if self._cutter is None and self._timeline:
            # Whatever the GOP would have become: as long as all there is, it is one.
            events += self._begin(gop_ms=self._timeline_ms())
        if self._cutter is not None:
            self._cutter.finish()
            events += self._cutter.drain()
        self._over = True
        return [*events, StreamFinished()]

    def _note(self, packet: Packet) -> None:
        self._held_bytes += len(packet.data)
        self._timeline.append(packet)
        if self._first_ms is None:
            self._first_ms = self._milliseconds(packet)
        if packet.kind == "video" and packet.keyframe:
            self._keys.append(packet.dts)

    def _milliseconds(self, packet: Packet) -> int:
        audio = self._tracks.audio if self._tracks else None
        scale = audio.timescale if packet.kind == "audio" and audio else VIDEO_TIMESCALE
        return rescale(packet.dts, scale, 1000)

    def _timeline_ms(self) -> int:
        if self._first_ms is None:
            return 0
        return self._milliseconds(self._timeline[-1]) - self._first_ms

    def _can_plan(self, tracks: TrackSet) -> bool:
        media_ms = self._media_ms + self._timeline_ms()
        return (
            len(self._keys) > 1
            or media_ms >= (MAX_PLANNING_MS if tracks.video else AUDIO_PLANNING_MS)
            or self._held_bytes >= MAX_PLANNING_BYTES
            or len(self._held) >= MAX_PLANNING_ITEMS
        )

    def _begin(self, gop_ms: float | None = None) -> list[MediaEvent]:
        """Fix the plan and let everything held go through the cutter."""
        if self._tracks is None:
            return []
        if len(self._keys) > 1:
            gop_ms = (self._keys[1] - self._keys[0]) * 1000 / VIDEO_TIMESCALE
        plan = decide_plan(
            self._tracks,
            self._timeline,
            container=self._container,
            part_target_ms=self._part_target_ms,
            gop_ms=gop_ms,
            frames_together=self._frames_together,
        )
        writer = TsWriter() if self._container == "TS" else Fmp4Writer()
        self._cutter = Cutter(
            plan, writer, segment_target_ms=self._segment_target_ms, segment_tags=self._segment_tags
        )
        for tag in self._early:
            self._cutter.insert(tag)
        held, self._held, self._timeline = self._held, [], []
        events: list[MediaEvent] = [plan]
        for item, now_ms in held:
            events += _cut(self._cutter, item, now_ms)
        return events


def _cut(cutter: Cutter, item: TrackSet | Packet, now_ms: int) -> list[MediaEvent]:
    if isinstance(item, TrackSet):
        cutter.set_tracks(item)
    else:
        cutter.push(item, now_ms)
    return cutter.drain()
