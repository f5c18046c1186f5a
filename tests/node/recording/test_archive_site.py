"""Recordings over HTTP: what is served, to whom, and what is not."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from headwater.core.http import Request
from headwater.node.recording import archive_site
from headwater.node.recording.archive_shown import interval_ms_of, reached_ms, timeline_of
from headwater.node.recording.archive_site import ArchiveSite, shows_recordings
from headwater.node.sections import HttpSettings, PublicSettings, RecordingSettings
from headwater.node.settings import Settings
from headwater.recording.archive import Archived, place_of
from headwater.recording.event_file import parse_event_file
from headwater.recording.objects import Buckets
from headwater.recording.playlist_reader import parse_media
from headwater.store import Store
from store.rows import channel, recording_configuration

CHANNEL = replace(channel(), authorized=False, playback_restriction_policy_arn="")
CONFIGURATION = recording_configuration(CHANNEL.scope, bucket_name="first")
BASE = f"/recordings/{CHANNEL.account}/{CHANNEL.id}/"
PLACE = "2026/3/4/5/6/rec0123456AB"
NOW = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
SEGMENT = bytes(range(256)) * 3000  # three times what is read at once


def event(started_at, *, status="RECORDING_ENDED", duration_ms=20_000, thumbnails=True, gaps=()):
    hls = {
        "path": "media/hls",
        "playlist": "master.m3u8",
        "renditions": [
            {
                "path": "720p30", "playlist": "playlist.m3u8", "resolution_width": 1280,
                "resolution_height": 720, "gaps": list(gaps),
            }
        ],
    }  # fmt: skip
    body = {
        "version": "v1",
        "channel_arn": CHANNEL.arn,
        "recording_started_at": started_at,
        "recording_status": status,
        "media": {"hls": hls},
    }
    if status != "RECORDING_STARTED":
        hls["duration_ms"] = duration_ms
        body["recording_ended_at"] = started_at
    if thumbnails:
        body["media"]["thumbnails"] = {"path": "media/thumbnails"}
    return json.dumps(body).encode()


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(f"sqlite:///{tmp_path / 'headwater.db'}")
    async with store.write() as work:
        await work.insert(CONFIGURATION)
        await work.insert(replace(CONFIGURATION, id="other", bucket_name="second"))
        await work.insert(CHANNEL)
    yield store
    await store.close()


def put(tmp_path, place=PLACE, *, bucket="first", name="recording-ended", **wishes):
    folder = tmp_path / "buckets" / bucket / f"ivs/v1/{CHANNEL.account}/{CHANNEL.id}" / place
    started = "2026-03-04T05:06:07Z" if place == PLACE else wishes.pop("started_at")
    for key, body in (
        (f"events/{name}.json", event(started, **wishes)),
        ("media/hls/master.m3u8", b"#EXTM3U\n" + b"# more\n" * 200),
        ("media/hls/720p30/0.ts", SEGMENT),
        ("media/latest_thumbnail/thumb.jpg", b"\xff\xd8"),
        *((f"media/thumbnails/thumb{number}.jpg", b"\xff\xd8") for number in range(11)),
    ):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


class Clock:
    s = 0.0

    def __call__(self):
        return self.s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def site(tmp_path, store, clock):
    (tmp_path / "buckets").mkdir()
    return ArchiveSite(
        store=store, buckets=Buckets(tmp_path / "buckets", None), is_on=True, now_s=clock,
        now=lambda: NOW,
    )  # fmt: skip


async def ask(site, path, *, method="GET", query="", base=BASE, **headers):
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return await site.respond(Request(method=method, path=base + path, query=query, headers=named))


async def body_of(response):
    if response.chunks is None:
        return response.body
    return b"".join([chunk async for chunk in response.chunks])


def header(response, name):
    [value] = [value for key, value in response.headers if key == name]
    return value


async def test_the_list_is_newest_first_over_all_buckets_and_in_pages(site, tmp_path):
    put(tmp_path)
    for day, bucket in ((9, "first"), (10, "second"), (11, "first")):
        put(
            tmp_path,
            f"2026/2/{day}/0/0/r{day}",
            bucket=bucket,
            started_at=f"2026-02-{day:02}T00:00:00Z",
        )
    seen, before = [], ""
    while before is not None:
        answer = await ask(site, "index.json", query=f"limit=3&before={before}")
        page = json.loads(answer.body)
        seen.append([each["id"] for each in page["recordings"]])
        before = page["next"]

    assert seen == [["rec0123456AB", "r11", "r10"], ["r9"]]
    assert answer.status == 200
    assert header(answer, "access-control-allow-origin") == "*"
    assert header(answer, "cache-control") == "max-age=2"


async def test_a_recording_is_told_without_its_bucket(site, tmp_path):
    gap = {"start": "2026-03-04T05:06:09Z", "duration_ms": 1500, "reason": "secret"}
    put(tmp_path, gaps=[gap])
    answer = await ask(site, "index.json")

    [shown] = json.loads(answer.body)["recordings"]
    assert shown == {
        "id": "rec0123456AB",
        "path": f"{BASE}{PLACE}/",
        "state": "complete",
        "started_at": "2026-03-04T05:06:07Z",
        "ended_at": "2026-03-04T05:06:07Z",
        "duration_ms": 20_000,
        "playlist": "media/hls/master.m3u8",
        "poster": "media/thumbnails/thumb0.jpg",
        "width": 1280,
        "height": 720,
        "missing_ms": 1500,
    }
    assert b"first" not in answer.body
    assert b"secret" not in answer.body


async def test_the_list_is_repeated_for_a_moment_then_made_anew(site, tmp_path, clock):
    put(tmp_path)
    one = json.loads((await ask(site, "index.json")).body)
    put(tmp_path, "2026/4/1/0/0/new", started_at="2026-04-01T00:00:00Z")
    assert json.loads((await ask(site, "index.json")).body) == one

    clock.s = archive_site.LISTING_S
    assert json.loads((await ask(site, "index.json")).body)["recordings"][0]["id"] == "new"


async def test_an_object_is_served_whole_and_in_parts(site, tmp_path):
    put(tmp_path)
    path = f"{PLACE}/media/hls/720p30/0.ts"
    whole = await ask(site, path)

    assert whole.status == 200
    assert await body_of(whole) == SEGMENT
    assert header(whole, "content-length") == str(len(SEGMENT))
    assert header(whole, "content-type") == "video/MP2T"
    assert header(whole, "cache-control") == "max-age=3600"
    assert header(whole, "accept-ranges") == "bytes"

    part = await ask(site, path, range="bytes=300000-599999")
    assert part.status == 206
    assert header(part, "content-range") == f"bytes 300000-599999/{len(SEGMENT)}"
    assert await body_of(part) == SEGMENT[300_000:600_000]
    assert (await ask(site, path, range=f"bytes={len(SEGMENT)}-")).status == 416
    assert (await ask(site, path, if_none_match=header(whole, "etag"))).status == 304

    head = await ask(site, path, method="HEAD")
    assert (head.status, head.body, head.chunks) == (200, b"", None)
    assert header(head, "content-length") == str(len(SEGMENT))


async def test_playlists_and_the_latest_thumbnail_are_not_kept_by_caches(site, tmp_path):
    put(tmp_path)
    playlist = await ask(site, f"{PLACE}/media/hls/master.m3u8", accept_encoding="gzip")
    assert header(playlist, "content-type") == "application/vnd.apple.mpegurl"
    assert header(playlist, "content-encoding") == "gzip"
    assert header(playlist, "cache-control") == "max-age=1"

    latest = await ask(site, f"{PLACE}/media/latest_thumbnail/thumb.jpg")
    assert header(latest, "content-type") == "image/jpeg"
    assert header(latest, "cache-control") == "no-cache"


async def test_thumbnails_are_counted_with_few_questions(site, tmp_path, monkeypatch):
    put(tmp_path, duration_ms=21_000)
    asked = []
    has = archive_site._has

    async def counted(store, key):
        asked.append(key)
        return await has(store, key)

    monkeypatch.setattr(archive_site, "_has", counted)
    answer = json.loads((await ask(site, f"{PLACE}/thumbnails.json")).body)

    assert answer == {"path": f"{BASE}{PLACE}/media/thumbnails/", "count": 11, "interval_ms": 2000}
    assert len(asked) <= 9


INTERVALS = [
    # id,                       duration,   count, wanted,  interval
    ("a minute each",           3_600_000,  60,    [],      60_000),
    ("one alone",               12_000,     1,     [],      60_000),
    ("2 s",                     30_001,     15,    [],      2_000),
    ("10 s",                    65_000,     7,     [],      10_000),
    ("key frames 4 s apart",    40_000,     10,    [],      4_000),
    ("an unusual time",         18_000,     5,     [4],     4_000),
    ("one of several",          24_000,     5,     [4, 5],  5_000),
    ("key frames come later",   40_000,     10,    [1],     4_000),
    ("none",                    65_000,     0,     [1],     0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("duration_ms", "count", "wanted", "interval_ms"),
    [row[1:] for row in INTERVALS],
    ids=[row[0] for row in INTERVALS],
)
def test_the_time_between_thumbnails_follows_from_their_number(
    duration_ms, count, wanted, interval_ms
):
    assert interval_ms_of(count, duration_ms, wanted) == interval_ms


PLAYLIST = """#EXTM3U
#EXT-X-TARGETDURATION:12
#EXT-X-PROGRAM-DATE-TIME:2026-03-04T05:06:08.000Z
#EXTINF:10.000,
0.ts
#EXT-X-PROGRAM-DATE-TIME:2026-03-04T05:06:18.020Z
#EXTINF:12.000,
1.ts
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-03-04T05:07:30.500Z
#EXTINF:10.000,
2.ts
"""
AWAY = [{"at_ms": 0, "date_ms": 1_772_600_768_000}, {"at_ms": 22_000, "date_ms": 1_772_600_850_500}]


async def test_a_timeline_tells_where_an_encoder_was_away(site, tmp_path):
    folder = put(tmp_path)
    (folder / "media/hls/720p30/playlist.m3u8").write_text(PLAYLIST)

    answer = await ask(site, f"{PLACE}/timeline.json")

    assert json.loads(answer.body) == {"duration_ms": 32_000, "stretches": AWAY}
    assert header(answer, "cache-control") == "max-age=2"


async def test_a_timeline_that_is_not_there_or_no_playlist_is_an_error(site, tmp_path):
    folder = put(tmp_path)
    assert (await ask(site, f"{PLACE}/timeline.json")).status == 404

    (folder / "media/hls/720p30/playlist.m3u8").write_text("<html>")
    assert (await ask(site, f"{PLACE}/timeline.json")).status == 502
    assert (await ask(site, "2026/3/4/5/6/other/timeline.json")).status == 404


async def test_thumbnails_of_a_running_recording_are_timed_by_what_is_stored(
    store, tmp_path, clock
):
    """11 thumbnails: without the 72 s in which there was no stream they are 4 s apart."""
    async with store.write() as work:
        wanted = {"targetIntervalSeconds": 4}
        await work.update(replace(CONFIGURATION, thumbnail_configuration=wanted))
    folder = put(tmp_path, name="recording-started", status="RECORDING_STARTED")
    (folder / "media/hls/720p30/playlist.m3u8").write_text(PLAYLIST)
    site = ArchiveSite(
        store=store, buckets=Buckets(tmp_path / "buckets", None), is_on=True, now_s=clock,
        now=lambda: datetime(2026, 3, 4, 5, 7, 50, tzinfo=UTC),
    )  # fmt: skip

    answer = json.loads((await ask(site, f"{PLACE}/thumbnails.json")).body)

    assert (answer["count"], answer["interval_ms"]) == (11, 4000)


LENGTHS = [
    # id,                     timeline,   now,         reached
    ("nothing is stored",     None,       "05:06:19",  12_000),
    ("some is on its way",    PLAYLIST,   "05:07:45",  36_500),
    ("the encoder is away",   PLAYLIST,   "05:10:00",  45_000),
    ("its clock is ahead",    PLAYLIST,   "05:07:30",  32_000),
]  # fmt: skip


@pytest.mark.parametrize(
    ("playlist", "now", "reached"),
    [row[1:] for row in LENGTHS],
    ids=[row[0] for row in LENGTHS],
)
def test_a_running_recording_is_as_long_as_its_media(playlist, now, reached):
    place = place_of(f"ivs/v1/{CHANNEL.account}/{CHANNEL.id}/{PLACE}")
    said = parse_event_file(event("2026-03-04T05:06:07Z", status="RECORDING_STARTED"))
    timeline = timeline_of(parse_media(playlist.encode())) if playlist else None
    at = datetime.fromisoformat(f"2026-03-04T{now}Z")

    recording = Archived(place=place, event=said, event_key="")

    assert reached_ms(recording, timeline, at) == reached


REFUSED_CHANNELS = [
    ("private", {"authorized": True}),
    ("restricted", {"playback_restriction_policy_arn": "arn:aws:ivs:eu-west-1:1:p/x"}),
]


@pytest.mark.parametrize("change", [row[1] for row in REFUSED_CHANNELS], ids=["private", "policy"])
async def test_nothing_of_a_channel_with_limits_is_served(site, tmp_path, store, clock, change):
    put(tmp_path)
    assert (await ask(site, "index.json")).status == 200
    async with store.write() as work:
        await work.update(replace(CHANNEL, **change))
    clock.s = archive_site.CHANNEL_S

    for path in (
        "index.json",
        *(
            f"{PLACE}/{name}"
            for name in ("thumbnails.json", "timeline.json", "media/hls/720p30/0.ts")
        ),
    ):
        answer = await ask(site, path)
        assert answer.status == 403
        assert b"recordings_are_private" in answer.body
        assert (await ask(site, path, query="token=x")).status == 403
    assert site.path_of(replace(CHANNEL, **change)) == ""


async def test_switched_off_there_is_nothing(store, tmp_path):
    put(tmp_path)
    buckets = Buckets(tmp_path / "buckets", None)
    site = ArchiveSite(store=store, buckets=buckets, is_on=False, now_s=Clock(), now=lambda: NOW)
    assert (await ask(site, "index.json")).status == 404
    assert (await ask(site, f"{PLACE}/media/hls/720p30/0.ts")).status == 404
    assert site.path_of(CHANNEL) == ""


NOT_SERVED = [
    f"{PLACE}/events/recording-ended.json",
    f"{PLACE}/media/hls/../../events/recording-ended.json",
    f"{PLACE}/media/hls/..%2f..%2fevents/recording-ended.json",
    f"{PLACE}/../../../../../../../../../headwater.db",
    f"{PLACE}/media/hls/720p30/0.ts/..",
    f"{PLACE}/media/hls/720p30/.0.ts",
    f"{PLACE}/media/hls//0.ts",
    f"{PLACE}/media/hls/720p30/1.ts",
    f"{PLACE}/media/hls/720p30",
    f"{PLACE}/media/hls/720p30/0.ts\x00.jpg",
    f"{PLACE}/",
    "2026/3/4/5/6/other/media/hls/720p30/0.ts",
    "2026/13/4/5/6/x/media/hls/master.m3u8",
    "../../../headwater.db",
    "",
    "x" * 5000,
]


@pytest.mark.parametrize("path", NOT_SERVED, ids=[repr(path[-40:]) for path in NOT_SERVED])
async def test_paths_that_are_no_media_of_a_recording_are_not_found(site, tmp_path, path):
    put(tmp_path)
    (tmp_path / "headwater.jpg").write_bytes(b"secret")

    assert (await ask(site, path)).status == 404


async def test_only_the_channels_own_account_and_known_channels_are_looked_at(site, tmp_path):
    put(tmp_path)
    for base in (
        f"/recordings/999999999999/{CHANNEL.id}/",
        f"/recordings/{CHANNEL.account}/nosuchchannel/",
        "/recordings/../../etc/",
    ):
        assert (await ask(site, "index.json", base=base)).status == 404
    assert await ask(site, "", base="/recordingsx") is None


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=99999", "&" * 99, "limit=%00"])
async def test_any_limit_gives_a_bounded_page(site, tmp_path, query):
    put(tmp_path)
    assert (await ask(site, "index.json", query=query)).status == 200
    assert (await ask(site, "index.json", query="before=../../etc")).status == 400


async def test_methods_that_change_things_are_refused(site):
    assert (await ask(site, "index.json", method="DELETE")).status == 405
    assert (await ask(site, "index.json", method="OPTIONS")).status == 204


async def test_readers_have_a_bound_and_give_their_place_back(site, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_site, "MAX_READERS", 1)
    put(tmp_path)
    path = f"{PLACE}/media/hls/720p30/0.ts"
    slow = await ask(site, path)
    await anext(slow.chunks)
    assert (await ask(site, path)).status == 503

    await slow.chunks.aclose()
    assert await body_of(await ask(site, path)) == SEGMENT


async def test_a_bucket_that_is_gone_is_no_error(site):
    assert json.loads((await ask(site, "index.json")).body) == {"recordings": [], "next": None}
    assert (await ask(site, f"{PLACE}/media/hls/720p30/0.ts")).status == 404


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            ["..", ".", "", "media", "hls", "events", "2026", "1", "0.ts", "a\x00", "%2e"]
        ),
        max_size=12,
    ).map("/".join),
    query=st.text(max_size=30),
)
async def test_any_path_is_answered(site, path, query):
    answer = await ask(site, path, query=query)
    assert answer.status in {200, 400, 404}


ANYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound here
SHOWS = [
    # id,                  pages,  address,      playback URL,                 shown
    ("laptop",             "auto", "127.0.0.1",  "",                           True),
    ("laptop, IPv6",       "auto", "::1",        "",                           True),
    ("laptop, by name",    "auto", "localhost",  "",                           True),
    ("open",               "auto", ANYWHERE,     "",                           False),
    ("behind a proxy",     "auto", "127.0.0.1",  "https://live.example.com",   False),
    ("open, on purpose",   "on",   ANYWHERE,     "https://live.example.com",   True),
    ("off",                "off",  "127.0.0.1",  "",                           False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pages", "address", "url", "is_shown"),
    [row[1:] for row in SHOWS],
    ids=[row[0] for row in SHOWS],
)
def test_recordings_are_shown_where_the_owner_expects_it(pages, address, url, is_shown):
    assert is_shown == shows_recordings(
        Settings(
            http=HttpSettings(bind_address=address),
            public=PublicSettings(playback_url=url),
            recording=RecordingSettings(pages=pages),
        )
    )
