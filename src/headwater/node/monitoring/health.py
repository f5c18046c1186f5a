"""Whether an encoder keeps up with what it is making: a stream's health.

    UNKNOWN --(FIRST_MS of media came in time)--> HEALTHY
    UNKNOWN, HEALTHY --(too little came in a window, BAD_S in a row)--> STARVING
    STARVING --(CLEAR_S with enough in every window)--> HEALTHY

Too little is less than ENOUGH of either of these, over the last WINDOW_S:

- of time: the media that came is shorter than the time that went by, by the longer of the
  sound's frames and the pictures' clock. Nobody can watch that without stops.
- of pictures, with bits as few: some were dropped on their way. Few bits alone are a still
  picture, few pictures alone a camera that takes its time. What is enough is what the encoder
  stated (onMetaData) if it does that, else its own mean, so that nobody starves for ever for
  having become another.

Source: IVS user guide, "Monitoring Low-Latency Streaming Health": starvation is receiving
fewer bits than expected for some time. The figures are ours. Time is given, in Unix ms.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence

from msgspec import Struct

from headwater.core.encoded import Kind
from headwater.core.track import AudioTrack, VideoTrack
from headwater.media.codec.aac import SAMPLES_PER_FRAME
from headwater.media.measure import Reading, Second
from headwater.shapes.scalars import StreamHealth

WINDOW_S = 5
ENOUGH = 0.8
BAD_S = 2
"""One bad second alone is a hiccup: what it lacks comes in the next."""
CLEAR_S = 5
FIRST_MS = 1000
"""Of media in time, before a stream is called healthy."""
MEAN_S = 300
"""Of the encoder's own mean: for as long at least it starves when it sends half of that."""
FEWEST_FPS = 1.0
"""Below that a picture is a slide, and a window may well have none."""


class Stated(Struct, frozen=True):
    """What an encoder says that it sends; 0: it says nothing."""

    frame_rate: float = 0.0
    bitrate_bps: float = 0.0  # of sound and pictures together


def stated_of(values: Mapping[str, object]) -> Stated:
    """From onMetaData: frames and kilobits a second."""
    video_kbps, audio_kbps = _figure(values, "videodatarate"), _figure(values, "audiodatarate")
    return Stated(
        frame_rate=_figure(values, "framerate"),
        bitrate_bps=1000 * (video_kbps + audio_kbps) if video_kbps else 0.0,
    )


class _Cell(Struct, frozen=True, gc=False):
    """What one second brought."""

    video_ms: int
    audio_ms: float
    frames: int
    bits: int


class Health:
    """Judges one stream, second by second."""

    def __init__(self) -> None:
        self.state: StreamHealth = "UNKNOWN"
        self._stated = Stated()
        self._window: deque[_Cell] = deque(maxlen=WINDOW_S)
        self._next_s = 0  # Unix; the second to judge next
        self._good_s = 0  # seconds in a row with enough in their window
        self._bad_s = 0  # ... with too little
        self._learned_s = 0
        self._mean_frames = 0.0  # a second
        self._mean_bits = 0.0

    def describe(self, values: Mapping[str, object]) -> None:
        """What the encoder says of itself; another one's mean is not this one's."""
        stated = stated_of(values)
        if stated != self._stated:
            self._stated = stated
            self._learned_s = 0

    def look(self, measured: Mapping[Kind, Reading], now_ms: int) -> StreamHealth:
        """Judge the seconds that are over by now; the health after them."""
        if measured:
            since_s = math.ceil(min(each.since_ms for each in measured.values()) / 1000)
            self._next_s = max(self._next_s, since_s)
            cells = _cells(measured, self._next_s)
            self._next_s = max(self._next_s, min(cells, default=0))
            while self._next_s in cells:
                self._judge(cells[self._next_s], measured)
                self._next_s += 1
            if self.state == "UNKNOWN" and _began_well(measured, now_ms):
                self.state = "HEALTHY"
        return self.state

    def _judge(self, cell: _Cell, measured: Mapping[Kind, Reading]) -> None:
        self._window.append(cell)
        in_time = self._is_in_time()
        if in_time:
            self._learn(cell)
        if len(self._window) < WINDOW_S:
            return
        if not in_time or self._drops_pictures(measured):
            self._good_s, self._bad_s = 0, self._bad_s + 1
            if self._bad_s >= BAD_S:
                self.state = "STARVING"
            return
        self._good_s, self._bad_s = self._good_s + 1, 0
        if self.state == "UNKNOWN" or self._good_s >= CLEAR_S:
            self.state = "HEALTHY"

    def _is_in_time(self) -> bool:
        video_ms = sum(each.video_ms for each in self._window)
        audio_ms = sum(each.audio_ms for each in self._window)
        return max(video_ms, audio_ms) >= ENOUGH * 1000 * len(self._window)

    def _learn(self, cell: _Cell) -> None:
        self._learned_s = min(MEAN_S, self._learned_s + 1)
        self._mean_frames += (cell.frames - self._mean_frames) / self._learned_s
        self._mean_bits += (cell.bits - self._mean_bits) / self._learned_s

    def _drops_pictures(self, measured: Mapping[Kind, Reading]) -> bool:
        if "video" not in measured:
            return False
        track = measured["video"].track
        written = track.frame_rate if isinstance(track, VideoTrack) else None
        target_fps = _target(self._stated.frame_rate or written or 0.0, self._mean_frames)
        if target_fps < FEWEST_FPS:
            return False
        target_bps = _target(self._stated.bitrate_bps, self._mean_bits)
        frames = sum(each.frames for each in self._window)
        bits = sum(each.bits for each in self._window)
        return frames < ENOUGH * WINDOW_S * target_fps and bits < ENOUGH * WINDOW_S * target_bps


def _target(stated: float, mean: float) -> float:
    """What an encoder says that it sends, if it has done so on the whole."""
    return stated if stated and mean >= ENOUGH * stated else mean


def _cells(measured: Mapping[Kind, Reading], first_s: int) -> dict[int, _Cell]:
    """What all tracks brought, by second, from that one on."""
    video, audio = measured.get("video"), measured.get("audio")
    pictures = {each.start_ms: each for each in _since(video, first_s)}
    sounds = {each.start_ms: each for each in _since(audio, first_s)}
    frame_ms = _frame_ms(audio)
    cells = {}
    for start_ms in sorted(pictures.keys() | sounds.keys()):
        picture, sound = pictures.get(start_ms), sounds.get(start_ms)
        payload_bytes = sum(each.payload_bytes for each in (picture, sound) if each)
        cells[start_ms // 1000] = _Cell(
            video_ms=picture.media_ms if picture else 0,
            audio_ms=sound.frames * frame_ms if sound else 0,
            frames=picture.frames if picture else 0,
            bits=8 * payload_bytes,
        )
    return cells


def _since(reading: Reading | None, first_s: int) -> Sequence[Second]:
    if reading is None or not reading.seconds:
        return ()
    return reading.seconds[max(0, first_s - reading.seconds[0].start_ms // 1000) :]


def _began_well(measured: Mapping[Kind, Reading], now_ms: int) -> bool:
    """Whether the very first media came in time."""
    video, audio = measured.get("video"), measured.get("audio")
    media_ms = max(video.media_ms if video else 0, audio.frames * _frame_ms(audio) if audio else 0)
    elapsed_ms = now_ms - min(each.since_ms for each in measured.values())
    return media_ms >= max(FIRST_MS, ENOUGH * elapsed_ms)


def _frame_ms(audio: Reading | None) -> float:
    """The length of a frame of sound, which no clock changes."""
    if audio is None or not isinstance(audio.track, AudioTrack):
        return 0.0
    return 1000 * SAMPLES_PER_FRAME / audio.track.sample_rate_hz


def _figure(values: Mapping[str, object], name: str) -> float:
    sent = values.get(name)
    if isinstance(sent, bool) or not isinstance(sent, int | float) or not math.isfinite(sent):
        return 0.0
    return max(0.0, float(sent))
