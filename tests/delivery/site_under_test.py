"""A Delivery with one open stream, asked as clients ask."""

import asyncio
import json

from delivery.feed import make_plan, part, segments, started
from headwater.core.http import Request
from headwater.delivery.http import ChannelAddress, Delivery
from headwater.delivery.stream import Announced

CHANNEL = ChannelAddress("us-west-2", "123456789012", "AbCdEf123456")
MASTER = "/api/video/v1/us-west-2.123456789012.channel.AbCdEf123456.m3u8"
RUN = "/v1/RunRunRunRunRun1"
NAME = "720p30"
MEDIA = f"{RUN}/{NAME}"
PLAYLIST = f"{MEDIA}/playlist.m3u8"
NOW_MS = 1_767_323_099_125


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


class Site:
    """A Delivery with one open stream, asked as a client would."""

    def __init__(self, events=(), plan=None, *, concurrent_views=1000, **options):
        self.clock = Clock()
        self.delivery = Delivery(
            self.clock, now_ms=lambda: NOW_MS, concurrent_views=concurrent_views
        )
        self.stream = self.delivery.open(
            CHANNEL, RUN.removeprefix("/v1/"), stream_id="st-1", **options
        )
        self.stream.announce([Announced(name=NAME)])
        if events:
            self.push(plan or make_plan(), *events)

    def push(self, *events):
        for event in events:
            self.stream.push(NAME, event)

    async def get(self, path, query="", *, method="GET", disconnected=None, **headers):
        request = Request(
            method=method,
            path=path,
            query=query,
            headers=[(name.replace("_", "-"), value) for name, value in headers.items()],
            client_address="127.0.0.1",
            disconnected=disconnected,
        )
        return await self.delivery.respond(request)

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
