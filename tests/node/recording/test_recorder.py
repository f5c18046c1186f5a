"""The recorder with a real spool, database and local store, with real faults."""

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from headwater.core.segment import Part
from headwater.recording.layout import ThumbnailSize, thumbnail_key
from headwater.recording.selection import MAX_RECORDING_MS
from node.recording.world import (
    CONFIGURATION,
    LADDER,
    MERGING,
    SETTLED_S,
    World,
    feed,
    found_in,
    joined,
    local,
    now_ms,
    running,
)
from recording.live import payloads, stream


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


# 48 hours.


async def full_world(world, first, second):
    """A stream that reaches the 48 hours of its recording; its slower rendition comes later."""
    one = await world.stream()
    await world.until("Recording Start")
    world.ahead_ms = MAX_RECORDING_MS - 12_000
    begun_ms = one._recording.opened.started_at_ms
    events = stream(25, start_ms=begun_ms + world.ahead_ms)
    assert (payloads(events[: 1 + 3 * 12]), payloads(events[1 + 3 * 12 :])) == (first, second)
    for rendition in LADDER:
        feed(one, events[: 1 + 3 * 8], [rendition])
    feed(one, events[1 + 3 * 8 : 1 + 3 * 13], LADDER[:1])
    deadline = time.monotonic() + SETTLED_S
    while one._recording is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    feed(one, events[1 + 3 * 13 :], LADDER[:1])
    feed(one, events[1 + 3 * 8 :], LADDER[1:])
    return one


def recordings_in(folder):
    """Each recording's objects, oldest first."""
    found = []
    root = folder / "buckets" / "vod"
    for check in root.rglob("events/ivs-check"):
        top = check.parents[1]
        files = [each for each in top.rglob("*") if each.is_file()]
        found.append({str(each.relative_to(top)): each.read_bytes() for each in files})
    started = "media/hls/720p30/playlist.m3u8"
    return sorted(found, key=lambda each: each[started].split(b"DATE-TIME:")[1])


FIRST = payloads(stream(12))
SECOND = payloads(stream(25))[len(FIRST) :]


async def test_a_recording_of_48_hours_ends_and_the_stream_goes_on_in_a_new_one(tmp_path):
    async with running(tmp_path) as world:
        one = await full_world(world, FIRST, SECOND)
        await world.until("Recording End")
        assert one.is_recorded
        one.close()
        await one.closed()
        deadline = time.monotonic() + SETTLED_S
        while list((tmp_path / "spool").iterdir()):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        events = [name for name in await world.events() if name.startswith("Recording")]
        rows = await world.rows()

    assert sorted(events) == ["Recording End"] * 2 + ["Recording Start"] * 2
    assert sorted(row.duration_ms for row in rows) == [12_000, 13_000]
    assert {tuple(row.stream_ids) for row in rows} == {(f"st-{1:023d}",)}
    assert len({row.prefix for row in rows}) == 2
    for objects, media in zip(recordings_in(tmp_path), (FIRST, SECOND), strict=True):
        assert joined(objects) == joined(objects, "360p30") == media
        ended = json.loads(objects["events/recording-ended.json"])
        assert ended["media"]["hls"]["duration_ms"] == 1000 * media.count(b"<")
        for name in ("720p30", "360p30"):
            playlist = objects[f"media/hls/{name}/playlist.m3u8"]
            assert playlist.endswith(b"1.ts\n#EXT-X-ENDLIST\n")
            assert b"DISCONTINUITY" not in playlist


async def test_the_thumbnails_of_the_next_recording_begin_anew(tmp_path):
    asked = []

    def make(wishes, _put):
        asked.append((wishes.first_number, wishes.next_at_ms, []))
        return SimpleNamespace(
            push=lambda frame, seen=asked[-1][2]: seen.append((frame.rendition, frame.at_ms)),
            sequential=lambda: None,
            latest=lambda: None,
            close=lambda: asyncio.sleep(0),
        )

    async with running(tmp_path, thumbnailers=make) as world:
        one = await full_world(world, FIRST, SECOND)
        one.close()
        await world.until("Recording End")

    assert [(number, at_ms) for number, at_ms, _ in asked] == [(0, 0), (0, 0)]
    (_, _, first), (_, _, second) = asked
    assert [at_ms for name, at_ms in first if name == "720p30"] == [1000 * n for n in range(12)]
    for name in ("720p30", "360p30"):
        assert [at_ms for each, at_ms in second if each == name] == [1000 * n for n in range(13)]


async def test_a_kill_between_two_recordings_of_a_stream_loses_no_event(tmp_path):
    world = World(tmp_path, local(tmp_path))
    await world.start()
    one = await full_world(world, FIRST, SECOND)
    await world.until("Recording End")
    deadline = time.monotonic() + SETTLED_S
    while one._recording is None or not one._recording.is_announced:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await one._recording._work.drained()
    await world.kill()

    async with running(tmp_path, world.buckets) as again:
        again.streams = 1
        deadline = time.monotonic() + SETTLED_S
        while [each.state for each in await again.rows()] != ["ENDED", "ENDED"]:
            assert time.monotonic() < deadline, await again.rows()
            await asyncio.sleep(0.05)
        events = await again.events()
    assert events.count("Recording End") == 2
