"""Whatever viewers ask for and however they behave, the server's memory and sockets have bounds."""

import os
import resource
import socket
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace

import pytest

from e2e.harness import publishing, running_server, wait_for, wait_until_live

UNKNOWN_CHANNELS = 10_000
IDLE_CONNECTIONS = 10_000
LEAST_IDLE_CONNECTIONS = 2_000
SPARE_HANDLES = 1_000  # of this process and of the server, for everything else
SLOW_VIEWERS = 50
SLOW_VIEWERS_BYTES = 128 << 20  # half of what they have asked for
LEAVERS = 300
ANSWERED_WITHIN_S = 10
BACK_WITHIN_S = 30
EXTRA_MEMORY_BYTES = 64 << 20
IDLE_CONNECTION_BYTES = 32 << 10  # most per connection; the allocator keeps them for the next
EXTRA_HANDLES = 30


@contextmanager
def open_files_allowed():
    """As many as the system lets us have, for this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE_CONNECTIONS + SPARE_HANDLES
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, wanted)), hard))
    try:
        yield resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def live(tmp_path_factory, source):
    """A server of its own with one low-latency stream; `base` is the stream's folder."""
    with ExitStack() as stack:
        handles = stack.enter_context(open_files_allowed())
        folder = tmp_path_factory.mktemp("bounds") / "data"
        server = stack.enter_context(running_server(folder))
        client = server.ivs()
        made = client.create_channel(insecureIngest=True)
        ingest = server.ingest_url("rtmp", made["streamKey"]["value"])
        stack.enter_context(publishing(source, ingest, loop=True))
        wait_until_live(client, made["channel"]["arn"])
        master = get(made["channel"]["playbackUrl"])
        playlist = next(line for line in master.splitlines() if not line.startswith("#"))
        yield SimpleNamespace(
            address=("127.0.0.1", server.ports["http_port"]),
            playlist=playlist,
            handles=handles,
            pid=server.process.pid,
            url=server.url,
        )


def get(url):
    with urllib.request.urlopen(url, timeout=ANSWERED_WITHIN_S) as answer:
        return answer.read().decode()


def memory_bytes(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def handles(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def edge(live):
    """Number of the newest segment and of the part after the newest one."""
    lines = get(f"{live.url}{live.playlist}").splitlines()
    hint = next(line for line in lines if line.startswith("#EXT-X-PRELOAD-HINT:TYPE=PART"))
    name = hint.rpartition("/")[2]
    msn, part, _ = name.split(".", 2)
    return int(msn), int(part)


def request(path):
    return f"GET {path} HTTP/1.1\r\nHost: headwater\r\n\r\n".encode()


class Viewer(threading.Thread):
    """Someone who watches as players do: waits for each next part, then fetches it."""

    def __init__(self, live):
        super().__init__(daemon=True)
        self.live = live
        self.memory_before = 0
        self.parts = 0
        self.longest_s = 0.0
        self.failure = None
        self.over = threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                self.watch()
        except Exception as error:  # noqa: BLE001 - shown by the test
            self.failure = repr(error)

    def watch(self):
        started = time.monotonic()
        msn, part = edge(self.live)
        base = self.live.playlist.rpartition("/")[0]
        get(f"{self.live.url}{self.live.playlist}?_HLS_msn={msn}&_HLS_part={part}")
        with urllib.request.urlopen(
            f"{self.live.url}{base}/{msn}.{part}.ts", timeout=ANSWERED_WITHIN_S
        ) as answer:
            assert len(answer.read()) > 0
        self.parts += 1
        self.longest_s = max(self.longest_s, time.monotonic() - started)


@pytest.fixture
def watched(live):
    """A normal viewer watches meanwhile, and the server is as it was before, in the end."""
    viewer = Viewer(live)
    viewer.watch()
    viewer.memory_before, handles_before = memory_bytes(live.pid), handles(live.pid)
    viewer.start()
    yield viewer
    parts = viewer.parts
    wait_for(lambda: viewer.failure or viewer.parts > parts + 2, 20, "the viewer to go on")
    viewer.over.set()
    viewer.join(ANSWERED_WITHIN_S)
    assert viewer.failure is None
    assert viewer.longest_s < ANSWERED_WITHIN_S
    wait_for(
        lambda: handles(live.pid) <= handles_before + EXTRA_HANDLES, BACK_WITHIN_S, "sockets to go"
    )
    wait_for(
        lambda: memory_bytes(live.pid) <= viewer.memory_before + EXTRA_MEMORY_BYTES,
        BACK_WITHIN_S,
        "memory to be as it was",
    )


@pytest.mark.usefixtures("watched")
def test_ten_thousand_unknown_channels_leave_nothing_behind(live):
    connection = HTTPConnection(*live.address, timeout=ANSWERED_WITHIN_S)
    for number in range(UNKNOWN_CHANNELS):
        channel = f"us-west-2.000000000000.channel.{number:012d}"
        connection.request("GET", f"/api/video/v1/{channel}.m3u8")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 404
    connection.close()


FAR = 10**9
ABSURD = [
    f"_HLS_msn={FAR}",
    f"_HLS_msn={FAR}&_HLS_part={FAR}",
    "_HLS_msn=" + "9" * 2000,
    "_HLS_msn=-1",
    "_HLS_msn=1.5",
    "_HLS_msn=NaN&_HLS_part=x",
    "_HLS_part=0",
    "_HLS_msn=%D9%A1",
]


@pytest.mark.usefixtures("watched")
def test_an_absurd_position_is_refused_at_once(live):
    connection = HTTPConnection(*live.address, timeout=2)
    for query in ABSURD * 20:
        connection.request("GET", f"{live.playlist}?{query}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 400, query
    connection.close()


def crowd(live, count):
    """So many connections that say nothing, or only begin to."""
    idle = []
    try:
        for number in range(count):
            idle.append(socket.create_connection(live.address, timeout=ANSWERED_WITHIN_S))
            if number % 2:
                idle[-1].sendall(b"GET /")  # and never another byte
        time.sleep(1)
        return memory_bytes(live.pid)
    finally:
        for connection in idle:
            connection.close()


def test_thousands_of_idle_connections_do_not_matter(live, watched):
    count = min(IDLE_CONNECTIONS, live.handles - SPARE_HANDLES)
    if count < LEAST_IDLE_CONNECTIONS:
        pytest.skip(f"the system allows only {live.handles} open files")

    most = crowd(live, count)
    assert most - watched.memory_before < count * IDLE_CONNECTION_BYTES + EXTRA_MEMORY_BYTES

    watched.memory_before = most
    crowd(live, count)  # needs no more than the first one did


def test_viewers_that_read_a_byte_a_second_hold_up_nobody(live, watched):
    base = live.playlist.rpartition("/")[0]
    msn, _ = edge(live)
    slow = []
    try:
        for _ in range(SLOW_VIEWERS):
            viewer = socket.socket()
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            viewer.settimeout(ANSWERED_WITHIN_S)
            viewer.connect(live.address)
            viewer.sendall(request(f"{base}/{msn - 1}.ts") * 20)
            slow.append(viewer)
        for _ in range(3):
            time.sleep(1)
            assert all(len(viewer.recv(1)) == 1 for viewer in slow)
        assert memory_bytes(live.pid) - watched.memory_before < SLOW_VIEWERS_BYTES
    finally:
        for viewer in slow:
            viewer.close()


@pytest.mark.usefixtures("watched")
def test_viewers_that_leave_while_they_wait_leave_nothing_behind(live):
    for _ in range(3):
        msn, part = edge(live)
        waiting = []
        for _ in range(LEAVERS):
            viewer = socket.create_connection(live.address, timeout=ANSWERED_WITHIN_S)
            viewer.sendall(request(f"{live.playlist}?_HLS_msn={msn + 1}&_HLS_part={part}"))
            waiting.append(viewer)
        time.sleep(0.5)
        for viewer in waiting:
            viewer.close()
