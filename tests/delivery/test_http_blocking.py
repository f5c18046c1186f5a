"""Blocking reload and preload hints through `Delivery.respond`."""

import asyncio
from urllib.parse import urljoin

import m3u8
import pytest

from delivery.feed import FINISHED, part, segment, segments, started
from delivery.site_under_test import (
    MASTER,
    MEDIA,
    OPEN,
    PLAYLIST,
    Site,
    error_code,
    header,
    turn,
)
from headwater.delivery import waiting


async def test_b12_the_first_part_is_enough_to_be_live():
    site = Site([started(0), part(0, 0)])

    assert (await site.get(MASTER)).status == 200
    response = await site.get(PLAYLIST, "_HLS_msn=0&_HLS_part=0")
    assert b'URI="../../720p30/0.0.ts",INDEPENDENT=YES\n#EXT-X-PRELOAD-HINT' in response.body


async def test_a_plain_playlist_never_lacks_a_segment():
    """ffmpeg and hls.js give up or back off on one without."""
    site = Site([started(0), part(0, 0)])
    task = await site.ask(PLAYLIST)
    assert not task.done()

    site.push(*segment(0)[2:])
    assert b"\n../../720p30/0.ts\n" in (await task).body


RELEASED = [
    # id,                          query,                      pushes until the answer
    ("segment and part (L18)",     "_HLS_msn=5&_HLS_part=2",   1),
    ("part after next",            "_HLS_msn=5&_HLS_part=3",   2),
    ("segment alone (L18, B7)",    "_HLS_msn=5",               3),
    ("past the last part (L19)",   "_HLS_msn=5&_HLS_part=4",   5),
    ("next segment's part",        "_HLS_msn=6&_HLS_part=0",   5),
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "pushes"), [row[1:] for row in RELEASED], ids=[row[0] for row in RELEASED]
)
async def test_a_blocking_request_is_released_by(query, pushes):
    site = Site(OPEN)
    task = await site.ask(PLAYLIST, query)
    for event in [part(5, 2), part(5, 3), segment(5)[-1], started(6), part(6, 0)][:pushes]:
        assert not task.done()
        assert site.stream.waiting_count() == 1
        site.push(event)
        await turn()

    assert task.done()
    response = await task
    assert response.status == 200
    assert response.body == (await site.get(PLAYLIST)).body  # L23
    assert header(response, "cache-control") == "max-age=0, s-maxage=12"
    assert site.stream.waiting_count() == 0


async def test_events_pushed_together_become_visible_together():
    """B5: no playlist lists a part of a segment that has already ended as its last."""
    site = Site(OPEN)
    task = await site.ask(PLAYLIST, "_HLS_msn=5&_HLS_part=2")
    site.push(part(5, 2), segment(5)[-1])

    assert b'/5.ts\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="../../720p30/6.0.ts"\n' in (await task).body


@pytest.mark.parametrize("gzipped", [False, True])
async def test_l25_a_thousand_waiters_share_one_body(gzipped):
    site = Site(OPEN)
    headers = {"accept_encoding": "gzip"} if gzipped else {}
    asked = [
        asyncio.create_task(site.get(PLAYLIST, "_HLS_msn=5&_HLS_part=2", **headers))
        for _ in range(1000)
    ]
    await turn()
    assert site.stream.waiting_count() == 1000

    site.push(part(5, 2))
    responses = await asyncio.gather(*asked)

    assert len({id(response.body) for response in responses}) == 1
    assert site.stream.waiting_count() == 0


async def test_l24_clients_that_leave_free_their_place():
    site, gone = Site(OPEN), asyncio.Event()
    asked = [
        asyncio.create_task(site.get(path, query, disconnected=gone.wait))
        for path, query in [
            (PLAYLIST, "_HLS_msn=6"),
            (f"{MEDIA}/5.2.ts", ""),
            (f"{MEDIA}/6.ts", ""),
        ]
        * 50
    ]
    await turn()
    assert site.stream.waiting_count() == 150

    site.clock.now_s += waiting.WATCH_AFTER_S
    site.delivery.expire()
    gone.set()
    assert {response.status for response in await asyncio.gather(*asked)} == {499}
    assert site.stream.waiting_count() == 0


@pytest.mark.parametrize(
    ("path", "query", "cache"),
    [
        (PLAYLIST, "_HLS_msn=6", "max-age=8"),
        (f"{MEDIA}/5.2.ts", "", "max-age=2"),
        (f"{MEDIA}/6.ts", "", "max-age=2"),
    ],
    ids=["playlist", "hinted part", "prefetched segment"],
)
async def test_l22_a_request_blocked_for_three_target_durations_gets_503(path, query, cache):
    site = Site(OPEN)
    task = await site.ask(path, query)
    site.clock.now_s += 5.9
    site.delivery.expire()
    await turn()
    assert not task.done()

    site.clock.now_s += 0.1
    site.delivery.expire()
    response = await task

    assert (response.status, error_code(response)) == (503, "media_is_late")
    assert header(response, "cache-control") == cache


async def test_more_waiters_than_the_bound_get_429(monkeypatch):
    site = Site(OPEN)
    monkeypatch.setattr(site.stream.rendition("720p30").room, "_max_waiting", 1)
    first = await site.ask(PLAYLIST, "_HLS_msn=6")

    response = await site.get(PLAYLIST, "_HLS_msn=6")

    assert (response.status, error_code(response)) == (429, "too_many_waiting_requests")
    assert header(response, "cache-control") == "no-store"
    assert (await site.get(PLAYLIST)).status == 200
    assert waiting.MAX_WAITING >= 10_000
    site.stream.close()
    await first


@pytest.mark.parametrize("end", ["finished", "closed"])
async def test_the_end_answers_all_who_wait(end):
    site = Site(OPEN)
    playlists = [await site.ask(PLAYLIST, query) for query in ("_HLS_msn=5", "_HLS_msn=6")]
    hinted = await site.ask(f"{MEDIA}/5.2.ts")
    ahead = await site.ask(f"{MEDIA}/6.ts")
    if end == "finished":
        site.push(FINISHED)
    else:
        site.stream.close()

    for response in await asyncio.gather(*playlists):
        assert response.status == 200
        assert response.body.endswith(b"/5.ts\n#EXT-X-ENDLIST\n")
    assert (await hinted).status == 404
    for response in (await ahead, await site.get(f"{MEDIA}/6.ts")):
        assert (response.status, error_code(response)) == (503, "stream_has_ended")
        assert header(response, "cache-control") == "max-age=1"
    assert (await site.get(f"{MEDIA}/8.ts")).status == 404
    assert site.stream.waiting_count() == 0
    # L14: from now on directives mean nothing.
    assert (await site.get(PLAYLIST, "_HLS_msn=99&_HLS_part=x")).status == 200


async def test_the_end_answers_who_waits_for_the_beginning():
    site = Site([started(0)])
    task = await site.ask(PLAYLIST)
    site.stream.close()

    assert (await task).body.endswith(b"#EXT-X-ENDLIST\n")


async def test_l29_the_hinted_part_is_sent_when_it_is_complete():
    site = Site(OPEN)
    tasks = [await site.ask(f"{MEDIA}/5.2.ts") for _ in range(3)]
    assert site.stream.waiting_count() == 3
    event = part(5, 2)
    site.push(event)

    for response in await asyncio.gather(*tasks):
        assert response.status == 200
        assert response.body is event.payload


async def test_what_is_there_is_answered_however_many_wait(monkeypatch):
    site = Site(OPEN)
    monkeypatch.setattr(site.stream.rendition("720p30").room, "_max_waiting", 0)

    assert (await site.get(f"{MEDIA}/5.2.ts")).status == 429
    for path in (f"{MEDIA}/5.1.ts", f"{MEDIA}/4.ts", PLAYLIST):
        assert (await site.get(path)).status == 200


async def test_l28_a_hinted_part_that_never_comes_is_refused_then():
    site = Site(OPEN)
    task = await site.ask(f"{MEDIA}/5.2.ts")
    site.push(segment(5)[-1])

    assert (await task).status == 404


async def test_the_hint_at_the_very_start_can_be_fetched():
    site = Site([started(0)])
    task = await site.ask(f"{MEDIA}/0.0.ts")
    site.push(part(0, 0))

    assert (await task).body == b"<0.0>"


async def test_a_player_follows_the_live_edge_by_hints_and_blocking_alone():
    """L28, L29, L31: each part once, by its hint, and the playlist that then names it."""
    site, fetched, position = Site(segments(0, 3)), [], (4, 0)
    groups = [
        group
        for msn in (4, 5)
        for group in (
            [started(msn), part(msn, 0)],
            [part(msn, 1)],
            [part(msn, 2)],
            [part(msn, 3), segment(msn)[-1]],
        )
    ]
    for group in groups:
        before = m3u8.loads((await site.get(PLAYLIST)).body.decode())
        hinted = await site.ask(urljoin(PLAYLIST, before.preload_hint.uri))
        query = f"_HLS_part={position[1]}&_HLS_msn={position[0]}&_HLS_skip=YES"
        playlist = await site.ask(PLAYLIST, query)
        site.push(*group)

        fetched.append((await hinted).body)
        assert f'URI="{before.preload_hint.uri}"'.encode() in (await playlist).body
        last = position[1] == 3
        position = (position[0] + 1, 0) if last else (position[0], position[1] + 1)

    assert fetched == [f"<{msn}.{index}>".encode() for msn in (4, 5) for index in range(4)]
