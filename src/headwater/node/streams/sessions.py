"""Stream sessions: what happens to streams, written down beside them.

    Session (one for each encoder) -> SessionLog -> one task -> the database

Media never waits for the database: a Session changes its record in memory, and the task
writes what changed, oldest change first. A record is all that is known of its session, so of
several that wait only the last is written. Events are written with what they tell, in one
transaction. While nothing can be written both are kept.

Event names and types are EventBridge's. Source: IVS user guide, "Using Amazon EventBridge".
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

import msgspec
import structlog
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from headwater.core.encoded import EncoderMetadata
from headwater.core.track import TrackSet
from headwater.events import details
from headwater.events.details import (
    AD_BREAK_CHANGE,
    HEALTH_CHANGE,
    LIMIT_BREACH,
    RECORDING_CHANGE,
    STATE_CHANGE,
)
from headwater.node.streams.ingest_configuration import Metadata, ingest_configurations
from headwater.node.streams.occurrences import Occurrence, ended, event_of, events_of, with_event
from headwater.store import Store, UnitOfWork
from headwater.store.events import EventRecord
from headwater.store.records import ChannelRecord, Scope
from headwater.store.sessions import StreamSessionRecord

HEARTBEAT_S = 5.0
"""How often it is said that sessions go on: what the end of one that was killed may lack."""
LOST_AFTER_MS = 60_000
"""A session that no server has spoken of for so long is over: its server does not come back."""
RETENTION_MS = 60 * 24 * 3600 * 1000
"""IVS keeps sessions for 60 days, whether their channel is there or not."""
PURGE_MS = 3_600_000
MAX_WAITING = 10_000
"""Records while the database is away, about 50 MB; beyond it the oldest are lost."""
MAX_EVENTS_WAITING = 10_000
"""Events while the database is away, about 10 MB; beyond it the oldest are lost."""

__all__ = [
    "AD_BREAK_CHANGE",
    "HEALTH_CHANGE",
    "LIMIT_BREACH",
    "RECORDING_CHANGE",
    "STATE_CHANGE",
    "Session",
    "SessionLog",
]

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

    def note(
        self,
        name: str,
        now_ms: int,
        *,
        kind: str = STATE_CHANGE,
        code: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Something happened.

        Args:
            name: as GetStreamSession and the event say it; of a recording, its status.
            now_ms: when (Unix ms).
            kind: the event's detail-type.
            code: why, where IVS has a code for it.
            detail: what else the event says, by the names of `events.details`.
        """
        happened = Occurrence(name=name, time_ms=now_ms, kind=kind, code=code, detail=detail or {})
        if self._record is not None:
            self._keep(with_event(self._record, happened), happened)

    def end(self, now_ms: int, *, code: str = "") -> None:
        """The encoder is gone; `code`: why, where IVS has a code for it."""
        self._is_over = True
        if self._record is not None:
            self._keep(*ended(self._record, now_ms, code=code))

    def _change(self, **changes: object) -> None:
        if self._record is None:
            return
        changed = replace(self._record, **changes)
        if changed != self._record:
            self._keep(changed)

    def _keep(self, record: StreamSessionRecord, *happened: Occurrence) -> None:
        self._record = record
        self._journal.put(record, *happened)


class _Note(Struct, frozen=True):
    """For a session that nobody has in hand any more."""

    stream_id: str
    happened: Occurrence


class _Unwritten(Struct):
    """What waits to be written."""

    records: dict[str, StreamSessionRecord] = field(default_factory=dict)  # oldest change first
    events: list[EventRecord] = field(default_factory=list)
    notes: list[_Note] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # sessions of servers that were killed

    def __bool__(self) -> bool:
        return bool(self.records or self.events or self.notes or self.lost)

    def followed_by(self, later: "_Unwritten") -> "_Unwritten":
        """This, and what was said after it."""
        return _Unwritten(
            records=self.records | later.records,
            events=self.events + later.events,
            notes=self.notes + later.notes,
            lost=self.lost + later.lost,
        )


class SessionLog:
    """Writes what sessions say, in one task. Start it once, after the database is open."""

    def __init__(
        self,
        store: Store,
        *,
        server: str,
        now_ms: Callable[[], int],
        on_events: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is written yet.

        Args:
            store: where to.
            server: names this server and no other that uses the same database, now and
                after a restart.
            now_ms: the time (Unix ms).
            on_events: called when events were written.
        """
        self.server = server
        self._store = store
        self._now_ms = now_ms
        self._on_events = on_events
        self._waiting = _Unwritten()
        self._sessions: WeakValueDictionary[str, Session] = WeakValueDictionary()
        self._going_on: set[str] = set()  # streams of this process
        self._changed = asyncio.Event()
        self._purged_at_ms = 0
        self._task: asyncio.Task[None] | None = None

    def session(self, channel: ChannelRecord, stream_id: str) -> Session:
        """What will be known of a stream."""
        session = Session(self, channel, stream_id)
        self._sessions[stream_id] = session
        return session

    def put(self, record: StreamSessionRecord, *happened: Occurrence) -> None:
        """Write it soon, with the events of what happened."""
        if record.ended_at_ms:
            self._going_on.discard(record.id)
        else:
            self._going_on.add(record.id)
        records = self._waiting.records
        records[record.id] = replace(record, seen_at_ms=self._now_ms())
        if len(records) > MAX_WAITING:
            lost = next(iter(records))
            del records[lost]
            log.error("stream session lost: the database is away for too long", stream=lost)
        self._tell(events_of(record, happened))

    def announce(self, scope: Scope, kind: str, now_ms: int, detail: Mapping[str, Any]) -> None:
        """Something happened that belongs to no stream: an account's limit was reached.

        Args:
            scope: the account and region it is about.
            kind: LIMIT_BREACH, as IVS has no other.
            now_ms: when (Unix ms).
            detail: what the event says: limit_name, limit_value, exceeded_by, limit_unit.
        """
        try:
            said = details.account_detail(kind, detail)
        except msgspec.ValidationError:
            log.exception("event not sent: it is not as IVS has it", kind=kind)
        else:
            self._tell([event_of(kind, scope, "", now_ms, said)])

    def note_of(
        self,
        stream_id: str,
        name: str,
        now_ms: int,
        *,
        kind: str = STATE_CHANGE,
        code: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Something happened to a stream that may be long over; see `Session.note`."""
        session = self._sessions.get(stream_id)
        if session is not None:
            session.note(name, now_ms, kind=kind, code=code, detail=detail)
            return
        happened = Occurrence(name=name, time_ms=now_ms, kind=kind, code=code, detail=detail or {})
        self._waiting.notes.append(_Note(stream_id, happened))
        if len(self._waiting.notes) > MAX_EVENTS_WAITING:
            del self._waiting.notes[0]
            log.error("event lost: the database is away for too long")
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

    def _tell(self, events: list[EventRecord]) -> None:
        self._waiting.events += events
        if len(self._waiting.events) > MAX_EVENTS_WAITING:
            del self._waiting.events[:-MAX_EVENTS_WAITING]
            log.error("event lost: the database is away for too long")
        self._changed.set()

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
            if record.id not in self._going_on and record.id not in self._waiting.records:
                self._waiting.lost.append(record.id)
        is_purge = now_ms - self._purged_at_ms >= PURGE_MS
        if is_purge or self._waiting or self._going_on:
            await self._write(is_beat=True, is_purge=is_purge)

    async def _write(self, *, is_beat: bool = False, is_purge: bool = False) -> None:
        """Write what waits, in one transaction. If that fails, it goes on waiting."""
        waiting, self._waiting = self._waiting, _Unwritten()
        is_written = not (waiting or is_beat)
        try:
            if not is_written:
                await self._transact(waiting, is_beat=is_beat, is_purge=is_purge)
                is_written = True
        finally:
            if not is_written:
                self._waiting = waiting.followed_by(self._waiting)

    async def _transact(self, waiting: _Unwritten, *, is_beat: bool, is_purge: bool) -> None:
        now_ms = self._now_ms()
        async with self._store.write() as work:
            for record in waiting.records.values():
                await work.sessions.put(record)
            events = [*waiting.events]
            for note in waiting.notes:
                events += await _note(work, note)
            for stream_id in waiting.lost:
                events += await _end_lost(work, stream_id)
            await work.events.append([replace(each, written_at_ms=now_ms) for each in events])
            if is_beat:
                await work.sessions.saw(self.server, now_ms)
            if is_purge:
                await work.sessions.purge(now_ms - RETENTION_MS)
        if is_purge:
            self._purged_at_ms = now_ms
        if events:
            self._on_events()


async def _note(work: UnitOfWork, note: _Note) -> list[EventRecord]:
    """Add what happened to a stored session."""
    record = await work.sessions.find(note.stream_id)
    if record is None:
        log.warning("event not sent: its session is not kept any more", stream=note.stream_id)
        return []
    await work.sessions.put(with_event(record, note.happened))
    return events_of(record, [note.happened])


async def _end_lost(work: UnitOfWork, stream_id: str) -> list[EventRecord]:
    """End a session when it was last seen, unless another server was faster."""
    record = await work.sessions.find(stream_id)
    if record is None or record.ended_at_ms:
        return []
    log.warning("stream session ended: its server was killed", stream=stream_id)
    record, *happened = ended(record, record.seen_at_ms)
    await work.sessions.put(record)
    return events_of(record, happened)


async def _fields(work: UnitOfWork, arn: str, scope: Scope) -> dict[str, Any]:
    """What a channel's configuration is now; {} for none."""
    record = await work.resource(scope, arn) if arn else None
    return asdict(record) if record else {}
