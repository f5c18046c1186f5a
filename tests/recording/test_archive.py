import json

import pytest
from obstore.store import LocalStore, MemoryStore

from headwater.recording.archive import (
    channels,
    exists,
    minute_of,
    newest,
    place_of,
    read,
)

ACCOUNT, CHANNEL = "123456789012", "aB3dE5gH7jK9"
ROOT = f"ivs/v1/{ACCOUNT}/{CHANNEL}"


def event(started_at, status="RECORDING_ENDED"):
    return json.dumps(
        {
            "version": "v1",
            "channel_arn": f"arn:aws:ivs:us-east-1:{ACCOUNT}:channel/{CHANNEL}",
            "recording_started_at": started_at,
            "recording_ended_at": started_at,
            "recording_status": status,
            "media": {},
        }
    ).encode()


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return LocalStore(tmp_path) if request.param == "folder" else MemoryStore()


async def put(store, place, started_at, *, name="recording-ended", status="RECORDING_ENDED"):
    await store.put_async(f"{ROOT}/{place}/events/{name}.json", event(started_at, status))


async def ids(store, before=None):
    return [each.place.id async for each in newest(store, ACCOUNT, CHANNEL, before=before)]


PLACES = [
    ("2025/12/31/23/59/a", "2025-12-31T23:59:00Z"),
    ("2026/1/9/8/7/b", "2026-01-09T08:07:00Z"),
    ("2026/1/10/8/7/c", "2026-01-10T08:07:00Z"),
    ("2026/2/1/0/5/e", "2026-02-01T00:05:01Z"),
    ("2026/2/1/0/5/d", "2026-02-01T00:05:59Z"),
    ("2026/10/1/0/5/f", "2026-10-01T00:05:00Z"),
]


async def test_recordings_come_newest_first_though_prefixes_are_not_padded(store):
    for place, started_at in PLACES:
        await put(store, place, started_at)

    assert await ids(store) == ["f", "d", "e", "c", "b", "a"]


async def test_a_page_goes_on_behind_the_last_one(store):
    for place, started_at in PLACES:
        await put(store, place, started_at)
    places = [place_of(f"{ROOT}/{place}") for place, _ in PLACES]

    assert await ids(store, before=places[5]) == ["d", "e", "c", "b", "a"]
    assert await ids(store, before=places[4]) == ["e", "c", "b", "a"]
    assert await ids(store, before=places[3]) == ["c", "b", "a"]
    assert await ids(store, before=places[0]) == []
    gone = place_of(f"{ROOT}/2026/1/31/0/0/gone")
    assert await ids(store, before=gone) == ["c", "b", "a"]


async def test_the_newest_event_file_counts(store):
    place = place_of(f"{ROOT}/2026/1/1/0/0/r")
    await put(store, "2026/1/1/0/0/r", "2026-01-01T00:00:00Z", name="recording-started",
              status="RECORDING_STARTED")  # fmt: skip
    assert not (await read(store, place)).is_over
    await put(store, "2026/1/1/0/0/r", "2026-01-01T00:00:00Z")

    recording = await read(store, place)
    assert recording.is_over
    assert recording.event_key.endswith("recording-ended.json")


async def test_a_recording_without_a_readable_event_is_there_with_its_problem(store):
    place = place_of(f"{ROOT}/2026/1/1/0/0/r")
    assert not await exists(store, place)
    await store.put_async(f"{place.prefix}/events/recording-ended.json", b"{")

    [recording] = [each async for each in newest(store, ACCOUNT, CHANNEL)]
    assert "not a recording's event file" in recording.problem
    assert recording.started_at == minute_of(place)
    assert await exists(store, place)


async def test_what_is_no_recording_is_skipped(store):
    await put(store, "2026/1/1/0/0/r", "2026-01-01T00:00:00Z")
    for name in ("x/y", "2026/13/1/0/0/r", "2026/one/1/0/0/r", "2026/1/1/0/0/no_name", "file"):
        await store.put_async(f"{ROOT}/{name}/events/recording-ended.json", b"{}")

    assert await ids(store) == ["r"]
    assert await channels(store) == [(ACCOUNT, CHANNEL)]


NO_PLACES = [
    "",
    "ivs/v1",
    f"{ROOT}/2026/1/1/0/0",
    f"{ROOT}/2026/2/30/0/0/r",
    f"{ROOT}/2026/1/1/24/0/r",
    f"{ROOT}/2026/1/1/0/0/..",
    f"{ROOT}/2026/1/1/0/0/r/x",
    "ivs/v1/12/x/2026/1/1/0/0/r",
]


@pytest.mark.parametrize("prefix", NO_PLACES)
def test_what_names_no_place_is_none(prefix):
    assert place_of(prefix) is None
