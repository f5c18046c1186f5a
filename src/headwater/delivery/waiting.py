"""A room where the requests of one rendition wait for its next part.

Each waiting request holds one future of its own, so that a request leaves in constant
time however many wait. Times come from the caller's clock; `release_late` is called
about once a second, which spares a timer per request; from then on it is noticed when a
client leaves, and when it may not have what it waits for any more.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Self

MAX_WAITING = 20_000
"""Requests that may wait on one rendition: above what one process can answer in a part."""

WATCH_AFTER_S = 1.0
"""Most wait for less than a part, and then it doesn't matter whether they are still there.
Watching each for so short a time would cost more than all the rest of its answer."""


class GaveUp(Enum):
    """Why a request stopped waiting before it was ready."""

    CROWDED = "MAX_WAITING others wait already"
    LATE = "nothing came in time"
    LEFT = "the client is gone"
    REFUSED = "it may not have it any more"


class Place:
    """One request's place in a room, also where that is full: who takes one has asked.

    with Place(room, disconnected, refused) as place:
        await place.until(...)
    """

    __slots__ = ("_disconnected", "_leaving", "_refused", "_room", "_wake", "deadline_s", "since_s")

    def __init__(
        self,
        room: "WaitingRoom",
        disconnected: Callable[[], Awaitable[None]] | None,
        refused: Callable[[], bool],
    ) -> None:
        """Without a place yet.

        Args:
            room: that of what is waited for.
            disconnected: returns when the client has left.
            refused: whether the client may not have it any more; cheap.
        """
        self.since_s = room.now_s()
        self.deadline_s = math.inf
        self._room = room
        self._disconnected = disconnected
        self._refused = refused
        self._leaving: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[None] | None = None  # while it waits

    def __enter__(self) -> Self:
        self._room.count += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._room.count -= 1
        if self._leaving is not None:
            self._leaving.cancel()

    async def until(self, ready: Callable[[], bool], *, timeout_s: float) -> GaveUp | None:
        """Return None once `ready()`, else why not; it is asked at each `wake_all`.

        Args:
            ready: cheap, and without side effects; the caller has just seen that it is not.
            timeout_s: after that long the request is released by `release_late`; math.inf
                where something else ends the wait.
        """
        self.deadline_s = self._room.now_s() + timeout_s
        while True:
            if self._leaving is not None and self._leaving.done():
                return GaveUp.LEFT
            if self._room.now_s() >= self.deadline_s:
                return GaveUp.LATE
            self._wake = asyncio.get_running_loop().create_future()
            self._room.waiting[self] = None
            try:
                await self._wake
            finally:
                self._room.waiting.pop(self, None)
            if self._refused():
                return GaveUp.REFUSED
            if ready():
                return None

    def wake(self) -> None:
        """Let the request ask again."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def look(self) -> None:
        """Notice that the client is refused now; from now on, notice when it leaves."""
        if self._refused():
            self.wake()
        elif self._leaving is None and self._disconnected is not None:
            self._leaving = asyncio.ensure_future(_finish(self._disconnected))
            self._leaving.add_done_callback(self._client_left)

    def _client_left(self, _: asyncio.Task[None]) -> None:
        self.wake()


class WaitingRoom:
    """The waiting requests of one rendition; `count` returns to zero when all have left."""

    def __init__(self, now_s: Callable[[], float], *, max_waiting: int = MAX_WAITING) -> None:
        self.count = 0
        self.now_s = now_s
        self._max_waiting = max_waiting
        self.waiting: dict[Place, None] = {}  # in the order of arrival

    def is_full(self) -> bool:
        """Whether newcomers are to be turned away."""
        return self.count >= self._max_waiting

    async def wait_until(
        self,
        ready: Callable[[], bool],
        *,
        timeout_s: float,
        disconnected: Callable[[], Awaitable[None]] | None,
        refused: Callable[[], bool],
    ) -> GaveUp | None:
        """Take a place, if there is one, until `ready()`, as `Place.until` does."""
        if self.is_full():
            return GaveUp.CROWDED
        with Place(self, disconnected, refused) as place:
            return await place.until(ready, timeout_s=timeout_s)

    def wake_all(self) -> None:
        """The window has changed: every waiting request asks again."""
        waiting, self.waiting = self.waiting, {}
        for place in waiting:
            place.wake()

    def release_late(self) -> None:
        """Wake the requests that have waited too long; look after the clients of the others."""
        now_s = self.now_s()
        for place in self.waiting:
            if now_s >= place.deadline_s:
                place.wake()
            elif now_s - place.since_s >= WATCH_AFTER_S:
                place.look()


async def _finish(disconnected: Callable[[], Awaitable[None]]) -> None:
    await disconnected()
