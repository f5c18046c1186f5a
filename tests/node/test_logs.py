"""Log lines as they are written, by a process of their own: they go to its standard error."""

import asyncio
import io
import json
import subprocess
import sys

from headwater.node.logs import LineLogger

PROGRAM = """
import structlog
from headwater.core.secret import Secret
from headwater.node.logs import configure_logging

configure_logging("info", "json")
log = structlog.get_logger("test")
log.debug("not shown")
log.info("first", secret=Secret("hush"), text="\\ud800\\n", number=1)
try:
    raise RuntimeError("why")
except RuntimeError:
    log.exception("second")
"""


def test_a_line_is_one_json_object_without_secrets():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    first, second = map(json.loads, done.stderr.splitlines())

    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "first",
        "level": "info",
        "secret": "Secret(...)",
        "text": "\ud800\n",
        "number": 1,
    }
    assert second["event"] == "second"
    assert second["exception"].endswith("RuntimeError: why")


class Writes(io.StringIO):
    """Keeps what each write wrote."""

    def __init__(self):
        super().__init__()
        self.all = []

    def write(self, text):
        self.all.append(text)
        return super().write(text)


async def test_lines_of_one_turn_of_the_event_loop_are_written_together_and_in_order():
    stream = Writes()
    logger = LineLogger(stream)
    logger.info("first")
    logger.error("second")
    assert stream.all == []

    await asyncio.sleep(0)
    assert stream.all == ["first\nsecond\n"]

    logger.info("third")
    await asyncio.sleep(0)
    assert stream.all == ["first\nsecond\n", "third\n"]


def test_without_an_event_loop_a_line_is_written_at_once():
    stream = Writes()
    LineLogger(stream).info("only")

    assert stream.all == ["only\n"]


async def test_a_line_from_another_thread_comes_too():
    stream = Writes()
    logger = LineLogger(stream)
    logger.info("loop")
    await asyncio.to_thread(logger.info, "thread")
    await asyncio.sleep(0)

    assert sorted(stream.getvalue().split()) == ["loop", "thread"]


def test_what_is_logged_last_is_written_before_the_process_ends():
    program = """
import asyncio
from headwater.node.logs import configure_logging
import structlog

configure_logging("info", "json")

async def main():
    structlog.get_logger().info("last")
    raise SystemExit(3)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert (done.returncode, b'"last"' in done.stderr) == (3, True)
