"""Dispatcher: brings events to the targets of the rules that want them.

    events -> (rules' patterns) -> deliveries -> lanes, one for each rule and channel -> targets

One task takes turns. A turn is one transaction: what was delivered since the last one is
settled, new events are routed, lanes that are due are lent. Each lane then goes on by itself,
event by event, until one fails; that lane waits, longer each time, and no other. All state
is in the database, so what is killed goes on where it was: an event is delivered at least
once, and twice when the server dies between a target's answer and the next turn.

Several servers on one database do the same work without meeting: who lends a lane has it
until the loan ends, and ends its own work before.

Source: EventBridge user guide, "Event bus targets", "How EventBridge retries delivering
events" and "Event delivery" (24 hours); rules are read at each turn, so changes count at once.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Protocol

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from headwater.core.errors import HeadwaterError, PeerError
from headwater.events.delivery import Order
from headwater.events.pattern import Pattern
from headwater.events.retry import wait_ms
from headwater.events.targets import read_target
from headwater.store import Store, UnitOfWork
from headwater.store.events import EventRecord, Lane, RuleRecord

LOOK_S = 1.0
"""How long what another process wrote may go unseen: events of other servers, redeliveries."""
ROUTED_AT_ONCE = 500
"""Events of one turn."""
LANES_PER_RULE = 4
"""Deliveries to one target under way: one that hangs costs this many sockets."""
BATCH = 20
"""Events of a lane that are read at once, about 20 kB."""
ATTEMPT_S = 15.0
"""For one delivery, whatever it does."""
LOAN_MS = 60_000
"""How long a killed server's lanes wait for another server."""
CLOSE_S = 1.0
"""For the ends of streams that end because the server does."""
CLOSE_LOOK_S = 0.02
PURGE_MS = 60_000
ERROR_LENGTH = 300
"""Of what is kept about a failure."""
PATTERNS = 1000
"""Patterns remembered as read."""
ROUTED = "events-routed"
"""The setting that holds the place of the last event that was routed."""

_parsed = lru_cache(PATTERNS)(Pattern.parse)
log = structlog.get_logger(__name__)


class Courier(Protocol):
    """What brings one event to one target."""

    async def deliver(self, order: Order, /) -> None:
        """Deliver it; PeerError says that it was not."""

    async def keep_only(self, rule_ids: Collection[str], /) -> None:
        """Close what belongs to other rules."""


class _Work(Struct, frozen=True):
    """A lane that was lent, and its first events."""

    rule: RuleRecord
    lane: Lane
    events: Sequence[EventRecord]


class _Outcome(Struct, frozen=True):
    """How that went."""

    lane: Lane  # as it is from now on
    delivered: Sequence[int]


class Dispatcher:
    """Delivers. Start it once, after the database is open."""

    def __init__(
        self,
        store: Store,
        courier: Courier,
        *,
        server: str,
        retention_ms: int,
        now_ms: Callable[[], int],
        random: Callable[[], float],
    ) -> None:
        """Nothing is delivered yet.

        Args:
            store: where events, rules and deliveries are.
            courier: what reaches the targets.
            server: names this server and no other on the database, also after a restart.
            retention_ms: how long an event is tried to be delivered, and kept.
            now_ms: the time (Unix ms).
            random: gives 0 to 1.
        """
        self._store = store
        self._courier = courier
        self._server = server
        self._retention_ms = retention_ms
        self._now_ms = now_ms
        self._random = random
        self._awake = asyncio.Event()
        self._outcomes: list[_Outcome] = []
        self._under_way: Counter[str] = Counter()  # lanes by rule
        self._deliveries: set[asyncio.Task[None]] = set()
        self._purged_at_ms = 0
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There is something new."""
        self._awake.set()

    async def start(self) -> None:
        """Go on where an earlier run of this server was.

        Raises:
            OperatorError: the database cannot be written.
        """
        async with self._store.write() as work:
            await work.events.give_back(self._server, self._now_ms())
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, soon after the last events; what was not delivered is, at the next start."""
        if self._task is None:
            return
        with suppress(HeadwaterError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                while self._deliveries or await self._is_called_for():
                    self.wake()
                    await asyncio.sleep(CLOSE_LOOK_S)
        self._task.cancel()
        for delivery in self._deliveries:
            delivery.cancel()
        await asyncio.wait([self._task, *self._deliveries])
        with suppress(HeadwaterError):  # the next start delivers once more what counts as not
            async with self._store.write() as work:
                await self._settle(work, self._outcomes)
                await work.events.give_back(self._server, self._now_ms())

    async def _run(self) -> None:
        while True:
            wait_s = LOOK_S
            try:
                wait_s = await self._turn()
            except HeadwaterError as trouble:
                log.warning("events wait: the database cannot be used", reason=str(trouble))
            except Exception:  # deliveries go on at the next turn
                log.exception("events wait")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), wait_s)
            self._awake.clear()

    async def _turn(self) -> float:
        """Do what is to be done now; gives when to look again, in seconds."""
        if not await self._is_called_for():
            return LOOK_S
        now_ms = self._now_ms()
        outcomes, self._outcomes = self._outcomes, []
        is_done = False
        try:
            async with self._store.write() as work:
                await self._settle(work, outcomes)
                rules = await work.events.rules()
                routed = await self._route(work, rules, now_ms)
                lent = await self._lend(work, rules, now_ms)
                await self._purge(work, rules, now_ms)
            is_done = True
        finally:
            if not is_done:
                self._outcomes = outcomes + self._outcomes
        for each in lent:
            self._begin(each)
        await self._courier.keep_only([rule.id for rule in rules])
        return 0.0 if routed == ROUTED_AT_ONCE else LOOK_S

    async def _is_called_for(self) -> bool:
        now_ms = self._now_ms()
        if self._outcomes or now_ms - self._purged_at_ms >= PURGE_MS:
            return True
        async with self._store.read() as work:
            if await work.events.last_seq() > await _routed(work):
                return True
            due = await work.events.due()
            rules = await work.events.rules() if due else []
        return any(
            due.get(rule.id, now_ms + 1) <= now_ms and self._free_lanes(rule) for rule in rules
        )

    def _free_lanes(self, rule: RuleRecord) -> int:
        return LANES_PER_RULE - self._under_way[rule.id] if rule.is_enabled else 0

    async def _settle(self, work: UnitOfWork, outcomes: Sequence[_Outcome]) -> None:
        for each in outcomes:
            await work.events.settle(each.lane, each.delivered, self._server)

    async def _route(self, work: UnitOfWork, rules: Sequence[RuleRecord], now_ms: int) -> int:
        """Give new events to the rules that want them; gives how many there were."""
        records = await work.events.after(await _routed(work), limit=ROUTED_AT_ONCE)
        if not records:
            return 0
        decoded = [msgspec.json.decode(record.body) for record in records]
        for rule in rules:
            wanted = [
                record.seq
                for record, event in zip(records, decoded, strict=True)
                if rule.is_enabled
                and (rule.account, rule.region) == (record.account, record.region)
                and _parsed(rule.pattern).matches(event)
            ]
            if wanted:
                await work.events.enqueue(rule.id, wanted, now_ms)
        await work.put_setting(ROUTED, str(records[-1].seq).encode())
        return len(records)

    async def _lend(
        self, work: UnitOfWork, rules: Sequence[RuleRecord], now_ms: int
    ) -> list[_Work]:
        lent: list[_Work] = []
        for rule in rules:
            if free := self._free_lanes(rule):
                lanes = await work.events.lend(
                    rule.id, self._server, now_ms=now_ms, until_ms=now_ms + LOAN_MS, limit=free
                )
                lent += [
                    _Work(rule, each, await work.events.first_of(each, BATCH)) for each in lanes
                ]
        return lent

    async def _purge(self, work: UnitOfWork, rules: Sequence[RuleRecord], now_ms: int) -> None:
        if now_ms - self._purged_at_ms < PURGE_MS:
            return
        names = {rule.id: rule.name for rule in rules}
        lost = await work.events.purge(now_ms - self._retention_ms)
        for rule_id, count in lost.items():
            log.error("events not delivered: kept for too long", rule=names[rule_id], events=count)
        self._purged_at_ms = now_ms

    def _begin(self, work: _Work) -> None:
        self._under_way[work.rule.id] += 1
        task = asyncio.create_task(self._deliver(work))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _deliver(self, work: _Work) -> None:
        """Deliver a lane's events, in order, until one fails."""
        delivered: list[int] = []
        error = ""
        until_ms = self._now_ms() + LOAN_MS - round(2000 * ATTEMPT_S)
        try:
            for record in work.events:
                error = await self._attempt(work.rule, record)
                if error:
                    break
                delivered.append(record.seq)
                if self._now_ms() >= until_ms:
                    break
        finally:
            self._under_way[work.rule.id] -= 1
            self._outcomes.append(self._outcome(work, delivered, error))
            self.wake()

    async def _attempt(self, rule: RuleRecord, record: EventRecord) -> str:
        """Deliver one event; gives why it could not be, or ""."""
        try:
            order = Order(
                rule_id=rule.id,
                target=read_target(rule.target),
                secret=rule.secret,
                event_id=record.id,
                body=record.body.encode(),
            )
            async with asyncio.timeout(ATTEMPT_S):
                await self._courier.deliver(order)
        except PeerError as refusal:
            return str(refusal)[:ERROR_LENGTH]
        except TimeoutError:
            return f"not delivered within {ATTEMPT_S:g} s"
        except Exception:
            log.exception("event not delivered", rule=rule.name, event_id=record.id)
            return "a failure inside the server; its log says more"
        return ""

    def _outcome(self, work: _Work, delivered: Sequence[int], error: str) -> _Outcome:
        now_ms = self._now_ms()
        attempts, due_at_ms = 0, now_ms
        if error:
            attempts = 1 if delivered else work.lane.attempts + 1
            due_at_ms = now_ms + wait_ms(attempts, self._random())
            log.warning(
                "event not delivered",
                rule=work.rule.name,
                event_id=work.events[len(delivered)].id,
                attempts=attempts,
                next_in_ms=due_at_ms - now_ms,
                reason=error,
            )
        lane = replace(
            work.lane, due_at_ms=due_at_ms, attempts=attempts, last_error=error, server=""
        )
        return _Outcome(lane, delivered)


async def _routed(work: UnitOfWork) -> int:
    return int(await work.setting(ROUTED) or 0)
