"""One recording, from its first part until all of it is stored.

    open (media comes) <-> waiting (for a stream that goes on with it) -> finishing -> over

What happens to it is kept on the local disk, so that it is taken up again where a server that
was killed left it.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Literal

import structlog
from msgspec import Struct

from headwater.core.segment import MediaEvent
from headwater.recording import layout
from headwater.recording.layout import RecordingFacts, Status
from headwater.recording.objects import Bucket
from headwater.recording.pictures import Thumbnailer
from headwater.recording.records import Announced, Opened, Pictured
from headwater.recording.spool import Budget, Offer, Ready, Spool
from headwater.recording.uploader import GivenUpError, Uploader, UploadFigures
from headwater.recording.work import SpoolWork

FAILURE = "InternalServerException"
REFUSED = "ValidationException"
"""IVS's words for what went wrong with a recording."""

log = structlog.get_logger(__name__)


class Outcome(Struct, frozen=True, kw_only=True):
    """How a recording ended."""

    status: Literal["Recording End", "Recording End Failure"]
    duration_ms: int
    stream_ids: Sequence[str]
    reason: str = ""  # in IVS's words
    message: str = ""  # in ours
    is_stored: bool = True  # else what could not be stored is still in the spool


class Site(Struct, frozen=True, kw_only=True):
    """What all recordings of a server share."""

    folder: Path  # of the spools
    given_up_folder: Path  # of those that could not be stored
    budget: Budget
    executor: Executor
    open_bucket: Callable[[str], Bucket]  # raises StorageError
    turns: asyncio.Semaphore  # bounds what is on its way to the store
    figures: UploadFigures
    give_up_s: float  # after a recording's end
    now_ms: Callable[[], int]


class Recording:
    """One recording."""

    def __init__(self, site: Site, spool: Spool, opened: Opened) -> None:
        """Made by `begin` or `recover`."""
        self.opened = opened
        self.thumbnailer: Thumbnailer | None = None
        self._site = site
        self._spool = spool
        self._work = SpoolWork(spool, site.executor, self._add)
        self._uploader = Uploader(
            prefix=opened.prefix,
            work=self._work,
            open_bucket=partial(site.open_bucket, opened.bucket_name),
            turns=site.turns,
            figures=site.figures,
            now_ms=site.now_ms,
        )
        self._uploading = asyncio.create_task(self._uploader.run())
        self._putting: set[asyncio.Task[None]] = set()

    @classmethod
    async def begin(cls, site: Site, opened: Opened) -> "Recording":
        """A new one.

        Raises:
            OSError: the spool's disk takes nothing.
        """
        folder = site.folder / opened.session_id
        create = partial(Spool.create, folder, site.budget, opened)
        spool = await asyncio.get_running_loop().run_in_executor(site.executor, create)
        return cls(site, spool, opened)

    @classmethod
    async def recover(cls, site: Site, folder: Path) -> "Recording | None":
        """What an earlier run of the server left in a folder; None: nothing was recorded yet.

        Raises:
            JournalError: its journal cannot be read.
            OSError: likewise.
        """
        read = partial(Spool.recover, folder, site.budget)
        spool, ready = await asyncio.get_running_loop().run_in_executor(site.executor, read)
        manifest, opened = spool.manifest, spool.manifest.opened
        is_empty = not any(track.segments for track in manifest.ordered())
        if opened is None or not manifest.stream_ids or (is_empty and not manifest.is_announced):
            spool.remove()
            return None
        recording = cls(site, spool, opened)
        recording._add(ready)
        return recording

    # Its streams.

    @property
    def duration_ms(self) -> int:
        """Of what is recorded."""
        return self._spool.manifest.duration_ms()

    @property
    def stream_ids(self) -> list[str]:
        """Of its streams, oldest first."""
        return list(self._spool.manifest.stream_ids)

    @property
    def is_announced(self) -> bool:
        """Whether Recording Start was sent."""
        return self._spool.manifest.is_announced

    @property
    def left_at_ms(self) -> int | None:
        """Since when it has no stream (Unix ms); None: it has one, or had when it was killed."""
        return self._spool.manifest.left_at_ms

    def delay_ms(self, percent: int) -> int | None:
        """From a segment's last part to its object, of so many in 100; None: none was stored."""
        return self._uploader.delay_ms(percent)

    @property
    def spool(self) -> Spool:
        """Its folder; a thread works on it."""
        return self._spool

    async def join(self, stream_id: str, offers: Sequence[Offer]) -> None:
        """A stream's events follow."""
        join = partial(self._spool.join, stream_id, self._site.now_ms(), offers)
        await self._work.do(join)

    def push(self, name: str, event: MediaEvent) -> None:
        """Record a rendition's next event; returns at once."""
        self._work.push(name, event)

    async def leave(self) -> None:
        """The stream is over: everything of it is in the spool when this returns."""
        await self._work.leave(self._site.now_ms())

    async def end_killed(self) -> int:
        """End the stream that it had when the server was killed; when that was (Unix ms)."""
        manifest = self._spool.manifest
        ends = [
            track.segments[-1].program_date_time_ms + track.segments[-1].duration_ms
            for track in manifest.ordered()
            if track.segments
        ]
        reached_ms = round(max(ends, default=self.opened.started_at_ms))
        at_ms = min(reached_ms, self._site.now_ms())
        await self._work.do(partial(self._spool.leave, at_ms))
        return at_ms

    async def picture(self, thumbnailer: Thumbnailer) -> None:
        """Have thumbnails made of it."""
        self.thumbnailer = thumbnailer
        made = Pictured(sequential=thumbnailer.sequential(), latest=thumbnailer.latest())
        await self._work.note(made)

    # Its objects.

    async def check(self) -> None:
        """See whether its bucket takes objects, by the first of them.

        Raises:
            StorageError: it does not.
        """
        bucket = self._site.open_bucket(self.opened.bucket_name)
        await bucket.put(f"{self.opened.prefix}/{layout.CHECK_KEY}", b"")
        await self._work.tell_stored(layout.CHECK_KEY)

    async def announce(self) -> None:
        """Say in the bucket that it began, and with which renditions."""
        await self._work.drained()
        self._uploader.add_small(layout.STARTED_KEY, self._event_file("RECORDING_STARTED"))
        await self._work.note(Announced(at_ms=self._site.now_ms()))

    def put(self, key: str, body: bytes) -> None:
        """Store an object that is no segment, soon."""
        task = asyncio.create_task(self._work.keep(key, body))
        self._putting.add(task)
        task.add_done_callback(self._putting.discard)

    async def finish(self) -> Outcome:
        """Store all that is left, and say in the bucket how it ended."""
        manifest, site = self._spool.manifest, self._site
        if self.thumbnailer is not None:
            await self.thumbnailer.close()
        if self._putting:
            await asyncio.wait(self._putting)
        if layout.CHECK_KEY not in manifest.stored:
            self._uploader.add_small(layout.CHECK_KEY, b"")
        if layout.STARTED_KEY not in manifest.stored:
            self._uploader.add_small(layout.STARTED_KEY, self._event_file("RECORDING_STARTED"))
        self._uploader.close(site.give_up_s)
        try:
            await self._uploading
            await self._uploader.finish()
            outcome = self._outcome()
            status: Status = "RECORDING_ENDED"
            if outcome.status == "Recording End Failure":
                status = "RECORDING_ENDED_WITH_FAILURE"
            body = self._event_file(status, message=outcome.message)
            await self._uploader.insist(layout.EVENT_KEYS[status], body)
        except GivenUpError as error:
            return self._given_up(str(error))
        return outcome

    async def remove(self, outcome: Outcome) -> None:
        """Nothing more is to be told of it: free its place in the spool."""
        if outcome.is_stored:
            await self._work.do(self._spool.remove)
        else:
            await self._work.do(partial(self._spool.set_aside, self._site.given_up_folder))

    async def discard(self) -> None:
        """There is nothing to record."""
        await self._stop()
        await self._work.do(self._spool.remove)

    async def close(self) -> None:
        """The server stops: leave everything in the spool for its next start."""
        await self._stop()
        await self._work.do(self._spool.close)

    async def _stop(self) -> None:
        self._uploading.cancel()
        await asyncio.wait([self._uploading])
        if self.thumbnailer is not None:
            await self.thumbnailer.close()
        await self._work.drained()

    def _add(self, ready: list[Ready]) -> None:
        self._uploader.add(ready)

    def _outcome(self) -> Outcome:
        manifest = self._spool.manifest
        lost = "; ".join(
            f"{round(lost_ms)} ms are missing: {reason}"
            for reason, lost_ms in manifest.losses.items()
        )
        return Outcome(
            status="Recording End Failure" if lost else "Recording End",
            duration_ms=manifest.duration_ms(),
            stream_ids=self.stream_ids,
            reason=FAILURE if lost else "",
            message=f"{FAILURE}: {lost}" if lost else "",
        )

    def _given_up(self, reason: str) -> Outcome:
        return Outcome(
            status="Recording End Failure",
            duration_ms=self.duration_ms,
            stream_ids=self.stream_ids,
            reason=FAILURE,
            message=f"{FAILURE}: it could not be stored: {reason}",
            is_stored=False,
        )

    def _event_file(self, status: Status, *, message: str = "") -> bytes:
        manifest = self._spool.manifest
        tracks = manifest.ordered()
        if status != "RECORDING_STARTED":
            tracks = [track for track in tracks if track.segments]
        facts = RecordingFacts(
            channel_arn=self.opened.channel_arn,
            status=status,
            started_at_ms=self.opened.started_at_ms,
            ended_at_ms=manifest.left_at_ms or self._site.now_ms(),
            duration_ms=manifest.duration_ms(),
            message=message,
            renditions=[track.rendition for track in tracks],
            gaps=manifest.gaps,
            thumbnails=manifest.thumbnails.sequential,
            latest_thumbnail=manifest.thumbnails.latest,
        )
        return layout.event_file(facts)
