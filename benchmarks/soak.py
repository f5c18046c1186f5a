"""Memory and leftovers over time: streams go on while viewers come and go.

Five streams; viewers arrive at random, play (multivariant playlist, blocking playlists,
each newest part) for some seconds, and leave: by hanging up between two requests, in the
middle of a blocked one, or in the middle of a part. Resident memory is sampled each
second. Once the windows are full its slope is fitted; since neighbouring samples are
alike, the error comes from the slopes of BLOCKS pieces of the time. At the end streams
and viewers stop, and what is left (files, threads, tasks, waiting requests) is compared
with the server before the first stream.
"""

import argparse
import asyncio
import json
import math
import os
import random
import re
import signal
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urljoin

import rig

from e2e.harness import Server, running_server, wait_for, wait_until_live

OBSERVED = str(Path(__file__).with_name("observed.py"))
WINDOW_FULL_S = 70
SAMPLE_S = 1.0
BLOCKS = 6
QUIET_S = 65  # ended streams stay fetchable for about 52 s
HINT = re.compile(rb'PRELOAD-HINT:TYPE=PART,URI="(?:[^"]*/)?(\d+)\.(\d+)\.')
VARIANT = re.compile(rb"#EXT-X-STREAM-INF:.*\n(.+)")
PART = re.compile(rb'EXT-X-PART:.*URI="([^"]+)"')
API_CALLS_AT_ONCE = 20
MAX_LINE_BYTES = 1 << 20


class Viewer:
    """A player reduced to its requests, on one connection."""

    def __init__(self, host_port: tuple[str, int]) -> None:
        self._host_port = host_port
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def play(self, path: str, seconds: float, rng: random.Random) -> None:
        """Watch for so long, then leave without a word."""
        connecting = asyncio.open_connection(*self._host_port, limit=MAX_LINE_BYTES)
        self._reader, self._writer = await connecting
        try:
            await asyncio.wait_for(self._play(path, rng), seconds)
        except (TimeoutError, asyncio.IncompleteReadError, OSError):
            pass  # left in the middle of whatever it was
        finally:
            self._writer.close()

    async def _play(self, path: str, rng: random.Random) -> None:
        body = await self._get(path)
        if variant := VARIANT.search(body):  # a multivariant playlist: a session of its own
            path = urljoin(path, variant[1].decode())
            body = await self._get(path)
        while True:
            if parts := PART.findall(body):
                await self._get(urljoin(path, parts[-1].decode()))
            hint = HINT.search(body)
            if hint is None:
                return
            query = f"?_HLS_msn={int(hint[1])}&_HLS_part={int(hint[2])}"
            body = await self._get(path + query)
            await asyncio.sleep(rng.uniform(0, 0.05))

    async def _get(self, path: str) -> bytes:
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: soak\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", head)
        return await self._reader.readexactly(int(length[1])) if length else b""


async def crowd(server: Server, paths: list[str], viewers: int, until_s: float) -> int:
    """Keep about `viewers` of them watching; returns how many there have been."""
    rng = random.Random(1)  # noqa: S311 - the same crowd each time
    here = ("127.0.0.1", server.ports["http_port"])
    watching: set[asyncio.Task[None]] = set()
    total = 0
    while time.monotonic() < until_s:
        while len(watching) < viewers:
            seconds = min(60.0, rng.expovariate(1 / 15))
            task = asyncio.create_task(Viewer(here).play(rng.choice(paths), seconds, rng))
            watching.add(task)
            task.add_done_callback(watching.discard)
            total += 1
        await asyncio.sleep(0.1)
    await asyncio.gather(*watching, return_exceptions=True)
    return total


async def sample(pid: int, until_s: float) -> list[tuple[float, float]]:
    """Seconds and megabytes of resident memory."""
    start_s = time.monotonic()
    samples = []
    while (now_s := time.monotonic()) < until_s:
        samples.append((now_s - start_s, rig.rss_bytes(pid) / 1e6))
        await asyncio.sleep(SAMPLE_S)
    return samples


def leftovers(server: Server) -> dict[str, int]:
    """What the server holds now."""
    before = sum('"counts"' in line for line in server.log)
    os.kill(server.process.pid, signal.SIGUSR1)
    lines = wait_for(
        lambda: [line for line in list(server.log) if '"counts"' in line][before:], 10, "counts"
    )
    counts: dict[str, Any] = json.loads(lines[0])
    pid = server.process.pid
    return {
        "open files": rig.open_files(pid),
        "threads": sum(1 for _ in Path(f"/proc/{pid}/task").iterdir()),
        "tasks": counts["tasks"],
        "waiting requests": counts["waiting"],
        "memory, MB": round(rig.rss_bytes(pid) / 1e6),
    }


def slope_mb_per_hour(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """The fitted slope, and its standard error from BLOCKS pieces."""
    whole = statistics.linear_regression(*zip(*samples, strict=True)).slope
    size = len(samples) // BLOCKS
    means = [
        (statistics.fmean(s for s, _ in block), statistics.fmean(mb for _, mb in block))
        for block in (samples[start : start + size] for start in range(0, size * BLOCKS, size))
    ]
    line = statistics.linear_regression(*zip(*means, strict=True))
    residuals = [mb - line.intercept - line.slope * s for s, mb in means]
    centre = statistics.fmean(s for s, _ in means)
    width = math.sqrt(sum((s - centre) ** 2 for s, _ in means))
    error = math.sqrt(sum(each**2 for each in residuals) / (BLOCKS - 2)) / width
    return whole * 3600, error * 3600


async def soak(server: Server, paths: list[str], viewers: int, seconds: float) -> tuple[Any, int]:
    """Samples of memory, and how many viewers there have been."""
    until_s = time.monotonic() + seconds
    samples, total = await asyncio.gather(
        sample(server.process.pid, until_s), crowd(server, paths, viewers, until_s)
    )
    return samples, total


def main() -> None:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5, help="with full windows")
    parser.add_argument("--streams", type=int, default=5)
    parser.add_argument("--viewers", type=int, default=30, help="at any time")
    parser.add_argument("--kbps", type=int, default=2000)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="headwater-bench-") as made:
        directory = Path(made)
        source = rig.encode_source(
            directory / "source.flv", video_kbps=options.kbps, size="640x360"
        )
        with running_server(directory / "data", program=(sys.executable, OBSERVED)) as server:
            channels = rig.make_channels(server, options.streams)
            clients = [server.ivs() for _ in range(API_CALLS_AT_ONCE)]
            with ThreadPoolExecutor(API_CALLS_AT_ONCE) as pool:  # the database's pool is full
                list(pool.map(lambda ivs: ivs.list_channels(), clients))
            before = leftovers(server)
            with rig.sending(source, rig.ingest_urls(server, channels)):
                for each in channels:
                    wait_until_live(server.ivs(), each["channel"]["arn"])
                time.sleep(3)
                paths = [rig.playback_path(each["channel"]["playbackUrl"]) for each in channels]
                seconds = WINDOW_FULL_S + options.minutes * 60
                samples, total = asyncio.run(soak(server, paths, options.viewers, seconds))
            time.sleep(QUIET_S)
            after = leftovers(server)
    full = [each for each in samples if each[0] > WINDOW_FULL_S]
    slope, error = slope_mb_per_hour(full)
    rig.print_table(
        f"Soak: {options.streams} streams, {options.viewers} viewers at a time, {total} in all",
        ["minutes", "memory when full, MB", "at the end, MB", "slope, MB an hour", "error of it"],
        [
            [
                f"{options.minutes:g}",
                f"{statistics.fmean(mb for _, mb in full[:20]):.1f}",
                f"{statistics.fmean(mb for _, mb in full[-20:]):.1f}",
                f"{slope:+.1f}",
                f"{error:.1f}",
            ]
        ],
    )
    rows = [[name, str(before[name]), str(after[name])] for name in before]
    rig.print_table(
        "Before the first stream, and after the last", ["what", "before", "after"], rows
    )


if __name__ == "__main__":
    main()
