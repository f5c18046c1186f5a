import asyncio
import os
import random
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from headwater.store import Store
from headwater.store.records import ChannelRecord, StreamKeyRecord
from store.rows import HERE, add_channel, channel, insert_both, stream_key

QUOTA = 20


@contextmanager
def process(task, url):
    """Another process that does `task` of process.py, with its pipes."""
    program = [sys.executable, str(Path(__file__).with_name("process.py")), task, url]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(program, env=environment, **pipes) as running:
        try:
            yield running
        finally:
            running.kill()


async def insert_within_quota(store):
    record = channel()
    async with store.write() as work:
        room = await work.count(ChannelRecord, HERE) < QUOTA
        if room:
            await insert_both(work, record, stream_key(record))
    return room


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
    with pytest.raises(IntegrityError, match="UNIQUE"):
        async with store.write() as work:
            await insert_both(work, record, stream_key(record, value=key.value))

    assert await count(store) == 1


async def test_a_read_cannot_write(store):
    with pytest.raises(OperationalError, match="readonly"):
        async with store.read() as work:
            await work.put_setting("name", b"value")


async def test_a_read_is_a_snapshot(store):
    async with store.read() as work:
        assert await work.count(ChannelRecord, HERE) == 0
        await add_channel(store)
        assert await work.count(ChannelRecord, HERE) == 0

    assert await count(store) == 1


async def test_fifty_writers_never_exceed_a_quota(store):
    inserted = await asyncio.gather(*(insert_within_quota(store) for _ in range(50)))

    assert sum(inserted) == await count(store) == QUOTA


async def test_writers_of_two_processes_never_exceed_a_quota(store, url):
    with process("fill", url) as other:
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go\n")
        other.stdin.flush()
        ours = await asyncio.gather(*(insert_within_quota(store) for _ in range(50)))
        theirs = int(await asyncio.to_thread(other.stdout.readline))

    assert sum(ours) + theirs == await count(store) == QUOTA


async def test_what_was_answered_survives_kill_9(url):
    await (await Store.open(url)).close()
    with process("insert", url) as other:
        answered = [other.stdout.readline().strip() for _ in range(30)]
        other.send_signal(signal.SIGKILL)
        answered += other.stdout.read().split()

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
        task = asyncio.create_task(add_channel(store))
        for _ in range(chance.randrange(60)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await add_channel(store)

    async with store.read() as work:
        records = await work.page(ChannelRecord, HERE, limit=100, after=None)
        for record in records:
            assert await work.count(StreamKeyRecord, HERE, channel_id=record.id) == 1


async def test_many_readers_share_few_connections(store):
    await add_channel(store)

    assert await asyncio.gather(*(count(store) for _ in range(50))) == [1] * 50
