"""A spool's work, done in threads one after the other: the event loop never waits for a disk.

Media that comes faster than the disk takes it waits in memory up to a bound; beyond that it
is told as lost, and the stream goes on.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from headwater.core.segment import MediaEvent, Part
from headwater.recording.manifest import Manifest
from headwater.recording.records import Record, Stored
from headwater.recording.spool import Ready, Spool

MAX_WAITING_BYTES = 32 << 20
"""Of one recording: half a minute of 8.5 Mb/s."""
GATHER_S = 0.4
"""Parts of so long are written at once: waking a thread for each costs more than writing it. A
part and this are less than the second that a kill may cost."""
DISK_TOO_SLOW = "the spool's disk was too slow"

T = TypeVar("T")
_Item = tuple[str, MediaEvent, str]  # rendition, event, why its media is lost


class SpoolWork:
    """One recording's spool, as the event loop sees it."""

    def __init__(
        self, spool: Spool, executor: Executor, on_ready: Callable[[list[Ready]], None]
    ) -> None:
        """Nothing is to be done.

        Args:
            spool: whose work it is.
            executor: has the threads.
            on_ready: told what is complete, and can be stored.
        """
        self._spool = spool
        self._executor = executor
        self._on_ready = on_ready
        self._turn = asyncio.Lock()
        self._waiting: deque[_Item] = deque()
        self._waiting_bytes = 0
        self._pump: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def manifest(self) -> Manifest:
        """What is in the recording; a thread adds to it."""
        return self._spool.manifest

    def push(self, name: str, event: MediaEvent) -> None:
        """Keep a rendition's next event."""
        lost = ""
        if isinstance(event, Part):
            if self._waiting_bytes + len(event.payload) > MAX_WAITING_BYTES:
                lost = DISK_TOO_SLOW
                event = Part(
                    msn=event.msn,
                    index=event.index,
                    duration_ms=event.duration_ms,
                    independent=event.independent,
                    payload=b"",
                )
            self._waiting_bytes += len(event.payload)
        self._waiting.append((name, event, lost))
        if self._timer is None and (self._pump is None or self._pump.done()):
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._begin)

    async def drained(self) -> None:
        """Wait until all events are kept."""
        if self._timer is not None:
            self._timer.cancel()
            self._begin()
        while self._pump is not None and not self._pump.done():
            await asyncio.wait([self._pump])

    async def do(self, work: Callable[[], T]) -> T:
        """Run something of the spool's in its turn."""
        async with self._turn:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def keep(self, key: str, body: bytes) -> None:
        """Keep an object that is no segment."""
        self._on_ready(await self.do(partial(self._spool.put, key, body)))

    async def leave(self, at_ms: int) -> None:
        """The stream is over; all its events are kept."""
        await self.drained()
        self._on_ready(await self.do(partial(self._spool.leave, at_ms)))

    async def note(self, record: Record) -> None:
        """Tell something else."""
        await self.do(partial(self._spool.note, record))

    async def is_whole(self, ready: Ready) -> bool:
        """Whether its file is as it was written."""
        return await self.do(partial(self._spool.is_whole, ready))

    async def lose(self, ready: Ready, reason: str) -> None:
        """Its bytes are gone."""
        if ready.segment is not None:
            number = ready.segment.number
            await self.do(partial(self.manifest.lose, ready.rendition, number, reason))

    async def stored(self, ready: Ready) -> None:
        """It is where it belongs."""
        await self.do(partial(self._spool.stored, ready))

    async def tell_stored(self, key: str) -> None:
        """An object that was never in the spool is where it belongs."""
        await self.do(partial(self._spool.note, Stored(key=key)))

    def drop(self, ready: Ready) -> None:
        """It is not needed any more."""
        self._spool.drop(ready)

    def _begin(self) -> None:
        self._timer = None
        self._pump = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft()]
            while self._waiting and self._waiting[0][2] == batch[0][2]:
                batch.append(self._waiting.popleft())
            events = [(name, event) for name, event, _ in batch]
            ready = await self.do(partial(self._spool.push, events, lost=batch[0][2]))
            self._waiting_bytes -= sum(
                len(event.payload) for _, event in events if isinstance(event, Part)
            )
            if ready:
                self._on_ready(ready)
