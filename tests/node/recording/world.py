"""A recorder with a real spool, database and store, and streams for it, made up."""

import asyncio
import os
import time
from contextlib import asynccontextmanager

from msgspec.structs import replace

from headwater.media.ladder import FrameRate, Rendition
from headwater.node.recording.destinations import Destinations
from headwater.node.recording.recorder import Recorder
from headwater.node.streams.sessions import SessionLog
from headwater.recording.objects import Buckets
from headwater.store import Store
from store.rows import channel, recording_configuration

CHANNEL = channel(id="AbCd12345678", name="demo", insecure_ingest=True)
CONFIGURATION = recording_configuration(thumbnail_configuration={"recordingMode": "DISABLED"})
RENDITION = Rendition(name="720p30", width=1280, height=720, frame_rate=FrameRate(30))
LADDER = (RENDITION, replace(RENDITION, name="360p30", width=640, height=360))
MERGING = replace(CONFIGURATION, recording_reconnect_window_seconds=300)
SETTLED_S = 30


class World:
    """A recorder and what it works with; `again` is its next start."""

    def __init__(self, folder, buckets, **wishes):
        self.folder = folder
        self.buckets = buckets
        self.wishes = {
            "spool_max_bytes": 1 << 30,
            "give_up_s": 30.0,
            "thumbnailers": lambda _wishes, _put: None,
        } | wishes
        self.streams = 0
        self.ahead_ms = 0  # of the clock

    def now_ms(self):
        return now_ms() + self.ahead_ms

    async def start(self):
        self.store = await Store.open(f"sqlite:///{self.folder / 'headwater.db'}")
        self.sessions = SessionLog(self.store, server="one", now_ms=now_ms)
        await self.sessions.start()
        self.recorder = Recorder(
            data_dir=self.folder,
            destinations=Destinations(self.buckets, self.store),
            store=self.store,
            sessions=self.sessions,
            random_bytes=os.urandom,
            now_ms=self.now_ms,
            **self.wishes,
        )
        await self.recorder.start()

    async def stop(self):
        await self.recorder.close()
        await self.sessions.close()
        await self.store.close()

    async def kill(self):
        """As SIGKILL: nothing is flushed, told or stored any more."""
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task() and "pytest" not in repr(task):
                task.cancel()
        await asyncio.sleep(0.1)
        await self.store.close()

    async def stream(self, configuration=CONFIGURATION, ladder=LADDER, *, live=True):
        self.streams += 1
        stream_id = f"st-{self.streams:023d}"
        session = self.sessions.session(CHANNEL, stream_id)
        async with self.store.read() as work:
            await session.begin(work, now_ms())
        self.session = session  # kept as long as the stream's broadcast would keep it
        one = self.recorder.stream(CHANNEL, configuration, stream_id)
        one.announce(ladder, [])
        if live:
            one.live()
        return one

    async def events(self, number=None):
        async with self.store.read() as work:
            session = await work.sessions.find(f"st-{number or self.streams:023d}")
        return [event["name"] for event in reversed(session.events)] if session else []

    async def until(self, name, number=None):
        """Wait for that event."""
        deadline = time.monotonic() + SETTLED_S
        while name not in await self.events(number):
            assert time.monotonic() < deadline, await self.events(number)
            await asyncio.sleep(0.05)

    async def rows(self):
        async with self.store.read() as work:
            return await work.recordings.page(CHANNEL.scope, CHANNEL.id, limit=10, before=None)


def now_ms():
    return time.time_ns() // 1_000_000


def feed(one, events, ladder=LADDER):
    for event in events:
        for rendition in ladder:
            one.push(rendition.name, event)


def local(folder):
    (folder / "buckets" / "vod").mkdir(parents=True)
    return Buckets(folder / "buckets", None)


def under_prefix(objects):
    """Objects by key below their prefix."""
    return {key.split("/", 10)[-1]: body for key, body in objects.items()}


@asynccontextmanager
async def running(folder, buckets=None, **wishes):
    world = World(folder, buckets or local(folder), **wishes)
    await world.start()
    try:
        yield world
    finally:
        await world.stop()


def found_in(folder):
    root = folder / "buckets" / "vod"
    return under_prefix(
        {
            str(each.relative_to(root)): each.read_bytes()
            for each in root.rglob("*")
            if each.is_file()
        }
    )


def joined(objects, name="720p30"):
    numbers = sorted(
        int(key.split("/")[-1].removesuffix(".ts"))
        for key in objects
        if key.startswith(f"media/hls/{name}/") and key.endswith(".ts")
    )
    return b"".join(objects[f"media/hls/{name}/{number}.ts"] for number in numbers)
