"""The outbox, on both databases. Other tests of it are those of the dispatcher."""

import pytest
from msgspec.structs import replace

from headwater.core.secret import Secret
from headwater.store.events import EventRecord, RuleRecord
from store.rows import HERE

RULE = RuleRecord(
    id="r1",
    account=HERE.account,
    region=HERE.region,
    name="one",
    pattern="{}",
    target={"kind": "file", "name": "a"},
    secret=Secret("s"),
    is_enabled=True,
    created_at_ms=1,
)


def event(number, channel="a", *, written_at_ms=1000, **changes):
    return EventRecord(
        id=f"e{number}",
        account=HERE.account,
        region=changes.get("region", HERE.region),
        channel_id=channel,
        written_at_ms=written_at_ms,
        body=f'{{"n":{number}}}',
    )


async def append(store, *records):
    async with store.write() as work:
        await work.events.append(records)


async def ids_after(store, seq, **options):
    async with store.read() as work:
        return [one.id for one in await work.events.after(seq, limit=100, **options)]


async def waiting(store, rule_id="r1"):
    async with store.read() as work:
        found = await work.events.backlogs()
    return found[rule_id].waiting if rule_id in found else 0


@pytest.fixture
async def rule(store):
    async with store.write() as work:
        await work.events.put_rule(RULE)
    return RULE


async def lend(store, server="s", *, now_ms=0, until_ms=50, limit=9):
    async with store.write() as work:
        lanes = await work.events.lend("r1", server, now_ms=now_ms, until_ms=until_ms, limit=limit)
        return [(lane, await work.events.first_of(lane, 9)) for lane in lanes]


async def test_events_have_places_in_the_order_of_writing_and_each_is_there_once(store):
    await append(store, event(1), event(2))
    await append(store, event(2), event(3, "b"), event(4, region="mars"))

    assert await ids_after(store, 0) == ["e1", "e2", "e3", "e4"]
    assert await ids_after(store, 2) == ["e3", "e4"]
    assert await ids_after(store, 0, scope=HERE) == ["e1", "e2", "e3"]
    assert await ids_after(store, 0, scope=HERE, channel_id="b") == ["e3"]


async def test_a_place_is_never_given_twice(store):
    await append(store, event(1), event(2))
    async with store.write() as work:
        await work.events.purge(2000)
    await append(store, event(3))

    assert await ids_after(store, 1) == ["e2", "e3"]
    async with store.read() as work:
        assert await work.events.last_seq() == 3


async def test_rules_are_replaced_by_id_and_found_by_name_in_their_scope(store, rule):
    changed = replace(rule, is_enabled=False, secret=Secret("other"))
    async with store.write() as work:
        await work.events.put_rule(changed)
        await work.events.put_rule(replace(rule, id="r2", region="mars"))
        assert await work.events.rule(HERE, "one") == changed
        assert await work.events.rules(HERE) == [changed]
        assert len(await work.events.rules()) == 2
        assert await work.events.delete_rule("r1")
        assert not await work.events.delete_rule("r1")


async def test_a_lane_is_lent_to_one_and_given_back_by_time(store, rule):
    await append(store, event(1), event(2, "b"), event(3))
    async with store.write() as work:
        await work.events.enqueue(rule.id, [1, 2, 3], 0)
        await work.events.enqueue(rule.id, [3], 0)  # waits already

    (a, first), (b, second) = await lend(store)
    assert ([one.id for one in first], [one.id for one in second]) == (["e1", "e3"], ["e2"])
    assert (a.channel_id, b.channel_id) == ("a", "b")
    assert await lend(store, "t", now_ms=49) == []
    assert len(await lend(store, "t", now_ms=50, until_ms=99)) == 2
    async with store.write() as work:  # too late: another server has it
        await work.events.settle(replace(a, due_at_ms=0, server=""), [], "s")
    assert await lend(store, "s", now_ms=60) == []
    async with store.write() as work:
        await work.events.give_back("t", 60)
    assert len(await lend(store, "s", now_ms=60)) == 2


async def test_what_was_delivered_is_forgotten_and_an_empty_lane_with_it(store, rule):
    await append(store, event(1), event(2))
    async with store.write() as work:
        await work.events.enqueue(rule.id, [1, 2], 0)
    ((lane, _),) = await lend(store)
    async with store.write() as work:
        failed = replace(lane, due_at_ms=70, attempts=1, last_error="no", server="")
        await work.events.settle(failed, [1], "s")
        assert (await work.events.backlogs())["r1"].last_error == "no"
        assert await work.events.due() == {"r1": 70}
        await work.events.hurry("r1", 5)
        assert await work.events.due() == {"r1": 5}
    ((lane, events),) = await lend(store, now_ms=70, until_ms=99)
    assert [one.id for one in events] == ["e2"]
    async with store.write() as work:
        await work.events.settle(lane, [2], "s")
        assert await work.events.due() == {}
    assert await waiting(store) == 0


async def test_old_events_are_forgotten_and_what_was_not_delivered_is_counted(store, rule):
    await append(store, event(1), event(2, "b"), event(3, written_at_ms=2000))
    async with store.write() as work:
        await work.events.enqueue(rule.id, [1, 2, 3], 0)
        assert await work.events.purge(1000) == {}
        assert await work.events.purge(1001) == {"r1": 2}
    assert await ids_after(store, 0) == ["e3"]
    assert [lane.channel_id for lane, _ in await lend(store)] == ["a"]


async def test_a_rule_takes_what_waits_for_it_along(store, rule):
    await append(store, event(1))
    async with store.write() as work:
        await work.events.enqueue(rule.id, [1], 0)
        await work.events.delete_rule(rule.id)
        await work.events.put_rule(rule)
    assert await waiting(store) == 0
