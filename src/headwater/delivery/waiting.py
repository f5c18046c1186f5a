"""A room where the requests of one rendition wait for its next part.

Each waiting request holds one future of its own, so that a request leaves in constant
time however many wait. Times come from the caller's clock; `release_late` is called
about once a second, which spares a timer per request.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum

MAX_WAITING = 20_000
"""Requests that may wait on one rendition: above what one process can answer in a part."""


class GaveUp(Enum):
    """Why a request stopped waiting before it was ready."""

    CROWDED = "MAX_WAITING others wait already"
    LATE = "nothing came in time"
    LEFT = "the client is gone"


class WaitingRoom:
    """The waiting requests of one rendition; `count` returns to zero when all have left."""

    def __init__(self, now_s: Callable[[], float], *, max_waiting: int = MAX_WAITING) -> None:
        self.count = 0
        self._now_s = now_s
        self._max_waiting = max_waiting
        self._waiting: dict[asyncio.Future[None], float] = {}  # and each one's deadline

    async def wait_until(
        self,
        ready: Callable[[], bool],
        *,
        timeout_s: float,
        disconnected: Callable[[], Awaitable[None]] | None,
    ) -> GaveUp | None:
        """Return None once `ready()`; it is asked now and at each `wake_all`.

        Args:
            ready: cheap, and without side effects.
            timeout_s: after that long the request is released by `release_late`.
            disconnected: returns when the client has left.
        """
        if ready():
            return None
        if self.count >= self._max_waiting:
            return GaveUp.CROWDED
        deadline_s = self._now_s() + timeout_s
        leaving = asyncio.ensure_future(_finish(disconnected)) if disconnected else None
        self.count += 1
        try:
            while True:
                await self._next_wake(deadline_s, leaving)
                if leaving is not None and leaving.done():
                    return GaveUp.LEFT
                if ready():
                    return None
                if self._now_s() >= deadline_s:
                    return GaveUp.LATE
        finally:
            self.count -= 1
            if leaving is not None:
                leaving.cancel()

    def wake_all(self) -> None:
        """The window has changed: every waiting request asks again."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting:
            _wake(future)

    def release_late(self) -> None:
        """Wake the requests that have waited too long."""
        now_s = self._now_s()
        for future, deadline_s in self._waiting.items():
            if now_s >= deadline_s:
                _wake(future)

    async def _next_wake(self, deadline_s: float, leaving: asyncio.Task[None] | None) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def client_left(_: asyncio.Task[None]) -> None:
            _wake(future)

        self._waiting[future] = deadline_s
        if leaving is not None:
            leaving.add_done_callback(client_left)
        try:
            await future
        finally:
            self._waiting.pop(future, None)
            if leaving is not None:
                leaving.remove_done_callback(client_left)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _finish(disconnected: Callable[[], Awaitable[None]]) -> None:
    await disconnected()
