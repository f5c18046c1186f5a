"""What the benchmarks share: the peer (nginx), sources, processor time, pinning, tables.

Processor time and memory come from /proc, so these run on Linux only. Servers under test
are separate processes, reached as any client reaches them.
"""

import os
import re
import shutil
import socket
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from e2e.harness import FFMPEG, Server, wait_for

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin") or "nginx"
NGINX_MODULES = Path("/usr/lib/nginx/modules")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
START_S = 10.0


# --- sources ---


def encode_source(
    path: Path, *, video_kbps: int, seconds: int = 20, size: str = "1280x720", fps: int = 30
) -> Path:
    """A noisy test picture at a steady rate, key frames each second, and a tone, as FLV."""
    picture = f"testsrc2=size={size}:rate={fps}:duration={seconds},noise=alls=30:allf=t"
    rate = f"{video_kbps}k"
    subprocess.run(
        [
            *FFMPEG, "-y",
            "-f", "lavfi", "-i", picture,
            "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={seconds}",
            "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-pix_fmt", "yuv420p",
            "-g", str(fps), "-sc_threshold", "0",
            "-b:v", rate, "-maxrate", rate, "-bufsize", rate,
            "-c:a", "aac", "-b:a", "128k", "-ac", "2",
            str(path),
        ],
        check=True,
    )  # fmt: skip
    return path


@contextmanager
def sending(source: Path, urls: Sequence[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One ffmpeg for each URL sends the file in real time, over and over, as it is."""
    command = [*FFMPEG, "-re", "-stream_loop", "-1", "-i", str(source), "-c", "copy", "-f", "flv"]
    senders: list[subprocess.Popen[bytes]] = []
    try:
        for url in urls:
            senders.append(subprocess.Popen([*command, url], stderr=subprocess.DEVNULL))
            time.sleep(0.1)  # spread over the GOP, as real encoders are
        yield senders
    finally:
        for sender in senders:
            sender.terminate()  # it says that it stops; the stream of a killed one would wait
        for sender in senders:
            sender.wait()


def make_channels(server: Server, count: int, container: str = "TS") -> list[dict[str, Any]]:
    """Channels that take plain RTMP; each answer has `channel` and `streamKey`."""
    ivs = server.ivs()
    return [
        ivs.create_channel(insecureIngest=True, containerFormat=container) for _ in range(count)
    ]


def ingest_urls(server: Server, channels: Sequence[dict[str, Any]]) -> list[str]:
    """Where the channels' encoders publish."""
    return [server.ingest_url("rtmp", made["streamKey"]["value"]) for made in channels]


# --- what players fetch ---


def newest(server: Server, playback_url: str) -> tuple[str, str]:
    """Paths of the media playlist and of its newest part."""
    path = playback_path(playback_url)
    playlist = next(
        line for line in fetch(server.url + path).decode().splitlines() if line.startswith("/v1/")
    )
    parts = re.findall(r'EXT-X-PART:.*URI="([^"]+)"', fetch(server.url + playlist).decode())
    return playlist, urljoin(playlist, parts[-1])


def playback_path(playback_url: str) -> str:
    """The path of a multivariant playlist."""
    return playback_url[playback_url.index("/api/") :]


def fetch(url: str) -> bytes:
    """A body."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own server's
        body: bytes = answer.read()
    return body


def content_length(url: str) -> int:
    """What HEAD says.

    Raises:
        urllib.error.HTTPError: there is no such thing.
    """
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - our own server's
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return int(answer.headers["content-length"])


# --- the peer ---


@dataclass
class Peer:
    """A running nginx with one worker."""

    process: subprocess.Popen[bytes]
    directory: Path
    port: int
    tls_port: int = 0

    @property
    def pids(self) -> list[int]:
        """The master and its worker."""
        return [self.process.pid, *children(self.process.pid)]


@contextmanager
def running_nginx(directory: Path, blocks: str, *, port: int, tls_port: int = 0) -> Iterator[Peer]:
    """Run nginx in the foreground with everything it writes below `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o777)  # the worker runs as another user where the master is root
    rtmp = NGINX_MODULES / "ngx_rtmp_module.so"
    config = directory / "nginx.conf"
    config.write_text(
        f"""
        daemon off;
        worker_processes 1;
        worker_rlimit_nofile 16384;
        pid {directory}/nginx.pid;
        error_log {directory}/error.log warn;
        {f"load_module {rtmp};" if rtmp.exists() else ""}
        events {{ worker_connections 8192; }}
        {blocks}
        """
    )
    command = [NGINX, "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(config)]
    process = subprocess.Popen(command)
    try:
        wait_until_listening(port)
        yield Peer(process, directory, port, tls_port)
    finally:
        process.terminate()
        process.wait(10)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    with ExitStack() as stack:
        socks = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in socks:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in socks]


def wait_until_listening(port: int) -> None:
    """Wait for a server of this machine."""
    wait_for(lambda: _answers(port), START_S, f"a server on port {port}")


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


# --- processes, by /proc ---


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def cpu_s(*pids: int) -> float:
    """User and system time of processes with all their threads, in seconds."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_S


def rss_bytes(pid: int) -> int:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def open_files(pid: int) -> int:
    """Open file descriptors."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def pin(pid: int, core: int) -> None:
    """Keep all threads of a process on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


# --- figures ---


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median, and the lowest and highest in brackets."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table in Markdown, with what else kept the machine busy."""
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    print(f"\n{title}  [{os.cpu_count()} cores, load averages {load}]\n")
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)
