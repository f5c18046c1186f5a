import asyncio

import pytest

from headwater.delivery.waiting import WATCH_AFTER_S, GaveUp, WaitingRoom


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


async def turn():
    """Let all that can run now run."""
    for _ in range(5):
        await asyncio.sleep(0)


def wait(room, ready, disconnected=None, refused=lambda: False):
    return asyncio.create_task(
        room.wait_until(ready, timeout_s=6, disconnected=disconnected, refused=refused)
    )


async def test_all_are_woken_once_and_ask_again():
    room, asked, open_door = WaitingRoom(Clock()), [], []

    def ready():
        asked.append(1)
        return bool(open_door)

    tasks = [wait(room, ready) for _ in range(3)]
    await turn()
    assert room.count == 3
    asked.clear()

    room.wake_all()
    room.wake_all()
    await turn()
    assert len(asked) == room.count == 3

    open_door.append(1)
    room.wake_all()
    assert await asyncio.gather(*tasks) == [None] * 3
    assert room.count == 0
    assert room.waiting == {}


async def test_the_late_are_released_and_only_they():
    clock = Clock()
    room = WaitingRoom(clock)
    early = wait(room, lambda: False)
    await turn()
    clock.now_s = 3
    late = wait(room, lambda: False)
    await turn()

    clock.now_s = 5.9
    room.release_late()
    await turn()
    assert not early.done()

    clock.now_s = 6
    room.release_late()
    assert await early is GaveUp.LATE
    assert not late.done()
    assert room.count == 1
    late.cancel()


async def test_a_wake_does_not_extend_the_deadline():
    clock = Clock()
    room = WaitingRoom(clock)
    task = wait(room, lambda: False)
    await turn()
    clock.now_s = 5
    room.wake_all()
    await turn()
    clock.now_s = 6
    room.release_late()

    assert await task is GaveUp.LATE


async def test_one_more_than_the_bound_is_sent_away():
    room = WaitingRoom(Clock(), max_waiting=2)
    tasks = [wait(room, lambda: False) for _ in range(3)]
    await turn()

    assert await tasks[2] is GaveUp.CROWDED
    assert room.count == 2
    for task in tasks[:2]:
        task.cancel()


async def test_l24_clients_that_leave_bring_the_count_to_zero():
    clock, gone = Clock(), asyncio.Event()
    room = WaitingRoom(clock)

    async def disconnected():
        await gone.wait()

    tasks = [wait(room, lambda: False, disconnected) for _ in range(100)]
    await turn()
    assert room.count == 100

    clock.now_s = WATCH_AFTER_S
    room.release_late()
    gone.set()
    assert set(await asyncio.gather(*tasks)) == {GaveUp.LEFT}
    assert room.count == 0
    assert room.waiting == {}


async def test_a_client_that_left_before_it_waited_is_let_go():
    async def disconnected():
        return

    clock = Clock()
    room = WaitingRoom(clock)
    task = wait(room, lambda: False, disconnected)
    await turn()
    clock.now_s = WATCH_AFTER_S
    room.release_late()

    assert await task is GaveUp.LEFT
    assert room.count == 0


@pytest.mark.parametrize("with_client", [True, False])
async def test_a_cancelled_request_leaves_nothing_behind(with_client):
    clock = Clock()
    room = WaitingRoom(clock)
    task = wait(room, lambda: False, asyncio.Event().wait if with_client else None)
    await turn()
    clock.now_s = WATCH_AFTER_S
    room.release_late()
    await turn()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await turn()
    assert room.count == 0
    assert room.waiting == {}
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nobody_watches_the_client_any_more_after_the_answer():
    clock, ready = Clock(), []
    room = WaitingRoom(clock)
    task = wait(room, lambda: bool(ready), asyncio.Event().wait)
    await turn()
    clock.now_s = WATCH_AFTER_S
    room.release_late()
    await turn()
    ready.append(1)
    room.wake_all()
    await task
    await turn()

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_clients_are_not_watched_before_a_wait_is_long():
    clock, ready = Clock(), []
    room = WaitingRoom(clock)
    task = wait(room, lambda: bool(ready), asyncio.Event().wait)
    await turn()
    room.release_late()
    await turn()
    assert asyncio.all_tasks() == {asyncio.current_task(), task}

    ready.append(1)
    room.wake_all()
    assert await task is None


async def test_who_is_refused_while_waiting_gets_nothing_though_it_is_ready_then():
    room, reasons, ready = WaitingRoom(Clock()), [], []
    tasks = [wait(room, lambda: bool(ready), refused=lambda: bool(reasons)) for _ in range(2)]
    other = wait(room, lambda: bool(ready))
    await turn()
    reasons.append(1)
    ready.append(1)
    room.wake_all()

    assert await asyncio.gather(*tasks) == [GaveUp.REFUSED] * 2
    assert await other is None
    assert room.count == 0


async def test_who_is_refused_is_released_when_nothing_comes():
    clock, reasons = Clock(), []
    room = WaitingRoom(clock)
    task = wait(room, lambda: False, refused=lambda: bool(reasons))
    other = wait(room, lambda: False)
    await turn()
    clock.now_s = WATCH_AFTER_S
    room.release_late()
    await turn()
    assert not task.done()

    reasons.append(1)
    room.release_late()
    assert await task is GaveUp.REFUSED
    assert not other.done()
    other.cancel()
