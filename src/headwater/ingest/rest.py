"""Rests between reads, after which all live encoders are read one after another.

An encoder sends something every few milliseconds. To come back to each for every piece costs
more than the pieces: the processor has forgotten by then what the code and its data were.
Read together, thirty times a second, ten streams take a quarter less of its time
(`docs/benchmarks.md`), and come REST_MS / 2 later on average.
"""

import asyncio
from collections.abc import Callable

REST_MS = 33
"""A picture at 30 frames a second, a tenth of a part."""


class Rests:
    """Ends the rests of all connections at the same times."""

    def __init__(self) -> None:
        self._resting: list[Callable[[], None]] = []

    def begin(self, end: Callable[[], None]) -> None:
        """Call `end` at the next multiple of REST_MS of the event loop's clock."""
        if not self._resting:
            loop = asyncio.get_running_loop()
            loop.call_at((loop.time() * 1000 // REST_MS + 1) * REST_MS / 1000, self._end_all)
        self._resting.append(end)

    def _end_all(self) -> None:
        resting, self._resting = self._resting, []
        for end in resting:
            end()
