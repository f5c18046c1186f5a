"""What an encoder really sends: per track and second, counted at its arrival.

One cell for each second, in a ring of RING_S; the second in progress is not shown. Time
passed in is Unix milliseconds. Seconds without a frame count as zeros.
"""

from collections import deque

from msgspec import Struct

from headwater.core.encoded import EncodedFrame, Kind
from headwater.core.track import AudioTrack, TrackSet, VideoTrack

RING_S = 60
"""Seconds kept: what health looks at and a dashboard shows."""
AVERAGE_S = 5
"""Seconds that the current rates are averaged over: more than one usual GOP."""
WIRE_PERIOD_MS = 1 << 32
MAX_STEP_MS = 10_000
"""Between two frames: a longer step of the encoder's clock is a jump, not media."""


class Second(Struct, frozen=True, kw_only=True, gc=False):
    """One track in one second."""

    start_ms: int  # Unix
    frames: int
    payload_bytes: int
    media_ms: int  # by which the encoder's clock went on
    keyframe_interval_ms: int | None  # the longest that ended in it, on the encoder's clock


class Reading(Struct, frozen=True, kw_only=True):
    """One track now: its configuration, its last seconds, and rates averaged over a few."""

    track: VideoTrack | AudioTrack
    since_ms: int  # Unix; the first frame's arrival
    frames: int  # since then, those of the second in progress included
    media_ms: int  # likewise
    seconds: tuple[Second, ...]  # oldest first, at most RING_S
    bitrate_bps: float
    frame_rate: float  # frames per second of arrival
    keyframe_interval_ms: int | None  # the latest known; None for audio


class _Counter:
    """One track's ring and the second in progress."""

    __slots__ = (
        "_bytes",
        "_clock_ms",
        "_frames",
        "_interval_ms",
        "_keyframe_ms",
        "_media_ms",
        "frames",
        "media_ms",
        "ring",
        "second",
        "since_ms",
    )

    def __init__(self, since_ms: int) -> None:
        self.ring: deque[Second] = deque(maxlen=RING_S)
        self.since_ms = since_ms
        self.second = since_ms // 1000
        self.frames = 0  # of all seconds
        self.media_ms = 0
        self._frames = 0
        self._bytes = 0
        self._media_ms = 0
        self._clock_ms: int | None = None
        self._interval_ms: int | None = None
        self._keyframe_ms: int | None = None

    def count(self, frame: EncodedFrame) -> None:
        self._frames += 1
        self._bytes += len(frame.data)
        clock_ms = frame.timestamp_ms
        if self._clock_ms is not None:
            step_ms = (clock_ms - self._clock_ms) % WIRE_PERIOD_MS  # one back is nearly a period
            if step_ms <= MAX_STEP_MS:
                self._media_ms += step_ms
            else:
                self._keyframe_ms = None  # another clock's, perhaps another encoder's
        self._clock_ms = clock_ms
        if frame.keyframe and frame.kind == "video":
            if self._keyframe_ms is not None:
                interval_ms = (clock_ms - self._keyframe_ms) % WIRE_PERIOD_MS
                self._interval_ms = max(interval_ms, self._interval_ms or 0)
            self._keyframe_ms = clock_ms

    def so_far(self) -> tuple[int, int]:
        """Frames and milliseconds of media since the first."""
        return self.frames + self._frames, self.media_ms + self._media_ms

    def advance(self, second: int) -> None:
        """Close the seconds before `second`; a clock that steps back waits."""
        # After a long pause, only what the ring can hold is written.
        self.second = max(self.second, second - RING_S - 1)
        while self.second < second:
            self.ring.append(
                Second(
                    start_ms=self.second * 1000,
                    frames=self._frames,
                    payload_bytes=self._bytes,
                    media_ms=self._media_ms,
                    keyframe_interval_ms=self._interval_ms,
                )
            )
            self.second += 1
            self.frames += self._frames
            self.media_ms += self._media_ms
            self._frames, self._bytes, self._media_ms, self._interval_ms = 0, 0, 0, None


class IngestMeter:
    """Measures both tracks of one encoder."""

    def __init__(self) -> None:
        self._tracks: dict[Kind, VideoTrack | AudioTrack] = {}
        self._counters: dict[Kind, _Counter] = {}

    def configure(self, tracks: TrackSet) -> None:
        """The tracks from here on."""
        found: list[tuple[Kind, VideoTrack | AudioTrack | None]] = [
            ("video", tracks.video),
            ("audio", tracks.audio),
        ]
        self._tracks = {kind: track for kind, track in found if track is not None}

    def count(self, frame: EncodedFrame, now_ms: int) -> None:
        """A frame that arrived at `now_ms`."""
        second = now_ms // 1000
        counter = self._counters.get(frame.kind)
        if counter is None:
            counter = self._counters[frame.kind] = _Counter(now_ms)
        if second > counter.second:
            counter.advance(second)
        counter.count(frame)

    def read(self, now_ms: int) -> dict[Kind, Reading]:
        """Every track that there is now."""
        readings: dict[Kind, Reading] = {}
        for kind, track in self._tracks.items():
            counter = self._counters.get(kind)
            if counter is not None:
                counter.advance(now_ms // 1000)
                readings[kind] = _reading(track, counter)
        return readings


def _reading(track: VideoTrack | AudioTrack, counter: _Counter) -> Reading:
    seconds = tuple(counter.ring)
    recent = seconds[-AVERAGE_S:]
    length_s = max(1, len(recent))
    intervals = [each.keyframe_interval_ms for each in seconds]
    frames, media_ms = counter.so_far()
    return Reading(
        track=track,
        since_ms=counter.since_ms,
        frames=frames,
        media_ms=media_ms,
        seconds=seconds,
        bitrate_bps=8 * sum(each.payload_bytes for each in recent) / length_s,
        frame_rate=sum(each.frames for each in recent) / length_s,
        keyframe_interval_ms=next((each for each in reversed(intervals) if each), None),
    )
