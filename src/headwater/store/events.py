"""Events that are to be delivered: an outbox, and how far each rule's target is with it.

    events            what happened, in the order in which it was written
    event_rules       who wants which of them
    event_deliveries  events that a rule's target still has to get
    event_lanes       one for each rule and channel with deliveries: when to try next

A channel's events reach a target in order, so only the first of a lane is ever under way;
a lane that waits holds up no other. Rows that were taken are lent until `due_at_ms`: a server
that is killed with them gives them back by time alone.

Source: EventBridge user guide, "Event retry policy"; the outbox pattern.
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
    ColumnElement,
    Executable,
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)

from headwater.core.secret import Secret
from headwater.store.connection import Connection, Prepared
from headwater.store.records import Scope
from headwater.store.tables import SecretText, metadata


class EventRecord(Struct, frozen=True, kw_only=True):
    """An event as it is delivered."""

    seq: int = 0  # its place among all events; given when it is written
    id: str
    account: str
    region: str
    channel_id: str  # "" for what belongs to no channel
    written_at_ms: int  # Unix time
    body: str  # the envelope, JSON


class RuleRecord(Struct, frozen=True, kw_only=True):
    """Which events of a scope go where."""

    id: str
    account: str
    region: str
    name: str  # unique in the scope
    pattern: str  # an event pattern, JSON
    target: dict[str, Any]  # its kind and where it is; nothing secret
    secret: Secret  # what the target is signed or logged in with; "" for none
    is_enabled: bool
    created_at_ms: int


class Lane(Struct, frozen=True, kw_only=True):
    """What a rule's target still has to get of one channel, and how that goes."""

    rule_id: str
    channel_id: str
    due_at_ms: int  # not tried before
    attempts: int  # that failed, of the first delivery
    last_error: str
    server: str  # where it is under way; "" where it is not


class Backlog(Struct, frozen=True, kw_only=True):
    """How a rule's target does."""

    waiting: int  # deliveries
    attempts: int  # failed ones, of the lane that has most
    last_error: str  # of that lane


events = Table(
    "events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String, nullable=False),
    Column("account", String, nullable=False),
    Column("region", String, nullable=False),
    Column("channel_id", String, nullable=False),
    Column("written_at_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("id"),
)
Index("ix_events_written_at_ms", events.c.written_at_ms)

event_rules = Table(
    "event_rules",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("region", String, nullable=False),
    Column("name", String, nullable=False),
    Column("pattern", Text, nullable=False),
    Column("target", JSON, nullable=False),
    Column("secret", SecretText, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    UniqueConstraint("account", "region", "name"),
)

event_deliveries = Table(
    "event_deliveries",
    metadata,
    Column("rule_id", ForeignKey(event_rules.c.id, ondelete="CASCADE"), primary_key=True),
    Column("channel_id", String, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
)
Index("ix_event_deliveries_seq", event_deliveries.c.seq)

event_lanes = Table(
    "event_lanes",
    metadata,
    Column("rule_id", ForeignKey(event_rules.c.id, ondelete="CASCADE"), primary_key=True),
    Column("channel_id", String, primary_key=True),
    Column("due_at_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", String, nullable=False),
    Column("server", String, nullable=False),
)
Index("ix_event_lanes_due", *event_lanes.c["rule_id", "due_at_ms"])

_E, _R, _D, _L = events.c, event_rules.c, event_deliveries.c, event_lanes.c

# Asked every second, also when nothing happens.
_LAST_SEQ = Prepared(select(func.max(_E.seq)))
_DUE = Prepared(select(_L.rule_id, func.min(_L.due_at_ms)).group_by(_L.rule_id))


class Events:
    """The rows of events, as one transaction sees them; reached as `work.events`.

    Whatever writes here does so in a unit of work of no account, of which there is one at a
    time: then events become visible in the order of their numbers, and nobody who reads on
    from a number misses one.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # Events.

    async def append(self, records: Sequence[EventRecord]) -> None:
        """Add events, in order; one that is there already stays as it is."""
        known = await self._known([record.id for record in records])
        seq = await self.last_seq()
        for record in records:
            if record.id not in known:
                seq += 1
                await self._connection.execute(insert(events), {**asdict(record), "seq": seq})

    async def after(
        self, seq: int, *, limit: int, scope: Scope | None = None, channel_id: str = ""
    ) -> list[EventRecord]:
        """The next events behind a place, of all scopes or one, of all channels or one."""
        query = select(events).where(_E.seq > seq)
        if scope is not None:
            query = query.where(_E.account == scope.account, _E.region == scope.region)
        if channel_id:
            query = query.where(_E.channel_id == channel_id)
        return await self._events(query.order_by(_E.seq).limit(limit))

    async def last_seq(self) -> int:
        """The place of the newest event; 0 when there never was one."""
        [[seq]] = await self._connection.rows(_LAST_SEQ, {})
        return seq or 0

    async def seq_before(self, time_ms: int) -> int:
        """The place of the last event that was written before that time; 0: of none."""
        return await self._number(select(func.max(_E.seq)).where(_E.written_at_ms < time_ms))

    async def seqs(self, scope: Scope, ids: Sequence[str]) -> dict[str, int]:
        """The places of events of a scope, by their ids, of those that are kept."""
        query = select(_E.id, _E.seq).where(
            _E.account == scope.account, _E.region == scope.region, _E.id.in_(ids)
        )
        return {row["id"]: row["seq"] for row in await self._rows(query)}

    # Rules.

    async def rules(self, scope: Scope | None = None) -> list[RuleRecord]:
        """The rules of one scope or all, by name."""
        query = select(event_rules)
        if scope is not None:
            query = query.where(_R.account == scope.account, _R.region == scope.region)
        rows = await self._rows(query.order_by(_R.name, _R.id))
        return [RuleRecord(**row) for row in rows]

    async def rule(self, scope: Scope, name: str) -> RuleRecord | None:
        """The scope's rule of that name."""
        query = select(event_rules).where(
            _R.account == scope.account, _R.region == scope.region, _R.name == name
        )
        rows = await self._rows(query)
        return RuleRecord(**rows[0]) if rows else None

    async def put_rule(self, rule: RuleRecord) -> None:
        """Add a rule, or replace the one of that id; what waits for its target stays."""
        values = asdict(rule)
        if not await self._changes(update(event_rules).where(_R.id == rule.id).values(values)):
            await self._connection.execute(insert(event_rules), values)

    async def delete_rule(self, rule_id: str) -> bool:
        """Remove a rule with what waits for its target; False when there is none."""
        return await self._changes(delete(event_rules).where(_R.id == rule_id))

    # Deliveries.

    async def enqueue(self, rule_id: str, seqs: Sequence[int], now_ms: int) -> None:
        """A rule's target shall get these events; what waits already waits once."""
        wanted = select(literal(rule_id), _E.channel_id, _E.seq).where(_E.seq.in_(seqs))
        waits = exists().where(_D.rule_id == rule_id, _D.seq == _E.seq)
        await self._connection.execute(
            insert(event_deliveries).from_select(
                ["rule_id", "channel_id", "seq"], wanted.where(~waits)
            )
        )
        has_lane = exists().where(_L.rule_id == rule_id, _L.channel_id == _E.channel_id)
        lanes = (
            select(
                literal(rule_id),
                _E.channel_id,
                literal(now_ms, BigInteger),
                literal(0),
                literal(""),
                literal(""),
            )
            .where(_E.seq.in_(seqs), ~has_lane)
            .distinct()
        )
        names = [column.name for column in event_lanes.c]
        await self._connection.execute(insert(event_lanes).from_select(names, lanes))

    async def hurry(self, rule_id: str, now_ms: int) -> None:
        """Try what waits for a rule's target now, but what is under way."""
        await self._connection.execute(
            update(event_lanes)
            .where(_L.rule_id == rule_id, _L.server == "", _L.due_at_ms > now_ms)
            .values(due_at_ms=now_ms)
        )

    async def give_back(self, server: str, now_ms: int) -> None:
        """What an earlier run of a server had under way is under way no more."""
        await self._connection.execute(
            update(event_lanes).where(_L.server == server).values(server="", due_at_ms=now_ms)
        )

    async def lend(
        self, rule_id: str, server: str, *, now_ms: int, until_ms: int, limit: int
    ) -> list[Lane]:
        """Lanes that are due, longest due first; no other server gets them until then."""
        query = (
            select(event_lanes)
            .where(_L.rule_id == rule_id, _L.due_at_ms <= now_ms)
            .order_by(_L.due_at_ms, _L.channel_id)
            .limit(limit)
        )
        lanes = [Lane(**row) for row in await self._rows(query)]
        for lane in lanes:
            await self._connection.execute(
                update(event_lanes).where(*_lane(lane)).values(due_at_ms=until_ms, server=server)
            )
        return lanes

    async def first_of(self, lane: Lane, limit: int) -> list[EventRecord]:
        """The first events that the target still has to get, in order."""
        query = (
            select(events)
            .join(event_deliveries, _D.seq == _E.seq)
            .where(_D.rule_id == lane.rule_id, _D.channel_id == lane.channel_id)
            .order_by(_E.seq)
            .limit(limit)
        )
        return await self._events(query)

    async def settle(self, lane: Lane, delivered: Sequence[int], server: str) -> None:
        """These were delivered; the lane is as it says now, or gone when it is empty.

        What another server has been lent meanwhile stays as that server has it.
        """
        if delivered:
            done = _D.seq.in_(delivered)
            await self._connection.execute(
                delete(event_deliveries).where(
                    _D.rule_id == lane.rule_id, _D.channel_id == lane.channel_id, done
                )
            )
        own = (*_lane(lane), _L.server == server)
        await self._connection.execute(update(event_lanes).where(*own).values(asdict(lane)))
        await self._remove_empty_lanes(*_lane(lane))

    async def due(self) -> dict[str, int]:
        """When the first lane of each rule is due (Unix ms), of rules that have any."""
        return {row[0]: row[1] for row in await self._connection.rows(_DUE, {})}

    async def backlogs(self) -> dict[str, Backlog]:
        """How the targets do that have something waiting, by the rule's id."""
        counts = select(_D.rule_id, func.count().label("waiting")).group_by(_D.rule_id)
        found = {}
        for row in await self._rows(counts):
            worst = await self._rows(
                select(_L.attempts, _L.last_error)
                .where(_L.rule_id == row["rule_id"])
                .order_by(_L.attempts.desc())
                .limit(1)
            )
            lane = worst[0] if worst else {"attempts": 0, "last_error": ""}
            found[row["rule_id"]] = Backlog(waiting=row["waiting"], **lane)
        return found

    async def purge(self, written_before_ms: int) -> dict[str, int]:
        """Forget older events; gives, by rule, how many deliveries came to nothing by it.

        The newest event stays, because the next one's place is counted from it.
        """
        seq = await self.seq_before(written_before_ms)
        if not seq:
            return {}
        late = _D.seq <= seq
        rows = await self._rows(
            select(_D.rule_id, func.count().label("lost")).where(late).group_by(_D.rule_id)
        )
        if rows:
            await self._connection.execute(delete(event_deliveries).where(late))
            await self._remove_empty_lanes()
        newest = await self.last_seq()
        await self._connection.execute(delete(events).where(_E.seq <= seq, _E.seq < newest))
        return {row["rule_id"]: row["lost"] for row in rows}

    async def _known(self, ids: Sequence[str]) -> set[str]:
        found = await self._connection.execute(select(_E.id).where(_E.id.in_(ids)))
        return set(found.scalars())

    async def _remove_empty_lanes(self, *of: ColumnElement[bool]) -> None:
        filled = exists().where(_D.rule_id == _L.rule_id, _D.channel_id == _L.channel_id)
        await self._connection.execute(delete(event_lanes).where(*of, ~filled))

    async def _events(self, query: Select[Any]) -> list[EventRecord]:
        return [EventRecord(**row) for row in await self._rows(query)]

    async def _number(self, query: Select[Any]) -> int:
        return int((await self._connection.execute(query)).scalar_one() or 0)

    async def _rows(self, query: Select[Any]) -> Sequence[Mapping[Any, Any]]:
        return (await self._connection.execute(query)).mappings().all()

    async def _changes(self, statement: Executable) -> bool:
        return (await self._connection.execute(statement)).rowcount > 0


def _lane(lane: Lane) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _L.rule_id == lane.rule_id, _L.channel_id == lane.channel_id
