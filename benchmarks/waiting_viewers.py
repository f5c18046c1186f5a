"""Thousands of viewers blocked on one rendition, released together by each part.

ffmpeg sends a stream to a server that says when each part reached delivery
(benchmarks/observed.py). The viewers, one epoll loop in this process, hold one connection
each and ask for the next playlist (gzip, `_HLS_msn` and `_HLS_part`) as soon as they have
one.

Measured: from the part being ready to the arrival of the last byte of each viewer's
answer, by the kernel's time stamp on the viewer's socket, so that the viewers' own queue
does not count. Viewers that come back after their part was ready are counted apart: they
were not blocked.
"""

import argparse
import json
import re
import resource
import select
import socket
import struct
import sys
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import rig

from e2e.harness import Server, running_server, wait_until_live

HINT = re.compile(rb'PRELOAD-HINT:TYPE=PART,URI="(?:[^"]*/)?(\d+)\.(\d+)\.ts"')
LENGTH = re.compile(rb"content-length: (\d+)\r\n", re.IGNORECASE)
SO_TIMESTAMPNS = 35  # Linux; Python names it only from 3.14 on
STAMP = struct.Struct("qq")
RECEIVE_BYTES = 16_384


OBSERVED = str(Path(__file__).with_name("observed.py"))

Wanted = tuple[int, int]
"""A segment's media sequence number and the index of a part within it."""


@dataclass
class Viewer:
    """One connection, and the part it asked for."""

    sock: socket.socket
    asked: Wanted | None = None  # None: the plain playlist
    asked_ns: int = 0
    received: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Answer:
    """The playlist with a part: who had to wait for it, and when it had arrived."""

    wanted: Wanted
    asked_ns: int
    arrived_ns: int


class Crowd:
    """Viewers on one epoll loop."""

    def __init__(self, port: int, path: str, count: int) -> None:
        self.answers: list[Answer] = []
        self._path = path
        self._asked = False
        self._epoll = select.epoll()
        self._viewers: dict[int, Viewer] = {}
        self._next_part: dict[bytes, Wanted] = {}  # by body: the same for all who were released
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.setblocking(False)  # noqa: FBT003
            self._viewers[sock.fileno()] = Viewer(sock)
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def watch(self, seconds: float) -> None:
        """Ask and take answers for so long."""
        if not self._asked:
            self._asked = True
            for viewer in self._viewers.values():
                self._ask(viewer, None)
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            for descriptor, _ in self._epoll.poll(left_s):
                self._receive(self._viewers[descriptor])

    def close(self) -> None:
        """Hang up."""
        for viewer in self._viewers.values():
            viewer.sock.close()
        self._epoll.close()

    def _ask(self, viewer: Viewer, wanted: Wanted | None) -> None:
        viewer.asked = wanted
        query = f"?_HLS_msn={wanted[0]}&_HLS_part={wanted[1]}" if wanted else ""
        head = f"GET {self._path}{query} HTTP/1.1\r\nhost: bench\r\naccept-encoding: gzip\r\n\r\n"
        viewer.asked_ns = time.time_ns()
        viewer.sock.send(head.encode())

    def _receive(self, viewer: Viewer) -> None:
        data, control, _, _ = viewer.sock.recvmsg(RECEIVE_BYTES, 64)
        if not data:
            raise SystemExit("the server closed a connection")
        viewer.received += data
        head, found, body = bytes(viewer.received).partition(b"\r\n\r\n")
        length = LENGTH.search(head + b"\r\n")
        if not found or length is None or len(body) < int(length[1]):
            return
        viewer.received.clear()
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"unexpected answer: {head!r}")
        seconds, nanoseconds = STAMP.unpack(control[0][2])
        arrived_ns = seconds * 1_000_000_000 + nanoseconds
        if viewer.asked is not None:
            self.answers.append(Answer(viewer.asked, viewer.asked_ns, arrived_ns))
        self._ask(viewer, self._following(body))

    def _following(self, body: bytes) -> Wanted:
        """The part that the playlist hints at."""
        wanted = self._next_part.get(body)
        if wanted is None:
            hint = HINT.search(zlib.decompress(body, wbits=31))
            if hint is None:
                raise SystemExit("a playlist without a hint")
            wanted = self._next_part[body] = int(hint[1]), int(hint[2])
        return wanted


def parts_ready_ns(server: Server) -> dict[Wanted, int]:
    """When each part was ready (Unix ns); one past a segment's end is the next one's first."""
    lines = [json.loads(line) for line in list(server.log) if '"ready_ns"' in line]
    ready = {(line["msn"], line["index"]): int(line["ready_ns"]) for line in lines}
    return {(msn - 1, index): at for (msn, _), at in ready.items() for index in range(20)} | ready


def one_round(server: Server, path: str, viewers: int, seconds: float) -> list[str]:
    """A row of the table."""
    crowd = Crowd(server.ports["http_port"], path, viewers)
    crowd.watch(2)  # connections and code are warm
    crowd.answers.clear()
    used_s = rig.cpu_s(server.process.pid)
    crowd.watch(seconds)
    used_s = rig.cpu_s(server.process.pid) - used_s
    crowd.close()
    ready_ns = parts_ready_ns(server)
    blocked = [each for each in crowd.answers if each.asked_ns < ready_ns[each.wanted]]
    delays_ms = [(each.arrived_ns - ready_ns[each.wanted]) / 1e6 for each in blocked]
    return [
        str(viewers),
        f"{rig.percentile(delays_ms, 0.5):.0f}",
        f"{rig.percentile(delays_ms, 0.99):.0f}",
        f"{max(delays_ms):.0f}",
        f"{len(crowd.answers) / seconds:.0f}",
        f"{100 * len(blocked) / len(crowd.answers):.1f}",
        f"{100 * used_s / seconds:.0f}",
    ]


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--viewers", type=int, nargs="+", default=[1000, 2500, 5000])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the server inherits it
    with TemporaryDirectory(prefix="headwater-bench-") as made:
        directory = Path(made)
        source = rig.encode_source(directory / "source.flv", video_kbps=800, size="640x360")
        with running_server(directory / "data", program=(sys.executable, OBSERVED)) as server:
            channels = rig.make_channels(server, 1)
            with rig.sending(source, rig.ingest_urls(server, channels)):
                wait_until_live(server.ivs(), channels[0]["channel"]["arn"])
                time.sleep(24)  # a playlist of usual length
                path, _ = rig.newest(server, channels[0]["channel"]["playbackUrl"])
                rows = [
                    one_round(server, path, viewers, options.seconds)
                    for viewers in options.viewers
                    for _ in range(options.rounds)
                ]
    header = [
        "viewers", "p50, ms", "p99, ms", "worst, ms", "answers a second",
        "% that waited", "server, % of a core",
    ]  # fmt: skip
    rig.print_table("Viewers released together by each part", header, rows)


if __name__ == "__main__":
    main()
