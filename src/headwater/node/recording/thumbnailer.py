"""The process that makes thumbnails, watched: one for all recordings of a server.

    idle --(a picture is wanted)--> running --(nothing wanted for a while)--> idle
                                       |
                                       +--(it crashes, hangs, or talks nonsense)--> idle

Nobody waits for it but who wants a picture. What it fails at is not tried again: the picture
is left out, and the next one gets a new process. It dies with this one, however that ends.
"""

import asyncio
import sys
from collections.abc import Sequence

import structlog

from headwater.core.errors import PeerError
from headwater.node.child import Child, start_child
from headwater.recording import thumbnails_wire as wire
from headwater.recording.layout import ThumbnailSize

COMMAND = (sys.executable, "-m", "headwater.recording.thumbnails_child")

MAX_WAITING = 32
"""Pictures wanted and not made yet; each takes about 40 ms for 1920x1080."""
MAX_WAITING_BYTES = 64 << 20
HANG_S = 15.0
"""For one picture, start of the process included; the machine may be busy."""
IDLE_S = 150.0
"""The longest interval of thumbnails is 60 s: between two of them the process stays."""
RETRY_S = 10.0
"""After a failure nothing is made for so long: a process that always fails costs little."""
READ_BYTES = 1 << 18
MAX_SAID_BYTES = 2000
"""Of a process's standard error, as logged when it is lost."""

log = structlog.get_logger(__name__)


class _Lost(Exception):  # noqa: N818 - no error of ours: the process is gone
    """Why the process cannot be used any more."""


class ThumbnailProcess:
    """Makes pictures one after the other, in a process that is started when it is needed."""

    def __init__(self, command: Sequence[str] = COMMAND, *, hang_s: float = HANG_S) -> None:
        """No process yet.

        Args:
            command: what to run.
            hang_s: after which a picture is given up and its process is killed.
        """
        self._command = command
        self._hang_s = hang_s
        self._turn = asyncio.Lock()
        self._process: Child | None = None
        self._leaving: Child | None = None  # its input is closed
        self._reader = wire.answer_reader()
        self._said = bytearray()
        self._listening: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._waiting = 0
        self._waiting_bytes = 0
        self._number = 0
        self._retry_at_s = 0.0

    async def draw(self, media: bytes, size: ThumbnailSize) -> bytes | None:
        """The first key frame of `media` as a JPEG; None: it cannot be had, and the log says why.

        Args:
            media: MPEG-TS, or MP4 with its init segment, that begins with a key frame.
            size: of the JPEG.
        """
        size_bytes = len(media)
        if size_bytes > wire.MAX_MEDIA_BYTES:
            log.warning("no thumbnail: the media is too large", size_bytes=size_bytes)
            return None
        if self._waiting >= MAX_WAITING or self._waiting_bytes + size_bytes > MAX_WAITING_BYTES:
            log.warning("no thumbnail: too many are waited for")
            return None
        self._waiting += 1
        self._waiting_bytes += size_bytes
        try:
            async with self._turn:
                return await self._make(media, size)
        finally:
            self._waiting -= 1
            self._waiting_bytes -= size_bytes

    async def close(self) -> None:
        """End the process; what is being made is left out."""
        leaving, self._leaving = self._leaving, None
        if leaving is not None:
            await leaving.kill()
        await self._end()

    async def _make(self, media: bytes, size: ThumbnailSize) -> bytes | None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._retry_at_s:
            return None
        self._stay()
        self._number += 1
        wanted = wire.Wanted(number=self._number, media=media, width=size.width, height=size.height)
        try:
            async with asyncio.timeout(self._hang_s):
                answer = await self._ask(wanted)
        except TimeoutError:
            await self._lose("it hangs")
            return None
        except _Lost as reason:
            await self._lose(str(reason))
            return None
        except asyncio.CancelledError:
            await self._end()  # its answer would be taken for the next one's
            raise
        self._idle = loop.call_later(IDLE_S, self._rest)
        if isinstance(answer, wire.NotMade):
            log.warning("no thumbnail", reason=answer.reason)
            return None
        return answer.jpeg

    async def _ask(self, wanted: wire.Wanted) -> wire.Answer:
        process = self._process or await self._start()
        try:
            process.give(wire.write(wanted))
            await process.taken()
        except OSError:
            raise _Lost("it takes nothing") from None
        while data := await process.stdout.read(READ_BYTES):
            try:
                answers = self._reader.push(data)
            except PeerError as error:
                raise _Lost(f"its output cannot be used: {error}") from None
            if answers:
                if len(answers) > 1 or answers[0].number != wanted.number:
                    raise _Lost("it answers what was not asked")
                return answers[0]
        raise _Lost("it ended")

    async def _start(self) -> Child:
        try:
            process = await start_child(self._command)
        except OSError as error:
            raise _Lost(f"cannot be started: {error.strerror}") from None
        self._process, self._reader = process, wire.answer_reader()
        self._said.clear()
        self._listening = asyncio.create_task(self._listen(process.stderr))
        return process

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        while data := await stderr.read(READ_BYTES):
            self._said = (self._said + data)[-MAX_SAID_BYTES:]

    async def _lose(self, reason: str) -> None:
        await self._end()
        words = self._said.decode("utf-8", "replace").strip()
        log.warning("thumbnail process lost", reason=reason, said=words or None)
        self._retry_at_s = asyncio.get_running_loop().time() + RETRY_S

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _rest(self) -> None:
        """Let the process end by itself: nothing is in its hands."""
        process, self._process = self._process, None
        if process is not None:
            process.close_input()
            self._leaving = process

    async def _end(self) -> None:
        self._stay()
        process, self._process = self._process, None
        if process is None:
            return
        await process.kill()
        if self._listening is not None:
            await asyncio.wait([self._listening])
