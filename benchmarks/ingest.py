"""Processor time and memory of receiving and packaging, beside nginx's RTMP module.

Ten streams of 6 Mb/s go to `headwater serve`, packaged as TS, then as fragmented MP4, and
to nginx writing HLS files. Rounds alternate; each measures the server process only (user
and system), over SECONDS in which all streams run. Then memory: growth from an idle
server until its windows are full, beside the bytes that its windows hold.
"""

import argparse
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import rig

from e2e.harness import Server, running_server, wait_until_live

WINDOW_FULL_S = 62  # what a playlist lists (24 s), what stays behind it (28 s), and starting
SETTLE_S = 5  # all streams are live, and what was held at their start is written


@contextmanager
def headwater_receives(
    directory: Path, source: Path, container: str, streams: int
) -> Iterator[tuple[Server, list[str]]]:
    """A server with its streams live, and their channels' ARNs."""
    with running_server(directory / f"data-{time.monotonic_ns()}") as server:
        channels = rig.make_channels(server, streams, container)
        with rig.sending(source, rig.ingest_urls(server, channels)):
            arns = [made["channel"]["arn"] for made in channels]
            for arn in arns:
                wait_until_live(server.ivs(), arn)
            yield server, arns


@contextmanager
def nginx_receives(directory: Path, source: Path, streams: int) -> Iterator[rig.Peer]:
    """Nginx with the same streams, writing TS segments of 2 s."""
    [port] = rig.free_ports(1)
    place = directory / f"nginx-{time.monotonic_ns()}"
    blocks = f"""
    rtmp {{
        access_log off;
        server {{
            listen 127.0.0.1:{port};
            chunk_size 4096;
            application app {{
                live on;
                hls on;
                hls_path {place}/hls;
                hls_fragment 2s;
                hls_playlist_length 24s;
            }}
        }}
    }}
    """
    with rig.running_nginx(place, blocks, port=port) as peer:
        urls = [f"rtmp://127.0.0.1:{port}/app/stream{number}" for number in range(streams)]
        with rig.sending(source, urls):
            yield peer


def one_round(kind: str, directory: Path, source: Path, streams: int, seconds: float) -> float:
    """Percent of a core per stream."""
    if kind == "nginx":
        with nginx_receives(directory, source, streams) as peer:
            time.sleep(SETTLE_S)
            used = _used_s(peer.pids, seconds)
            written = len(list((peer.directory / "hls").glob("*.m3u8")))
            assert written == streams, f"nginx packages {written} of {streams} streams"  # noqa: S101
            return used / streams * 100
    with headwater_receives(directory, source, kind, streams) as (server, _):
        time.sleep(SETTLE_S)
        return _used_s([server.process.pid], seconds) / streams * 100


def _used_s(pids: list[int], seconds: float) -> float:
    """Processor seconds per second."""
    start_s, before_s = time.monotonic(), rig.cpu_s(*pids)
    time.sleep(seconds)
    return (rig.cpu_s(*pids) - before_s) / (time.monotonic() - start_s)


def memory_per_stream(
    directory: Path, source: Path, container: str, streams: int
) -> tuple[float, float]:
    """Megabytes per stream: growth of the server, and media in its windows."""
    with running_server(directory / f"data-{time.monotonic_ns()}") as server:
        pid = server.process.pid
        channels = rig.make_channels(server, streams, container)
        idle = rig.rss_bytes(pid)
        with rig.sending(source, rig.ingest_urls(server, channels)):
            time.sleep(WINDOW_FULL_S)
            grown = rig.rss_bytes(pid) - idle
            held = sum(_bytes_held(server, made["channel"]["playbackUrl"]) for made in channels)
    return grown / streams / 1e6, held / streams / 1e6


def _bytes_held(server: Server, playback_url: str) -> int:
    """All segments that can still be fetched, by HEAD, the newest first."""
    _, newest = rig.newest(server, playback_url)
    folder, _, name = (server.url + newest).rpartition("/")
    number, _, extension = name.split(".")
    held = 0
    for msn in range(int(number) - 1, -1, -1):
        try:
            held += rig.content_length(f"{folder}/{msn}.{extension}")
        except urllib.error.HTTPError:
            break
    return held


def main() -> None:
    """Run the rounds and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--kbps", type=int, default=6000, help="of each stream's video")
    parser.add_argument("--seconds", type=float, default=30, help="measured in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-memory", action="store_true", help="processor time only")
    options = parser.parse_args()
    kinds = ("nginx", "TS", "FRAGMENTED_MP4")
    used: dict[str, list[float]] = {kind: [] for kind in kinds}
    with TemporaryDirectory(prefix="headwater-bench-") as made:
        directory = Path(made)
        directory.chmod(0o755)
        source = rig.encode_source(directory / "source.flv", video_kbps=options.kbps)
        for _ in range(options.rounds):
            for kind in kinds:
                used[kind].append(
                    one_round(kind, directory, source, options.streams, options.seconds)
                )
        rows = [
            [
                "nginx, HLS in TS files" if kind == "nginx" else f"Headwater, {kind}",
                rig.spread(used[kind]),
                rig.spread([a / b for a, b in zip(used[kind], used["nginx"], strict=True)]),
            ]
            for kind in kinds
        ]
        title = f"Ingest and packaging, {options.streams} streams of {options.kbps} kb/s"
        header = ["server", "% of a core per stream", "times nginx"]
        rig.print_table(title, header, rows)
        if options.no_memory:
            return
        rows = []
        for kind in kinds[1:]:
            grown, held = memory_per_stream(directory, source, kind, options.streams)
            rows.append([kind, f"{grown:.1f}", f"{held:.1f}", f"{grown - held:+.1f}"])
        header = ["container", "growth, MB", "media held, MB", "beyond it, MB"]
        rig.print_table("Memory per stream, windows full", header, rows)


if __name__ == "__main__":
    main()
