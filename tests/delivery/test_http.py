import asyncio
import gzip
import json
import re
from urllib.parse import urljoin

import m3u8
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delivery.feed import FINISHED, INIT, make_plan, part, segment, segments, started
from delivery.site_under_test import (
    CHANNEL,
    MASTER,
    MEDIA,
    NAME,
    OPEN,
    PLAYLIST,
    RUN,
    SESSION,
    Gate,
    Site,
    error_code,
    header,
)
from headwater.delivery.address import playback_path
from headwater.delivery.stream import START_WAIT_S, Announced
from headwater.delivery.waiting import WATCH_AFTER_S


def test_the_playback_path_is_that_of_ivs():
    assert playback_path(CHANNEL) == MASTER


@pytest.mark.parametrize("path", ["/", "/CreateChannel", "/v2/x", "/v1", "/api/video/v2/x.m3u8"])
async def test_other_paths_are_not_answered(path):
    assert await Site().get(path) is None


async def test_the_multivariant_playlist_names_the_run_and_a_new_session_by_absolute_path():
    site = Site(OPEN)
    response = await site.get(MASTER, "token=a.b.c&player_version=1.2&pbac=1&pbar=2&pblm=LOW")

    assert response.status == 200
    assert header(response, "content-type") == "application/vnd.apple.mpegurl"
    assert header(response, "cache-control") == "no-store"
    (row,) = m3u8.loads(response.body.decode()).playlists
    assert re.fullmatch(f"{RUN}/[A-Za-z0-9]{{22}}/{NAME}/playlist.m3u8", row.uri)
    assert (await site.get(row.uri)).status == 200
    assert await site.join() != [row.uri]


async def test_the_session_data_is_right_for_each_answer():
    """The IVS player sets its clock by it, so no cache may keep it."""
    site = Site(OPEN)
    site.clock.now_s += 12.5

    lines = (await site.get(MASTER)).body.decode().splitlines()
    session_id = lines[-1].split("/")[3]

    assert lines[1:6] == [
        '#EXT-X-SESSION-DATA:DATA-ID="SERVER-TIME",VALUE="1767323099.12"',
        '#EXT-X-SESSION-DATA:DATA-ID="STREAM-TIME",VALUE="12.50"',
        '#EXT-X-SESSION-DATA:DATA-ID="BROADCAST-ID",VALUE="st-1"',
        f'#EXT-X-SESSION-DATA:DATA-ID="VIDEO-SESSION-ID",VALUE="{session_id}"',
        '#EXT-X-SESSION-DATA:DATA-ID="FUTURE",VALUE="true"',
    ]


async def test_a_stream_without_low_latency_says_so():
    site = Site(segments(0, 2, parts=(2000,)), make_plan(part_target_ms=None))

    assert b'"FUTURE",VALUE="false"' in (await site.get(MASTER)).body


NOT_LIVE = [
    # id,            events,                      what the node calls then
    ("no plan yet",  [],                          "wait"),
    ("no part yet",  [started(0)],                "wait"),
    ("ended",        [*segments(0, 3), FINISHED], None),
    ("closed",       segments(0, 3),              "close"),
    ("expired",      [*segments(0, 3), FINISHED], "expire"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "call"), [row[1:] for row in NOT_LIVE], ids=[row[0] for row in NOT_LIVE]
)
async def test_a_channel_is_not_live(events, call):
    site = Site(events)
    if call == "close":
        site.stream.close()
    elif call == "expire":
        site.delivery.expire()
    task = await site.ask(MASTER, "token=a.b.c")
    if call == "wait":
        assert not task.done()
        site.clock.now_s += START_WAIT_S
        site.delivery.expire()

    response = await task

    assert response.status == 404
    assert header(response, "content-type") == "application/json"
    assert header(response, "access-control-allow-origin") == "*"
    assert json.loads(response.body) == [
        {
            "url": f"{MASTER}?token=a.b.c",
            "error": "the channel is not live",
            "error_code": "transcode_does_not_exist",
            "type": "error",
        }
    ]


async def test_a_viewer_who_comes_while_the_stream_begins_is_answered_with_its_first_part():
    gate = Gate()
    site = Site([started(0)], gate=gate)
    task = await site.ask(MASTER)
    assert (task.done(), site.stream.waiting_count(), gate.asked) == (False, 1, [])

    site.push(part(0, 0))
    assert (await task).status == 200
    assert (site.stream.waiting_count(), len(gate.asked)) == (0, 1)


async def test_a_viewer_of_a_stream_that_ends_before_it_began_does_not_wait_any_longer():
    site = Site([started(0)])
    task = await site.ask(MASTER)
    site.stream.close()

    assert (await task).status == 404
    assert site.stream.waiting_count() == 0


async def test_a_viewer_who_leaves_before_the_stream_begins_frees_its_place():
    left = asyncio.Event()
    site = Site([started(0)])
    task = await site.ask(MASTER, disconnected=left.wait)
    site.clock.now_s += WATCH_AFTER_S
    site.delivery.expire()
    left.set()

    assert (await task).status == 499
    assert site.stream.waiting_count() == 0


async def test_an_unknown_channel_is_not_live_either():
    response = await Site(OPEN).get(MASTER.replace("us-west-2", "eu-west-1"))

    assert (response.status, error_code(response)) == (404, "transcode_does_not_exist")


FILES = [
    # id,            container,         path,          body,                      content-type
    ("TS segment",   "TS",              "4.ts",        b"<4.0><4.1><4.2><4.3>",   "video/mp2t"),
    ("TS part",      "TS",              "5.1.ts",      b"<5.1>",                  "video/mp2t"),
    ("hidden part",  "TS",              "0.1.ts",      b"<0.1>",                  "video/mp2t"),
    ("fMP4 init",    "FRAGMENTED_MP4",  "init-0.mp4",  INIT,                      "video/mp4"),
    ("fMP4 segment", "FRAGMENTED_MP4",  "4.m4s",       b"<4.0><4.1><4.2><4.3>",   "video/iso.segment"),
    ("fMP4 part",    "FRAGMENTED_MP4",  "5.0.m4s",     b"<5.0>",                  "video/iso.segment"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("container", "path", "body", "content_type"),
    [row[1:] for row in FILES],
    ids=[row[0] for row in FILES],
)
async def test_media_is_served(container, path, body, content_type):
    init = INIT if container == "FRAGMENTED_MP4" else None
    site = Site([*segment(0, init=init), *OPEN[6:]], make_plan(container))

    response = await site.get(f"{MEDIA}/{path}", accept_encoding="gzip")

    assert (response.status, response.body) == (200, body)
    assert header(response, "content-type") == content_type
    assert header(response, "content-length") == str(len(body))
    assert header(response, "content-encoding") is None  # L37
    assert int(header(response, "cache-control").removeprefix("max-age=")) >= 6 * 2  # L41
    assert header(response, "access-control-allow-origin") == "*"

    tag = header(response, "etag")
    assert (await site.get(f"{MEDIA}/{path}", if_none_match=tag)).status == 304
    ranged = await site.get(f"{MEDIA}/{path}", range="bytes=1-2")
    assert (ranged.status, ranged.body) == (206, body[1:3])


UNKNOWN = [
    # id,                        path
    ("other run",                "/v1/other/720p30/4.ts"),
    ("other run's session",      PLAYLIST.replace(RUN, "/v1/other")),
    ("other session",            PLAYLIST.replace("First12", "First13")),
    ("other session's media",    f"{SESSION}/4.ts".replace("First12", "First13")),
    ("playlist for nobody",      f"{MEDIA}/playlist.m3u8"),
    ("other rendition",          f"{RUN}/480p30/4.ts"),
    ("other playlist",           PLAYLIST.replace("720p30", "480p30")),
    ("deeper playlist",          f"{SESSION}/x/playlist.m3u8"),
    ("no file",                  MEDIA),
    ("folder",                   f"{MEDIA}/"),
    ("nothing",                  "/v1/"),
    ("deeper",                   f"{MEDIA}/x/4.ts"),
    ("climbing",                 f"{MEDIA}/../720p30/4.ts"),
    ("other container",          f"{MEDIA}/4.m4s"),
    ("init of TS",               f"{MEDIA}/init-0.mp4"),
    ("segment to come",          f"{MEDIA}/7.ts"),
    ("unhinted part (L29)",      f"{MEDIA}/5.3.ts"),
    ("next segment's part (L29)", f"{MEDIA}/6.0.ts"),
    ("no such part",             f"{MEDIA}/4.4.ts"),
    ("leading zeros",            f"{MEDIA}/04.ts"),
    ("negative",                 f"{MEDIA}/-4.ts"),
    ("huge",                     f"{MEDIA}/{'9' * 5000}.ts"),
    ("huge part",                f"{MEDIA}/4.{'9' * 200}.ts"),
    ("long name",                f"{RUN}/{'x' * 100_000}/4.ts"),
    ("other digits",             f"{MEDIA}/\u0664.ts"),
    ("line break",               f"{MEDIA}/4.ts\n"),
]  # fmt: skip


@pytest.mark.parametrize("path", [row[1] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
async def test_unknown_media_is_refused_at_once(path):
    response = await Site(OPEN).get(path)

    assert (response.status, error_code(response)) == (404, "media_does_not_exist")
    assert header(response, "cache-control") in {"max-age=1", "max-age=2"}  # L41
    assert header(response, "access-control-allow-origin") == "*"


async def test_b6_expired_media_says_so():
    site = Site(segments(0, 100))

    for path in ("3.ts", "3.0.ts"):
        response = await site.get(f"{MEDIA}/{path}")
        assert (response.status, error_code(response)) == (404, "media_has_expired")


async def test_b16_asking_for_what_does_not_exist_keeps_nothing():
    site = Site(OPEN)
    for number in range(300):
        await site.get(MASTER.replace("AbC", f"A{number}"))
        await site.get(f"/v1/{number}/720p30/playlist.m3u8")
        await site.get(f"{RUN}/{number}/playlist.m3u8")
        await site.get(f"{RUN}/{number}/720p30/playlist.m3u8")

    assert len(site.delivery._channels) == len(site.delivery._runs) == 1
    assert site.stream.waiting_count() == 0
    assert site.stream.viewer_count() == 0
    assert len(site.stream.sessions) == 1


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.text(max_size=40).map("/v1/{}".format)
    | st.text(max_size=40).map(f"{MEDIA}/{{}}".format)
    | st.text(max_size=40).map(f"{SESSION}/{{}}".format)
    | st.text(max_size=40).map("/api/video/v1/{}".format),
    query=st.text(max_size=20),
    method=st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "", "gET"]),
)
def test_any_request_is_answered(path, query, method):
    site = Site([*OPEN, FINISHED])
    response = asyncio.run(site.get(path, query, method=method))

    assert response.status in {200, 204, 404, 405, 503}
    assert header(response, "access-control-allow-origin") == "*"


async def test_other_methods_are_refused():
    for path in (MASTER, PLAYLIST, "/v1/unknown"):
        response = await Site(OPEN).get(path, method="POST")
        assert (response.status, error_code(response)) == (405, "method_not_allowed")
        assert header(response, "allow") == "GET, HEAD, OPTIONS"
        assert header(response, "access-control-allow-origin") == "*"


async def test_a_preflight_allows_what_players_do():
    response = await Site(OPEN).get(
        PLAYLIST,
        method="OPTIONS",
        origin="https://player.example",
        access_control_request_method="GET",
    )

    assert (response.status, response.body) == (204, b"")
    assert header(response, "access-control-allow-origin") == "*"
    assert "GET" in header(response, "access-control-allow-methods")
    assert header(response, "access-control-allow-headers") == "*"


@pytest.mark.parametrize("path", [MASTER, PLAYLIST, f"{MEDIA}/4.ts", f"{MEDIA}/nothing"])
async def test_head_is_get_without_the_body(path):
    site = Site(OPEN)

    head, get = await site.get(path, method="HEAD"), await site.get(path)

    assert head.status == get.status
    assert head.headers == get.headers
    assert header(head, "content-length") == str(len(get.body)) != "0"
    assert head.body == b""


@pytest.mark.parametrize("path", [MASTER, PLAYLIST])
async def test_playlists_are_compressed_for_who_takes_it(path):
    plain = await Site(OPEN).get(path)
    packed = await Site(OPEN).get(path, accept_encoding="gzip, br")

    assert header(packed, "content-encoding") == "gzip"
    assert header(plain, "content-encoding") is None
    assert header(plain, "vary") == header(packed, "vary") == "accept-encoding"
    assert gzip.decompress(packed.body) == plain.body


async def test_b13_requests_can_follow_each_other():
    site = Site(OPEN)

    assert [(await site.get(PLAYLIST)).status for _ in range(3)] == [200] * 3


CACHED = [
    # id,                      path,                query,                     status, cache-control
    ("plain playlist",         PLAYLIST,            "",                        200,    "max-age=1"),
    ("delta alone",            PLAYLIST,            "_HLS_skip=YES",           200,    "max-age=1"),
    ("blocking playlist",      PLAYLIST,            "_HLS_msn=5&_HLS_part=1",  200,    "max-age=0, s-maxage=12"),
    ("malformed directive",    PLAYLIST,            "_HLS_msn=abc",            400,    "max-age=8"),
    ("part without segment",   PLAYLIST,            "_HLS_part=0",             400,    "max-age=8"),
    ("too far ahead",          PLAYLIST,            "_HLS_msn=9",              400,    "no-store"),
    ("missing media",          f"{MEDIA}/77.ts",    "",                        404,    "max-age=2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "query", "status", "cache"), [row[1:] for row in CACHED], ids=[r[0] for r in CACHED]
)
async def test_l41_caches_may_keep(path, query, status, cache):
    response = await Site(OPEN).get(path, query)

    assert (response.status, header(response, "cache-control")) == (status, cache)
    if status == 400:
        assert error_code(response) == "invalid_delivery_directive"


async def test_plain_hls_neither_blocks_nor_shows_parts():
    site = Site(segments(0, 2, parts=(2000,)), make_plan(part_target_ms=None))

    playlist = await site.get(PLAYLIST, "_HLS_msn=3&_HLS_part=0")
    assert playlist.status == 200
    assert b"PART" not in playlist.body
    assert (await site.get(f"{MEDIA}/2.ts")).status == 200
    assert (await site.get(f"{MEDIA}/2.0.ts")).status == 404
    assert (await site.get(f"{MEDIA}/3.0.ts")).status == 404
    site.push(started(3), part(3, 0))
    assert (await site.get(f"{MEDIA}/3.ts")).status == 404


async def test_an_ended_stream_can_be_played_to_its_end():
    site = Site([*segments(0, 20), FINISHED])
    site.clock.now_s += 24
    site.delivery.expire()

    playlist = m3u8.loads((await site.get(PLAYLIST)).body.decode())
    assert playlist.is_endlist
    for row in playlist.segments:
        assert (await site.get(urljoin(PLAYLIST, row.uri))).status == 200

    site.clock.now_s += 4
    site.delivery.expire()
    for path in (PLAYLIST, f"{MEDIA}/20.ts"):
        response = await site.get(path)
        assert (response.status, error_code(response)) == (404, "media_does_not_exist")
    assert not site.delivery._runs
    assert not site.delivery._channels


async def test_l44_a_new_run_has_new_urls_and_the_old_ones_end():
    site = Site(OPEN)
    task = await site.ask(PLAYLIST, "_HLS_msn=5")
    second = site.delivery.open(CHANNEL, "SecondSecondRun1", stream_id="st-2")
    assert (await task).body.endswith(b"#EXT-X-ENDLIST\n")
    begins = await site.ask(MASTER)
    assert not begins.done()

    second.announce([Announced(name="720p30")])
    for event in [make_plan(), *segment(0)]:
        second.push("720p30", event)
    site.stream.close()
    site.delivery.expire()

    assert b"\n/v1/SecondSecondRun1/" in (await begins).body
    (playlist,) = await site.join()
    assert playlist.startswith("/v1/SecondSecondRun1/")
    assert (await site.get("/v1/SecondSecondRun1/720p30/0.ts")).status == 200
    assert (await site.get(f"{MEDIA}/0.ts")).status == 200


def test_a_run_id_is_used_once():
    site = Site()

    with pytest.raises(RuntimeError, match="used once"):
        site.delivery.open(CHANNEL, RUN.removeprefix("/v1/"), stream_id="st-2")


async def test_independent_segments_are_promised_until_one_is_not():
    site = Site(segments(0, 4))
    assert b"#EXT-X-INDEPENDENT-SEGMENTS" in (await site.get(MASTER)).body

    site.push(started(5), msgspec.structs.replace(part(5, 0), independent=False))

    assert b"#EXT-X-INDEPENDENT-SEGMENTS" not in (await site.get(MASTER)).body


ALLOWED = [
    # query,                                  audio only is listed
    ("",                                      False),
    ("allow_audio_only=true",                 True),
    ("a=b&allow_audio_only=true&token=x",     True),
    ("allow_audio_only=false",                False),
    ("allow_audio_only",                      False),
    ("allow_audio_only=true" + "&a=b" * 200,  False),
]  # fmt: skip


@pytest.mark.parametrize(("query", "is_listed"), ALLOWED)
async def test_viewers_ask_for_the_rendition_without_pictures(query, is_listed):
    site = Site()
    site.stream.announce([Announced(name=NAME), Announced(name="audio_only", on_request=True)])
    site.push(make_plan(), *segment(0))
    sound = {"width": None, "height": None, "frame_rate": None, "codecs": "mp4a.40.2"}
    for event in [make_plan(**sound), *segment(0)]:
        site.stream.push("audio_only", event)

    body = (await site.get(MASTER, query)).body
    assert (b"/audio_only/playlist.m3u8\n" in body) is is_listed
    assert (await site.get(f"{RUN}/audio_only/0.ts")).status == 200


async def test_what_was_lost_is_named_a_gap_and_can_be_fetched_all_the_same():
    site = Site([*segment(0), started(1), part(1, 0), part(1, 1, payload=b"<none>", gap=True)])

    lines = (await site.get(PLAYLIST)).body.decode().splitlines()
    assert lines[-4] == '#EXT-X-PART:DURATION=0.50000,URI="../../720p30/1.1.ts",GAP=YES'
    assert (await site.get(f"{MEDIA}/1.1.ts")).body == b"<none>"

    site.push(*segment(1)[-1:], *segment(2, gap=True), *segment(3))
    lines = (await site.get(PLAYLIST)).body.decode().splitlines()
    assert [lines[lines.index(f"../../720p30/{msn}.ts") - 1] for msn in range(4)] == [
        *("#EXTINF:2.00000,live", "#EXTINF:2.00000,live", "#EXT-X-GAP", "#EXTINF:2.00000,live")
    ]
