"""Delivery for each second of processor time, beside nginx serving the same bytes from files.

A live stream's part (about 150 kB) and playlist (plain and gzip), over HTTP/1.1 keep-alive
(wrk) and over TLS with HTTP/2 (h2load). The server under test runs on one core, the load
and the encoder on another; rounds alternate. The ratio compares requests for each second
of processor time that the server used, which other work on the machine disturbs least;
requests a second stand beside it. nginx has sendfile, gzip_static and an open file cache,
and sends the headers that browsers' players need. The floor beside them is Headwater's HTTP
server with a handler that does nothing but answer (benchmarks/floor.py).
"""

import argparse
import gzip
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import rig

from e2e.harness import Server, running_server, wait_until_live

SERVER_CORE, LOAD_CORE = 0, 1
VIDEO_KBPS = 3500  # parts of a third of a second are then about 150 kB
CIPHER = ("--tls13-ciphers", "TLS_AES_128_GCM_SHA256")  # the same for both servers
GZIP = ("-H", "Accept-Encoding: gzip")
FLOOR = Path(__file__).with_name("floor.py")


@dataclass(frozen=True)
class Case:
    """One kind of request."""

    name: str
    h2: bool
    file: str  # "part" or "playlist"
    gzipped: bool = False


CASES = [
    Case("part of 150 kB, HTTP/1.1", h2=False, file="part"),
    Case("playlist, HTTP/1.1", h2=False, file="playlist"),
    Case("playlist in gzip, HTTP/1.1", h2=False, file="playlist", gzipped=True),
    Case("part of 150 kB, TLS and HTTP/2", h2=True, file="part"),
    Case("playlist, TLS and HTTP/2", h2=True, file="playlist"),
    Case("playlist in gzip, TLS and HTTP/2", h2=True, file="playlist", gzipped=True),
]


@dataclass(frozen=True)
class Result:
    """What one run of load saw."""

    per_s: float
    per_cpu_s: float
    busy: float  # the server's share of its core


def under_load(case: Case, url: str, pids: list[int], seconds: int) -> Result:
    """Ask for one URL as fast as it goes."""
    extra = GZIP if case.gzipped else ()
    if case.h2:
        command = ["h2load", "-D", str(seconds), "-c", "16", "-m", "8", *CIPHER, *extra, url]
    else:
        command = ["wrk", "-t", "1", "-c", "64", "-d", f"{seconds}s", *extra, url]
    start_s, before_s = time.monotonic(), rig.cpu_s(*pids)
    done = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), *command], capture_output=True, text=True, check=True
    )
    elapsed_s, used_s = time.monotonic() - start_s, rig.cpu_s(*pids) - before_s
    if case.h2:
        failed = not re.search(r"status codes: [1-9]\d* 2xx, 0 3xx, 0 4xx, 0 5xx", done.stdout)
        found = re.search(r", (\d+) succeeded, ", done.stdout)
    else:
        failed = "Non-2xx" in done.stdout
        found = re.search(r"(\d+) requests in", done.stdout)
    if failed or found is None or found[1] == "0":
        raise SystemExit(f"the load failed:\n{done.stdout}{done.stderr}")
    requests = int(found[1])
    return Result(requests / seconds, requests / used_s, used_s / elapsed_s)


def nginx_blocks(root: Path, data_dir: Path, port: int, tls_port: int) -> str:
    """A file server as one would tune it for HLS, with Headwater's certificate."""
    temporary = "\n".join(
        f"{kind}_temp_path {root}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
    http {{
        {temporary}
        access_log off;
        sendfile on;
        tcp_nopush on;
        gzip_static on;
        keepalive_requests 100000000;
        open_file_cache max=1000 inactive=60s;
        types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
        add_header Cache-Control max-age=3600;
        add_header Access-Control-Allow-Origin *;
        server {{
            listen 127.0.0.1:{port};
            listen 127.0.0.1:{tls_port} ssl http2;
            ssl_protocols TLSv1.2 TLSv1.3;
            ssl_certificate {data_dir}/certificate.pem;
            ssl_certificate_key {data_dir}/certificate-key.pem;
            root {root};
        }}
    }}
    """


@contextmanager
def running_floor(root: Path, data_dir: Path) -> Iterator[rig.Peer]:
    """The bare HTTP server on nginx's files."""
    port, tls_port = rig.free_ports(2)
    files = [root, data_dir / "certificate.pem", data_dir / "certificate-key.pem"]
    process = subprocess.Popen([sys.executable, FLOOR, str(port), str(tls_port), *files])
    try:
        rig.wait_until_listening(port)
        rig.wait_until_listening(tls_port)
        yield rig.Peer(process, root, port, tls_port)
    finally:
        process.kill()
        process.wait()


def all_three(
    case: Case, server: Server, peer: rig.Peer, floor: rig.Peer, playback_url: str, *, seconds: int
) -> list[Result]:
    """The same request to nginx, to Headwater, and to Headwater's floor."""
    playlist, part = rig.newest(server, playback_url)
    path = part if case.file == "part" else playlist
    body = rig.fetch(server.url + path)
    # A name of its own each time: nginx's open file cache remembers sizes.
    suffix = "ts" if case.file == "part" else "m3u8"
    file = peer.directory / f"{case.file}-{time.monotonic_ns()}.{suffix}"
    file.write_bytes(body)
    if case.file == "playlist":
        Path(f"{file}.gz").write_bytes(gzip.compress(body, mtime=0))
    base = f"{'https' if case.h2 else 'http'}://127.0.0.1"
    peer_port, floor_port = (at.tls_port if case.h2 else at.port for at in (peer, floor))
    port = server.ports["https_port" if case.h2 else "http_port"]
    bare = f"{base}:{floor_port}/{file.name}{'.gz' if case.gzipped else ''}"
    return [
        under_load(case, f"{base}:{peer_port}/{file.name}", peer.pids, seconds),
        under_load(case, f"{base}:{port}{path}", [server.process.pid], seconds),
        under_load(case, bare, floor.pids, seconds),
    ]


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5, help="of load in each run")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seen: dict[str, list[list[Result]]] = {case.name: [] for case in CASES}
    with TemporaryDirectory(prefix="headwater-bench-") as made:
        directory = Path(made)
        directory.chmod(0o755)
        source = rig.encode_source(directory / "source.flv", video_kbps=VIDEO_KBPS)
        port, tls_port = rig.free_ports(2)
        root = directory / "nginx"
        with running_server(directory / "data") as server:
            blocks = nginx_blocks(root, server.data_dir, port, tls_port)
            channels = rig.make_channels(server, 1)
            with (
                rig.running_nginx(root, blocks, port=port, tls_port=tls_port) as peer,
                running_floor(root, server.data_dir) as floor,
                rig.sending(source, rig.ingest_urls(server, channels)) as senders,
            ):
                wait_until_live(server.ivs(), channels[0]["channel"]["arn"])
                time.sleep(20)  # a playlist of usual length
                for pid in (server.process.pid, *peer.pids, *floor.pids):
                    rig.pin(pid, SERVER_CORE)
                rig.pin(senders[0].pid, LOAD_CORE)
                os.sched_setaffinity(0, {LOAD_CORE})
                url = channels[0]["channel"]["playbackUrl"]
                for _ in range(options.rounds):
                    for case in CASES:
                        results = all_three(case, server, peer, floor, url, seconds=options.seconds)
                        seen[case.name].append(results)
    rows = []
    for name, rounds in seen.items():
        ratios = [ours.per_cpu_s / theirs.per_cpu_s for theirs, ours, _ in rounds]
        plain = [ours.per_s / theirs.per_s for theirs, ours, _ in rounds]
        rows.append(
            [
                name,
                rig.spread([theirs.per_cpu_s for theirs, _, _ in rounds], 0),
                rig.spread([ours.per_cpu_s for _, ours, _ in rounds], 0),
                rig.spread([floor.per_cpu_s for _, _, floor in rounds], 0),
                rig.spread(ratios),
                rig.spread([ours.per_cpu_s / floor.per_cpu_s for _, ours, floor in rounds]),
                rig.spread(plain),
                rig.spread([ours.busy for _, ours, _ in rounds]),
            ]
        )
    header = [
        "request", "nginx, per CPU second", "Headwater, per CPU second", "floor, per CPU second",
        "times nginx", "times the floor", "in requests a second", "our core busy",
    ]  # fmt: skip
    rig.print_table("Delivery by one core", header, rows)


if __name__ == "__main__":
    main()
