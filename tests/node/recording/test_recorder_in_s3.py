"""The recorder with a real S3 service, behind a door that is slow, shut, busy or breaks off."""

import asyncio
import time

import pytest

from headwater.core.secret import Secret
from headwater.recording.objects import Buckets, S3Endpoint
from node.recording.world import SETTLED_S, feed, joined, running, under_prefix
from recording.faulty import door_to
from recording.live import payloads, stream
from seaweed import KEY, SECRET, running_service


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
