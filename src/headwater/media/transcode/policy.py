"""What a transcoder does when it falls behind real time, and when it takes that back. Pure.

    normal <-> faster preset <-> fastest preset <-> half the frames

One step at a time: up when packets have waited too long for a while, down after a calm
time. A step down that has to be taken back soon makes the next calm time longer, so that a
machine at its limit does not swing to and fro.
"""

from typing import Final

from headwater.media.transcode.wire import Level

BEHIND_MS = 500  # of media waiting: a burst after a stall of the network is gone sooner
BEHIND_S = 1.0  # ... for so long
CALM_MS = 150  # of media waiting: some frames
CALM_S = 10.0  # ... for so long
MAX_CALM_S = 320.0
STEP_S = 3.0  # a step shows what it gives only after the next key frame
SOON_S = 30.0  # a step back up within this was a step down too early

LEVELS: Final[tuple[Level, ...]] = (
    "normal",
    "faster preset",
    "fastest preset",
    "half the frames",
)
HARDWARE_LEVELS: Final[tuple[Level, ...]] = ("normal", "half the frames")
"""Hardware encodes as fast as it does whatever the preset."""


class Policy:
    """Watches how much media waits; `level` is what to do now."""

    def __init__(self, levels: tuple[Level, ...]) -> None:
        self._levels = levels
        self._step = 0
        self._since_s: float | None = None  # of the condition that would move the level
        self._condition = 0  # +1: behind, -1: calm, 0: in between
        self._moved_s = float("-inf")
        self._recovered_s = float("-inf")
        self._calm_s = CALM_S

    @property
    def level(self) -> Level:
        """How to encode now."""
        return self._levels[self._step]

    def update(self, now_s: float, waiting_ms: float) -> Level:
        """Look at the media that waits now; any steady clock."""
        condition = (waiting_ms > BEHIND_MS) - (waiting_ms < CALM_MS)
        if condition != self._condition or self._since_s is None:
            self._condition, self._since_s = condition, now_s
        lasted_s = now_s - self._since_s
        if now_s - self._moved_s < STEP_S:
            return self.level
        if condition > 0 and lasted_s >= BEHIND_S and self._step + 1 < len(self._levels):
            if now_s - self._recovered_s < SOON_S:
                self._calm_s = min(2 * self._calm_s, MAX_CALM_S)
            self._move(+1, now_s)
        elif condition < 0 and lasted_s >= self._calm_s and self._step:
            self._move(-1, now_s)
            self._recovered_s = now_s
            if not self._step:
                self._calm_s = max(CALM_S, self._calm_s / 2)
        return self.level

    def _move(self, by: int, now_s: float) -> None:
        self._step += by
        self._moved_s = self._since_s = now_s
