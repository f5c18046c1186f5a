"""Units of work a second on SQLite and PostgreSQL, and what the event loop feels of them.

A read is one select by primary key, a write one insert that is on the disk when its unit
has ended. A task that ticks each millisecond measures how late the loop comes back to it.
PostgreSQL's cluster is made for the run, on the same disk and cores, and waits for the
disk as SQLite does; "in accounts" writes to 50 accounts, the rest to one.
"""

import argparse
import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import rig
import uvloop

import postgres
from headwater.store import Store

TASKS = (1, 50)
TICK_S = 0.001
HEADER = (
    "unit",
    "tasks",
    "a second",
    "processor, us each",
    "p50, ms",
    "p99, ms",
    "loop late p99, ms",
)


async def measure(
    unit: Callable[[int], Awaitable[None]], *, tasks: int, seconds: float
) -> list[str]:
    """Run the unit over and over in so many tasks; a table's figures."""
    late_ms: list[float] = []
    took_ms: list[float] = []
    until = time.perf_counter() + seconds

    async def tick() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK_S)
            late_ms.append((time.perf_counter() - before - TICK_S) * 1000)

    async def work(number: int) -> None:
        while (before := time.perf_counter()) < until:
            await unit(number)
            took_ms.append((time.perf_counter() - before) * 1000)
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    cpu_s, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work(number) for number in range(tasks)))
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - started
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking
    return [
        f"{len(took_ms) / wall_s:,.0f}",
        f"{cpu_s / len(took_ms) * 1e6:.0f}",
        f"{rig.percentile(took_ms, 0.5):.2f}",
        f"{rig.percentile(took_ms, 0.99):.2f}",
        f"{rig.percentile(late_ms, 0.99):.2f}",
    ]


async def measure_all(url: str, seconds: float) -> list[list[str]]:
    """The rows of one database's table."""
    store = await Store.open(url)
    async with store.write() as work:
        await work.put_setting("known", b"value")

    async def read(_number: int) -> None:
        async with store.read() as work:
            await work.setting("known")

    async def write(_number: int) -> None:
        async with store.write("000000000000") as work:
            await work.put_setting(secrets.token_hex(8), b"value")

    async def write_in_accounts(number: int) -> None:
        async with store.write(str(number)) as work:
            await work.put_setting(secrets.token_hex(8), b"value")

    rows = [
        [name, str(tasks), *await measure(unit, tasks=tasks, seconds=seconds)]
        for name, unit, counts in (
            ("read", read, TASKS),
            ("write", write, TASKS),
            ("write in accounts", write_in_accounts, TASKS[1:]),
        )
        for tasks in counts
    ]
    await store.close()
    return rows


def main() -> None:
    """Print a table for each database."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3.0)
    seconds = parser.parse_args().seconds
    with TemporaryDirectory() as folder:
        rows = uvloop.run(measure_all(f"sqlite:///{Path(folder) / 'headwater.db'}", seconds))
    rig.print_table("SQLite", HEADER, rows)
    if postgres.MISSING:
        print(postgres.MISSING)
        return
    with postgres.cluster("fsync=on") as cluster:
        rows = uvloop.run(measure_all(cluster.url(), seconds))
    rig.print_table("PostgreSQL 15", HEADER, rows)


if __name__ == "__main__":
    main()
