"""The recorder with a real spool, database and stores, local and S3, with real faults."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from headwater.core.secret import Secret
from headwater.core.segment import Part
from headwater.media.ladder import FrameRate, Rendition
from headwater.node.recording.destinations import Destinations
from headwater.node.recording.recorder import Recorder
from headwater.node.streams.sessions import SessionLog
from headwater.recording.layout import ThumbnailSize, thumbnail_key
from headwater.recording.objects import Buckets, S3Endpoint
from headwater.store import Store
from headwater.store.records import ChannelRecord, RecordingConfigurationRecord
from recording.faulty import door_to
from recording.live import payloads, stream
from seaweed import KEY, SECRET, running_service

CHANNEL = ChannelRecord(
    id="AbCd12345678",
    region="eu-west-1",
    account="123456789012",
    tags={},
    created_at_ms=0,
    name="demo",
    latency_mode="LOW",
    type="STANDARD",
    authorized=False,
    insecure_ingest=True,
    preset="",
    container_format="TS",
    recording_configuration_arn="arn:aws:ivs:eu-west-1:123456789012:recording-configuration/abcdABCDefgh",
    playback_restriction_policy_arn="",
    ad_configuration_arn="",
    failover_slate_configuration_arn="",
    multitrack_enabled=False,
    multitrack_policy="ALLOW",
    multitrack_maximum_resolution="FULL_HD",
    srt_passphrase=Secret(""),
)
CONFIGURATION = RecordingConfigurationRecord(
    id="abcdABCDefgh",
    region="eu-west-1",
    account="123456789012",
    tags={},
    created_at_ms=0,
    name="",
    bucket_name="vod",
    state="ACTIVE",
    recording_reconnect_window_seconds=0,
    thumbnail_configuration={"recordingMode": "DISABLED"},
    rendition_configuration={},
)
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

    async def start(self):
        self.store = await Store.open(f"sqlite:///{self.folder / 'headwater.db'}")
        self.sessions = SessionLog(self.store, server="one", now_ms=now_ms)
        await self.sessions.start()
        self.recorder = Recorder(
            data_dir=self.folder,
            destinations=Destinations(self.buckets, self.store),
            store=self.store,
            sessions=self.sessions,
            random_bytes=lambda count: bytes((self.streams + n) % 256 for n in range(count)),
            now_ms=now_ms,
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


async def test_a_stream_is_recorded_from_start_to_end(tmp_path):
    events = stream(25)
    async with running(tmp_path) as world:
        one = await world.stream(live=False)
        feed(one, events[:4])
        one.live()
        feed(one, events[4:])
        one.close()
        await world.until("Recording End")
        (row,) = await world.rows()
        deadline = time.monotonic() + SETTLED_S
        while list((tmp_path / "spool").iterdir()):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert world.recorder.budget.used_bytes == 0
        figures = world.recorder.figures
        assert (figures.stored, figures.failures) == (6, 0)
        assert figures.stored_bytes == 2 * len(payloads(events))

    objects = found_in(tmp_path)
    assert joined(objects) == joined(objects, "360p30") == payloads(events)
    ended = json.loads(objects["events/recording-ended.json"])
    assert ended["media"]["hls"]["duration_ms"] == 25_000
    assert [each["path"] for each in ended["media"]["hls"]["renditions"]] == ["720p30", "360p30"]
    assert objects["events/ivs-check"] == b""
    started = json.loads(objects["events/recording-started.json"])
    assert started["media"]["hls"]["renditions"] == ended["media"]["hls"]["renditions"]
    for name in ("720p30", "360p30"):
        assert objects[f"media/hls/{name}/playlist.m3u8"].endswith(b"2.ts\n#EXT-X-ENDLIST\n")
        assert f"media/hls/{name}/byte-range-variant.m3u8" in objects
    assert (row.state, row.duration_ms, row.message) == ("ENDED", 25_000, "")
    assert row.stream_ids == [f"st-{1:023d}"]


async def test_playlists_list_what_is_stored_while_the_stream_runs(tmp_path):
    async with running(tmp_path) as world:
        one = await world.stream()
        feed(one, stream(25)[:-1])
        deadline = time.monotonic() + SETTLED_S
        while b"1.ts" not in found_in(tmp_path).get("media/hls/360p30/playlist.m3u8", b""):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

        objects = found_in(tmp_path)
        assert b"ENDLIST" not in objects["media/hls/720p30/playlist.m3u8"]
        assert b"2.ts" not in objects["media/hls/720p30/playlist.m3u8"]
        assert b"360p30/playlist.m3u8" in objects["media/hls/master.m3u8"]
        one.close()
        await world.until("Recording End")


@pytest.mark.parametrize("stop_at", [4, 40, 76], ids=["at once", "in between", "at the end"])
async def test_a_killed_server_finishes_its_recording_at_the_next_start(tmp_path, stop_at):
    events = stream(25)[:stop_at]
    world = World(tmp_path, local(tmp_path))
    await world.start()
    one = await world.stream()
    feed(one, events)
    await world.until("Recording Start")
    parts = [event for event in events if isinstance(event, Part)]
    await one._recording._work.drained()
    await world.kill()

    async with running(tmp_path, world.buckets) as again:
        again.streams = 1
        await again.until("Recording End")
        (row,) = await again.rows()

    objects = found_in(tmp_path)
    assert joined(objects) == joined(objects, "360p30") == payloads(events)
    assert row.duration_ms == 1000 * len(parts)
    assert json.loads(objects["events/recording-ended.json"])["media"]["hls"]["duration_ms"] == (
        1000 * len(parts)
    )


async def test_the_thumbnails_of_a_killed_server_are_told_and_stored(tmp_path):
    size, made = ThumbnailSize(width=640, height=360), []
    thumbnailer = SimpleNamespace(sequential=lambda: size, latest=lambda: None)

    def make(_wishes, put):
        thumbnailer.push = lambda _: put(thumbnail_key(len(made)), made.append(1) or b"jpeg")
        thumbnailer.close = lambda: asyncio.sleep(0)
        return thumbnailer

    world = World(tmp_path, local(tmp_path), thumbnailers=make)
    await world.start()
    one = await world.stream()
    await world.until("Recording Start")
    (tmp_path / "buckets" / "vod").rename(tmp_path / "away")
    feed(one, stream(3)[:-1], LADDER[:1])
    await one._recording._work.drained()
    for task in list(one._recording._putting):
        await task
    await world.kill()
    (tmp_path / "away").rename(tmp_path / "buckets" / "vod")

    async with running(tmp_path, world.buckets) as again:
        again.streams = 1
        await again.until("Recording End")

    objects = found_in(tmp_path)
    ended = json.loads(objects["events/recording-ended.json"])
    assert ended["media"]["thumbnails"]["resolution_width"] == 640
    assert {key for key in objects if "thumb" in key} == {thumbnail_key(n) for n in range(3)}


async def test_a_server_that_stops_leaves_what_it_cannot_store_to_the_next_start(tmp_path):
    buckets = local(tmp_path)
    events = stream(25)
    async with running(tmp_path, buckets) as world:
        one = await world.stream()
        await world.until("Recording Start")
        (tmp_path / "buckets" / "vod").rename(tmp_path / "away")
        feed(one, events)
        one.close()
        await one.closed()

    (tmp_path / "away").rename(tmp_path / "buckets" / "vod")
    async with running(tmp_path, buckets) as again:
        again.streams = 1
        await again.until("Recording End")
    assert joined(found_in(tmp_path)) == payloads(events)


async def test_a_bucket_that_is_gone_is_a_start_failure_and_the_stream_goes_on(tmp_path):
    async with running(tmp_path) as world:
        (tmp_path / "buckets" / "vod").rmdir()
        one = await world.stream()
        feed(one, stream(12)[:-1])
        await world.until("Recording Start Failure")
        feed(one, stream(3)[1:])  # into nothing
        one.close()
        await one.closed()

        assert not one.is_recorded
        assert list((tmp_path / "spool").iterdir()) == []
        assert "Recording End" not in await world.events()


async def test_a_configuration_that_is_not_active_is_a_start_failure(tmp_path):
    async with running(tmp_path) as world:
        one = await world.stream(replace(CONFIGURATION, state="CREATE_FAILED"))
        feed(one, stream(2))
        await world.until("Recording Start Failure")
        one.close()


async def test_a_stream_that_never_went_live_leaves_nothing(tmp_path):
    async with running(tmp_path) as world:
        one = await world.stream(live=False)
        feed(one, stream(1)[:-1])
        one.close()
        await one.closed()
        assert not [name for name in await world.events() if name.startswith("Recording")]
    assert found_in(tmp_path) == {}
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_full_spool_is_told_as_what_is_missing(tmp_path):
    events = stream(45)
    size_bytes = len(payloads(events[: 1 + 3 * 24]))
    async with running(tmp_path, spool_max_bytes=2 * size_bytes) as world:
        one = await world.stream()
        await world.until("Recording Start")
        (tmp_path / "buckets" / "vod").rename(tmp_path / "away")
        feed(one, events)
        one.close()
        await one.closed()
        (tmp_path / "away").rename(tmp_path / "buckets" / "vod")
        await world.until("Recording End Failure")
        (row,) = await world.rows()

    objects = found_in(tmp_path)
    failed = json.loads(objects["events/recording-failed.json"])
    assert failed["recording_status"] == "RECORDING_ENDED_WITH_FAILURE"
    assert "InternalServerException" in failed["recording_status_message"]
    assert "spool was full" in failed["recording_status_message"]
    (gap,) = failed["media"]["hls"]["renditions"][0]["gaps"]
    assert gap["duration_ms"] == pytest.approx(21_000, abs=1000)
    assert joined(objects) == payloads(events)[: len(joined(objects))]
    assert b"#EXT-X-GAP\n3.ts" in objects["media/hls/720p30/playlist.m3u8"]
    assert b"TOTAL-SECS:45.000" in objects["media/hls/720p30/playlist.m3u8"]
    assert row.state == "FAILED"


async def test_a_recording_that_cannot_be_stored_in_time_fails_and_is_kept_aside(tmp_path):
    async with running(tmp_path, give_up_s=0.5) as world:
        one = await world.stream()
        await world.until("Recording Start")
        (tmp_path / "buckets" / "vod").rename(tmp_path / "away")
        feed(one, stream(12))
        one.close()
        await world.until("Recording End Failure")
        (row,) = await world.rows()
        deadline = time.monotonic() + SETTLED_S
        while list((tmp_path / "spool").iterdir()):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    (kept,) = (tmp_path / "spool-given-up").iterdir()
    assert (kept / "720p30" / "0.ts").exists()
    assert "could not be stored" in row.message


# Merging.


async def test_a_stream_within_the_window_goes_on_with_the_recording(tmp_path):
    first, second = stream(15), stream(12)
    configuration = replace(MERGING, recording_reconnect_window_seconds=3)
    async with running(tmp_path) as world:
        one = await world.stream(configuration)
        feed(one, first)
        one.close()
        await one.closed()
        two = await world.stream(configuration)
        feed(two, second)
        two.close()
        assert "Recording End" not in await world.events(1)
        await world.until("Recording End", 2)
        (row,) = await world.rows()
        assert "Recording End" not in await world.events(1)

    objects = found_in(tmp_path)
    assert joined(objects) == payloads(first) + payloads(second)
    playlist = objects["media/hls/720p30/playlist.m3u8"]
    assert playlist.count(b"#EXT-X-DISCONTINUITY\n") == 1
    assert b"2.ts" in playlist
    assert b"TOTAL-SECS:27.000" in playlist
    assert row.stream_ids == [f"st-{1:023d}", f"st-{2:023d}"]
    assert row.duration_ms == 27_000


async def test_a_stream_that_differs_gets_a_recording_of_its_own(tmp_path):
    async with running(tmp_path) as world:
        one = await world.stream(MERGING)
        feed(one, stream(15))
        one.close()
        await one.closed()
        two = await world.stream(MERGING)
        feed(two, stream(12, text="x" * 100))  # far more than half as many bits again
        await world.until("Recording End", 1)
        await world.until("Recording Start", 2)
        two.close()
        await two.closed()
        assert len(await world.rows()) == 2


async def test_a_killed_recording_is_merged_too_if_the_encoder_is_back_in_time(tmp_path):
    first, second = stream(15, start_ms=now_ms() - 15_000)[:-1], stream(12)
    configuration = replace(MERGING, recording_reconnect_window_seconds=8)
    world = World(tmp_path, local(tmp_path))
    await world.start()
    one = await world.stream(configuration)
    feed(one, first)
    await world.until("Recording Start")
    await one._recording._work.drained()
    await world.kill()

    async with running(tmp_path, world.buckets) as again:
        again.streams = 1
        two = await again.stream(configuration)
        feed(two, second)
        two.close()
        await again.until("Recording End", 2)
    assert joined(found_in(tmp_path)) == payloads(first) + payloads(second)


# S3.


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running_service(tmp_path_factory.mktemp("seaweed"), "vod") as service:
        yield service


@pytest.fixture
def door(service):
    client = service.client()
    for key in service.keys("vod"):
        client.delete_object(Bucket="vod", Key=key)
    with door_to(service.url) as door:
        yield door


def endpoint(url, **changes):
    fields = {
        "url": url,
        "region": "us-east-1",
        "access_key_id": KEY,
        "secret_access_key": Secret(SECRET),
        "force_path_style": True,
    }
    return S3Endpoint(**(fields | changes))


def in_service(service):
    return under_prefix({key: service.get("vod", key) for key in service.keys("vod")})


BIG = "x" * 20_000


async def test_a_recording_goes_to_s3(tmp_path, service, door):
    events = stream(25, text=BIG)
    async with running(tmp_path, Buckets(tmp_path, endpoint(door.url))) as world:
        one = await world.stream()
        feed(one, events)
        one.close()
        await world.until("Recording End")

    objects = in_service(service)
    assert joined(objects) == payloads(events)
    assert "events/recording-ended.json" in objects
    key = next(each for each in service.keys("vod") if each.endswith("720p30/playlist.m3u8"))
    found = service.client().head_object(Bucket="vod", Key=key)
    assert found["ContentType"] == "application/x-mpegURL"


async def test_slow_storage_delays_the_end_and_nothing_else(tmp_path, service, door):
    events = stream(25, text=BIG)
    async with running(tmp_path, Buckets(tmp_path, endpoint(door.url))) as world:
        door.set("slow")
        one = await world.stream()
        feed(one, events)
        one.close()
        await asyncio.wait_for(one.closed(), 5)  # nobody waits for the store
        assert "Recording End" not in await world.events()
        await world.until("Recording End")

    assert joined(in_service(service)) == payloads(events)


@pytest.mark.parametrize("fault", ["shut", "busy", "half"])
async def test_a_recording_catches_up_when_its_storage_is_back(tmp_path, service, door, fault):
    events = stream(35, text=BIG)
    async with running(tmp_path, Buckets(tmp_path, endpoint(door.url))) as world:
        one = await world.stream()
        await world.until("Recording Start")
        feed(one, events[:40])
        door.set(fault)
        feed(one, events[40:])
        one.close()
        await asyncio.wait_for(one.closed(), 5)  # nobody waits for the store
        seen = door.seen
        deadline = time.monotonic() + SETTLED_S
        while door.seen < seen + 3:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert "Recording End" not in await world.events()
        door.set("open")
        await world.until("Recording End")

    objects = in_service(service)
    assert joined(objects) == joined(objects, "360p30") == payloads(events)
    assert b"GAP" not in objects["media/hls/720p30/playlist.m3u8"]


async def test_storage_that_is_away_at_the_start_delays_nothing(tmp_path, service, door):
    events = stream(15)
    async with running(tmp_path, Buckets(tmp_path, endpoint(door.url))) as world:
        door.set("shut")
        one = await world.stream()
        feed(one, events)
        one.close()
        await world.until("Recording Start")
        door.set("open")
        await world.until("Recording End")
    objects = in_service(service)
    assert joined(objects) == payloads(events)
    assert "events/ivs-check" in objects
    assert "events/recording-started.json" in objects


async def test_storage_that_refuses_is_a_start_failure(tmp_path, door):
    wrong = endpoint(door.url, access_key_id="AKWRONGWRONGWRONG000")
    async with running(tmp_path, Buckets(tmp_path, wrong)) as world:
        one = await world.stream()
        feed(one, stream(2))
        await world.until("Recording Start Failure")
        one.close()
