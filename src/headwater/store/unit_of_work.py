"""UnitOfWork: what can be asked of the rows within one transaction.

Resources of all seven kinds are asked for in the same words, with the kind's record type.
Only portable SQL (row values, IN, keyset paging): the same statements run on SQLite
and PostgreSQL. Paging is by position, not by offset, so that inserts and deletes
between two pages neither repeat nor skip a record that was there all along.

A statement is built once and kept: building one takes longer than running it. They differ
by kind and by the names of filters only, never by what a caller sends, so they are few.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import (
    ColumnElement,
    Delete,
    Executable,
    Insert,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from headwater.core.arn import parse_arn
from headwater.core.secret import Secret
from headwater.store.connection import Connection
from headwater.store.identities import Identities
from headwater.store.records import (
    AdBreakRecord,
    ChannelRecord,
    Position,
    ResourceRecord,
    Scope,
    StreamKeyRecord,
    ViewerSessionRevocation,
)
from headwater.store.sessions import Sessions
from headwater.store.tables import (
    RESOURCE_TABLES,
    ad_breaks,
    digest,
    settings,
    stream_keys,
    viewer_session_revocations,
)

RecordT = TypeVar("RecordT", bound=ResourceRecord)

_KINDS = {str(kind.resource_type): kind for kind in RESOURCE_TABLES}
_UNCHANGING = ("id", "region", "account", "created_at_ms")


class UnitOfWork:
    """The rows, as one transaction sees them. Made by `Store.read` and `Store.write`.

    A record that is missing and one of a foreign scope look the same: None or False.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.identities = Identities(connection)
        self.sessions = Sessions(connection)

    # Resources of every kind.

    async def insert(self, record: ResourceRecord) -> None:
        """Add a resource. A stream key's channel must exist, in the same scope."""
        await self._connection.execute(_insert(type(record)), asdict(record))

    async def get(self, kind: type[RecordT], scope: Scope, id: str) -> RecordT | None:  # noqa: A002
        """The resource of that id, if it is in the scope."""
        return await self._one(kind, _by_id(kind), {**asdict(scope), "id": id})

    async def resource(self, scope: Scope, arn: str) -> ResourceRecord | None:
        """The resource of that ARN, of whatever kind, if it is in the scope."""
        parsed = parse_arn(arn)
        if parsed is None or Scope(parsed.account, parsed.region) != scope:
            return None
        kind = _KINDS.get(parsed.type)
        return await self.get(kind, scope, parsed.id) if kind else None

    async def get_many(
        self, kind: type[RecordT], scope: Scope, ids: Sequence[str]
    ) -> list[RecordT]:
        """Those that exist in the scope, each once, in the order of `ids`."""
        rows = await self._all(kind, _by_ids(kind), {**asdict(scope), "ids": list(ids)})
        found = {record.id: record for record in rows}
        return [found[each] for each in dict.fromkeys(ids) if each in found]

    async def page(
        self,
        kind: type[RecordT],
        scope: Scope,
        /,
        *,
        limit: int,
        after: Position | None,
        **equal: str,
    ) -> list[RecordT]:
        """At most `limit` behind `after`, ordered by `created_at_ms` and `id`.

        Each of `equal` names a column that must hold just that value.
        """
        query = _page(kind, tuple(equal), continued=after is not None)
        behind = {f"after_{name}": value for name, value in asdict(after).items()} if after else {}
        return await self._all(kind, query, {**asdict(scope), "limit": limit, **behind, **equal})

    async def update(self, record: ResourceRecord) -> bool:
        """Replace all but id, scope and creation time; False when there is none."""
        values = asdict(record)
        own = {f"own_{name}": values[name] for name in ("id", "account", "region")}
        changing = {name: value for name, value in values.items() if name not in _UNCHANGING}
        return await self._changes(_update(type(record)), {**own, **changing})

    async def delete(self, kind: type[ResourceRecord], scope: Scope, id: str) -> bool:  # noqa: A002
        """Remove one, with the stream keys if it is a channel; False: no such one."""
        return await self._changes(_delete(kind), {**asdict(scope), "id": id})

    async def count(self, kind: type[ResourceRecord], scope: Scope, /, **equal: str) -> int:
        """How many the scope has whose columns hold just those values."""
        result = await self._connection.execute(
            _count(kind, tuple(equal)), {**asdict(scope), **equal}
        )
        return int(result.scalar_one())

    # What publishers and viewers ask; they name no scope.

    async def channel_by_id(self, channel_id: str) -> ChannelRecord | None:
        """The channel of that id in any scope."""
        return await self._one(ChannelRecord, _anywhere(ChannelRecord), {"id": channel_id})

    async def stream_key_by_value(self, value: Secret) -> StreamKeyRecord | None:
        """The stream key, of any scope, that a publisher presents.

        Only digests are compared, so the time it takes tells nothing of the value.
        """
        return await self._one(StreamKeyRecord, _BY_DIGEST, {"digest": digest(value)})

    # What is known of a channel's viewers and ads. The channel must exist.

    async def put_revocation(self, revocation: ViewerSessionRevocation) -> None:
        """Keep it in place of an earlier one of the same viewer and channel."""
        await self._put(viewer_session_revocations, ("channel_id", "viewer_id"), revocation)

    async def revocation(self, channel_id: str, viewer_id: str) -> ViewerSessionRevocation | None:
        """What is revoked of a viewer on a channel."""
        table = viewer_session_revocations
        query = select(table).where(
            table.c.channel_id == channel_id, table.c.viewer_id == viewer_id
        )
        row = await self._row(query)
        return ViewerSessionRevocation(**row) if row else None

    async def put_ad_break(self, ad_break: AdBreakRecord) -> None:
        """Keep it in place of the channel's earlier one."""
        await self._put(ad_breaks, ("channel_id",), ad_break)

    async def ad_break(self, channel_id: str) -> AdBreakRecord | None:
        """The last break that was asked for on a channel."""
        row = await self._row(select(ad_breaks).where(ad_breaks.c.channel_id == channel_id))
        return AdBreakRecord(**row) if row else None

    async def setting(self, name: str) -> bytes | None:
        """A value that the server made for itself, such as a signing key."""
        result = await self._connection.execute(
            select(settings.c.value).where(settings.c.name == name)
        )
        return result.scalar_one_or_none()

    async def put_setting(self, name: str, value: bytes) -> None:
        """Keep a value under that name, in place of what was there."""
        await self._put(settings, ("name",), _Setting(name, value))

    async def _put(self, table: Table, key: tuple[str, ...], record: Struct) -> None:
        # Update, then insert: portable, and atomic because writers come one at a time.
        values = asdict(record)
        same = [table.c[name] == values[name] for name in key]
        changing = {name: value for name, value in values.items() if name not in key}
        if not await self._changes(update(table).where(*same).values(changing)):
            await self._connection.execute(insert(table), values)

    async def _one(
        self, kind: type[RecordT], query: Select[Any], parameters: Mapping[str, Any]
    ) -> RecordT | None:
        records = await self._all(kind, query, parameters)
        return records[0] if records else None

    async def _all(
        self, kind: type[RecordT], query: Select[Any], parameters: Mapping[str, Any]
    ) -> list[RecordT]:
        # By place, not by name: all queries of a kind select its fields in their order.
        names = kind.__struct_fields__
        result = await self._connection.execute(query, parameters)
        return [kind(**dict(zip(names, row, strict=True))) for row in result.fetchall()]

    async def _row(self, query: Select[Any]) -> Mapping[Any, Any] | None:
        rows = await self._rows(query)
        return rows[0] if rows else None

    async def _rows(
        self, query: Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Mapping[Any, Any]]:
        return (await self._connection.execute(query, parameters)).mappings().all()

    async def _changes(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> bool:
        return (await self._connection.execute(statement, parameters)).rowcount > 0


class _Setting(Struct, frozen=True):
    name: str
    value: bytes


@cache
def _insert(kind: type[ResourceRecord]) -> Insert:
    return insert(RESOURCE_TABLES[kind])


@cache
def _anywhere(kind: type[ResourceRecord]) -> Select[Any]:
    table = RESOURCE_TABLES[kind]
    return select(*table.c[kind.__struct_fields__]).where(table.c.id == bindparam("id"))


@cache
def _by_id(kind: type[ResourceRecord]) -> Select[Any]:
    return _anywhere(kind).where(_within(kind))


@cache
def _by_ids(kind: type[ResourceRecord]) -> Select[Any]:
    table = RESOURCE_TABLES[kind]
    listed = table.c.id.in_(bindparam("ids", expanding=True))
    return select(*table.c[kind.__struct_fields__]).where(_within(kind), listed)


@cache
def _page(kind: type[ResourceRecord], equal: tuple[str, ...], *, continued: bool) -> Select[Any]:
    table = RESOURCE_TABLES[kind]
    order = tuple_(table.c.created_at_ms, table.c.id)
    query = select(*table.c[kind.__struct_fields__]).where(_within(kind), *_equal(kind, equal))
    if continued:
        query = query.where(order > tuple_(bindparam("after_created_at_ms"), bindparam("after_id")))
    return query.order_by(table.c.created_at_ms, table.c.id).limit(bindparam("limit"))


@cache
def _count(kind: type[ResourceRecord], equal: tuple[str, ...]) -> Select[Any]:
    table = RESOURCE_TABLES[kind]
    return select(func.count()).select_from(table).where(_within(kind), *_equal(kind, equal))


@cache
def _update(kind: type[ResourceRecord]) -> Update:
    table = RESOURCE_TABLES[kind]
    own = [table.c[name] == bindparam(f"own_{name}") for name in ("id", "account", "region")]
    changing = [name for name in kind.__struct_fields__ if name not in _UNCHANGING]
    return update(table).where(*own).values({name: bindparam(name) for name in changing})


@cache
def _delete(kind: type[ResourceRecord]) -> Delete:
    table = RESOURCE_TABLES[kind]
    return delete(table).where(_within(kind), table.c.id == bindparam("id"))


def _within(kind: type[ResourceRecord]) -> ColumnElement[bool]:
    table = RESOURCE_TABLES[kind]
    return and_(table.c.account == bindparam("account"), table.c.region == bindparam("region"))


def _equal(kind: type[ResourceRecord], names: tuple[str, ...]) -> list[ColumnElement[bool]]:
    table = RESOURCE_TABLES[kind]
    return [table.c[name] == bindparam(name) for name in names]


_BY_DIGEST = select(*stream_keys.c[StreamKeyRecord.__struct_fields__]).where(
    stream_keys.c.value_digest == bindparam("digest")
)
