"""Another process on the same database: `process.py <task> <url>`."""

import asyncio
import itertools
import sys

from headwater.core.secret import Secret
from headwater.store import Store
from headwater.store.records import ChannelRecord
from store.rows import HERE, channel, insert_both, stream_key


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def theirs(number):
    record = channel(id=f"theirs{number}")
    return record, stream_key(record, id=f"theirs{number}", value=Secret(f"theirs{number}"))


async def insert(store):
    """Print each channel's id once its commit is answered, for ever."""
    for number in itertools.count():
        record, key = theirs(number)
        async with store.write() as work:
            await insert_both(work, record, key)
        say(record.id)


async def fill(store):
    """Insert channels as long as there are fewer than 20; print how many it inserted."""
    inserted = 0
    say("ready")
    sys.stdin.readline()
    for number in range(20):
        async with store.write() as work:
            if await work.count(ChannelRecord, HERE) < 20:
                await insert_both(work, *theirs(number))
                inserted += 1
    say(inserted)


async def look(store):
    """Say whether opening the database imported Alembic."""
    _ = store
    say("alembic" in sys.modules)


async def main(task, url):
    store = await Store.open(url)
    await task(store)
    await store.close()


asyncio.run(main({"insert": insert, "fill": fill, "look": look}[sys.argv[1]], sys.argv[2]))
