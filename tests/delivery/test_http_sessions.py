"""Viewer sessions through `Delivery.respond`: who is asked about, refused, counted, cut off."""

import asyncio
import json
from http import HTTPStatus
from urllib.parse import urljoin

import pytest

from delivery.feed import INIT, make_plan, part, segment, segments, started
from delivery.site_under_test import (
    MASTER,
    MEDIA,
    NAME,
    OPEN,
    PLAYLIST,
    REVOKED,
    RUN,
    SESSION,
    Gate,
    Site,
    error_code,
    header,
    turn,
)
from headwater.delivery.admission import Denied, Grant
from headwater.delivery.sessions import ADDRESSES_S, GONE_S, MAX_ADDRESSES
from headwater.delivery.stream import Announced
from headwater.delivery.waiting import WATCH_AFTER_S

FULL = (429, "concurrent_viewers_exceeded")
STRICT = Grant(origins=("https://a.example",), allow_origin="https://a.example")


def refusal(response):
    assert header(response, "access-control-allow-origin") == "*", "a page can see why"
    assert header(response, "cache-control") == "no-store"
    return response.status, error_code(response)


def uris(playlist):
    """All that a media playlist names, as clients resolve it."""
    text = playlist.body.decode()
    quoted = [piece.split('"')[0] for piece in text.split('URI="')[1:]]
    prefetched = [line.partition(":")[2] for line in text.splitlines() if "PREFETCH" in line]
    plain = [line for line in text.splitlines() if not line.startswith("#")]
    return [urljoin(PLAYLIST, uri) for uri in quoted + prefetched + plain]


# What is named where.


async def test_media_of_a_public_stream_has_the_same_urls_for_all_viewers():
    site = Site([*segment(0, init=INIT), *segments(1, 4)], make_plan("FRAGMENTED_MP4"))
    first, second = [(await site.join())[0] for _ in range(2)]

    bodies = [(await site.get(path)).body for path in (first, second)]
    assert bodies[0] is bodies[1]
    media = uris(await site.get(PLAYLIST))
    assert f"{MEDIA}/init-0.mp4" in media
    assert all(path.startswith(f"{MEDIA}/") for path in media)
    named = [path for path in media if path.endswith("/4.m4s")]
    assert header(await site.get(named[0]), "cache-control") == "max-age=3600"
    assert (await site.get(f"{SESSION}/4.m4s")).body == (await site.get(named[0])).body


@pytest.mark.parametrize(
    "options", [{"private": True}, {"grant": STRICT}], ids=["private", "strict"]
)
async def test_where_each_request_is_checked_media_is_below_the_session_alone(options):
    site = Site([*segment(0, init=INIT), *segments(1, 4)], make_plan("FRAGMENTED_MP4"), **options)

    playlist = await site.get(PLAYLIST)
    media = uris(playlist)
    assert all(path.startswith(f"{SESSION}/") for path in media)
    assert header(playlist, "cache-control") == "private, max-age=1"
    blocking = await site.get(PLAYLIST, "_HLS_msn=4&_HLS_part=0")
    assert header(blocking, "cache-control") == "no-store"
    for name in ("init-0.mp4", "4.m4s", "4.0.m4s"):
        assert f"{SESSION}/{name}" in media
        answer = await site.get(f"{SESSION}/{name}")
        assert (answer.status, header(answer, "cache-control")) == (200, "private, max-age=3600")
        for path in (f"{MEDIA}/{name}", f"{RUN}/nobody/{NAME}/{name}"):
            refused = await site.get(path)
            assert refusal(refused) == (403, "viewer_session_does_not_exist")


async def test_a_rule_for_each_request_that_comes_later_closes_the_open_urls():
    gate = Gate()
    site = Site(OPEN, gate=gate)
    (before,) = await site.join()
    shared = uris(await site.get(before))[0]
    assert (await site.get(shared)).status == 200

    gate.grant = STRICT
    (path,) = await site.join()
    assert (await site.get(shared)).status == 403
    for each in (before, path):
        playlist = await site.get(each)
        assert b"../" not in playlist.body
        assert (await site.get(urljoin(each, "4.ts"))).status == 200
    site.push(part(5, 2))
    assert b"../" not in (await site.get(path)).body


# Asking for admission.


async def test_each_multivariant_playlist_is_asked_about_with_its_query():
    gate = Gate()
    site = Site(OPEN, gate=gate)
    await site.join("token=x&player_version=1.2")

    assert gate.asked == [("admit", MASTER, "token=x&player_version=1.2")]


async def test_a_viewer_who_is_not_let_in_gets_no_session():
    gate = Gate(Denied(status=HTTPStatus.FORBIDDEN, code="a_code", text="a text"))
    site = Site(OPEN, gate=gate, private=True)
    response = await site.get(MASTER, "token=x")

    assert refusal(response) == (403, "a_code")
    assert json.loads(response.body)[0]["url"] == f"{MASTER}?token=x"
    assert json.loads(response.body)[0]["error"] == "a text"
    assert len(site.stream.sessions) == 1


async def test_404_comes_before_403_and_403_before_429():
    gate = Gate(REVOKED)
    site = Site(OPEN, gate=gate, concurrent_views=0)
    assert (await site.get(MASTER)).status == 403
    assert site.breaches == []
    gate.grant = Grant()
    assert refusal(await site.get(MASTER)) == FULL

    site.stream.close()
    gate.asked.clear()
    assert (await site.get(MASTER)).status == 404
    assert gate.asked == []


async def test_a_stream_that_ends_while_admission_is_asked_is_not_live():
    site = Site(OPEN, gate=Gate())
    task = asyncio.create_task(site.get(MASTER))
    await asyncio.sleep(0)
    site.stream.close()

    assert (await task).status == 404
    assert len(site.stream.sessions) == 1


KINDS = [
    # id,                  path,                  query
    ("playlist",           PLAYLIST,              ""),
    ("blocking playlist",  PLAYLIST,              "_HLS_msn=5&_HLS_part=1"),
    ("init",               f"{SESSION}/init-0.mp4", ""),
    ("segment",            f"{SESSION}/4.m4s",    ""),
    ("part",               f"{SESSION}/5.0.m4s",  ""),
    ("growing segment",    f"{SESSION}/5.m4s",    ""),
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "query"), [row[1:] for row in KINDS], ids=[row[0] for row in KINDS]
)
async def test_each_later_request_is_asked_about_and_refused(path, query, method):
    gate, grant = Gate(), Grant(viewer_id="x", version=3)
    events = [*segment(0, init=INIT), *segments(1, 4), *OPEN[-3:]]
    site = Site(events, make_plan("FRAGMENTED_MP4"), gate=gate, grant=grant, private=True)
    assert (await site.get(path, query, method=method)).status == 200
    assert gate.asked == [("denies", path, grant)]

    gate.reason = REVOKED
    response = await site.get(path, query, method=method)
    assert (response.status, header(response, "cache-control")) == (403, "no-store")
    assert header(response, "access-control-allow-origin") == "*"
    if method == "GET":
        assert error_code(response) == "viewer_revoked"


WAITING = [
    # id,                   path,                 query
    ("blocking playlist",   PLAYLIST,             "_HLS_msn=5&_HLS_part=2"),
    ("hinted part",         f"{SESSION}/5.2.ts",  ""),
    ("prefetched segment",  f"{SESSION}/6.ts",    ""),
]  # fmt: skip


@pytest.mark.parametrize("encoder", ["goes on", "is silent"])
@pytest.mark.parametrize(
    ("path", "query"), [row[1:] for row in WAITING], ids=[row[0] for row in WAITING]
)
async def test_a_request_that_waits_is_refused_too(path, query, encoder):
    gate = Gate()
    site = Site(OPEN, gate=gate, private=True)
    task = await site.ask(path, query)
    gate.reason = REVOKED
    if encoder == "goes on":
        site.push(part(5, 2), part(5, 3), segment(5)[-1], started(6), part(6, 0))
    else:
        site.clock.now_s += WATCH_AFTER_S
        site.delivery.expire()

    assert refusal(await task) == (403, "viewer_revoked")
    assert site.stream.waiting_count() == 0


@pytest.mark.parametrize("encoder", ["goes on", "is silent"])
async def test_a_segment_in_the_making_ends_for_a_viewer_who_is_refused(encoder):
    gate = Gate()
    site = Site(OPEN, gate=gate, private=True)
    response, got = await site.get(f"{SESSION}/5.ts"), []

    async def read():
        got.extend([chunk async for chunk in response.chunks])

    task = asyncio.create_task(read())
    await turn()
    gate.reason = REVOKED
    if encoder == "goes on":
        site.push(part(5, 2))
    else:
        site.clock.now_s += WATCH_AFTER_S
        site.delivery.expire()
    await task

    assert got == [b"<5.0>", b"<5.1>"]
    assert site.stream.waiting_count() == 0


async def test_a_slow_reader_gets_no_more_once_refused():
    gate = Gate()
    site = Site(OPEN, gate=gate, private=True)
    response = await site.get(f"{SESSION}/5.ts")
    assert await anext(response.chunks) == b"<5.0>"
    gate.reason = REVOKED

    assert [chunk async for chunk in response.chunks] == []


async def test_a_session_that_too_many_clients_use_ends_for_all():
    site = Site(OPEN)
    (path,) = await site.join(client="10.1.0.0")
    waiting = await site.ask(path, "_HLS_msn=6", client="10.1.0.0")
    for number in range(1, MAX_ADDRESSES):
        assert (await site.get(path, client=f"10.1.0.{number}")).status == 200

    refused = [await site.get(path, client=f"10.1.0.{number}") for number in (99, 0)]
    assert [refusal(each) for each in refused] == [(403, "viewer_session_is_shared")] * 2
    site.clock.now_s += WATCH_AFTER_S
    site.delivery.expire()
    assert (await waiting).status == 403
    site.clock.now_s += 10 * ADDRESSES_S
    assert (await site.get(path, client="10.1.0.0")).status == 403
    assert (await site.get(PLAYLIST)).status == 200, "the others go on"
    assert (await site.get((await site.join())[0])).status == 200, "it can begin another"


# CORS.


async def test_the_grant_says_which_pages_may_see_answers():
    grant = Grant(allow_origin="https://a.example")
    site = Site(OPEN, gate=Gate(grant), grant=grant, private=True)
    answers = [
        await site.get(path)
        for path in (MASTER, PLAYLIST, f"{SESSION}/4.ts", f"{SESSION}/5.1.ts", f"{SESSION}/5.ts")
    ]

    assert {header(each, "access-control-allow-origin") for each in answers} == {
        "https://a.example"
    }
    assert all("origin" in header(each, "vary") for each in answers)
    assert all("accept-encoding" in header(each, "vary") for each in answers[:2])


async def test_answers_for_all_pages_do_not_vary_by_origin():
    site = Site(OPEN)

    assert header(await site.get(PLAYLIST), "vary") == "accept-encoding"
    assert header(await site.get(f"{MEDIA}/4.ts"), "vary") is None


# The largest picture.


LADDER = [("1080p30", 1920, 1080), ("720p30", 1280, 720), ("480p30", 852, 480)]
PORTRAIT = [("1080p30", 1080, 1920), ("720p30", 720, 1280), ("480p30", 480, 852)]
LARGEST = [
    # id,                   ladder,        max_edge,  named
    ("any",                 LADDER,        None,      ["1080p30", "720p30", "480p30"]),
    ("FULL_HD",             LADDER,        1080,      ["1080p30", "720p30", "480p30"]),
    ("HD",                  LADDER,        720,       ["720p30", "480p30"]),
    ("SD",                  LADDER,        480,       ["480p30"]),
    ("HD, portrait",        PORTRAIT,      720,       ["720p30", "480p30"]),
    ("SD, there is none",   LADDER[:2],    480,       ["720p30"]),
    ("SD, one alone",       LADDER[:1],    480,       ["1080p30"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ladder", "max_edge", "named"), [row[1:] for row in LARGEST], ids=[row[0] for row in LARGEST]
)
async def test_renditions_with_larger_pictures_are_not_for_this_viewer(ladder, max_edge, named):
    gate = Gate(Grant(max_edge=max_edge))
    site = Site(gate=gate, private=True)
    sound = {"width": None, "height": None, "frame_rate": None, "codecs": "mp4a.40.2"}
    plans = {name: make_plan(width=width, height=height) for name, width, height in ladder}
    plans["audio_only"] = make_plan(**sound)
    site.stream.announce([Announced(name=name) for name in plans])
    for name, plan in plans.items():
        for event in [plan, *segment(0)]:
            site.stream.push(name, event)

    paths = await site.join()
    assert [path.split("/")[4] for path in paths] == [*named, "audio_only"]
    for name in plans:
        path = f"{paths[0].rpartition(named[0])[0]}{name}/playlist.m3u8"
        for answer in (await site.get(path), await site.get(urljoin(path, "0.ts"))):
            if name in [*named, "audio_only"]:
                assert answer.status == 200
            else:
                assert refusal(answer) == (403, "resolution_not_allowed")


# Counting.


async def test_viewers_are_counted_when_they_ask_for_more_and_until_they_leave():
    site = Site(OPEN)
    paths = [(await site.join())[0] for _ in range(3)]
    assert site.stream.viewer_count() == 0, "no bot that reads the first playlist is a viewer"
    for path in paths:
        await site.get(path, method="HEAD")
        await site.get(path, method="OPTIONS")
    assert site.stream.viewer_count() == 0

    for path in paths:
        await site.get(path)
        await site.get(path)
    assert site.stream.viewer_count() == 3
    site.clock.now_s += GONE_S - 1
    await site.get(urljoin(paths[0], "4.ts"))
    site.clock.now_s += 1
    assert site.stream.viewer_count() == 1
    site.clock.now_s += GONE_S
    assert site.stream.viewer_count() == 0
    assert (await site.get(paths[2])).status == 200, "it had paused"
    assert site.stream.viewer_count() == 1


async def test_two_thousand_viewers_with_one_address_and_one_user_agent():
    site = Site(OPEN, concurrent_views=10_000)
    paths = [(await site.join(user_agent="player"))[0] for _ in range(2000)]
    assert len(set(paths)) == 2000
    for _ in range(3):
        for path in paths:
            assert (await site.get(path, user_agent="player")).status == 200
        assert site.stream.viewer_count() == 2000
        site.clock.now_s += 2

    for _ in range(20):
        for path in paths[::4]:
            await site.get(path, user_agent="player")
        site.clock.now_s += 2
    assert site.stream.viewer_count() == 500


async def test_a_head_request_begins_no_session():
    site = Site(OPEN)
    assert (await site.get(MASTER, method="HEAD")).status == 200

    assert len(site.stream.sessions) == 1


# The quota.


async def test_more_viewers_than_the_quota_allows_are_refused_and_others_stay():
    site = Site(OPEN, concurrent_views=2)
    early = [(await site.join())[0] for _ in range(3)]
    for path in early[:2]:
        assert (await site.get(path)).status == 200

    assert refusal(await site.get(MASTER)) == FULL
    assert refusal(await site.get(early[2])) == FULL, "let in, and too late all the same"
    assert len(site.breaches) == 1
    assert site.breaches[0][1] == 3
    site.clock.now_s += GONE_S - 1
    for path in early[:2]:
        assert (await site.get(path)).status == 200, "is watching already"
    assert site.stream.viewer_count() == 2

    site.clock.now_s += GONE_S
    assert (await site.get(early[2])).status == 200
    assert (await site.get((await site.join())[0])).status == 200
    assert (await site.get(MASTER)).status == 429


async def test_media_that_all_viewers_share_is_no_matter_of_quotas():
    site = Site(OPEN, concurrent_views=0)

    assert (await site.get(f"{MEDIA}/4.ts")).status == 200
    assert (await site.get(f"{SESSION}/4.ts")).status == 429


# Floods.


async def test_a_flood_of_sessions_evicts_nobody_who_watches(monkeypatch):
    monkeypatch.setattr("headwater.delivery.sessions.MAX_UNUSED", 20)
    site = Site(OPEN)
    (path,) = await site.join()
    await site.get(path)
    for _ in range(500):
        (newest,) = await site.join()

    assert len(site.stream.sessions) == 21
    assert (await site.get(path)).status == 200
    assert (await site.get(newest)).status == 200
    assert (await site.get(PLAYLIST)).status == 404, "unused, so first to be forgotten"


async def test_sessions_go_with_their_stream():
    site = Site(OPEN)
    (path,) = await site.join()
    site.stream.close()
    assert (await site.get(path)).body.endswith(b"#EXT-X-ENDLIST\n")

    site.clock.now_s += 60
    site.delivery.expire()
    assert (await site.get(path)).status == 404
    assert not site.delivery._runs
