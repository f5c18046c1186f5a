"""The test tone: a beep of 1 kHz at the start of each UTC second.

Format: 32-bit float samples, native byte order, one channel (both speakers get it).
"""

import math
from array import array

SAMPLE_RATE_HZ = 48_000
FRAME_SAMPLES = 1024  # an AAC-LC frame, ISO/IEC 14496-3 §4.5.1.1
BEEP_HZ = 1_000
BEEP_MS = 100
_FADE_MS = 4  # a hard edge would click over the whole spectrum
_AMPLITUDE = 0.2  # about -14 dBFS: clear, not startling
_SAMPLE_BYTES = 4


class Tone:
    """A beep each second, cut into AAC-sized frames.

    The second is rendered once; each frame is a slice of it.
    """

    def __init__(self, start_unix_ms: int) -> None:
        self._offset = start_unix_ms % 1000 * SAMPLE_RATE_HZ // 1000
        second = _render_second()
        # Its head again after its end, so that a frame is one slice wherever it starts.
        self._looped = second + second[: FRAME_SAMPLES * _SAMPLE_BYTES]

    def frame(self, index: int) -> bytes:
        """The samples of frame `index` (from 0): 1024 floats, 4096 bytes."""
        first = (self._offset + index * FRAME_SAMPLES) % SAMPLE_RATE_HZ * _SAMPLE_BYTES
        return self._looped[first : first + FRAME_SAMPLES * _SAMPLE_BYTES]


def _render_second() -> bytes:
    beep_samples = SAMPLE_RATE_HZ * BEEP_MS // 1000
    fade_samples = SAMPLE_RATE_HZ * _FADE_MS // 1000
    second = array("f", bytes(SAMPLE_RATE_HZ * _SAMPLE_BYTES))
    for index in range(beep_samples):
        fade = min(1.0, index / fade_samples, (beep_samples - index) / fade_samples)
        wave = math.sin(2 * math.pi * BEEP_HZ * index / SAMPLE_RATE_HZ)
        second[index] = _AMPLITUDE * fade * wave
    return second.tobytes()
