"""Recordings, one row each, and whose buckets are.

What a recording holds is told by its objects; a row says that there is one, and how it ended.
Rows stay as long as recordings do: nobody but their owner knows when they are deleted.

A bucket is one account's, as in S3: the first whose recordings may go there. Another account
that names it is refused, and cannot fill or read it.
"""

from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    String,
    Table,
    insert,
    select,
    tuple_,
    update,
)

from headwater.store.connection import Connection
from headwater.store.records import Position, Scope
from headwater.store.tables import metadata

State = Literal["RECORDING", "ENDED", "FAILED"]


class RecordingRecord(Struct, frozen=True, kw_only=True):
    """One recording. Times are Unix milliseconds; 0 is "not yet"."""

    id: str  # recording_session_id
    region: str
    account: str
    channel_id: str
    bucket_name: str
    prefix: str
    state: State
    started_at_ms: int
    ended_at_ms: int
    duration_ms: int
    stream_ids: list[str]  # that were merged into it, oldest first
    message: str  # what went wrong; "" : nothing


recordings = Table(
    "recordings",
    metadata,
    Column("id", String, primary_key=True),
    Column("region", String, nullable=False),
    Column("account", String, nullable=False),
    Column("channel_id", String, nullable=False),
    Column("bucket_name", String, nullable=False),
    Column("prefix", String, nullable=False),
    Column("state", String, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("stream_ids", JSON, nullable=False),
    Column("message", String, nullable=False),
)
Index(
    "ix_recordings_order",
    *recordings.c["account", "region", "channel_id", "started_at_ms", "id"],
)

recording_buckets = Table(
    "recording_buckets",
    metadata,
    Column("name", String, primary_key=True),
    Column("account", String, nullable=False),
)


class Recordings:
    """The rows, as one transaction sees them; reached as `work.recordings`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, recording: RecordingRecord) -> None:
        """Keep it in place of what was said of it before."""
        values = asdict(recording)
        own = recordings.c.id == recording.id
        changed = await self._connection.execute(update(recordings).where(own).values(values))
        if not changed.rowcount:
            await self._connection.execute(insert(recordings), values)

    async def get(self, recording_id: str) -> RecordingRecord | None:
        """The recording of that recording_session_id, of any scope."""
        found = await self._all(select(recordings).where(recordings.c.id == recording_id))
        return found[0] if found else None

    async def page(
        self, scope: Scope, channel_id: str, *, limit: int, before: Position | None
    ) -> list[RecordingRecord]:
        """At most `limit` of a channel's recordings that began before, newest first."""
        columns = recordings.c
        query = select(recordings).where(
            columns.account == scope.account,
            columns.region == scope.region,
            columns.channel_id == channel_id,
        )
        if before is not None:
            place = tuple_(columns.started_at_ms, columns.id)
            query = query.where(place < tuple_(before.created_at_ms, before.id))
        order = (columns.started_at_ms.desc(), columns.id.desc())
        return await self._all(query.order_by(*order).limit(limit))

    async def claim_bucket(self, name: str, account: str) -> str:
        """The account that the bucket is of: this one, if it was nobody's."""
        columns = recording_buckets.c
        owner = (
            await self._connection.execute(select(columns.account).where(columns.name == name))
        ).scalar_one_or_none()
        if owner is None:
            values = {"name": name, "account": account}
            await self._connection.execute(insert(recording_buckets), values)
            return account
        return str(owner)

    async def buckets(self, *, limit: int) -> list[str]:
        """The names of at most so many buckets, whosever they are."""
        query = select(recording_buckets.c.name).order_by(recording_buckets.c.name).limit(limit)
        return list((await self._connection.execute(query)).scalars())

    async def _all(self, query: Any) -> list[RecordingRecord]:  # noqa: ANN401 - a select
        rows = (await self._connection.execute(query)).mappings().all()
        return [RecordingRecord(**row) for row in rows]
