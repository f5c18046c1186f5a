"""Event rules: what `headwater events` does.

A rule has one target; who wants an event in two places makes two rules. Running servers see
a change within a second.
"""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from headwater.core import ids
from headwater.core.errors import OperatorError, PeerError
from headwater.core.secret import Secret
from headwater.events.pattern import Pattern
from headwater.events.signing import check_secret, new_secret
from headwater.events.targets import NatsTarget, PutEventsTarget, Target, WebhookTarget, read_target
from headwater.node.keys import account_of, opened_store
from headwater.node.settings import Settings
from headwater.store import UnitOfWork
from headwater.store.events import Backlog, EventRecord, RuleRecord
from headwater.store.records import Scope

MAX_RULES = 100
"""Of an account in a region: each is asked about each event, and may have four connections."""
EVERYTHING = '{"source":["aws.ivs"]}'
"""The pattern of a rule that wants all events."""
READ_AT_ONCE = 500
"""Events, about 500 kB."""
LOOK_S = 0.3
"""Between looks at the database of who follows it."""
MAX_SECRET_LENGTH = 1024

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")  # EventBridge's
_REGION = re.compile(r"[a-z0-9-]{1,32}")


class ListedRule(Struct, frozen=True):
    """A rule, and how its target does."""

    rule: RuleRecord
    backlog: Backlog

    @property
    def target(self) -> Target:
        """Where its events go."""
        return read_target(self.rule.target)


class WantedRule(Struct, frozen=True, kw_only=True):
    """A rule as somebody asks for it."""

    name: str
    pattern: str  # JSON
    target: Mapping[str, Any]
    secret: Secret | None  # None: as it was, or made
    is_enabled: bool


class Again(Struct, frozen=True, kw_only=True):
    """Events that shall be delivered again."""

    between_ms: tuple[int, int] | None  # those that the rule wants, written then (Unix ms)
    ids: Sequence[str]  # these, wanted or not


def scope_of(settings: Settings, account: str | None, region: str | None) -> Scope:
    """The account and region that a command speaks of.

    Raises:
        OperatorError: they are none.
    """
    region = region or settings.server.region
    if not _REGION.fullmatch(region):
        raise OperatorError(f"region {region!r}: lower-case letters, digits and hyphens")
    return Scope(account_of(settings, account), region)


def read_pattern(text: str) -> Pattern:
    """An event pattern that somebody wrote.

    Raises:
        OperatorError: what is wrong with it.
    """
    try:
        return Pattern.parse(text)
    except PeerError as error:
        raise OperatorError(f"the pattern is not right: {error}") from None


async def put_rule(
    settings: Settings, scope: Scope, wanted: WantedRule
) -> tuple[RuleRecord, Secret | None]:
    """`headwater events rules put`: the rule, and its secret if that was made now.

    Raises:
        OperatorError: which argument is wrong, and what is allowed.
    """
    if not _NAME.fullmatch(wanted.name):
        raise OperatorError(f"rule {wanted.name!r}: 1 to 64 letters, digits and . _ -")
    read_pattern(wanted.pattern)
    target = read_target(wanted.target)
    async with opened_store(settings, make=True) as store, store.write() as work:
        old = await work.events.rule(scope, wanted.name)
        if old is None and len(await work.events.rules(scope)) >= MAX_RULES:
            raise OperatorError(f"there are {MAX_RULES} rules in {scope.region} already")
        secret, made = _secret_of(target, wanted.secret, old)
        rule = RuleRecord(
            id=old.id if old else ids.resource_id(secrets.token_bytes),
            account=scope.account,
            region=scope.region,
            name=wanted.name,
            pattern=wanted.pattern,
            target=msgspec.to_builtins(target),
            secret=secret,
            is_enabled=wanted.is_enabled,
            created_at_ms=old.created_at_ms if old else _now_ms(),
        )
        await work.events.put_rule(rule)
        await work.events.hurry(rule.id, _now_ms())  # the new target may be a better one
    return rule, secret if made else None


async def list_rules(settings: Settings, account: str | None) -> list[ListedRule]:
    """`headwater events rules list`: an account's rules, in all regions."""
    account = account_of(settings, account)
    async with opened_store(settings) as store, store.read() as work:
        backlogs = await work.events.backlogs()
        rules = [rule for rule in await work.events.rules() if rule.account == account]
    nothing = Backlog(waiting=0, attempts=0, last_error="")
    return [ListedRule(rule, backlogs.get(rule.id, nothing)) for rule in rules]


async def delete_rule(settings: Settings, scope: Scope, name: str) -> None:
    """`headwater events rules delete`: the rule, with what waits for its target."""
    async with opened_store(settings) as store, store.write() as work:
        await work.events.delete_rule((await _rule(work, scope, name)).id)


async def redeliver(settings: Settings, scope: Scope, name: str, again: Again) -> int:
    """`headwater events redeliver`: gives how many events are on their way.

    Args:
        settings: of the server.
        scope: the rule's account and region.
        name: the rule's.
        again: what is delivered again; nothing: what waits is tried now.

    Raises:
        OperatorError: there is no such rule, or no such event of its account and region.
    """
    async with opened_store(settings) as store, store.write() as work:
        rule = await _rule(work, scope, name)
        if again.between_ms is not None:
            await _enqueue(work, rule, *again.between_ms)
        if again.ids:
            await _enqueue_by_id(work, rule, again.ids)
        await work.events.hurry(rule.id, _now_ms())
        backlogs = await work.events.backlogs()
    return backlogs[rule.id].waiting if rule.id in backlogs else 0


async def follow(
    settings: Settings, *, pattern: Pattern | None, channel_id: str, since_ms: int | None
) -> AsyncGenerator[str, None]:
    """`headwater events tail`: the events of all accounts, as they are written. Endless.

    Args:
        settings: of the server.
        pattern: which events; None: all.
        channel_id: of which channel; "": of all, and of none.
        since_ms: begin with events that were written then (Unix ms); None: with new ones.
    """
    async with opened_store(settings) as store:
        async with store.read() as work:
            if since_ms is None:
                seq = await work.events.last_seq()
            else:
                seq = await work.events.seq_before(since_ms)
        while True:
            async with store.read() as work:
                found = await work.events.after(seq, limit=READ_AT_ONCE, channel_id=channel_id)
            for record in found:
                seq = record.seq
                if pattern is None or pattern.matches(msgspec.json.decode(record.body)):
                    yield record.body
            if len(found) < READ_AT_ONCE:
                await asyncio.sleep(LOOK_S)


async def _enqueue(work: UnitOfWork, rule: RuleRecord, from_ms: int, to_ms: int) -> None:
    pattern = read_pattern(rule.pattern)
    seq = await work.events.seq_before(from_ms)
    last = await work.events.seq_before(to_ms)
    while found := await _page(work, rule, seq, last):
        seq = found[-1].seq
        wanted = [one.seq for one in found if pattern.matches(msgspec.json.decode(one.body))]
        if wanted:
            await work.events.enqueue(rule.id, wanted, _now_ms())


async def _enqueue_by_id(work: UnitOfWork, rule: RuleRecord, ids: Sequence[str]) -> None:
    found = await work.events.seqs(Scope(rule.account, rule.region), ids)
    if lacking := [each for each in ids if each not in found]:
        raise OperatorError(f"there is no event {lacking[0]!r} in {rule.region}, or not any more")
    await work.events.enqueue(rule.id, list(found.values()), _now_ms())


async def _page(work: UnitOfWork, rule: RuleRecord, seq: int, last: int) -> list[EventRecord]:
    scope = Scope(rule.account, rule.region)
    found = await work.events.after(seq, limit=READ_AT_ONCE, scope=scope)
    return [record for record in found if record.seq <= last]


async def _rule(work: UnitOfWork, scope: Scope, name: str) -> RuleRecord:
    rule = await work.events.rule(scope, name)
    if rule is None:
        raise OperatorError(
            f"there is no rule {name!r} in {scope.region}; `headwater events rules list` shows all"
        )
    return rule


def _secret_of(target: Target, given: Secret | None, old: RuleRecord | None) -> tuple[Secret, bool]:
    """A rule's secret, and whether it was made now.

    Raises:
        OperatorError: the target needs one that only its owner can give, or has no use for it.
    """
    was = old.secret if old and old.target["kind"] == _kind(target) else None
    secret = given or was
    if secret and len(secret.reveal()) > MAX_SECRET_LENGTH:
        raise OperatorError(f"a secret has at most {MAX_SECRET_LENGTH} characters")
    match target:
        case WebhookTarget():
            if secret is None:
                return new_secret(secrets.token_bytes), True
            check_secret(secret)
        case PutEventsTarget() if secret is None:
            raise OperatorError("PutEvents needs the secret of the access key: --secret-file")
        case NatsTarget() if target.user and secret is None:
            raise OperatorError("the NATS user's password is missing: --secret-file")
        case PutEventsTarget() | NatsTarget():
            pass
        case _ if given is not None:
            raise OperatorError("a file has no secret")
    return secret or Secret(""), False


def _kind(target: Target) -> str:
    return str(msgspec.to_builtins(target)["kind"])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
