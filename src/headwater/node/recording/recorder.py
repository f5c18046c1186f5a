"""The recorder: every recording of this server, those that an earlier run left included.

A recording whose stream is over waits for as long as its configuration says for another one of
the same channel; then it is stored to the end, and that is told. What is not done when the
server stops, or is killed, is done after its next start.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from headwater.core import ids
from headwater.node.recording.destinations import Destinations
from headwater.node.recording.stream_recording import StreamRecording
from headwater.node.streams.sessions import RECORDING_CHANGE, SessionLog
from headwater.recording import layout
from headwater.recording.pictures import PictureSource, ThumbnailerFactory, ThumbnailWishes
from headwater.recording.recording import Outcome, Recording, Site
from headwater.recording.records import JournalError, Opened
from headwater.recording.spool import Budget
from headwater.recording.uploader import UploadFigures
from headwater.store import Store
from headwater.store.recordings import RecordingRecord
from headwater.store.records import ChannelRecord, RecordingConfigurationRecord

SPOOL_FOLDER = "spool"
GIVEN_UP_FOLDER = "spool-given-up"
THREADS = 4
"""That write spools; one recording has one at a time."""
UPLOADS_AT_ONCE = 16
"""Over all recordings: each has an object of some 10 MB in memory."""
CLOSE_S = 4.0
"""For recordings to get done when the server stops; the rest is done after its next start."""
TOLD_LOOK_S, TOLD_S = 0.2, 15.0
"""Between looks whether an event was written down, and how long to look."""

log = structlog.get_logger(__name__)


class Recorder:
    """Start it once, before any stream begins; close it when all are over."""

    def __init__(
        self,
        *,
        data_dir: Path,
        destinations: Destinations,
        store: Store,
        sessions: SessionLog,
        thumbnailers: ThumbnailerFactory,
        spool_max_bytes: int,
        give_up_s: float,
        random_bytes: ids.RandomBytes,
        now_ms: Callable[[], int],
    ) -> None:
        """Nothing is recorded."""
        self.figures = UploadFigures()
        self.budget = Budget(spool_max_bytes)
        self.now_ms = now_ms
        self._destinations = destinations
        self._store = store
        self._sessions = sessions
        self._thumbnailers = thumbnailers
        self._random_bytes = random_bytes
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="spool")
        self._site = Site(
            folder=data_dir / SPOOL_FOLDER,
            given_up_folder=data_dir / GIVEN_UP_FOLDER,
            budget=self.budget,
            executor=self._executor,
            open_bucket=destinations.buckets.open,
            turns=asyncio.Semaphore(UPLOADS_AT_ONCE),
            figures=self.figures,
            give_up_s=give_up_s,
            now_ms=now_ms,
        )
        self._recordings: set[Recording] = set()
        self._waiting: dict[str, tuple[Recording, asyncio.TimerHandle]] = {}  # by channel ARN
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams: set[StreamRecording] = set()
        self._found_told: dict[str, bool] = {}  # recordings of an earlier run, by session id

    async def start(self) -> None:
        """Take up what an earlier run left."""
        self._site.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in sorted(self._site.folder.iterdir()):
            try:
                recording = await Recording.recover(self._site, folder)
            except (OSError, JournalError) as error:
                log.exception("recording cannot be taken up", folder=folder.name, reason=str(error))
                continue
            if recording is not None:
                await self._take_up(recording)

    async def close(self) -> None:
        """Get done what can be done soon; leave the rest to the next start."""
        for stream in list(self._streams):
            stream.close()
            await stream.closed()
        for _, timer in self._waiting.values():
            timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for recording in self._recordings:
            await recording.close()
        self._executor.shutdown()

    def stream(
        self, channel: ChannelRecord, configuration: RecordingConfigurationRecord, stream_id: str
    ) -> StreamRecording:
        """What a stream's media is to be given to."""
        stream = StreamRecording(self, channel, configuration, stream_id)
        self._streams.add(stream)
        return stream

    # stream_recording.Keeper

    async def may_record(self, configuration: RecordingConfigurationRecord) -> bool:
        """Whether its bucket can be recorded to."""
        return await self._destinations.state_of(configuration) == "ACTIVE"

    def take_waiting(self, channel_arn: str, configuration_id: str) -> Recording | None:
        """The channel's recording that waits for a stream to go on with it."""
        if channel_arn not in self._waiting:
            return None
        recording, timer = self._waiting.pop(channel_arn)
        timer.cancel()
        if recording.opened.configuration_id == configuration_id:
            return recording
        self.finish(recording)
        return None

    async def begin(self, stream: StreamRecording) -> Recording:
        """A new recording; raises OSError."""
        channel, configuration, now_ms = stream.channel, stream.configuration, self.now_ms()
        recording_id = ids.resource_id(self._random_bytes)
        opened = Opened(
            session_id=ids.run_id(self._random_bytes),
            prefix=layout.prefix(channel.account, channel.id, now_ms, recording_id),
            bucket_name=configuration.bucket_name,
            account=channel.account,
            region=channel.region,
            channel_id=channel.id,
            channel_arn=channel.arn,
            started_at_ms=now_ms,
            reconnect_window_ms=1000 * configuration.recording_reconnect_window_seconds,
            configuration_id=configuration.id,
            thumbnail_configuration=configuration.thumbnail_configuration,
        )
        recording = await Recording.begin(self._site, opened)
        self._recordings.add(recording)
        return recording

    async def make_thumbnailer(
        self, recording: Recording, sources: Sequence[PictureSource]
    ) -> None:
        """Give it a thumbnailer, if it wants one."""
        number = recording.spool.manifest.next_thumbnail
        interval_s = recording.opened.thumbnail_configuration.get("targetIntervalSeconds", 0)
        wishes = ThumbnailWishes(
            configuration=recording.opened.thumbnail_configuration,
            sources=sources,
            first_number=number,
            next_at_ms=number * 1000 * interval_s,
        )
        thumbnailer = self._thumbnailers(wishes, recording.put)
        if thumbnailer is not None:
            await recording.picture(thumbnailer)

    async def started(self, recording: Recording) -> None:
        """Tell that it began."""
        await recording.announce()
        self._tell(recording.stream_ids[-1], "Recording Start", _detail(recording))
        await self._keep_row(_row(recording, None, 0))
        log.info(
            "recording started",
            channel=recording.opened.channel_arn,
            recording=recording.opened.session_id,
            prefix=recording.opened.prefix,
        )

    def not_started(self, stream: StreamRecording, session_id: str, reason: str) -> None:
        """Tell that it could not begin."""
        self._tell(
            stream.stream_id,
            "Recording Start Failure",
            {
                "recording_status_reason": reason,
                "recording_s3_bucket_name": stream.configuration.bucket_name,
                "recording_s3_key_prefix": "",
                "recording_duration_ms": 0,
                "recording_session_id": session_id or ids.run_id(self._random_bytes),
            },
        )

    def left(self, recording: Recording) -> None:
        """No stream belongs to it now."""
        window_ms = recording.opened.reconnect_window_ms
        until_ms = (recording.left_at_ms or self.now_ms()) + window_ms
        left_ms = until_ms - self.now_ms()
        if not window_ms or left_ms <= 0:
            self.finish(recording)
            return
        arn = recording.opened.channel_arn
        timer = asyncio.get_running_loop().call_later(
            left_ms / 1000, self._window_closed, arn, recording
        )
        self._waiting[arn] = recording, timer

    def finish(self, recording: Recording) -> None:
        """No stream will go on with it."""
        self._in_background(self._finish(recording))

    def forget(self, stream: StreamRecording) -> None:
        """That stream is over."""
        self._streams.discard(stream)

    # Within.

    async def _take_up(self, recording: Recording) -> None:
        self._recordings.add(recording)
        if recording.left_at_ms is None:
            await recording.end_killed()
        self._found_told[recording.opened.session_id] = await self._is_told(
            recording, "Recording End"
        )
        log.info(
            "recording taken up",
            recording=recording.opened.session_id,
            prefix=recording.opened.prefix,
            duration_ms=recording.duration_ms,
        )
        self.left(recording)

    def _window_closed(self, arn: str, recording: Recording) -> None:
        if self._waiting.get(arn, (None,))[0] is recording:
            del self._waiting[arn]
        self.finish(recording)

    async def _finish(self, recording: Recording) -> None:
        stream_id = recording.stream_ids[-1]
        if not recording.is_announced:  # it was killed before that
            await self.started(recording)
        outcome = await recording.finish()
        session_id = recording.opened.session_id
        if not self._found_told.pop(session_id, False):
            self._tell(stream_id, outcome.status, _detail(recording, outcome))
        await self._keep_row(_row(recording, outcome, self.now_ms()))
        log.info(
            "recording ended",
            channel=recording.opened.channel_arn,
            recording=session_id,
            prefix=recording.opened.prefix,
            duration_ms=outcome.duration_ms,
            delay_p50_ms=recording.delay_ms(50),
            delay_p99_ms=recording.delay_ms(99),
            problem=outcome.message or None,
        )
        # The journal goes last: whoever kills us before the event is safe makes us tell it again.
        waited_s = 0.0
        while not await self._is_told(recording, outcome.status) and waited_s < TOLD_S:
            await asyncio.sleep(TOLD_LOOK_S)
            waited_s += TOLD_LOOK_S
        await recording.remove(outcome)
        self._recordings.discard(recording)

    def _tell(self, stream_id: str, status: str, detail: Mapping[str, Any]) -> None:
        self._sessions.note_of(
            stream_id, status, self.now_ms(), kind=RECORDING_CHANGE, detail=detail
        )

    async def _is_told(self, recording: Recording, status: str) -> bool:
        """Whether its stream's session has that event of it, or one that says more of the same."""
        try:
            async with self._store.read() as work:
                session = await work.sessions.find(recording.stream_ids[-1])
        except Exception:
            log.exception("stream session cannot be read now")
            return False
        own = recording.opened.session_id
        return session is not None and any(
            event["type"] == RECORDING_CHANGE
            and event["name"].startswith(status)
            and event.get("recording", own) == own
            for event in session.events
        )

    async def _keep_row(self, row: RecordingRecord) -> None:
        try:
            async with self._store.write() as work:
                await work.recordings.put(row)
        except Exception:
            log.exception("recording is not in the database", recording=row.id)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("recording failed", exc_info=error)


def _detail(recording: Recording, outcome: Outcome | None = None) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "recording_status_reason": outcome.reason if outcome else "",
        "recording_s3_bucket_name": recording.opened.bucket_name,
        "recording_s3_key_prefix": recording.opened.prefix,
        "recording_duration_ms": outcome.duration_ms if outcome else 0,
        "recording_session_id": recording.opened.session_id,
    }
    if outcome is not None and outcome.status == "Recording End":
        detail["recording_session_stream_ids"] = list(outcome.stream_ids)
    return detail


def _row(recording: Recording, outcome: Outcome | None, now_ms: int) -> RecordingRecord:
    opened = recording.opened
    failed = outcome is not None and outcome.status == "Recording End Failure"
    return RecordingRecord(
        id=opened.session_id,
        region=opened.region,
        account=opened.account,
        channel_id=opened.channel_id,
        bucket_name=opened.bucket_name,
        prefix=opened.prefix,
        state="RECORDING" if outcome is None else "FAILED" if failed else "ENDED",
        started_at_ms=opened.started_at_ms,
        ended_at_ms=(recording.left_at_ms or now_ms) if outcome else 0,
        duration_ms=outcome.duration_ms if outcome else 0,
        stream_ids=recording.stream_ids,
        message=outcome.message if outcome else "",
    )
