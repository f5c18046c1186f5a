"""UnitOfWork: what can be asked of the rows within one transaction.

Only portable SQL (row values, IN, keyset paging): the same statements run on SQLite
and PostgreSQL. Paging is by position, not by offset, so that inserts and deletes
between two pages neither repeat nor skip a record that was there all along.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from msgspec.structs import asdict
from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    Table,
    and_,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.core.secret import Secret
from headwater.store.records import (
    AccessKeyRecord,
    ChannelRecord,
    Position,
    Scope,
    StreamKeyRecord,
)
from headwater.store.tables import access_keys, channels, settings, stream_keys

_ALL_CHANNELS = select(channels)
_ALL_STREAM_KEYS = select(*stream_keys.c[StreamKeyRecord.__struct_fields__])
_ALL_ACCESS_KEYS = select(access_keys)
_UNCHANGING = ("id", "region", "account", "created_at_ms")


class UnitOfWork:
    """The rows, as one transaction sees them. Made by `Store.read` and `Store.write`.

    A record that is missing and one of a foreign scope look the same: None or False.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def insert_channel(self, channel: ChannelRecord, key: StreamKeyRecord) -> None:
        """Add a channel and its first stream key."""
        await self._connection.execute(insert(channels).values(asdict(channel)))
        await self.insert_stream_key(key)

    async def channel(self, scope: Scope, channel_id: str) -> ChannelRecord | None:
        """The channel of that id, if it is in the scope."""
        query = _ALL_CHANNELS.where(_within(channels, scope), channels.c.id == channel_id)
        row = await self._row(query)
        return ChannelRecord(**row) if row else None

    async def channel_by_id(self, channel_id: str) -> ChannelRecord | None:
        """The channel of that id in any scope: media URLs and publishers name no scope."""
        row = await self._row(_ALL_CHANNELS.where(channels.c.id == channel_id))
        return ChannelRecord(**row) if row else None

    async def channels(self, scope: Scope, ids: Sequence[str]) -> list[ChannelRecord]:
        """Those channels that exist in the scope, each once, in the order of `ids`."""
        query = _ALL_CHANNELS.where(_within(channels, scope), channels.c.id.in_(ids))
        found = {row["id"]: ChannelRecord(**row) for row in await self._rows(query)}
        return [found[each] for each in dict.fromkeys(ids) if each in found]

    async def list_channels(
        self,
        scope: Scope,
        *,
        limit: int,
        after: Position | None,
        name: str | None = None,
        recording_configuration_arn: str | None = None,
        playback_restriction_policy_arn: str | None = None,
        ad_configuration_arn: str | None = None,
        failover_slate_configuration_arn: str | None = None,
    ) -> list[ChannelRecord]:
        """At most `limit` channels behind `after`, ordered by `created_at_ms` and `id`.

        Every filter that is not None must match exactly.
        """
        filters = {
            "name": name,
            "recording_configuration_arn": recording_configuration_arn,
            "playback_restriction_policy_arn": playback_restriction_policy_arn,
            "ad_configuration_arn": ad_configuration_arn,
            "failover_slate_configuration_arn": failover_slate_configuration_arn,
        }
        wanted = [channels.c[key] == value for key, value in filters.items() if value is not None]
        query = _ALL_CHANNELS.where(_within(channels, scope), *wanted)
        return [ChannelRecord(**row) for row in await self._rows(_page(query, limit, after))]

    async def update_channel(self, channel: ChannelRecord) -> bool:
        """Replace all but id, scope and creation time; False when there is none."""
        values = {key: value for key, value in asdict(channel).items() if key not in _UNCHANGING}
        within = _within(channels, Scope(channel.account, channel.region))
        statement = update(channels).where(within, channels.c.id == channel.id).values(values)
        return await self._changes(statement)

    async def delete_channel(self, scope: Scope, channel_id: str) -> bool:
        """Remove a channel and, by their foreign key, its stream keys; False: no such one."""
        within = _within(channels, scope)
        return await self._changes(delete(channels).where(within, channels.c.id == channel_id))

    async def count_channels(self, scope: Scope) -> int:
        """How many channels the scope has."""
        return await self._count(channels, _within(channels, scope))

    async def insert_stream_key(self, key: StreamKeyRecord) -> None:
        """Add a stream key to a channel that exists, in the scope of the channel."""
        values = asdict(key) | {"value_digest": _digest(key.value)}
        await self._connection.execute(insert(stream_keys).values(values))

    async def stream_key(self, scope: Scope, key_id: str) -> StreamKeyRecord | None:
        """The stream key of that id, if it is in the scope."""
        query = _ALL_STREAM_KEYS.where(_within(stream_keys, scope), stream_keys.c.id == key_id)
        row = await self._row(query)
        return StreamKeyRecord(**row) if row else None

    async def stream_keys(self, scope: Scope, ids: Sequence[str]) -> list[StreamKeyRecord]:
        """Those stream keys that exist in the scope, each once, in the order of `ids`."""
        query = _ALL_STREAM_KEYS.where(_within(stream_keys, scope), stream_keys.c.id.in_(ids))
        found = {row["id"]: StreamKeyRecord(**row) for row in await self._rows(query)}
        return [found[each] for each in dict.fromkeys(ids) if each in found]

    async def list_stream_keys(
        self, scope: Scope, channel_id: str, *, limit: int, after: Position | None
    ) -> list[StreamKeyRecord]:
        """At most `limit` keys of a channel, behind `after`, by `created_at_ms` and `id`."""
        query = _ALL_STREAM_KEYS.where(
            _within(stream_keys, scope), stream_keys.c.channel_id == channel_id
        )
        return [StreamKeyRecord(**row) for row in await self._rows(_page(query, limit, after))]

    async def count_stream_keys(self, scope: Scope, channel_id: str) -> int:
        """How many stream keys a channel of the scope has."""
        return await self._count(
            stream_keys,
            and_(_within(stream_keys, scope), stream_keys.c.channel_id == channel_id),
        )

    async def delete_stream_key(self, scope: Scope, key_id: str) -> bool:
        """Remove a stream key; False when the scope has none of that id."""
        within = _within(stream_keys, scope)
        return await self._changes(delete(stream_keys).where(within, stream_keys.c.id == key_id))

    async def stream_key_by_value(self, value: Secret) -> StreamKeyRecord | None:
        """The stream key, of any scope, that a publisher presents.

        Only digests are compared, so the time it takes tells nothing of the value.
        """
        row = await self._row(_ALL_STREAM_KEYS.where(stream_keys.c.value_digest == _digest(value)))
        return StreamKeyRecord(**row) if row else None

    async def insert_access_key(self, key: AccessKeyRecord) -> None:
        """Add an access key."""
        await self._connection.execute(insert(access_keys).values(asdict(key)))

    async def access_key(self, key_id: str) -> AccessKeyRecord | None:
        """The access key of that id, of any account: a request names no other."""
        row = await self._row(_ALL_ACCESS_KEYS.where(access_keys.c.id == key_id))
        return AccessKeyRecord(**row) if row else None

    async def list_access_keys(self) -> list[AccessKeyRecord]:
        """All access keys, oldest first. Only the operator makes any, so there are few."""
        query = _ALL_ACCESS_KEYS.order_by(access_keys.c.created_at_ms, access_keys.c.id)
        return [AccessKeyRecord(**row) for row in await self._rows(query)]

    async def delete_access_key(self, key_id: str) -> bool:
        """Remove an access key; False when there is none of that id."""
        return await self._changes(delete(access_keys).where(access_keys.c.id == key_id))

    async def setting(self, name: str) -> bytes | None:
        """A value that the server made for itself, such as a signing key."""
        result = await self._connection.execute(
            select(settings.c.value).where(settings.c.name == name)
        )
        return result.scalar_one_or_none()

    async def put_setting(self, name: str, value: bytes) -> None:
        """Keep a value under that name, in place of what was there."""
        # Update, then insert: portable, and atomic because writers come one at a time.
        replace = update(settings).where(settings.c.name == name).values(value=value)
        if not await self._changes(replace):
            await self._connection.execute(insert(settings).values(name=name, value=value))

    async def _row(self, query: Select[Any]) -> Mapping[str, Any] | None:
        rows = await self._rows(query)
        return rows[0] if rows else None

    async def _rows(self, query: Select[Any]) -> Sequence[Mapping[str, Any]]:
        result = await self._connection.execute(query)
        rows: Sequence[Mapping[str, Any]] = result.mappings().all()
        return rows

    async def _count(self, table: Table, condition: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(table).where(condition)
        return (await self._connection.execute(query)).scalar_one()

    async def _changes(self, statement: Executable) -> bool:
        return (await self._connection.execute(statement)).rowcount > 0


def _within(table: Table, scope: Scope) -> ColumnElement[bool]:
    return and_(table.c.account == scope.account, table.c.region == scope.region)


def _page(query: Select[Any], limit: int, after: Position | None) -> Select[Any]:
    order = query.selected_columns["created_at_ms", "id"]
    if after:
        query = query.where(tuple_(*order) > (after.created_at_ms, after.id))
    return query.order_by(*order).limit(limit)


def _digest(value: Secret) -> bytes:
    return sha256(value.reveal().encode()).digest()
