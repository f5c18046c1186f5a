"""Cutting packets into parts and segments, once the plan is fixed.

Source: draft-pantos-hls-rfc8216bis §4.4.4.9 (EXT-X-PART), §4.4.3.7 (PART-TARGET).

The clock is the video track, or the audio track where there is no video. A frame lasts
until the next one, so it is placed when the next one arrives. Parts follow each other
without a hole: each covers [its start, the next one's start) of the clock and holds the
sound up to there that has arrived.

No part is longer than PART-TARGET, whatever comes:

- A part ends before the frame that would exceed it, if it is 85 % full by then.
- Otherwise (a long frame, a pause of the camera) it ends at exactly PART-TARGET in the
  middle of that frame. What the frame lasts longer is covered by following parts, which
  have only sound until the next frame. The sample itself keeps its real duration.
- Where such a part would have nothing at all in it, the segment ends and the next one
  begins, marked as a discontinuity, with the next frame.

When sound runs ahead of the video by MAX_AUDIO_LEAD_MS, the camera is taken to be paused:
time then goes on with the sound.
"""

import math
from collections import deque

from msgspec import Struct

from headwater.core.errors import LimitError
from headwater.core.packet import Packet
from headwater.core.segment import MediaEvent, Part, SegmentFinished, SegmentStarted, StreamPlan
from headwater.core.timebase import rescale
from headwater.core.track import VIDEO_TIMESCALE, TrackSet
from headwater.media.codec.aac import SAMPLES_PER_FRAME
from headwater.media.plan import clock_pace, longest_segment_ms
from headwater.media.sample import PartWriter, Sample, TimedTag
from headwater.media.segment_tag import segment_tag

FULL_PERCENT = 85  # a part that is not the last of its segment reaches this share
MAX_AUDIO_LEAD_MS = 4000  # real encoders send sound up to 3 s ahead
RECENT_GOPS = 8  # what the next is judged by: half a minute at the usual lengths, at most
MAX_OPEN_BYTES = 64 << 20  # not yet in a part: 6.5 s at 80 Mb/s; more is an attack


class Cut(Struct, frozen=True, kw_only=True):
    """An event and its place in presentation time: what another rendition has to do too."""

    event: StreamPlan | SegmentStarted | Part | SegmentFinished
    at_pts: int  # ticks of 90 kHz: where a segment begins, else where the part or segment ends
    tag: bytes | None = None  # that a segment began with
    inserted: tuple[TimedTag, ...] = ()  # tags in the part besides


class Cutter:
    """The open part and segment of one stream."""

    def __init__(
        self, plan: StreamPlan, writer: PartWriter, *, segment_target_ms: int, segment_tags: bool
    ) -> None:
        self._plan = plan
        self._writer = writer
        self._segment_target_ms = segment_target_ms
        self._segment_tags = segment_tags
        self._events: list[MediaEvent] = []
        self._cuts = [Cut(event=plan, at_pts=0)]
        self._msn = 0
        self._index = 0  # of the next part within its segment
        self._discontinuity = False  # before the next segment
        self._times_go_on = False  # all the same
        self._written_init: bytes | None = None
        self._init: bytes | None = None
        self._tracks: TrackSet | None = None
        self._end_wall_ms = 0  # wall clock of the end of the last segment
        self._now_ms = 0
        self._ended_ms = 0.0  # media in the segments that have ended
        self._due: deque[TimedTag] = deque()  # inserted, and in no part yet

    def drain(self) -> list[MediaEvent]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def drain_cuts(self) -> list[Cut]:
        """The same since the last call, with the places; bounded by who calls it."""
        cuts, self._cuts = self._cuts, []
        return cuts

    def set_tracks(self, tracks: TrackSet) -> None:
        """End what is open; what follows is a new timeline of these tracks."""
        if self._tracks is not None:
            self.finish()
            self._times_go_on = tracks.times_go_on and (
                self._times_go_on or not self._discontinuity
            )
            self._discontinuity = True
        self._tracks = tracks
        self._init = self._writer.set_tracks(tracks)
        self._clock_kind = "audio" if tracks.video is None else "video"
        self._scale, frame_ticks = clock_pace(tracks, self._plan.frame_rate)
        self._audio_scale = tracks.audio.timescale if tracks.audio else 1
        self._last_duration = round(frame_ticks)
        self._segment_limit = self._ticks(longest_segment_ms(self._plan.target_duration_s))
        part_ms = self._plan.part_target_ms
        self._part_limit = self._segment_limit if part_ms is None else self._ticks(part_ms)
        self._segment_target = self._ticks(self._segment_target_ms)
        self._pending: Packet | None = None  # a frame whose end is not known yet
        self._pending_ms = 0  # when it arrived
        self._received_ms: int | None = None  # when the open segment's first frame arrived
        self._samples: list[Sample] = []  # of the clock's track, in the open part
        self._audio: deque[Packet] = deque()  # sound next to video, not in a part yet
        self._open_bytes = 0
        self._anchor: tuple[int, int] | None = None  # clock ticks and wall clock (ms) there
        self._segment_start = self._part_start = self._cursor = 0
        self._last_key = 0
        self._gops: deque[int] = deque(maxlen=RECENT_GOPS)
        self._reorder = 0  # ticks between decoding and showing a frame
        self._audio_room = 0  # ticks of sound behind the end of the last part
        self._audio_from = -math.inf  # sound before it would lie in a hole, and comes too late

    def _ticks(self, milliseconds: int) -> int:
        return milliseconds * self._scale // 1000

    def push(self, packet: Packet, now_ms: int) -> None:
        """Take the next packet, which arrived at `now_ms` (Unix ms).

        Raises:
            LimitError: more bytes came than fit into the time they claim to last.
        """
        self._now_ms = now_ms
        if packet.kind != self._clock_kind and packet.dts < self._audio_from:
            return
        self._open_bytes += len(packet.data)
        if self._open_bytes > MAX_OPEN_BYTES:
            raise LimitError(f"more than {MAX_OPEN_BYTES} bytes of media in one part")
        if packet.kind != self._clock_kind:
            self._audio.append(packet)
            if self._anchor is not None:
                self._watch_lead(packet)
            return
        if self._anchor is None:
            self._begin(packet, now_ms)
        elif self._pending is not None:
            self._close(self._pending, packet.dts)
        else:
            self._advance(packet.dts)
        if packet.keyframe:
            self._meet_keyframe(packet)
        self._pending, self._pending_ms = packet, now_ms

    def insert(self, tag: TimedTag) -> None:
        """Put a tag into the part that its time lies in; the next one, if that is out.

        Tags come in the order of their times.
        """
        self._due.append(tag)

    def finish(self) -> None:
        """End the open part and segment: nothing follows on this timeline."""
        if self._tracks is None or self._anchor is None:
            return
        # All the sound that is left belongs to the last part.
        self._audio_room = self._ticks(2 * MAX_AUDIO_LEAD_MS)
        if self._pending is not None:
            frame, self._pending = self._pending, None
            self._close(frame, frame.dts + self._last_duration)
        self._end_segment()

    # The first packet of a timeline.

    def _begin(self, packet: Packet, now_ms: int) -> None:
        self._segment_start = self._part_start = self._cursor = packet.dts
        self._last_key = packet.dts
        self._reorder = packet.pts - packet.dts
        self._anchor = (packet.dts, max(now_ms, self._end_wall_ms))

    # Time goes on.

    def _close(self, frame: Packet, end: int) -> None:
        """Place a frame that lasts until `end`, then see what is complete."""
        reach = max(end, self._cursor)
        if reach > self._segment_start + self._segment_limit:
            self._end_segment()
        elif reach > self._part_start + self._part_limit and self._is_full():
            self._cut(self._cursor)
        duration = max(1, end - frame.dts)
        self._samples.append(Sample(packet=frame, duration=duration))
        if self._received_ms is None:
            self._received_ms = self._pending_ms
        if duration <= self._part_limit:  # else a pause, which says nothing of the pace
            self._last_duration = duration
        self._advance(reach)
        room = self._part_start + self._part_limit - self._cursor
        if self._plan.part_target_ms is not None and 2 * room < duration and self._is_full():
            self._cut(self._cursor)  # no further frame fits: do not wait for it

    def _is_full(self) -> bool:
        filled = self._cursor - self._part_start
        return filled * 100 >= self._part_limit * FULL_PERCENT and self._has_media(self._cursor)

    def _advance(self, end: int) -> None:
        """Move the clock to `end`, through as many parts as that takes."""
        while True:
            segment_end = self._segment_start + self._segment_limit
            limit = min(self._part_start + self._part_limit, segment_end)
            if end <= limit:
                break
            if self._part_start >= segment_end:
                self._end_segment()
                continue
            if self._has_media(limit):
                self._cut(limit)
                if limit == segment_end:
                    self._end_segment()
            elif limit == segment_end and self._index:
                self._end_segment()  # what remains of it is too short to hold anything
            else:
                self._leave_hole(min(end, max(limit, self._next_sound(end))))
        self._cursor = max(self._cursor, end)

    def _leave_hole(self, end: int) -> None:
        """Nothing to play until `end`: the playlist says so by a discontinuity."""
        self._end_segment()
        if self._clock_kind == "video":
            self._audio_from = self._audio_end(end)
        self._discontinuity, self._times_go_on = True, False
        self._segment_start = self._part_start = self._cursor = end

    def _next_sound(self, end: int) -> int:
        """Where on the clock the sound begins that has come; `end` if none has."""
        if not self._audio:
            return end
        return rescale(self._audio[0].dts, self._audio_scale, self._scale) - self._reorder

    def _watch_lead(self, packet: Packet) -> None:
        """Let the clock follow the sound where video has not come for long."""
        lead_ticks = self._ticks(MAX_AUDIO_LEAD_MS)
        horizon = rescale(packet.dts, self._audio_scale, self._scale) - lead_ticks
        if horizon <= self._cursor + self._part_limit:
            return
        if self._pending is not None:
            frame, self._pending = self._pending, None
            self._close(frame, max(horizon, frame.dts + 1))
        else:
            self._advance(horizon)

    # Segments.

    def _meet_keyframe(self, packet: Packet) -> None:
        """End the segment before this key frame if that is nearest to the target."""
        self._gops.append(packet.dts - self._last_key)
        gop = max(self._gops)  # irregular ones: the next may be as long as the longest was
        length = packet.dts - self._segment_start
        self._last_key = packet.dts
        self._reorder = packet.pts - packet.dts
        near = 2 * length + gop >= 2 * self._segment_target
        if length > 0 and (near or length + gop > self._segment_limit):
            self._end_segment()

    def _end_segment(self) -> None:
        """Finish the segment with what is open; without any media, time stays open."""
        if self._cursor > self._part_start and self._has_media(self._cursor):
            self._cut(self._cursor)
        if self._index:
            duration_ms = (self._part_start - self._segment_start) * 1000 / self._scale
            self._emit(SegmentFinished(msn=self._msn, duration_ms=duration_ms), self._part_start)
            self._end_wall_ms = self._wall_ms(self._part_start)
            self._ended_ms += duration_ms
            self._received_ms = None
            self._msn += 1
            self._index = 0
        self._segment_start = self._part_start

    def _wall_ms(self, ticks: int) -> int:
        if self._anchor is None:
            return self._end_wall_ms
        anchor_ticks, anchor_ms = self._anchor
        return anchor_ms + rescale(ticks - anchor_ticks, self._scale, 1000)

    # Parts.

    def _has_media(self, end: int) -> bool:
        """Whether a part that ends there would have anything in it."""
        return bool(self._samples) or bool(
            self._audio and self._audio[0].dts < self._audio_end(end)
        )

    def _audio_end(self, end: int) -> int:
        """First audio tick that belongs behind a part that ends at `end` of the clock."""
        return rescale(end + self._reorder + self._audio_room, self._scale, self._audio_scale)

    def _cut(self, end: int) -> None:
        """Write the open part, which ends at `end`, and open the next."""
        samples, self._samples = self._samples, []
        sound = self._take_audio(self._audio_end(end))
        is_video = self._clock_kind == "video"
        tracks = (samples, sound) if is_video else ([], samples)
        wanted = self._segment_tags and not self._index
        tags = [self._segment_tag(*tracks)] if wanted else []
        inserted = self._take_tags(end)
        payload = self._writer.write_part(*tracks, [*tags, *inserted])
        if not self._index:
            self._start_segment(tags[0].data if tags else None)
        part = Part(
            msn=self._msn,
            index=self._index,
            duration_ms=(end - self._part_start) * 1000 / self._scale,
            independent=bool(samples) and samples[0].packet.keyframe,
            payload=payload,
        )
        self._emit(part, end, inserted=inserted)
        self._index += 1
        self._part_start = end
        self._cursor = max(self._cursor, end)
        written = sum(len(sample.packet.data) for sample in samples)
        self._open_bytes -= written + sum(len(sample.packet.data) for sample in sound)

    def _segment_tag(self, video: list[Sample], audio: list[Sample]) -> TimedTag:
        """When the open segment came in, at the first of its frames to be decoded."""
        pts = (
            video[0].packet.pts
            if video
            else rescale(audio[0].packet.pts, self._audio_scale, VIDEO_TIMESCALE)
        )
        received_ms = self._received_ms
        tag = segment_tag(
            msn=self._msn,
            received_ms=self._wall_ms(self._segment_start) if received_ms is None else received_ms,
            sent_ms=self._now_ms,
            offset_ms=round(self._ended_ms),
        )
        return TimedTag(pts=pts, data=tag)

    def _start_segment(self, tag: bytes | None) -> None:
        init = self._init if self._init != self._written_init else None
        self._written_init = self._init
        started = SegmentStarted(
            msn=self._msn,
            discontinuity=self._discontinuity,
            init=init,
            program_date_time_ms=self._wall_ms(self._segment_start),
            times_go_on=self._times_go_on,
        )
        self._emit(started, self._segment_start, tag)
        self._discontinuity = self._times_go_on = False

    def _emit(
        self,
        event: SegmentStarted | Part | SegmentFinished,
        ticks: int,
        tag: bytes | None = None,
        inserted: tuple[TimedTag, ...] = (),
    ) -> None:
        self._events.append(event)
        at_pts = rescale(ticks + self._reorder, self._scale, VIDEO_TIMESCALE)
        self._cuts.append(Cut(event=event, at_pts=at_pts, tag=tag, inserted=inserted))

    def _take_tags(self, end: int) -> tuple[TimedTag, ...]:
        # As sound, which lies on the same clock of presentation: what is left goes last.
        end_pts = rescale(end + self._reorder + self._audio_room, self._scale, VIDEO_TIMESCALE)
        tags: list[TimedTag] = []
        while self._due and self._due[0].pts < end_pts:
            tags.append(self._due.popleft())
        return tuple(tags)

    def _take_audio(self, end: int) -> list[Sample]:
        queue, samples = self._audio, []
        while queue and queue[0].dts < end:
            packet = queue.popleft()
            # A gap within the part is carried by the sample before it.
            duration = queue[0].dts - packet.dts if queue and queue[0].dts < end else 0
            samples.append(Sample(packet=packet, duration=duration or SAMPLES_PER_FRAME))
        return samples
