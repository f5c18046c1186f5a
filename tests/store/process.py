"""Another process on the same database: `process.py <task> <url>`."""

import asyncio
import itertools
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from headwater.core.errors import OperatorError
from headwater.core.secret import Secret
from headwater.store import Store
from headwater.store.records import ChannelRecord
from store.rows import HERE, add_channel, channel, insert_both, stream_key

QUOTA = 20


@contextmanager
def process(task, url):
    """Another process that does `task` of this file, with its pipes."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, __file__, task, url]
    with subprocess.Popen(command, env=environment, **pipes) as running:
        try:
            yield running
        finally:
            running.kill()


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def theirs(number):
    record = channel(id=f"theirs{number}")
    return record, stream_key(record, id=f"theirs{number}", value=Secret(f"theirs{number}"))


async def insert_within_quota(store, record, key):
    async with store.write(HERE.account) as work:
        room = await work.count(ChannelRecord, HERE) < QUOTA
        if room:
            await insert_both(work, record, key)
    return room


async def insert(store):
    """Print each channel's id once its commit is answered, for ever."""

    async def one_after_another(numbers):
        for number in numbers:
            record, key = theirs(number)
            async with store.write(HERE.account) as work:
                await insert_both(work, record, key)
            say(record.id)

    await asyncio.gather(*(one_after_another(itertools.count(first, 3)) for first in range(3)))


async def fill(store):
    """Insert channels as long as there is room, three at a time; print how many it inserted."""
    say("ready")
    sys.stdin.readline()
    inserted = 0
    for first in range(0, QUOTA + 3, 3):
        mine = [theirs(number) for number in range(first, first + 3)]
        inserted += sum(await asyncio.gather(*(insert_within_quota(store, *each) for each in mine)))
    say(inserted)


async def look(store):
    """Say which slow modules opening the database imported."""
    _ = store
    slow = ("alembic", "asyncpg", "sqlalchemy.ext.asyncio")
    say([name for name in slow if name in sys.modules])


async def run_out_of_room(store):
    """Ten writers while no file may grow further, then one when they may again."""
    await add_channel(store)
    size = Path(f"{store._database.name}-wal").stat().st_size  # noqa: ASYNC240
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, limit[1]))
    outcomes = await asyncio.gather(
        *(add_channel(store) for _ in range(10)), return_exceptions=True
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    say({str(outcome) if isinstance(outcome, OperatorError) else outcome for outcome in outcomes})
    await add_channel(store)
    async with store.read() as work:
        say(await work.count(ChannelRecord, HERE))


async def main(task, url):
    store = await Store.open(url)
    await task(store)
    await store.close()


if __name__ == "__main__":
    tasks = (insert, fill, look, run_out_of_room)
    asyncio.run(main({task.__name__: task for task in tasks}[sys.argv[1]], sys.argv[2]))
