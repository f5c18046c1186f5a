"""The dispatcher with a real database and real web servers at the other end."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest

from events.receiver import Receiver
from headwater.core.secret import Secret
from headwater.events import dispatcher, retry
from headwater.events.delivery import Couriers
from headwater.events.dispatcher import LANES_PER_RULE, Dispatcher
from headwater.events.signing import new_secret
from headwater.store.events import EventRecord, RuleRecord
from store.rows import HERE

SECRET = new_secret(bytes)


def now_ms():
    return time.time_ns() // 1_000_000


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(dispatcher, "LOOK_S", 0.02)
    monkeypatch.setattr(retry, "FIRST_MS", 10)


@asynccontextmanager
async def dispatching(store, tmp_path, server="s", **changes):
    couriers = Couriers(
        folder=tmp_path, file_max_bytes=1_000_000, private_webhooks=True, now_s=lambda: 1
    )
    given = {
        "server": server,
        "retention_ms": 3_600_000,
        "now_ms": now_ms,
        "random": lambda: 0.0,
        **changes,
    }
    running = Dispatcher(store, couriers, **given)
    await running.start()
    try:
        yield running
    finally:
        await running.close()
        await couriers.close()


async def make_rule(store, url, name="one", *, pattern="{}", enabled=True, region=HERE.region):
    rule = RuleRecord(
        id=name,
        account=HERE.account,
        region=region,
        name=name,
        pattern=pattern,
        target={"kind": "webhook", "url": url},
        secret=SECRET,
        is_enabled=enabled,
        created_at_ms=1,
    )
    async with store.write() as work:
        await work.events.put_rule(rule)
    return rule


async def tell(store, *told):
    """Each a channel and a number, written in that order."""
    records = [
        EventRecord(
            id=f"{channel}-{number}",
            account=HERE.account,
            region=HERE.region,
            channel_id=channel,
            written_at_ms=now_ms(),
            body=json.dumps({"channel": channel, "number": number, "source": "aws.ivs"}),
        )
        for channel, number in told
    ]
    async with store.write() as work:
        await work.events.append(records)


def of(received, channel):
    return [one.event["number"] for one in received if one.event["channel"] == channel]


async def until_routed(store, seq):
    async def routed():
        async with store.read() as work:
            return int(await work.setting(dispatcher.ROUTED) or 0)

    async with asyncio.timeout(10):
        while await routed() < seq:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


ANY = '{"source":["aws.ivs"]}'


async def test_an_event_reaches_the_target_of_each_rule_that_wants_it(store, receiver, tmp_path):
    await make_rule(store, receiver.url + "1", "one", pattern=ANY)
    await make_rule(store, receiver.url + "2", "two", pattern='{"number":[2]}')
    await make_rule(store, receiver.url + "3", "three", pattern=ANY, enabled=False)
    await make_rule(store, receiver.url + "4", "four", pattern=ANY, region="mars")
    async with dispatching(store, tmp_path):
        await tell(store, ("a", 1), ("a", 2))
        got = await receiver.until(lambda all_: len(all_) == 3)
    assert sorted((one.path, one.event["number"]) for one in got) == [
        ("/hook1", 1),
        ("/hook1", 2),
        ("/hook2", 2),
    ]


async def test_events_of_before_a_rule_are_not_for_it(store, receiver, tmp_path):
    async with dispatching(store, tmp_path):
        await tell(store, ("a", 1))
        await until_routed(store, 1)
        await make_rule(store, receiver.url, pattern=ANY)
        await tell(store, ("a", 2))
        assert [one["number"] for one in await receiver.bodies(1)] == [2]


async def test_a_failed_delivery_is_tried_again_and_nothing_overtakes_it(store, receiver, tmp_path):
    await make_rule(store, receiver.url, pattern=ANY)
    receiver.script = [500, 302, 200]
    async with dispatching(store, tmp_path):
        await tell(store, *[("a", number) for number in range(30)])
        got = await receiver.until(lambda all_: len(all_) == 32)
    assert of(got, "a") == [0, 0, *range(30)]
    ids = {one.headers["webhook-id"] for one in got[:3]}
    assert ids == {"a-0"}


async def test_a_channel_whose_event_is_refused_delays_no_other(store, receiver, tmp_path):
    await make_rule(store, receiver.url, pattern=ANY)
    hangs = asyncio.Event()
    receiver.script = [hangs]
    async with dispatching(store, tmp_path):
        await tell(store, ("a", 1))
        await receiver.until(lambda all_: len(all_) == 1)
        await tell(store, ("a", 2), ("b", 1), ("b", 2))
        await receiver.until(lambda all_: of(all_, "b") == [1, 2])
        assert of(receiver.received, "a") == [1]
        hangs.set()
        await receiver.until(lambda all_: of(all_, "a") == [1, 2])


async def test_a_target_that_is_away_delays_no_other_and_gets_all_when_it_is_back(
    store, receiver, tmp_path
):
    async with Receiver() as away:
        pass
    await make_rule(store, away.url, "away", pattern=ANY)
    await make_rule(store, receiver.url, "here", pattern=ANY)
    async with dispatching(store, tmp_path):
        await tell(store, *[(channel, number) for number in range(5) for channel in "abcdef"])
        await receiver.until(lambda all_: len(all_) == 30)
        async with store.read() as work:
            assert (await work.events.backlogs())["away"].waiting == 30
        async with Receiver(away.port) as back:
            got = await back.until(lambda all_: len(all_) == 30)
    for channel in "abcdef":
        assert of(got, channel) == [0, 1, 2, 3, 4]


async def test_a_target_that_hangs_costs_few_connections(store, receiver, tmp_path):
    await make_rule(store, receiver.url, pattern=ANY)
    hangs = asyncio.Event()
    receiver.script = [hangs] * 20
    async with dispatching(store, tmp_path):
        await tell(store, *[(f"c{number}", 1) for number in range(20)])
        await receiver.until(lambda all_: len(all_) >= LANES_PER_RULE)
        await tell(store, ("late", 1))
        await until_routed(store, 21)
        assert receiver.connections == LANES_PER_RULE
        hangs.set()
        await receiver.until(lambda all_: len(all_) == 21)


async def test_what_was_not_delivered_goes_on_at_the_next_start(store, tmp_path):
    async with Receiver() as away:
        pass
    await make_rule(store, away.url, pattern=ANY)
    async with dispatching(store, tmp_path):
        await tell(store, ("a", 1))
        await until_routed(store, 1)
    async with Receiver(away.port) as back, dispatching(store, tmp_path):
        assert [one["number"] for one in await back.bodies(1)] == [1]


async def test_an_event_that_nobody_took_is_given_up_when_it_is_too_old(
    store, receiver, tmp_path, monkeypatch
):
    monkeypatch.setattr(dispatcher, "PURGE_MS", 20)
    receiver.script = [500] * 1000
    await make_rule(store, receiver.url, pattern=ANY)
    async with dispatching(store, tmp_path, retention_ms=200):
        await tell(store, ("a", 1), ("a", 2))
        await tell(store, ("z", 1))  # the newest is not counted
        async with asyncio.timeout(10):
            while True:
                async with store.read() as work:
                    if len(await work.events.after(0, limit=9)) == 1:
                        break
                await asyncio.sleep(0.02)
        async with store.read() as work:
            backlog = (await work.events.backlogs()).get("one")
    assert backlog is None or backlog.waiting <= 1


async def test_two_servers_on_one_database_deliver_each_event_once(store, receiver, tmp_path):
    await make_rule(store, receiver.url, pattern=ANY)
    async with dispatching(store, tmp_path), dispatching(store, tmp_path, "t"):
        for number in range(10):
            await tell(store, *[(channel, number) for channel in "abc"])
        got = await receiver.until(lambda all_: len(all_) >= 30)
        await asyncio.sleep(0.1)  # none too many
    assert len(got) == 30
    for channel in "abc":
        assert of(got, channel) == list(range(10))


async def test_a_rule_that_cannot_be_read_delays_no_other(store, receiver, tmp_path):
    rule = await make_rule(store, "gopher://x", "bad", pattern=ANY)
    await make_rule(store, receiver.url, "good", pattern=ANY)
    async with dispatching(store, tmp_path):
        await tell(store, ("a", 1))
        await receiver.bodies(1)
    assert rule.secret == SECRET
    assert Secret("x") != SECRET
