"""A rendition that is cut exactly where another one, its leader, is.

Source: draft-pantos-hls-rfc8216bis §6.2.4 (matching content has matching sequence and
discontinuity sequence numbers in all renditions), §4.4.4.7 and §4.4.4.9 (gaps).

    waiting for the leader's plan and its own tracks -> following <-> lost -> over

Each segment and part of the leader comes out once more: same numbers, times, durations and
discontinuities, with this rendition's media. A cut waits until the media for it has come.
When its encoder is lost, cuts wait no more: what is missing is marked as a gap, until the
first segment that the next encoder has from its start.

Its packets lie on the leader's clock, in order of presentation: no reordered frames.
"""

import math
from collections import deque

from msgspec import Struct, field, structs

from headwater.core.packet import Packet
from headwater.core.segment import (
    Container,
    MediaEvent,
    Part,
    SegmentStarted,
    StreamFinished,
    StreamPlan,
)
from headwater.core.timebase import rescale
from headwater.core.track import VIDEO_TIMESCALE, TrackSet
from headwater.media.codec.aac import SAMPLES_PER_FRAME
from headwater.media.cutter import MAX_AUDIO_LEAD_MS, Cut
from headwater.media.fmp4.fragment import Fmp4Writer
from headwater.media.plan import DEFAULT_FRAME_RATE, codec_strings
from headwater.media.sample import Sample, TimedTag
from headwater.media.ts.muxer import TsWriter

MAX_BEHIND_MS = 12_000
"""Of the leader's media. Whoever is further behind has a gap: it is more than the time in
which an encoder that hangs is found out and replaced."""
MAX_HELD_BYTES = 32 << 20
"""In no part yet: half a minute at 8 Mb/s."""
MAX_OWED_TAGS = 300
"""Timed metadata held back while a rendition has a gap: a minute at five messages a second."""

_AUDIO_LEAD_TICKS = MAX_AUDIO_LEAD_MS * VIDEO_TIMESCALE // 1000


class _Timeline(Struct, kw_only=True):
    """What came since one TrackSet and is in no part yet. Times are 90 kHz ticks."""

    tracks: TrackSet
    video: deque[Packet] = field(default_factory=deque)
    audio: deque[Packet] = field(default_factory=deque)
    start_pts: int | None = None  # of its first packet
    video_end_pts: int = 0  # of its newest
    audio_end_pts: int = 0
    is_over: bool = False  # no more comes: its encoder is lost

    def hold(self, packet: Packet, frame_ticks: int) -> None:
        pts = self.pts(packet)
        if self.start_pts is None:
            self.start_pts = pts
        if packet.kind == "video":
            self.video.append(packet)
            self.video_end_pts = pts + frame_ticks
        else:
            self.audio.append(packet)
            self.audio_end_pts = pts + self.audio_ticks(SAMPLES_PER_FRAME)

    def reaches(self, pts: int, frame_ticks: int) -> bool:
        """Whether all media before `pts` has come."""
        if self.tracks.video is None:
            return self.audio_end_pts >= pts
        # Half a frame: no further one fits in. And sound alone goes on in a long pause.
        return (
            self.video_end_pts + frame_ticks // 2 >= pts
            or self.audio_end_pts >= pts + _AUDIO_LEAD_TICKS
        )

    def pts(self, packet: Packet) -> int:
        return packet.pts if packet.kind == "video" else self.audio_ticks(packet.pts)

    def audio_ticks(self, samples: int) -> int:
        rate = self.tracks.audio.timescale if self.tracks.audio else 1
        return rescale(samples, rate, VIDEO_TIMESCALE)


class Follower:
    """Turns one rendition's TrackSet and Packet, and the leader's Cuts, into MediaEvents."""

    def __init__(self, container: Container, *, frame_rate: float | None) -> None:
        """Nothing has come yet.

        Args:
            container: what to write; the leader's.
            frame_rate: of this rendition, frames per second; None: unknown, or no picture.
        """
        self._frame_rate = frame_rate
        self._frame_ticks = round(VIDEO_TIMESCALE / (frame_rate or DEFAULT_FRAME_RATE))
        self._writer = TsWriter() if container == "TS" else Fmp4Writer()
        self._leaders_plan: StreamPlan | None = None
        self._cuts: deque[Cut] = deque()
        self._behind_ms = 0.0  # media of the cuts that wait
        self._timelines: deque[_Timeline] = deque()  # the first is the one in hand
        self._held_bytes = 0
        self._has_begun = False  # its own plan is out
        self._written: TrackSet | None = None
        self._init: bytes | None = None
        self._written_init: bytes | None = None
        self._start: Cut | None = None  # of the segment that the next part begins
        # Inserted tags that met a gap; the oldest are given up.
        self._owed: deque[TimedTag] = deque(maxlen=MAX_OWED_TAGS)
        self._media_from_pts = -math.inf  # what lies before would be in a hole of the leader's
        self._from_pts: int | None = 0  # segments from here on are waited for
        self._is_expected = False  # the segment in hand is
        self._is_over = False

    def push(self, item: TrackSet | Packet) -> list[MediaEvent]:
        """Take the rendition's next item."""
        if self._is_over:
            return []
        if isinstance(item, TrackSet):
            if len(self._timelines) > 1 and self._timelines[-1].start_pts is None:
                self._timelines.pop()
            self._timelines.append(_Timeline(tracks=item))
        elif self._timelines:
            self._timelines[-1].hold(item, self._frame_ticks)
            self._held_bytes += len(item.data)
            self._let_go()
        return self._go_on()

    def follow(self, cuts: list[Cut]) -> list[MediaEvent]:
        """Do as the leader did."""
        for cut in cuts:
            if isinstance(cut.event, StreamPlan):
                self._leaders_plan = cut.event
            else:
                self._cuts.append(cut)
                self._behind_ms += _length_ms(cut)
        return self._go_on()

    def lose(self) -> list[MediaEvent]:
        """Its encoder is no more: wait for nothing."""
        self._from_pts = None
        self._is_expected = False
        for timeline in self._timelines:
            timeline.is_over = True
        return self._go_on()

    def resume(self, pts: int) -> None:
        """Another encoder is given the pictures from `pts` (90 kHz) on."""
        self._from_pts = pts

    def flush(self) -> list[MediaEvent]:
        """No more will come, of it or of the leader."""
        events = self.lose()
        self._is_over = True
        return [*events, StreamFinished()]

    def _let_go(self) -> None:
        """Hold no more than MAX_HELD_BYTES."""
        oldest = self._timelines[0]
        while self._held_bytes > MAX_HELD_BYTES and (oldest.video or oldest.audio):
            self._take(oldest.video or oldest.audio)

    def _take(self, queue: deque[Packet]) -> Packet:
        packet = queue.popleft()
        self._held_bytes -= len(packet.data)
        return packet

    # What the leader did.

    def _go_on(self) -> list[MediaEvent]:
        events: list[MediaEvent] = []
        if self._leaders_plan is None or self._is_over:
            return []
        if not self._has_begun:
            if not self._timelines:
                self._is_over = self._behind_ms > MAX_BEHIND_MS  # the stream is live without it
                return []
            events.append(self._plan(self._leaders_plan, self._timelines[0].tracks))
            self._has_begun = True
        while self._cuts and self._is_ready(self._cuts[0]):
            cut = self._cuts.popleft()
            self._behind_ms -= _length_ms(cut)
            events += self._repeat(cut)
        return events

    def _plan(self, leaders: StreamPlan, tracks: TrackSet) -> StreamPlan:
        video = tracks.video
        return structs.replace(
            leaders,
            frame_rate=self._frame_rate if video else None,
            width=video.width if video else None,
            height=video.height if video else None,
            codecs=codec_strings(tracks),
        )

    def _is_ready(self, cut: Cut) -> bool:
        """Whether all its media is there, or will never be."""
        if not isinstance(cut.event, Part) or not self._is_expected:
            return True
        newest = self._timelines[-1]
        has_come = not newest.is_over and newest.reaches(cut.at_pts, self._frame_ticks)
        return has_come or self._behind_ms > MAX_BEHIND_MS

    def _repeat(self, cut: Cut) -> list[MediaEvent]:
        match cut.event:
            case SegmentStarted():
                self._start = cut
                self._is_expected = self._from_pts is not None and cut.at_pts >= self._from_pts
                return []
            case Part():
                self._owed += cut.inserted
                return self._repeat_part(cut.event, cut.at_pts)
        return [cut.event]

    def _repeat_part(self, leaders: Part, end_pts: int) -> list[MediaEvent]:
        start, self._start = self._start, None
        if start is not None:
            self._enter(start, end_pts)
        timeline = self._timelines[0]
        self._skip(timeline, self._media_from_pts)
        video = self._take_video(timeline, end_pts)
        audio = self._take_audio(timeline, end_pts)
        if not video and not self._is_expected and timeline.tracks.video is not None:
            audio = []  # sound without its picture is no part of this rendition
        first = next(iter([*video, *audio]), None)
        tags = []
        if first is not None and start is not None and start.tag is not None:
            tags = [TimedTag(pts=timeline.pts(first.packet), data=start.tag)]
        if first is not None:
            tags += self._owed
            self._owed.clear()
        part = structs.replace(
            leaders,
            payload=self._writer.write_part(video, audio, tags),
            independent=_is_independent(timeline.tracks, video, audio),
            gap=first is None,
        )
        return [*self._started(start), part]

    def _started(self, start: Cut | None) -> list[MediaEvent]:
        if start is None or not isinstance(start.event, SegmentStarted):
            return []
        init = self._init if self._init != self._written_init else None
        self._written_init = self._init
        return [structs.replace(start.event, init=init)]

    def _enter(self, start: Cut, end_pts: int) -> None:
        """Begin a segment, whose first part ends at `end_pts`."""
        before = self._timelines[0]
        self._switch(start.at_pts, end_pts)
        if self._timelines[0] is not before:
            self._media_from_pts = -math.inf
        elif isinstance(start.event, SegmentStarted) and start.event.discontinuity:
            self._media_from_pts = start.at_pts  # the leader left a hole

    def _switch(self, start_pts: int, end_pts: int) -> None:
        """Where a segment starts, go over to the timeline that it belongs to."""
        timeline = self._timelines[0]
        while self._is_expected and len(self._timelines) > 1:
            following = self._timelines[1]
            if following.start_pts is None or following.start_pts >= end_pts:
                break
            self._skip(timeline, math.inf)
            self._timelines.popleft()
            # The first pictures after a loss may belong to a segment that is a gap already.
            self._skip(following, start_pts)
            timeline = following
        tracks = structs.replace(timeline.tracks, discontinuity=False, times_go_on=False)
        if tracks != self._written:
            self._init = self._writer.set_tracks(tracks)
            self._written = tracks

    def _skip(self, timeline: _Timeline, pts: float) -> None:
        """Drop what lies before `pts`."""
        for queue in (timeline.video, timeline.audio):
            while queue and timeline.pts(queue[0]) < pts:
                self._take(queue)

    def _take_video(self, timeline: _Timeline, end_pts: int) -> list[Sample]:
        queue, samples = timeline.video, []
        while queue and queue[0].pts < end_pts:
            packet = self._take(queue)
            following = queue[0].pts if queue else self._end_of(packet, end_pts)
            samples.append(Sample(packet=packet, duration=following - packet.pts))
        return samples

    def _end_of(self, packet: Packet, end_pts: int) -> int:
        """Of the newest frame: the next begins at the cut, unless that lies within this one."""
        # A cut just before its usual end is rounding: frames would overlap.
        length = end_pts - packet.pts
        return end_pts if 2 * length > self._frame_ticks else packet.pts + self._frame_ticks

    def _take_audio(self, timeline: _Timeline, end_pts: int) -> list[Sample]:
        queue, samples = timeline.audio, []
        while queue and timeline.pts(queue[0]) < end_pts:
            packet = self._take(queue)
            is_next_inside = bool(queue) and timeline.pts(queue[0]) < end_pts
            # A gap within the part is carried by the sample before it.
            duration = queue[0].dts - packet.dts if is_next_inside else SAMPLES_PER_FRAME
            samples.append(Sample(packet=packet, duration=duration))
        return samples


def _is_independent(tracks: TrackSet, video: list[Sample], audio: list[Sample]) -> bool:
    if tracks.video is None:
        return bool(audio)
    return bool(video) and video[0].packet.keyframe


def _length_ms(cut: Cut) -> float:
    return cut.event.duration_ms if isinstance(cut.event, Part) else 0.0
