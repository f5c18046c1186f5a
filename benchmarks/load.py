"""Load of ready-made HTTP/1.1 requests, by a process of its own: closed loop and open loop.

    closed   so many connections, each asks again as soon as it is answered
    open     so many requests a second, whether answered or not; a request's time begins
             when it was due, so that a server that stalls cannot hide it

Requests are bytes and answers are only cut apart (by Content-Length), which costs the load's
core 30 to 50 us a request: a tenth of what the servers under test spend.
"""

import asyncio
import itertools
import os
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import cast

import uvloop

HOST = "127.0.0.1"
OPEN_CONNECTIONS = 50
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Answers:
    """What a run of load saw."""

    wall_s: float
    took_ms: list[float]


class _Connection(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.is_open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It can be written to."""
        self._transport = cast("asyncio.Transport", transport)

    async def ask(self, request: bytes) -> None:
        """Send a request and wait for its answer, which must be a 200."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await self._answer
        if answer[9:12] != b"200":
            raise RuntimeError(f"the load failed:\n{answer.decode()}")

    def data_received(self, data: bytes) -> None:
        """A piece of an answer."""
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        length = _LENGTH.search(self._received, 0, head + 2) if head >= 0 else None
        if length and len(self._received) >= head + 4 + int(length[1]):
            if _CLOSE.search(self._received, 0, head + 2):
                self.is_open = False
                self._transport.abort()
            self._answer.set_result(bytes(self._received))
            self._received.clear()

    def connection_lost(self, _error: Exception | None) -> None:
        """The server closed it, or we did."""
        self.is_open = False
        if not self._answer.done():
            self._answer.set_exception(ConnectionError("closed before the answer"))


class _Client:
    """Asks over one connection, made again where the server closes it after each answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: _Connection | None = None

    async def ask(self, request: bytes) -> None:
        """Send a request and wait for its answer."""
        if self._connection is None or not self._connection.is_open:
            loop = asyncio.get_running_loop()
            _, self._connection = await loop.create_connection(_Connection, HOST, self._port)
        await self._connection.ask(request)


@contextmanager
def load_process(core: int) -> Iterator[ProcessPoolExecutor]:
    """A process for `closed` and `opened`, kept on one core."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, os.sched_setaffinity, (0, {core})) as pool:
        yield pool


def closed(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Answers:
    """As many as the server answers on so many connections."""
    return uvloop.run(_closed(port, requests, connections, seconds))


def opened(port: int, requests: Sequence[bytes], *, per_s: int, seconds: float) -> Answers:
    """So many a second."""
    return uvloop.run(_opened(port, requests, per_s, seconds))


async def _closed(
    port: int, requests: Sequence[bytes], connections: int, seconds: float
) -> Answers:
    took_ms: list[float] = []
    turns = itertools.cycle(requests)
    started_s = time.perf_counter()

    async def work(client: _Client) -> None:
        while (asked_s := time.perf_counter()) < started_s + seconds:
            await client.ask(next(turns))
            took_ms.append((time.perf_counter() - asked_s) * 1000)

    await asyncio.gather(*(work(_Client(port)) for _ in range(connections)))
    return Answers(time.perf_counter() - started_s, took_ms)


async def _opened(port: int, requests: Sequence[bytes], per_s: int, seconds: float) -> Answers:
    took_ms: list[float] = []
    free: asyncio.Queue[_Client] = asyncio.Queue()
    for _ in range(OPEN_CONNECTIONS):
        free.put_nowait(_Client(port))
    started_s = time.perf_counter()

    async def ask(due_s: float, request: bytes) -> None:
        client = await free.get()
        await client.ask(request)
        took_ms.append((time.perf_counter() - due_s) * 1000)
        free.put_nowait(client)

    async with asyncio.TaskGroup() as asking:
        turns = itertools.cycle(requests)
        for number in range(int(per_s * seconds)):
            due_s = started_s + number / per_s
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            asking.create_task(ask(due_s, next(turns)))
    return Answers(time.perf_counter() - started_s, took_ms)
