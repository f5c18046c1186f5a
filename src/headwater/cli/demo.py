"""`headwater demo`: the server, a channel, an encoder with a test picture, and what is live."""

import asyncio
import contextlib
import sys

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from headwater.cli.loop import run
from headwater.cli.options import with_settings
from headwater.cli.paste import key_lines
from headwater.cli.serve import running_node, stop_requested
from headwater.cli.text import out
from headwater.core.secret import Secret
from headwater.node.child import start_child
from headwater.node.config import Config
from headwater.node.demo import DEMO_BUCKET, DemoChannel, demo_channel
from headwater.node.logs import configure_logging
from headwater.node.node import Node
from headwater.node.recording.destinations import BUCKETS_FOLDER
from headwater.node.settings import Settings
from headwater.node.streams.broadcast import Broadcast

ENCODER = (sys.executable, "-m", "headwater.publisher")
REFRESH_S = 0.5
RESTART_S = 2.0
"""After which the encoder comes back when its stream was stopped, as OBS does."""
STOP_ENCODER_S = 1.0
GIGABYTES_PER_HOUR = 1
"""That the test picture takes when it is recorded."""


demo_app = typer.Typer(add_completion=False)


@demo_app.command()
@with_settings
def demo(config: Config) -> None:
    """Run the server with a live test picture, and say where to watch it."""
    configure_logging("warning", config.settings.server.log_format)
    run(_demo(config.settings))


async def _demo(settings: Settings) -> None:
    stop = stop_requested()
    url: asyncio.Future[Secret] = asyncio.get_running_loop().create_future()
    # The encoder's process starts while the server does, and waits for the URL.
    encoder = asyncio.create_task(_keep_publishing(url))
    try:
        async with running_node(settings) as node:
            channel = await demo_channel(node, settings)
            url.set_result(Secret(node.endpoints.rtmp_url + channel.stream_key.reveal()))
            for line in _facts(node, channel, settings):
                out.print(line)
            display = asyncio.create_task(_display(node))
            await stop.wait()
            await _cancel(display)
            await _cancel(encoder)  # before the server goes: it says goodbye like any encoder
    finally:
        await _cancel(encoder)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _facts(node: Node, channel: DemoChannel, settings: Settings) -> list[str]:
    endpoints = node.endpoints
    rows = [
        ("Watch", f"{endpoints.api_url}/watch/{channel.id}"),
        ("Recordings", f"{endpoints.api_url}/watch/{channel.id}/recordings"),
        *_recorded(settings),
        ("Playback URL", channel.playback_url),
        ("API endpoint", endpoints.api_url),
        ("RTMPS ingest", endpoints.rtmps_url + channel.stream_key.reveal()),
        ("RTMP ingest", endpoints.rtmp_url + channel.stream_key.reveal()),
    ]
    lines = [f"{name + ':':14} {value}" for name, value in rows]
    paste = key_lines(channel.access_key, settings.server.region, endpoints.api_url)
    return [*lines, "", "To use it from boto3, the AWS CLI or an SDK, paste:", *paste, ""]


def _recorded(settings: Settings) -> list[tuple[str, str]]:
    if settings.recording.endpoint_url:
        return []
    folder = f"{settings.server.data_dir}/{BUCKETS_FOLDER}/{DEMO_BUCKET}"
    return [("Recorded to", f"{folder}, about {GIGABYTES_PER_HOUR} GB an hour")]


async def _keep_publishing(url: asyncio.Future[Secret]) -> None:
    """Run the encoder; bring it back when its stream was stopped."""
    while True:
        nowhere = asyncio.subprocess.DEVNULL
        encoder = await start_child(ENCODER, stdout=nowhere, stderr=nowhere)
        try:
            # By standard input: arguments and environments can be seen by others.
            secret = await asyncio.shield(url)
            encoder.give(secret.reveal().encode() + b"\n")
            await encoder.ended()
        finally:
            await encoder.terminate(STOP_ENCODER_S)
        await asyncio.sleep(RESTART_S)


async def _display(node: Node) -> None:
    """On a terminal, a table of what is live; elsewhere nothing more is printed."""
    if not out.is_terminal:
        return
    with Live(console=out, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_screen(node.live.broadcasts()), refresh=True)
            await asyncio.sleep(REFRESH_S)


def _screen(broadcasts: list[Broadcast]) -> Group:
    table = Table(expand=False, title="Live", title_justify="left", title_style="bold")
    for column in ("channel", "video", "ingest", "health", "viewers", "for"):
        table.add_column(column)
    for broadcast in broadcasts:
        table.add_row(*_row(broadcast))
    if not broadcasts:
        table.add_row("nothing yet", "", "", "", "", "")
    return Group(table, Text("Ctrl-C ends the demo.", style="dim"))


def _row(broadcast: Broadcast) -> list[str]:
    kbps = sum(reading.bitrate_bps for reading in broadcast.measured().values()) / 1000
    plan = broadcast.plan
    video = "starting"
    if plan and plan.width and plan.frame_rate:
        video = f"{plan.width}x{plan.height} {plan.frame_rate:.4g} fps"
    minutes, seconds = divmod(broadcast.uptime_ms() // 1000, 60)
    name = broadcast.channel.name or broadcast.channel.id
    viewers = str(broadcast.viewer_count())
    return [
        name,
        video,
        f"{kbps:,.0f} kb/s",
        broadcast.health(),
        viewers,
        f"{minutes}:{seconds:02}",
    ]
