"""Run a node until it is told to stop; `headwater serve` and `headwater demo` share this."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import structlog

from headwater.console.pages import Pages
from headwater.node.node import Node
from headwater.node.settings import Settings

T = TypeVar("T")

log = structlog.get_logger(__name__)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop, or on asyncio's own loop where uvloop has no build."""
    try:
        import uvloop  # noqa: PLC0415 - an optional speed-up
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


@contextlib.asynccontextmanager
async def running_node(settings: Settings) -> AsyncIterator[Node]:
    """A started node; stopped at the end, whatever happened."""
    node = Node(settings, Pages())
    await node.start()
    try:
        yield node
    finally:
        await node.stop()
        log.info("stopped")


def log_ready(node: Node) -> None:
    """Say so once everything answers and all that is to be printed is printed."""
    endpoints = node.endpoints
    log.info(
        "ready",
        api=endpoints.api_url,
        http_port=endpoints.http_port,
        https_port=endpoints.https_port,
        rtmp_port=endpoints.rtmp_port,
        rtmps_port=endpoints.rtmps_port,
    )


def stop_requested() -> asyncio.Event:
    """An event that SIGINT or SIGTERM sets."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, event.set)
    return event
