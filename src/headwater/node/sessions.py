"""Stream sessions: what happens to streams, written down beside them.

    Session (one for each encoder) -> SessionLog -> one task -> the database

Media never waits for the database: a Session changes its record in memory, and the task
writes what changed, oldest change first. A record is all that is known of its session, so of
several that wait only the last is written. While nothing can be written they are kept.

Event names and types are EventBridge's. Source: IVS user guide, "Using Amazon EventBridge".
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from msgspec.structs import asdict, replace

from headwater.core.encoded import EncoderMetadata
from headwater.core.track import TrackSet
from headwater.node.ingest_configuration import Metadata, ingest_configurations
from headwater.store import Store, UnitOfWork
from headwater.store.records import ChannelRecord, Scope
from headwater.store.sessions import StreamSessionRecord

HEARTBEAT_S = 5.0
"""How often it is said that sessions go on: what the end of one that was killed may lack."""
LOST_AFTER_MS = 60_000
"""A session that no server has spoken of for so long is over: its server does not come back."""
RETENTION_MS = 60 * 24 * 3600 * 1000
"""IVS keeps sessions for 60 days, whether their channel is there or not."""
PURGE_MS = 3_600_000
MAX_EVENTS = 500
"""Of a session, as GetStreamSession may show; the newest are kept."""
MAX_WAITING = 10_000
"""Records while the database is away, about 50 MB; beyond it the oldest are lost."""

STATE_CHANGE = "IVS Stream State Change"
HEALTH_CHANGE = "IVS Stream Health Change"
LIMIT_BREACH = "IVS Limit Breach"

log = structlog.get_logger(__name__)


class Session:
    """What is known of one encoder's stream. Nothing is written before `begin`."""

    def __init__(self, journal: "SessionLog", channel: ChannelRecord, stream_id: str) -> None:
        self._journal = journal
        self._channel = channel
        self._stream_id = stream_id
        self._record: StreamSessionRecord | None = None
        self._tracks: TrackSet | None = None
        self._metadata: Metadata = {}
        self._is_over = False

    async def begin(self, work: UnitOfWork, now_ms: int) -> None:
        """The encoder was let in: keep what its channel and configurations are now."""
        channel = self._channel
        recording = await _fields(work, channel.recording_configuration_arn, channel.scope)
        slate = await _fields(work, channel.failover_slate_configuration_arn, channel.scope)
        if self._is_over:
            return  # it was stopped meanwhile
        self._record = StreamSessionRecord(
            id=self._stream_id,
            region=channel.region,
            account=channel.account,
            channel_id=channel.id,
            server=self._journal.server,
            created_at_ms=now_ms,
            live_at_ms=0,
            ended_at_ms=0,
            seen_at_ms=now_ms,
            has_error_event=False,
            channel={
                name: value for name, value in asdict(channel).items() if name != "srt_passphrase"
            },
            recording_configuration=recording,
            failover_slate_configuration=slate,
            ingest={},
            events=[],
        )
        self.note("Session Created", now_ms)

    def live(self, now_ms: int) -> None:
        """Viewers can be served."""
        self._change(live_at_ms=now_ms)
        self.note("Stream Start", now_ms)

    def describe(self, what: TrackSet | EncoderMetadata) -> None:
        """What the encoder sends, or says that it sends."""
        if isinstance(what, TrackSet):
            self._tracks = what
        else:
            self._metadata = what.values
        if self._tracks is not None:
            shape = ingest_configurations(self._tracks, self._metadata)
            self._change(ingest=msgspec.to_builtins(shape))

    def note(self, name: str, now_ms: int, *, kind: str = STATE_CHANGE, code: str = "") -> None:
        """Something happened."""
        if self._record is not None:
            self._keep(_with_event(self._record, name, now_ms, kind=kind, code=code))

    def end(self, now_ms: int) -> None:
        """The encoder is gone."""
        self._is_over = True
        if self._record is not None:
            self._keep(_ended(self._record, now_ms))

    def _change(self, **changes: object) -> None:
        if self._record is None:
            return
        changed = replace(self._record, **changes)
        if changed != self._record:
            self._keep(changed)

    def _keep(self, record: StreamSessionRecord) -> None:
        self._record = record
        self._journal.put(record)


class SessionLog:
    """Writes what sessions say, in one task. Start it once, after the database is open."""

    def __init__(self, store: Store, *, server: str, now_ms: Callable[[], int]) -> None:
        """Nothing is written yet.

        Args:
            store: where to.
            server: names this server and no other that uses the same database, now and
                after a restart.
            now_ms: the time (Unix ms).
        """
        self.server = server
        self._store = store
        self._now_ms = now_ms
        self._waiting: dict[str, StreamSessionRecord] = {}  # by stream, oldest change first
        self._going_on: set[str] = set()  # streams of this process
        self._changed = asyncio.Event()
        self._purged_at_ms = 0
        self._task: asyncio.Task[None] | None = None

    def session(self, channel: ChannelRecord, stream_id: str) -> Session:
        """What will be known of a stream."""
        return Session(self, channel, stream_id)

    def put(self, record: StreamSessionRecord) -> None:
        """Write it soon."""
        if record.ended_at_ms:
            self._going_on.discard(record.id)
        else:
            self._going_on.add(record.id)
        self._waiting[record.id] = replace(record, seen_at_ms=self._now_ms())
        if len(self._waiting) > MAX_WAITING:
            lost = next(iter(self._waiting))
            del self._waiting[lost]
            log.error("stream session lost: the database is away for too long", stream=lost)
        self._changed.set()

    async def start(self) -> None:
        """End the sessions that an earlier run of this server left, then go on writing.

        Raises:
            OperatorError: the database cannot be written.
        """
        await self._beat()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Write what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._write()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        beat_at = clock() + HEARTBEAT_S
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), beat_at - clock())
            self._changed.clear()
            try:
                if clock() < beat_at:
                    await self._write()
                else:
                    beat_at = clock() + HEARTBEAT_S
                    await self._beat()
            except Exception:  # streams go on, and the next beat tries again
                log.exception("stream sessions cannot be written now")

    async def _beat(self) -> None:
        """End sessions of which nobody says that they go on; say it of one's own."""
        now_ms = self._now_ms()
        async with self._store.read() as work:
            unended = await work.sessions.unended(
                self.server, seen_before_ms=now_ms - LOST_AFTER_MS
            )
        for record in unended:
            if record.id not in self._going_on and record.id not in self._waiting:
                log.warning("stream session ended: its server was killed", stream=record.id)
                self._waiting[record.id] = _ended(record, record.seen_at_ms)
        is_purge = now_ms - self._purged_at_ms >= PURGE_MS
        if is_purge or self._waiting or self._going_on:
            await self._write(is_beat=True, is_purge=is_purge)

    async def _write(self, *, is_beat: bool = False, is_purge: bool = False) -> None:
        """Write what waits, in one transaction. If that fails, it goes on waiting."""
        waiting, self._waiting = self._waiting, {}
        is_written = not (waiting or is_beat)
        try:
            if not is_written:
                await self._transact(waiting, is_beat=is_beat, is_purge=is_purge)
                is_written = True
        finally:
            if not is_written:
                self._waiting = waiting | self._waiting

    async def _transact(
        self, waiting: dict[str, StreamSessionRecord], *, is_beat: bool, is_purge: bool
    ) -> None:
        now_ms = self._now_ms()
        async with self._store.write() as work:
            for record in waiting.values():
                await work.sessions.put(record)
            if is_beat:
                await work.sessions.saw(self.server, now_ms)
            if is_purge:
                await work.sessions.purge(now_ms - RETENTION_MS)
        if is_purge:
            self._purged_at_ms = now_ms


async def _fields(work: UnitOfWork, arn: str, scope: Scope) -> dict[str, Any]:
    """What a channel's configuration is now; {} for none."""
    record = await work.resource(scope, arn) if arn else None
    return asdict(record) if record else {}


def _with_event(
    record: StreamSessionRecord, name: str, now_ms: int, *, kind: str = STATE_CHANGE, code: str = ""
) -> StreamSessionRecord:
    event = {"name": name, "type": kind, "time_ms": now_ms, "code": code}
    return replace(
        record,
        events=[event, *record.events][:MAX_EVENTS],
        has_error_event=record.has_error_event or kind == LIMIT_BREACH or name.endswith("Failure"),
    )


def _ended(record: StreamSessionRecord, at_ms: int) -> StreamSessionRecord:
    if record.live_at_ms:
        record = _with_event(record, "Stream End", at_ms)
    return replace(_with_event(record, "Session Ended", at_ms), ended_at_ms=at_ms)
