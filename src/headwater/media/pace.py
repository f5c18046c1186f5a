"""Whether the encoder's clock runs at the rate of time, and arrival times where it does not.

    trusting --(WINDOWS windows in a row at a wrong rate)--> by arrival

Seen on real encoders: clocks that run 10 or 90 times too fast. What only looks like it must
not be touched: a stall and the burst after it (the average is right), an uplink that is too
slow or a file sent faster than real time (then the sound itself is late or early: an AAC
frame has a length that no clock changes). By arrival, each track goes on at its measured
mean interval and drifts towards the times at which its frames come in, so that the jitter
of the network does not become the jitter of the picture.
"""

from msgspec import Struct, structs

from headwater.core.encoded import CodecConfig, EncodedFrame, Kind
from headwater.media.clock import WIRE_PERIOD_MS
from headwater.media.codec import aac

WINDOW_MS = 10_000  # of arrival; longer than a stall that is nothing but a stall
WINDOWS = 3  # in a row: half a minute of a wrong clock is no accident
RATE_OFF = 1.5  # a clock this many times too fast or slow is wrong, if the sound says so
RATE_OFF_SILENT = 4.0  # ... without sound to compare with
SOUND_OFF = 0.1  # sound that arrives within a tenth of its own length is live
LIVE_FPS = range(8, 90)  # frames a second that arrive from a live camera
RESYNC_MS = 1000  # further from its arrival, a track's time starts anew
FOLLOW = 0.02  # of the distance to the arrival, closed with each frame


class _Track(Struct, kw_only=True):
    wire_ms: int  # of the latest frame
    media_ms: int = 0  # by the encoder's clock, in this window
    frames: int = 0  # in this window
    interval_ms: float = 0.0  # between arrivals, on average; set when by arrival
    rate: float = 1.0  # the encoder's milliseconds in one of ours
    time_ms: float = 0.0  # by arrival


class Pace:
    """Watches both tracks of one encoder; replaces times only when they are hopeless."""

    def __init__(self) -> None:
        self.by_arrival = False
        self._tracks: dict[Kind, _Track] = {}
        self._sample_rate_hz = 0
        self._window_ms: int | None = None  # arrival at which the window began
        self._wrong = 0  # windows in a row

    def configure(self, config: CodecConfig) -> None:
        """Learn how long a frame of sound is.

        Raises:
            PeerError: the configuration is not supported.
        """
        if config.codec == "aac":
            self._sample_rate_hz = aac.parse_config(config.data).sample_rate_hz

    def pass_on(self, frame: EncodedFrame, now_ms: int) -> EncodedFrame:
        """The frame as it is, or with a time of its arrival; `now_ms` is any clock's."""
        track = self._tracks.get(frame.kind)
        if track is None:
            track = self._tracks[frame.kind] = _Track(wire_ms=frame.timestamp_ms)
        if self.by_arrival:
            return _by_arrival(frame, track, now_ms)
        half = WIRE_PERIOD_MS // 2
        step_ms = (frame.timestamp_ms - track.wire_ms + half) % WIRE_PERIOD_MS - half
        track.wire_ms = frame.timestamp_ms
        track.media_ms += step_ms
        track.frames += 1
        if self._window_ms is None:
            self._window_ms = now_ms
        elif now_ms - self._window_ms >= WINDOW_MS:
            self._judge(now_ms - self._window_ms, now_ms)
        return frame

    def _judge(self, elapsed_ms: int, now_ms: int) -> None:
        self._wrong = self._wrong + 1 if self._is_wrong(elapsed_ms) else 0
        if self._wrong == WINDOWS:
            self.by_arrival = True
        for track in self._tracks.values():
            track.interval_ms = elapsed_ms / max(1, track.frames)
            track.rate = track.media_ms / elapsed_ms
            track.time_ms = now_ms
            track.media_ms = track.frames = 0
        self._window_ms = now_ms

    def _is_wrong(self, elapsed_ms: int) -> bool:
        """Whether frames arrive as from a live camera, with times that do not fit."""
        sound, video = self._tracks.get("audio"), self._tracks.get("video")
        if sound is not None and self._sample_rate_hz:
            length_ms = sound.frames * aac.SAMPLES_PER_FRAME * 1000 / self._sample_rate_hz
            if abs(length_ms / elapsed_ms - 1) > SOUND_OFF:
                return False
            tracks = [each for each in (sound, video) if each is not None and each.frames]
            return any(_is_off(each.media_ms / elapsed_ms, RATE_OFF) for each in tracks)
        if video is None or video.frames * 1000 // elapsed_ms not in LIVE_FPS:
            return False
        return _is_off(video.media_ms / elapsed_ms, RATE_OFF_SILENT)


def _is_off(rate: float, by: float) -> bool:
    return not 1 / by <= rate <= by


def _by_arrival(frame: EncodedFrame, track: _Track, now_ms: int) -> EncodedFrame:
    expected_ms = track.time_ms + track.interval_ms
    error_ms = now_ms - expected_ms
    if abs(error_ms) > RESYNC_MS:
        track.time_ms = now_ms
    else:
        track.time_ms = expected_ms + FOLLOW * error_ms
    # The offset is in the same wrong milliseconds; of a clock that stands still, nothing.
    offset_ms = round(frame.composition_offset_ms / track.rate) if track.rate > 0 else 0
    return structs.replace(
        frame,
        timestamp_ms=round(track.time_ms) % (2 * WIRE_PERIOD_MS),
        composition_offset_ms=offset_ms if abs(offset_ms) <= RESYNC_MS else 0,
    )
