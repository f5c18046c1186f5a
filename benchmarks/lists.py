"""What a million channels change: pages of lists, their filters, GetChannel, CreateChannel.

Two databases with all that a channel has, one with 1,000 channels and one with 1,000,000,
asked in turn. Each filter matches 200 channels in both. Pages are asked of the store, 100
records each; CreateChannel is the operation itself, durable, one at a time.
"""

import argparse
import asyncio
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import rig
import uvloop
from sqlalchemy import text

import postgres
from headwater.api.app import Api, ApiSettings
from headwater.api.authentication import root_caller
from headwater.api.operations.channels import create_channel
from headwater.shapes.channels import CreateChannelRequest
from headwater.store import Store
from headwater.store.records import ChannelRecord, Position, Scope, StreamKeyRecord
from headwater.store.tables import CHANNEL_FILTERS

SIZES = (1_000, 1_000_000)
HERE = Scope("000000000000", "us-west-2")
PAGE = 100
MATCHES = 200
FIRST_MS = 1_700_000_000_000
FIRST_GROUP = 100_000
FIRST_ID = 100_000_000_000  # 12 digits, a resource id's length

_NUMBERS = """
    WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {size})
"""
_ID = f"CAST({FIRST_ID} + n AS TEXT)"
_CHANNELS = """
    INSERT INTO channels (id, region, account, tags, created_at_ms, latency_mode, type,
        authorized, insecure_ingest, preset, container_format, multitrack_enabled,
        multitrack_policy, multitrack_maximum_resolution, srt_passphrase, {filters})
    {numbers} SELECT {id}, '{region}', '{account}', {tags}, {first_ms} + n, 'LOW', 'STANDARD',
        false, false, '', 'TS', false, 'ALLOW', 'FULL_HD', 'passphrase', {values} FROM numbers
"""
_KEYS = """
    INSERT INTO stream_keys (id, region, account, tags, created_at_ms, channel_id, value,
        value_digest)
    {numbers} SELECT {id}, '{region}', '{account}', {tags}, {first_ms} + n, {id}, 'sk_' || {id},
        CAST({id} AS {bytes}) FROM numbers
"""


async def filled(url: str, size: int) -> Store:
    """A database with so many channels, each with a key."""
    is_sqlite = url.startswith("sqlite")
    # The same number of digits, so that filling goes through every index in its own order.
    group = f"'value-' || CAST({FIRST_GROUP} + n / {MATCHES} AS TEXT)"
    values: dict[str, object] = {
        "numbers": _NUMBERS.format(size=size),
        "id": _ID,
        "region": HERE.region,
        "account": HERE.account,
        "tags": "'{}'" if is_sqlite else "CAST('{}' AS JSON)",
        "bytes": "BLOB" if is_sqlite else "BYTEA",
        "first_ms": FIRST_MS,
        "filters": ", ".join(CHANNEL_FILTERS),
        "values": ", ".join([group] * len(CHANNEL_FILTERS)),
    }
    store = await Store.open(url)
    async with store.write() as work:
        for statement in (_CHANNELS, _KEYS):
            query = text(statement.format(**values))
            await work._connection.run_sync(lambda one, q=query: one.execute(q))  # noqa: SLF001
        if not is_sqlite:
            await work._connection.run_sync(  # noqa: SLF001
                lambda one: one.exec_driver_sql("ANALYZE channels, stream_keys")
            )
    return store


def units(store: Store, size: int) -> dict[str, Callable[[], Awaitable[Any]]]:
    """What is measured, by name."""
    middle = Position(FIRST_MS + size // 2, str(FIRST_ID + size // 2))
    last = Position(FIRST_MS + size - PAGE - 1, str(FIRST_ID + size - PAGE - 1))
    api = Api(
        store=store,
        control=None,  # type: ignore[arg-type]  # CreateChannel asks nothing of the three
        destinations=None,  # type: ignore[arg-type]
        metrics=None,  # type: ignore[arg-type]
        settings=ApiSettings(
            ingest_host="localhost", srt_host="localhost", playback_base_url="http://localhost"
        ),
        random_bytes=secrets.token_bytes,
        now_ms=lambda: time.time_ns() // 1_000_000,
        token_secret=b"",
    )

    async def page(
        kind: Any = ChannelRecord,  # noqa: ANN401 - a record type
        after: Position | None = None,
        expected: int = PAGE,
        **equal: str,
    ) -> None:
        async with store.read() as work:
            found = await work.page(kind, HERE, limit=PAGE, after=after, **equal)
        if len(found) != expected:
            raise SystemExit(f"{len(found)} records on a page")

    async def get() -> None:
        async with store.read() as work:
            await work.get(ChannelRecord, HERE, middle.id)

    return {
        "first page": page,
        "page in the middle": lambda: page(after=middle),
        "last page": lambda: page(after=last),
        **{
            f"first page by {name}": lambda name=name: page(**{name: f"value-{FIRST_GROUP + 1}"})
            for name in CHANNEL_FILTERS
        },
        "stream keys of a channel": lambda: page(StreamKeyRecord, expected=1, channel_id=middle.id),
        "one channel": get,
        "CreateChannel": lambda: api.perform(
            create_channel, root_caller(HERE), CreateChannelRequest(name="new")
        ),
    }


async def measured(urls: list[str], rounds: int) -> list[list[str]]:
    """The table's rows."""
    stores = [await filled(url, size) for url, size in zip(urls, SIZES, strict=True)]
    both = [units(store, size) for store, size in zip(stores, SIZES, strict=True)]
    rows = []
    for name in both[0]:
        took_us: list[list[float]] = [[], []]
        for each in (0, 1):
            await both[each][name]()  # what is done once is done
        for _ in range(rounds):
            for each in (0, 1):
                started = time.perf_counter()
                await both[each][name]()
                took_us[each].append((time.perf_counter() - started) * 1e6)
        small, large = (statistics.median(one) for one in took_us)
        rows.append([name, f"{small:,.0f}", f"{large:,.0f}", f"{large / small:.2f}"])
    for store in stores:
        await store.close()
    return rows


def main() -> None:
    """Print a table for each database."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--sqlite-only", action="store_true")
    options = parser.parse_args()
    header = ["asked for", *(f"{size:,} channels, us" for size in SIZES), "times"]
    with TemporaryDirectory(prefix="headwater-bench-") as folder:
        urls = [f"sqlite:///{Path(folder) / f'{size}.db'}" for size in SIZES]
        rows = uvloop.run(measured(urls, options.rounds))
    rig.print_table("SQLite, medians", header, rows)
    if options.sqlite_only or postgres.MISSING:
        print(postgres.MISSING or "")
        return
    with postgres.cluster("fsync=on") as cluster:
        names = [asyncio.run(cluster.create()) for _ in SIZES]
        rows = uvloop.run(measured([cluster.url(name) for name in names], options.rounds))
    rig.print_table("PostgreSQL 15, medians", header, rows)


if __name__ == "__main__":
    main()
