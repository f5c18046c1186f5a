"""Turns, in which what all live encoders have sent is worked through, one after another.

An encoder sends something every few milliseconds. To parse and package each piece as it comes
costs more than the pieces: the processor has forgotten by then what the code and its data were.
`docs/benchmarks.md` says what turns save; what came waits TURN_MS / 2 for its turn on average.
"""

import asyncio
from collections.abc import Callable

TURN_MS = 33
"""A picture at 30 frames a second, a tenth of a part."""


class Turns:
    """Calls all who wait at the same times."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def wait(self, work: Callable[[], None]) -> None:
        """Call `work` at the next multiple of TURN_MS of the event loop's clock."""
        if not self._waiting:
            loop = asyncio.get_running_loop()
            loop.call_at((loop.time() * 1000 // TURN_MS + 1) * TURN_MS / 1000, self._take)
        self._waiting.append(work)

    def _take(self) -> None:
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()
