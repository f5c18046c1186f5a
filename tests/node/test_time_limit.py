import asyncio

import pytest

from headwater.node.time_limit import TimeLimit

LONG_S = 3600


async def wait(limit, event):
    with limit:
        await event.wait()
    return "in time"


async def test_who_waits_too_long_gets_a_timeout_error():
    with pytest.raises(TimeoutError):
        await wait(TimeLimit(0.01), asyncio.Event())


async def test_each_of_many_has_its_own_time():
    limit = TimeLimit(0.05)
    happens = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, happens.set)

    ends = await asyncio.gather(
        wait(limit, asyncio.Event()),
        wait(limit, happens),
        wait(limit, asyncio.Event()),
        return_exceptions=True,
    )
    assert [end if isinstance(end, str) else type(end) for end in ends] == [
        TimeoutError,
        "in time",
        TimeoutError,
    ]
    with pytest.raises(TimeoutError):  # a timer is set again
        await wait(limit, asyncio.Event())


async def test_who_comes_later_may_wait_longer():
    limit = TimeLimit(0.05)
    loop = asyncio.get_running_loop()
    first = asyncio.create_task(wait(limit, asyncio.Event()))
    later = asyncio.Event()
    loop.call_later(0.02, later.set)
    await later.wait()
    began_s = loop.time()
    second = asyncio.create_task(wait(limit, asyncio.Event()))

    with pytest.raises(TimeoutError):
        await first
    assert not second.done()
    with pytest.raises(TimeoutError):
        await second
    assert loop.time() - began_s >= 0.05


async def test_a_task_goes_on_after_its_timeout():
    async def go_on():
        with pytest.raises(TimeoutError):
            await wait(TimeLimit(0.01), asyncio.Event())
        await asyncio.sleep(0)
        return asyncio.current_task().cancelling()

    assert await asyncio.create_task(go_on()) == 0


async def test_whoever_is_cancelled_is_cancelled():
    task = asyncio.create_task(wait(TimeLimit(LONG_S), asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_fails_within_the_time_fails_as_it_does():
    with pytest.raises(ZeroDivisionError), TimeLimit(LONG_S):
        raise ZeroDivisionError
