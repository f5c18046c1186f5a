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
    Integer,
    Select,
    Table,
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
from headwater.store.connection import Connection, Prepared
from headwater.store.events import Events
from headwater.store.identities import Identities
from headwater.store.recordings import Recordings
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
from headwater.store.viewing import Viewing

RecordT = TypeVar("RecordT", bound=ResourceRecord)

_KINDS = {str(kind.resource_type): kind for kind in RESOURCE_TABLES}
_UNCHANGING = ("id", "region", "account", "created_at_ms")


class UnitOfWork:
    """The rows, as one transaction sees them. Made by `Store.read` and `Store.write`.

    A record that is missing and one of a foreign scope look the same: None or False.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # What has queries of its own.

    @property
    def identities(self) -> Identities:
        """Users, policies and access keys."""
        return Identities(self._connection)

    @property
    def sessions(self) -> Sessions:
        """Stream sessions."""
        return Sessions(self._connection)

    @property
    def recordings(self) -> Recordings:
        """Recording sessions."""
        return Recordings(self._connection)

    @property
    def events(self) -> Events:
        """Events that are to be delivered, and the rules they are delivered by."""
        return Events(self._connection)

    @property
    def viewing(self) -> Viewing:
        """What is kept of viewers: used tokens, revocations."""
        return Viewing(self._connection)

    # Resources of every kind.

    async def insert(self, record: ResourceRecord) -> None:
        """Add a resource. A stream key's channel must exist, in the same scope."""
        values = asdict(record)
        if isinstance(record, StreamKeyRecord):
            values["value_digest"] = digest(record.value)
        await self._connection.change(_insert(type(record)), values)

    async def get(self, kind: type[RecordT], scope: Scope, id: str) -> RecordT | None:  # noqa: A002
        """The resource of that id, if it is in the scope."""
        return await self._one(kind, _by_id(kind), {**_in(scope), "id": id})

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
        result = await self._connection.execute(_by_ids(kind), {**_in(scope), "ids": list(ids)})
        found = {record.id: record for record in _records(kind, result.fetchall())}
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
        return await self._all(kind, query, {**_in(scope), "limit": limit, **behind, **equal})

    async def update(self, record: ResourceRecord) -> bool:
        """Replace all but id, scope and creation time; False when there is none."""
        values = asdict(record)
        own = {f"own_{name}": values[name] for name in ("id", "account", "region")}
        changing = {name: value for name, value in values.items() if name not in _UNCHANGING}
        return await self._connection.change(_update(type(record)), {**own, **changing}) > 0

    async def delete(self, kind: type[ResourceRecord], scope: Scope, id: str) -> bool:  # noqa: A002
        """Remove one, with the stream keys if it is a channel; False: no such one."""
        return await self._connection.change(_delete(kind), {**_in(scope), "id": id}) > 0

    async def count(self, kind: type[ResourceRecord], scope: Scope, /, **equal: str) -> int:
        """How many the scope has whose columns hold just those values."""
        query = _count(kind, tuple(equal))
        [[number]] = await self._connection.rows(query, {**_in(scope), **equal})
        return int(number)

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
        rows = await self._connection.rows(_SETTING, {"name": name})
        return rows[0][0] if rows else None

    async def put_setting(self, name: str, value: bytes) -> None:
        """Keep a value under that name, in place of what was there."""
        await self._put(settings, ("name",), _Setting(name, value))

    async def _put(self, table: Table, key: tuple[str, ...], record: Struct) -> None:
        # Update, then insert: portable, and atomic because writers come one at a time.
        values = asdict(record)
        same = [table.c[name] == values[name] for name in key]
        changing = {name: value for name, value in values.items() if name not in key}
        changed = await self._connection.execute(update(table).where(*same).values(changing))
        if not changed.rowcount:
            await self._connection.execute(insert(table), values)

    async def _one(
        self, kind: type[RecordT], query: Prepared, parameters: Mapping[str, Any]
    ) -> RecordT | None:
        records = await self._all(kind, query, parameters)
        return records[0] if records else None

    async def _all(
        self, kind: type[RecordT], query: Prepared, parameters: Mapping[str, Any]
    ) -> list[RecordT]:
        return _records(kind, await self._connection.rows(query, parameters))

    async def _row(self, query: Select[Any]) -> Mapping[Any, Any] | None:
        return (await self._connection.execute(query)).mappings().first()


class _Setting(Struct, frozen=True):
    name: str
    value: bytes


def _in(scope: Scope) -> dict[str, Any]:
    return {"account": scope.account, "region": scope.region}


def _records(kind: type[RecordT], rows: Sequence[Sequence[Any]]) -> list[RecordT]:
    # By place, not by name: all queries of a kind select its fields in their order.
    names = kind.__struct_fields__
    return [kind(**dict(zip(names, row, strict=True))) for row in rows]


@cache
def _insert(kind: type[ResourceRecord]) -> Prepared:
    return Prepared(insert(RESOURCE_TABLES[kind]))


@cache
def _anywhere(kind: type[ResourceRecord]) -> Prepared:
    return Prepared(_select(kind).where(RESOURCE_TABLES[kind].c.id == bindparam("id")))


@cache
def _by_id(kind: type[ResourceRecord]) -> Prepared:
    own = RESOURCE_TABLES[kind].c.id == bindparam("id")
    return Prepared(_select(kind).where(own, _within(kind)))


@cache
def _by_ids(kind: type[ResourceRecord]) -> Select[Any]:
    # Not prepared: it has as many parameters as there are ids.
    listed = RESOURCE_TABLES[kind].c.id.in_(bindparam("ids", expanding=True))
    return _select(kind).where(_within(kind), listed)


@cache
def _page(kind: type[ResourceRecord], equal: tuple[str, ...], *, continued: bool) -> Prepared:
    table = RESOURCE_TABLES[kind]
    order = tuple_(table.c.created_at_ms, table.c.id)
    query = _select(kind).where(_within(kind), *_equal(kind, equal))
    if continued:
        query = query.where(order > tuple_(bindparam("after_created_at_ms"), bindparam("after_id")))
    return Prepared(
        query.order_by(table.c.created_at_ms, table.c.id).limit(bindparam("limit", type_=Integer))
    )


@cache
def _count(kind: type[ResourceRecord], equal: tuple[str, ...]) -> Prepared:
    query = select(func.count()).select_from(RESOURCE_TABLES[kind])
    return Prepared(query.where(_within(kind), *_equal(kind, equal)))


@cache
def _update(kind: type[ResourceRecord]) -> Prepared:
    table = RESOURCE_TABLES[kind]
    own = [table.c[name] == bindparam(f"own_{name}") for name in ("id", "account", "region")]
    changing = [name for name in kind.__struct_fields__ if name not in _UNCHANGING]
    return Prepared(update(table).where(*own).values({name: bindparam(name) for name in changing}))


@cache
def _delete(kind: type[ResourceRecord]) -> Prepared:
    own = RESOURCE_TABLES[kind].c.id == bindparam("id")
    return Prepared(delete(RESOURCE_TABLES[kind]).where(_within(kind), own))


def _select(kind: type[ResourceRecord]) -> Select[Any]:
    return select(*RESOURCE_TABLES[kind].c[kind.__struct_fields__])


def _within(kind: type[ResourceRecord]) -> ColumnElement[bool]:
    table = RESOURCE_TABLES[kind]
    return and_(table.c.account == bindparam("account"), table.c.region == bindparam("region"))


def _equal(kind: type[ResourceRecord], names: tuple[str, ...]) -> list[ColumnElement[bool]]:
    table = RESOURCE_TABLES[kind]
    return [table.c[name] == bindparam(name) for name in names]


_BY_DIGEST = Prepared(
    _select(StreamKeyRecord).where(stream_keys.c.value_digest == bindparam("digest"))
)
_SETTING = Prepared(select(settings.c.value).where(settings.c.name == bindparam("name")))
