"""The `headwater` command with an observer inside, for what cannot be seen from outside.

Runs the server as it is, and writes lines of JSON to stderr, among the log's:

    {"event": "part", "msn": ..., "index": ..., "ready_ns": ...}   a part reached delivery
    {"event": "counts", "tasks": ..., "waiting": ...}              answers SIGUSR1
"""

import asyncio
import gc
import json
import signal
import sys
import time
from typing import Any

from headwater.cli import main
from headwater.core.segment import MediaEvent, Part
from headwater.delivery.stream import Rendition
from headwater.delivery.waiting import WaitingRoom


def note_parts() -> None:
    """Say when each part was ready (Unix ns), just before anyone can be told of it."""
    push = Rendition.push

    def noting(self: Rendition, event: MediaEvent) -> None:
        ready_ns = time.time_ns()
        push(self, event)
        if isinstance(event, Part):
            _say(event="part", msn=event.msn, index=event.index, ready_ns=ready_ns)

    Rendition.push = noting  # type: ignore[method-assign]


def count(*_: object) -> None:
    """Say how many tasks are not done and how many requests wait."""
    gc.collect()
    alive = gc.get_objects()
    tasks = [each for each in alive if isinstance(each, asyncio.Task) and not each.done()]
    rooms = [each for each in alive if isinstance(each, WaitingRoom)]
    _say(event="counts", tasks=len(tasks), waiting=sum(room.count for room in rooms))


def _say(**values: Any) -> None:  # noqa: ANN401 - whatever JSON takes
    sys.stderr.write(json.dumps(values) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    note_parts()
    signal.signal(signal.SIGUSR1, count)
    main()
