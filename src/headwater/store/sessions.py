"""Stream sessions: one row for each encoder that was let in, kept after its channel is gone.

Source: IVS API reference, StreamSession. A row is what the server last said of a session;
`server` names who says it, and `seen_at_ms` when, so that a session whose server was killed
can be told from one that goes on. What a channel was at the start is kept by the names of
its record's fields: a field that is added to that record later must be given to old rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Select,
    String,
    Table,
    delete,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from headwater.store.connection import Connection
from headwater.store.records import Position, Scope
from headwater.store.tables import metadata

MAX_LOST_AT_ONCE = 500
"""Sessions of servers that were killed; the rest is found at the next look."""


class StreamSessionRecord(Struct, frozen=True, kw_only=True):
    """One session. Times are Unix milliseconds; 0 is "not yet"."""

    id: str  # of the stream
    region: str
    account: str
    channel_id: str
    server: str
    created_at_ms: int
    live_at_ms: int
    ended_at_ms: int
    seen_at_ms: int  # what is said here was true then
    has_error_event: bool
    channel: dict[str, Any]  # a ChannelRecord's fields, without its secret
    recording_configuration: dict[str, Any]  # a record's fields; {}: none
    failover_slate_configuration: dict[str, Any]  # likewise
    ingest: dict[str, Any]  # an IngestConfigurations as on the wire; {}: nothing known yet
    events: list[dict[str, Any]]  # newest first: name, type, time_ms, code


stream_sessions = Table(
    "stream_sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("region", String, nullable=False),
    Column("account", String, nullable=False),
    Column("channel_id", String, nullable=False),
    Column("server", String, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("live_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger, nullable=False),
    Column("seen_at_ms", BigInteger, nullable=False),
    Column("has_error_event", Boolean, nullable=False),
    Column("channel", JSON, nullable=False),
    Column("recording_configuration", JSON, nullable=False),
    Column("failover_slate_configuration", JSON, nullable=False),
    Column("ingest", JSON, nullable=False),
    Column("events", JSON, nullable=False),
)
Index(
    "ix_stream_sessions_order",
    *stream_sessions.c["account", "region", "channel_id", "created_at_ms", "id"],
)
Index("ix_stream_sessions_ended_at_ms", stream_sessions.c.ended_at_ms)


class Sessions:
    """The rows of sessions, as one transaction sees them; reached as `work.sessions`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, session: StreamSessionRecord) -> None:
        """Keep it in place of what was said of it before."""
        values = asdict(session)
        own = stream_sessions.c.id == session.id
        changed = await self._connection.execute(update(stream_sessions).where(own), values)
        if not changed.rowcount:
            await self._connection.execute(insert(stream_sessions), values)

    async def get(
        self, scope: Scope, channel_id: str, stream_id: str
    ) -> StreamSessionRecord | None:
        """The session of that stream, if it is the channel's."""
        found = await self._all(_of_channel(scope, channel_id).where(_C.id == stream_id))
        return found[0] if found else None

    async def find(self, stream_id: str) -> StreamSessionRecord | None:
        """The session of that stream, of any scope."""
        found = await self._all(select(stream_sessions).where(_C.id == stream_id))
        return found[0] if found else None

    async def page(
        self, scope: Scope, channel_id: str, *, limit: int, before: Position | None
    ) -> list[StreamSessionRecord]:
        """At most `limit` of a channel's sessions that began before, newest first."""
        query = _of_channel(scope, channel_id)
        if before is not None:
            place = tuple_(_C.created_at_ms, _C.id)
            query = query.where(place < tuple_(before.created_at_ms, before.id))
        order = (_C.created_at_ms.desc(), _C.id.desc())
        return await self._all(query.order_by(*order).limit(limit))

    async def unended(self, server: str, *, seen_before_ms: int) -> list[StreamSessionRecord]:
        """Sessions without an end, of that server or not seen since then, oldest first."""
        query = (
            select(stream_sessions)
            .where(_C.ended_at_ms == 0, or_(_C.server == server, _C.seen_at_ms < seen_before_ms))
            .order_by(_C.created_at_ms)
            .limit(MAX_LOST_AT_ONCE)
        )
        return await self._all(query)

    async def saw(self, server: str, now_ms: int) -> None:
        """Say that all sessions of that server which have no end still go on."""
        await self._connection.execute(
            update(stream_sessions)
            .where(_C.ended_at_ms == 0, _C.server == server)
            .values(seen_at_ms=now_ms)
        )

    async def purge(self, ended_before_ms: int) -> None:
        """Remove those that ended before."""
        over = (_C.ended_at_ms > 0) & (_C.ended_at_ms < ended_before_ms)
        await self._connection.execute(delete(stream_sessions).where(over))

    async def _all(self, query: Select[Any]) -> list[StreamSessionRecord]:
        rows: Sequence[Mapping[Any, Any]]
        rows = (await self._connection.execute(query)).mappings().all()
        return [StreamSessionRecord(**row) for row in rows]


_C = stream_sessions.c


def _of_channel(scope: Scope, channel_id: str) -> Select[Any]:
    return select(stream_sessions).where(
        _C.account == scope.account, _C.region == scope.region, _C.channel_id == channel_id
    )
