"""The sample grid: AAC frames exactly 1024 samples apart.

RTMP rounds times to milliseconds and some encoders add jitter; a decoder plays frames
back to back anyway. So a frame keeps its place behind the one before, until the
encoder's time is off for good: then the gap is real (or frames must go).
"""

from headwater.core.timebase import rescale
from headwater.media.codec.aac import SAMPLES_PER_FRAME

CLOSE_TICKS = SAMPLES_PER_FRAME * 3 // 4  # within it, only rounding: a lost frame is more
FAR_MS = 100  # beyond it, a gap at once; encoders with jitter stay below
PATIENCE_FRAMES = 5  # in between, after so many frames off to the same side


class AudioGrid:
    """Turns positions of one track's frames into ticks of its sample rate."""

    def __init__(self, sample_rate_hz: int, floor_ms: int) -> None:
        """Nothing is placed before `floor_ms`, where the audio before ended."""
        self._rate_hz = sample_rate_hz
        self._next = -(-floor_ms * sample_rate_hz // 1000)
        self._started = False
        self._off = 0  # frames in a row that were off; the sign tells the side
        self._dropping = False

    @property
    def end_ms(self) -> int:
        """Where the last placed frame ends, rounded up; the floor before the first."""
        return -(-self._next * 1000 // self._rate_hz)

    def place(self, position_ms: int) -> int | None:
        """The ticks of the next frame, or None: the frame is to be dropped."""
        measured = rescale(position_ms, 1000, self._rate_hz)
        off = measured - self._next
        if not self._started:
            if off < -CLOSE_TICKS:
                return None
            self._started = True
            return self._put(max(measured, self._next))
        if self._dropping:
            if off < -(SAMPLES_PER_FRAME // 2):
                return None
            self._dropping, self._off = False, 0
        elif abs(off) <= CLOSE_TICKS:
            self._off = 0
        else:
            return self._correct(measured, off)
        return self._put(self._next)

    def _correct(self, measured: int, off: int) -> int | None:
        side = 1 if off > 0 else -1
        self._off = self._off + side if self._off * side > 0 else side
        if abs(self._off) < PATIENCE_FRAMES and abs(off) * 1000 <= FAR_MS * self._rate_hz:
            return self._put(self._next)
        self._off = 0
        if off > 0:
            return self._put(measured)
        self._dropping = True
        return None

    def _put(self, ticks: int) -> int:
        self._next = ticks + SAMPLES_PER_FRAME
        return ticks
