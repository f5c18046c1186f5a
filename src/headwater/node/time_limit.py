"""A time limit for waits of which there are many, with one timer for all of them."""

import asyncio
from types import TracebackType


class TimeLimit:
    """A context in which a task may wait for `limit_s`; then it gets TimeoutError.

    Like `asyncio.timeout`, which makes a timer each time: that was a tenth of the processor
    time of a short request. A task is in the context once at a time.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._began_s: dict[
            asyncio.Task[object], float
        ] = {}  # the event loop's clock; oldest first
        self._late: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._began_s[_task()] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s, self._look)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task = _task()
        self._began_s.pop(task, None)
        if task in self._late:
            self._late.remove(task)
            # Whoever else cancelled the task wants it to end.
            if not task.uncancel() and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _look(self) -> None:
        """End the waits that are too long, and look again when the next one may be."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for task, began_s in list(self._began_s.items()):
            due_s = began_s + self._limit_s
            if due_s > loop.time():
                self._timer = loop.call_at(due_s, self._look)
                return
            del self._began_s[task]
            self._late.add(task)
            task.cancel()


def _task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("only a task can wait")
    return task
