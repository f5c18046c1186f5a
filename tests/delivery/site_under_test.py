"""A Delivery with one open stream, asked as clients ask."""

import asyncio
import json
import random
from http import HTTPStatus

from delivery.feed import make_plan, part, segments, started
from headwater.core.http import Request
from headwater.delivery.address import ChannelAddress
from headwater.delivery.admission import Denied, Grant
from headwater.delivery.http import Delivery
from headwater.delivery.quota import ViewQuota
from headwater.delivery.stream import Announced

CHANNEL = ChannelAddress("us-west-2", "123456789012", "AbCdEf123456")
MASTER = "/api/video/v1/us-west-2.123456789012.channel.AbCdEf123456.m3u8"
RUN = "/v1/RunRunRunRunRun1"
NAME = "720p30"
MEDIA = f"{RUN}/{NAME}"
SESSION = f"{RUN}/FirstFirstFirstFirst12/{NAME}"
PLAYLIST = f"{SESSION}/playlist.m3u8"
NOW_MS = 1_767_323_099_125


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


class Gate:
    """An Admission that lets in as it is told to, and then refuses as it is told to."""

    def __init__(self, grant=None):
        self.grant = grant or Grant()
        self.reason = None
        self.asked = []

    async def admit(self, request, channel, *, closed):
        assert channel == CHANNEL
        self.asked.append(("admit", request.path, request.query))
        await asyncio.sleep(0)
        return self.grant if isinstance(self.grant, Denied) else closed() or self.grant

    def denies(self, request, channel, grant):
        assert channel == CHANNEL
        self.asked.append(("denies", request.path, grant))
        return self.reason


REVOKED = Denied(status=HTTPStatus.FORBIDDEN, code="viewer_revoked", text="revoked")


class Site:
    """A Delivery with one open stream, asked as a client would; a viewer has been let in."""

    def __init__(
        self, events=(), plan=None, *, concurrent_views=1000, gate=None, grant=None, **options
    ):
        self.clock = Clock()
        self.breaches = []
        self.delivery = Delivery(
            self.clock,
            now_ms=lambda: NOW_MS,
            random_bytes=random.Random(1).randbytes,  # noqa: S311 - the same ids each time
            quota=ViewQuota(
                concurrent_views,
                now_s=self.clock,
                breached=lambda channel, views: self.breaches.append((channel, views)),
            ),
            admission=gate or Gate(),
        )
        self.stream = self.delivery.open(
            CHANNEL, RUN.removeprefix("/v1/"), stream_id="st-1", **options
        )
        self.stream.announce([Announced(name=NAME)])
        grant = grant or Grant()
        audience = self.stream.let_in(grant)
        self.session = self.stream.sessions.begin(
            SESSION.split("/")[3], grant, audience, "127.0.0.1"
        )
        if events:
            self.push(plan or make_plan(), *events)

    def push(self, *events):
        for event in events:
            self.stream.push(NAME, event)

    async def get(
        self, path, query="", *, method="GET", disconnected=None, client="127.0.0.1", **headers
    ):
        request = Request(
            method=method,
            path=path,
            query=query,
            headers=[(name.replace("_", "-"), value) for name, value in headers.items()],
            client_address=client,
            disconnected=disconnected,
        )
        return await self.delivery.respond(request)

    async def join(self, query="", **options):
        """A new viewer's multivariant playlist: the paths of the media playlists it names."""
        response = await self.get(MASTER, query, **options)
        assert response.status == 200
        return [line for line in response.body.decode().splitlines() if line.startswith("/")]

    async def ask(self, path, query="", **options):
        """A request in the background, as far as it can get now."""
        task = asyncio.create_task(self.get(path, query, **options))
        await turn()
        return task


async def turn():
    """Let all that can run now run."""
    for _ in range(5):
        await asyncio.sleep(0)


def header(response, name):
    values = [value for key, value in response.headers if key == name]
    assert len(values) <= 1, name
    return values[0] if values else None


def error_code(response):
    (error,) = json.loads(response.body)
    assert set(error) == {"url", "error", "error_code", "type"}
    assert error["type"] == "error"
    return error["error_code"]


OPEN = [*segments(0, 4), started(5), part(5, 0), part(5, 1)]
