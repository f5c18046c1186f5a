"""A spool whose disk is slow: the event loop goes on, memory has a bound."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from headwater.core.segment import Part
from headwater.recording.spool import Budget, Offer, Spool
from headwater.recording.work import DISK_TOO_SLOW, MAX_WAITING_BYTES, SpoolWork
from recording.live import START_MS, payloads, stream
from recording.test_spool import NAME, OPENED


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def spool(tmp_path):
    spool = Spool.create(tmp_path / "one", Budget(1 << 30), OPENED)
    spool.join("st-1", START_MS, [Offer(name=NAME, position=0, automatic=True)])
    yield spool
    spool.close()


async def test_events_are_kept_in_their_order_by_whoever_waits_for_it(spool, executor):
    ready = []
    work = SpoolWork(spool, executor, ready.extend)
    events = stream(25)
    for event in events:
        work.push(NAME, event)
    await work.drained()

    assert b"".join(each.path.read_bytes() for each in ready) == payloads(events)


async def test_media_that_a_slow_disk_leaves_waiting_is_lost_beyond_a_bound(spool, executor):
    ready, disk = [], threading.Event()
    work = SpoolWork(spool, executor, ready.extend)
    blocked = asyncio.create_task(work.do(disk.wait))
    await asyncio.sleep(0)
    events = stream(40, text="x" * (1 << 20))  # 40 MB
    for event in events:
        work.push(NAME, event)  # returns at once
    disk.set()
    await blocked
    await work.drained()

    fitting = [each for each in events if isinstance(each, Part)][: MAX_WAITING_BYTES // (1 << 20)]
    kept = b"".join(each.path.read_bytes() for each in ready)
    assert payloads(fitting).startswith(kept)
    assert len(kept) > 30 << 20
    assert spool.manifest.losses.keys() == {DISK_TOO_SLOW}
    assert spool.manifest.tracks[NAME].total_ms == pytest.approx(40_000)
