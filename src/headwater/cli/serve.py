"""`headwater serve`: a node that runs until it is told to stop; `headwater demo` is one too."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator

import structlog
import typer

from headwater.cli.loop import run
from headwater.cli.options import with_settings
from headwater.cli.paste import key_lines
from headwater.cli.text import out
from headwater.console.pages import Pages
from headwater.node.config import Config
from headwater.node.logs import configure_logging
from headwater.node.node import Endpoints, Node
from headwater.node.settings import Settings

log = structlog.get_logger(__name__)


serve_app = typer.Typer(add_completion=False)


@serve_app.command()
@with_settings
def serve(config: Config) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    configure_logging(config.settings.server.log_level, config.settings.server.log_format)
    run(_serve(config))


async def _serve(config: Config) -> None:
    stop = stop_requested()
    async with running_node(config.settings) as node:
        for name, url in _endpoint_rows(node.endpoints):
            out.print(f"{name + ':':14} {url}")
        if node.new_key:
            out.print("First access key (shown this once; `headwater key create` makes others):")
            region = config.settings.server.region
            for line in key_lines(node.new_key, region, node.endpoints.api_url):
                out.print(f"  {line}")
        _log_ready(node)
        await stop.wait()


@contextlib.asynccontextmanager
async def running_node(settings: Settings) -> AsyncIterator[Node]:
    """A started node; stopped at the end, whatever happened."""
    node = Node(settings, Pages())
    await node.start()
    # What a start makes stays for good: collections are shorter when they pass over it.
    gc.collect()
    gc.freeze()
    try:
        yield node
    finally:
        await node.stop()
        log.info("stopped")


def _log_ready(node: Node) -> None:
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


def _endpoint_rows(endpoints: Endpoints) -> list[tuple[str, str]]:
    """Name and URL of everything that can be reached."""
    return [
        ("API endpoint", endpoints.api_url),
        ("RTMPS ingest", endpoints.rtmps_url),
        ("RTMP ingest", endpoints.rtmp_url),
    ]
