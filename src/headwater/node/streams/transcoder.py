"""One transcoder process, watched: started, fed, and replaced when it fails.

    waiting for tracks -> waiting for a key frame -> fed -+-> over (the input ended)
                               ^                          |
                               +---- lost (it crashed, hangs, or talks nonsense)
                                                          +-> given up (lost too often)

Feeding never waits: what the process doesn't take is held up to a bound, then pictures are
left out up to a key frame. The process dies with this one, however that ends.
"""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import structlog
from msgspec import Struct, structs

from headwater.core.errors import PeerError
from headwater.core.packet import Packet
from headwater.core.track import TrackSet
from headwater.media.ladder import Rendition
from headwater.media.transcode import wire
from headwater.node.child import Child, start_child

COMMAND = (sys.executable, "-m", "headwater.media.transcode")

MAX_BACKLOG_BYTES = 16 << 20
"""Not taken by the process yet: 15 s of the largest input that IVS allows."""
HANG_S = 3.0
"""Fed for so long without giving anything back, a process hangs."""
START_S = 10.0
"""The same for a new one: it has to load its libraries, perhaps on a busy machine."""
PAUSE_S = 1.0
"""Without being fed, a process owes nothing: what it holds back may need the next picture."""
LOOK_S = 0.25
"""Between looks at whether it hangs."""
MAX_RESTARTS = 3
RESTART_WINDOW_S = 60.0
"""More restarts in this time, and it is the input that no transcoder can take."""
FINISH_S = 1.5
"""For the last pictures, when the input has ended."""
READ_BYTES = 1 << 18
MAX_WORDS = 100
"""Lines of a process's standard error that are logged."""
MAX_WORD_BYTES = 1000

log = structlog.get_logger(__name__)


class Receiver(Protocol):
    """Where a transcoder's output goes. Called from the event loop's thread."""

    def encoded(self, indices: Sequence[int], item: TrackSet | Packet) -> None:
        """The next item of these renditions."""

    def lost(self) -> None:
        """The process is no more; what it had taken is lost."""

    def resumed(self, pts: int) -> None:
        """The next process is given the pictures from `pts` (90 kHz) on."""

    def given_up(self) -> None:
        """It was lost too often: there will be no other."""


class Transcoding(Struct, frozen=True, kw_only=True):
    """How it went so far."""

    level: wire.Level
    restarts: int
    dropped_frames: int  # since the last restart
    cpu_s: float  # since the last restart


class Transcoder:
    """The process of one stream. `start` it before its input is known: loading takes a while."""

    def __init__(
        self,
        receiver: Receiver,
        settings: wire.EncoderSettings,
        *,
        name: str,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Not started yet.

        Args:
            receiver: of the output.
            settings: for the encoders.
            name: of the stream, for the log.
            command: what to run.
        """
        self._receiver = receiver
        self._settings = settings
        self._command = command
        self._log = log.bind(stream=name)
        self._source: TrackSet | None = None
        self._renditions: tuple[Rendition, ...] = ()
        self._process: Child | None = None
        self._early: list[bytes] = []  # for a process that is being started
        self._early_bytes = 0
        self._begun = False  # this process has its Begin
        self._needs_key = True
        self._is_lost = False
        self._is_ending = False
        self._fed_since_s: float | None = None  # without an answer
        self._fed_s = 0.0  # at last
        self._patience_s = START_S
        self._lost_at_s: deque[float] = deque(maxlen=MAX_RESTARTS + 1)
        self._restarts = 0
        self._failure = ""
        self._progress: wire.Progress | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run the process from now on."""
        self._task = asyncio.create_task(self._run())

    def configure(self, source: TrackSet, renditions: tuple[Rendition, ...]) -> None:
        """What is fed from here on. Renditions stay the same but for their sizes."""
        self._source, self._renditions = source, renditions
        self._needs_key = True
        if self._begun:
            self._patience_s = START_S  # it begins anew
            self._send(wire.Configure(source=source, renditions=renditions))

    def suspend(self) -> None:
        """The input has no picture for now: feed nothing until the next `configure`."""
        if self._source is not None:
            self._source = None
            self._fed_since_s = None
            self._lose()

    def feed(self, packet: Packet) -> None:
        """The input's next packet; the first that is used is a key frame."""
        if self._source is None or (self._needs_key and not self._can_begin(packet, self._source)):
            return
        if self._backlog_bytes() > MAX_BACKLOG_BYTES:
            self._log.warning("transcoder doesn't keep up: pictures are left out")
            self._needs_key = True
            return
        self._needs_key = False
        if not self._begun:
            self._begun = True
            source = structs.replace(self._source, discontinuity=self._is_lost)
            self._send(
                wire.Begin(source=source, renditions=self._renditions, settings=self._settings)
            )
        if self._is_lost:
            self._is_lost = False
            self._receiver.resumed(packet.pts)
        self._send(wire.Media(packet=packet))
        now_s = time.monotonic()
        if self._fed_since_s is None or now_s - self._fed_s > PAUSE_S:
            self._fed_since_s = now_s
        self._fed_s = now_s

    def transcoding(self) -> Transcoding | None:
        """How it goes; None before anything was done."""
        if self._progress is None:
            return None
        return Transcoding(
            level=self._progress.level,
            restarts=self._restarts,
            dropped_frames=self._progress.dropped_frames,
            cpu_s=self._progress.cpu_s,
        )

    async def finish(self) -> None:
        """The input has ended: take what is still to come, for a moment, then end it."""
        self._is_ending = True
        if self._task is None:
            return
        if self._begun and self._process is not None:
            self._send(wire.End())
            await asyncio.wait([self._task], timeout=FINISH_S)
        await self.stop()

    async def stop(self) -> None:
        """End it at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    # Feeding.

    def _can_begin(self, packet: Packet, source: TrackSet) -> bool:
        is_start = source.video is None or (packet.kind == "video" and packet.keyframe)
        return is_start and self._backlog_bytes() <= MAX_BACKLOG_BYTES // 2

    def _backlog_bytes(self) -> int:
        untaken_bytes = self._process.untaken_bytes if self._process else 0
        return untaken_bytes + self._early_bytes

    def _send(self, message: wire.Request) -> None:
        data = wire.write_message(message)
        if self._process is not None:
            self._process.give(data)
        else:
            self._early.append(data)
            self._early_bytes += len(data)

    # Watching.

    async def _run(self) -> None:
        while True:
            reason = await self._run_once()
            self._process = None
            self._early, self._early_bytes = [], 0
            self._begun = False
            self._needs_key = True
            self._fed_since_s = None
            if self._is_ending:
                return
            self._lost_at_s.append(time.monotonic())
            self._restarts += 1
            self._log.warning("transcoder lost", reason=reason, times=self._restarts)
            self._lose()
            if self._is_hopeless():
                self._log.error("transcoder given up")
                self._receiver.given_up()
                return

    def _lose(self) -> None:
        self._is_lost = True
        self._receiver.lost()

    def _is_hopeless(self) -> bool:
        times = self._lost_at_s
        return len(times) > MAX_RESTARTS and times[-1] - times[0] <= RESTART_WINDOW_S

    async def _run_once(self) -> str:
        """One process from start to end; why it ended."""
        try:
            process = await start_child(self._command)
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        self._patience_s = START_S
        self._failure = ""
        self._progress = None
        self._process = process
        process.give(b"".join(self._early))
        self._early, self._early_bytes = [], 0
        reading = asyncio.create_task(self._read(process.stdout))
        listening = asyncio.create_task(self._listen(process.stderr))
        try:
            while not reading.done() and not self._hangs():
                await asyncio.wait([reading], timeout=LOOK_S)
            reason = reading.result() if reading.done() else "it hangs"
        finally:
            reading.cancel()
            listening.cancel()
            await process.kill()
        return reason or self._failure or f"it ended with status {process.status}"

    def _hangs(self) -> bool:
        if self._fed_since_s is None:
            return False
        now_s = time.monotonic()
        is_fed = now_s - self._fed_s <= PAUSE_S
        return is_fed and now_s - self._fed_since_s > self._patience_s

    async def _read(self, stdout: asyncio.StreamReader) -> str:
        """Take its answers to their end; why, if they are no answers."""
        reader = wire.answer_reader()
        while data := await stdout.read(READ_BYTES):
            try:
                for answer in reader.push(data):
                    self._take(answer)
            except (PeerError, IndexError) as error:
                return f"its output cannot be used: {error}"
        return ""

    def _take(self, answer: wire.Answer) -> None:
        match answer:
            case wire.Encoded(renditions=indices, packet=packet):
                if self._source is not None and self._source.video is None:
                    self._note_life()
                self._receiver.encoded(indices, packet)
            case wire.Tracks(renditions=indices, tracks=tracks):
                self._receiver.encoded(indices, tracks)
            case wire.Progress():
                self._note(answer)
            case wire.Failed(reason=reason):
                self._failure = reason
            case wire.Ready(encoder=encoder):
                self._log.info("transcoder ready", encoder=encoder)

    def _note(self, progress: wire.Progress) -> None:
        before, self._progress = self._progress, progress
        was: wire.Level = before.level if before else "normal"
        if progress.level != was:
            self._log.warning("transcoding changes its effort", effort=progress.level, was=was)
        # Of the rendition that is furthest behind: each of them has to go on.
        if progress.encoded_pts not in {None, before.encoded_pts if before else None}:
            self._note_life()

    def _note_life(self) -> None:
        self._fed_since_s = None
        self._patience_s = HANG_S

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        """Log what it says; what it says too much is read and thrown away."""
        lines = 0
        while data := await stderr.read(MAX_WORD_BYTES):
            if lines < MAX_WORDS:
                lines += 1
                self._log.debug("transcoder says", words=data.decode("utf-8", "replace").strip())
