import asyncio
import logging
import random
import signal
import traceback

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from headwater.core.secret import Secret
from headwater.store import Store
from headwater.store.records import ChannelRecord, StreamKeyRecord
from store.process import QUOTA, insert_within_quota, process
from store.rows import ELSEWHERE, HERE, add_channel, channel, insert_both, stream_key


async def insert_ours(store):
    record = channel()
    return await insert_within_quota(store, record, stream_key(record))


async def count(store):
    async with store.read() as work:
        return await work.count(ChannelRecord, HERE)


async def test_an_exception_takes_everything_back(store):
    async def fail():
        record = channel()
        async with store.write() as work:
            await insert_both(work, record, stream_key(record))
            await work.put_setting("half", b"done")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with store.read() as work:
        assert await work.count(ChannelRecord, HERE) == 0
        assert await work.setting("half") is None


async def test_a_channel_whose_key_cannot_be_stored_is_not_stored_either(store):
    taken = await add_channel(store)
    async with store.read() as work:
        (key,) = await work.page(StreamKeyRecord, HERE, channel_id=taken.id, limit=1, after=None)
    record = channel()
    with pytest.raises(IntegrityError, match=r"(?i)unique"):
        async with store.write() as work:
            await insert_both(work, record, stream_key(record, value=key.value))

    assert await count(store) == 1


async def test_a_unit_that_fails_spares_those_that_write_with_it(store):
    taken = await add_channel(store)

    async def fail():
        async with store.write() as work:
            await work.put_setting("half", b"done")
            await work.insert(taken)

    outcomes = await asyncio.gather(
        add_channel(store), fail(), add_channel(store), fail(), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [
        ChannelRecord,
        IntegrityError,
        ChannelRecord,
        IntegrityError,
    ]
    assert await count(store) == 3
    async with store.read() as work:
        assert await work.setting("half") is None


async def test_a_read_cannot_write(store):
    with pytest.raises(DBAPIError, match=r"(?i)read-?only"):
        async with store.read() as work:
            await work.put_setting("name", b"value")


async def test_a_read_is_a_snapshot(store):
    async with store.read() as work:
        assert await work.count(ChannelRecord, HERE) == 0
        await add_channel(store)
        assert await work.count(ChannelRecord, HERE) == 0

    assert await count(store) == 1


async def test_a_write_sees_what_was_committed_while_it_waited(store):
    async def then_count():
        async with store.write(HERE.account) as work:
            return await work.count(ChannelRecord, HERE)

    record = channel()
    async with store.write(HERE.account) as work:
        waiting = asyncio.create_task(then_count())
        await asyncio.sleep(0.02)  # until it waits for the lock
        await insert_both(work, record, stream_key(record))

    assert await waiting == 1


@pytest.mark.parametrize("account", [None, HERE.account], ids=["all", "account"])
async def test_one_writer_at_a_time(store, account):
    inside = most = 0

    async def write(account):
        nonlocal inside, most
        async with store.write(account) as work:
            inside += 1
            most = max(most, inside)
            await work.count(ChannelRecord, HERE)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(write(each) for each in [HERE.account, account] * 10))

    assert most == 1


async def test_writers_of_two_accounts_lose_nothing(store):
    scopes = [HERE, ELSEWHERE[1]] * 20

    async def add(scope):
        record = channel(scope)
        async with store.write(scope.account) as work:
            await insert_both(work, record, stream_key(record))

    await asyncio.gather(*(add(scope) for scope in scopes))

    async with store.read() as work:
        assert [await work.count(ChannelRecord, scope) for scope in scopes[:2]] == [20, 20]


async def test_fifty_writers_never_exceed_a_quota(store):
    inserted = await asyncio.gather(*(insert_ours(store) for _ in range(50)))

    assert sum(inserted) == await count(store) == QUOTA


async def test_writers_of_two_processes_never_exceed_a_quota(store, url):
    with process("fill", url) as other:
        assert await asyncio.to_thread(other.stdout.readline) == "ready\n"
        other.stdin.write("go\n")
        other.stdin.flush()
        ours = await asyncio.gather(*(insert_ours(store) for _ in range(50)))
        theirs = int(await asyncio.to_thread(other.stdout.readline))

    assert sum(ours) + theirs == await count(store) == QUOTA


async def test_what_was_answered_survives_kill_9(url):
    await (await Store.open(url)).close()
    with process("insert", url) as other:
        answered = [other.stdout.readline().strip() for _ in range(60)]
        other.send_signal(signal.SIGKILL)
        answered += [line.strip() for line in other.stdout if line.endswith("\n")]

    store = await Store.open(url)
    async with store.read() as work:
        found = {record.id for record in await work.get_many(ChannelRecord, HERE, answered)}
        keys = {key.id for key in await work.get_many(StreamKeyRecord, HERE, answered)}
    await store.close()
    assert found == keys == set(answered)


async def test_cancelled_writers_release_the_lock_and_leave_no_halves(store):
    """Each task is cancelled after another number of turns of the loop."""
    chance = random.Random(1)  # noqa: S311
    for _ in range(40):
        tasks = [asyncio.create_task(add_channel(store)) for _ in range(3)]
        for _ in range(chance.randrange(60)):
            await asyncio.sleep(0)
        tasks[chance.randrange(3)].cancel()
        await asyncio.wait(tasks)
    await add_channel(store)

    async with store.read() as work:
        records = await work.page(ChannelRecord, HERE, limit=200, after=None)
        for record in records:
            assert await work.count(StreamKeyRecord, HERE, channel_id=record.id) == 1
    assert len(records) >= 80


async def test_cancelled_readers_release_their_connections(store):
    async def linger():
        async with store.read() as work:
            await work.count(ChannelRecord, HERE)
            await asyncio.sleep(60)

    tasks = [asyncio.create_task(linger()) for _ in range(30)]
    await asyncio.sleep(0.05)  # until some have a connection, and the others wait for one
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    assert await asyncio.gather(*(count(store) for _ in range(30))) == [0] * 30


async def test_many_readers_share_few_connections(store):
    await add_channel(store)

    assert await asyncio.gather(*(count(store) for _ in range(50))) == [1] * 50


async def test_error_texts_and_logs_hold_no_secret(store, caplog):
    caplog.set_level(logging.DEBUG)
    record = channel(srt_passphrase=Secret("hush1"))
    key = stream_key(record, value=Secret("hush2"))

    async def insert():
        async with store.write() as work:
            await insert_both(work, record, key)
            assert await work.stream_key_by_value(key.value)

    await insert()
    with pytest.raises(IntegrityError) as caught:
        await insert()

    told = caplog.text + "".join(traceback.format_exception(caught.value))
    assert "hush" not in told
    assert "INSERT INTO channels" in told
