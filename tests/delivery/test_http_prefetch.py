"""Segments that are fetched while they are made: what the IVS player does."""

import asyncio
from urllib.parse import urljoin

import pytest

from delivery.feed import FINISHED, make_plan, part, segment, segments, started
from delivery.site_under_test import MEDIA, OPEN, PLAYLIST, Site, error_code, header, turn
from headwater.delivery.waiting import WATCH_AFTER_S

OPEN_SEGMENT = f"{MEDIA}/5.ts"


class Reader:
    """A client that takes the chunks of an answer as they come."""

    def __init__(self, response):
        self.response = response
        self.got = []
        self.task = asyncio.create_task(self._read())

    async def _read(self):
        async for chunk in self.response.chunks:
            self.got.append(chunk)

    @classmethod
    async def of(cls, site, path, **options):
        reader = cls(await site.get(path, **options))
        await turn()
        return reader


async def test_a_segment_is_sent_as_its_parts_come():
    site = Site(OPEN)
    reader = await Reader.of(site, OPEN_SEGMENT)
    assert reader.response.status == 200
    assert header(reader.response, "content-type") == "video/mp2t"
    assert header(reader.response, "content-length") is None
    assert header(reader.response, "access-control-allow-origin") == "*"
    assert reader.got == [b"<5.0>", b"<5.1>"]

    event = part(5, 2)
    site.push(event)
    await turn()
    assert reader.got[2] is event.payload
    assert not reader.task.done()
    assert site.stream.waiting_count() == 1

    site.push(part(5, 3), segment(5)[-1])
    await reader.task
    whole = await site.get(OPEN_SEGMENT)
    assert b"".join(reader.got) == whole.body == b"<5.0><5.1><5.2><5.3>"
    assert header(whole, "content-length") == str(len(whole.body))
    assert header(whole, "etag") == header(reader.response, "etag")
    assert site.stream.waiting_count() == 0


async def test_the_segment_after_it_is_answered_with_its_first_part():
    site = Site(OPEN)
    task = await site.ask(f"{MEDIA}/6.ts")
    site.push(part(5, 2), segment(5)[-1], started(6))
    await turn()
    assert not task.done()

    site.push(part(6, 0))
    reader = Reader(await task)
    await turn()
    assert reader.got == [b"<6.0>"]
    site.stream.close()
    await reader.task


async def test_all_segments_that_a_playlist_names_ahead_can_be_followed_without_a_gap():
    site, readers = Site(OPEN), []
    for msn in range(5, 9):
        lines = (await site.get(PLAYLIST)).body.decode().splitlines()
        ahead = [line.partition(":")[2] for line in lines if "PREFETCH" in line]
        assert ahead == [f"../../720p30/{msn}.ts", f"../../720p30/{msn + 1}.ts"]
        readers.append(await Reader.of(site, urljoin(PLAYLIST, ahead[0])))
        site.push(*segment(msn)[3 if msn == 5 else 2 :], started(msn + 1), part(msn + 1, 0))

    for msn, reader in enumerate(readers, 5):
        await reader.task
        assert b"".join(reader.got) == (await site.get(f"{MEDIA}/{msn}.ts")).body
    assert site.stream.waiting_count() == 0


async def test_the_bytes_of_a_slow_reader_stay():
    """It holds its segment, though that has left the window and its parts are gone."""
    site = Site(OPEN)
    response = await site.get(OPEN_SEGMENT)
    first = await anext(response.chunks)
    site.push(part(5, 2), segment(5)[-1], *segments(6, 60))
    assert (await site.get(OPEN_SEGMENT)).status == 404

    rest = [chunk async for chunk in response.chunks]
    assert first + b"".join(rest) == b"<5.0><5.1><5.2>"


@pytest.mark.parametrize("end", [FINISHED, None], ids=["finished", "closed"])
async def test_a_segment_that_is_cut_off_ends_with_what_came(end):
    site = Site(OPEN)
    reader = await Reader.of(site, OPEN_SEGMENT)
    if end:
        site.push(end)
    else:
        site.stream.close()
    await reader.task

    assert b"".join(reader.got) == (await site.get(OPEN_SEGMENT)).body == b"<5.0><5.1>"
    assert site.stream.waiting_count() == 0


async def test_a_reader_is_not_ended_by_an_encoder_that_pauses():
    """A cut-off answer would pass for the whole segment."""
    site = Site(OPEN)
    reader = await Reader.of(site, OPEN_SEGMENT)
    site.clock.now_s += 29
    site.delivery.expire()
    await turn()
    assert not reader.task.done()

    site.stream.close()
    await reader.task


async def test_readers_that_leave_free_their_place():
    site, gone = Site(OPEN), asyncio.Event()
    readers = [await Reader.of(site, OPEN_SEGMENT, disconnected=gone.wait) for _ in range(20)]
    assert site.stream.waiting_count() == 20

    site.clock.now_s += WATCH_AFTER_S
    site.delivery.expire()
    gone.set()
    await asyncio.gather(*(reader.task for reader in readers))
    assert site.stream.waiting_count() == 0
    assert len(asyncio.all_tasks()) == 1


async def test_a_reader_that_is_closed_frees_its_place():
    site = Site(OPEN)
    response = await site.get(OPEN_SEGMENT, disconnected=asyncio.Event().wait)
    await anext(response.chunks)
    assert site.stream.waiting_count() == 1

    await response.chunks.aclose()
    await turn()
    assert site.stream.waiting_count() == 0
    assert len(asyncio.all_tasks()) == 1


async def test_an_answer_that_is_never_read_holds_nothing():
    site = Site(OPEN)
    await site.get(OPEN_SEGMENT, disconnected=asyncio.Event().wait)

    assert site.stream.waiting_count() == 0
    assert len(asyncio.all_tasks()) == 1


async def test_more_readers_than_the_bound_get_429(monkeypatch):
    site = Site(OPEN)
    monkeypatch.setattr(site.stream.rendition("720p30").room, "_max_waiting", 1)
    reader = await Reader.of(site, OPEN_SEGMENT)

    response = await site.get(OPEN_SEGMENT)
    assert (response.status, error_code(response)) == (429, "too_many_waiting_requests")

    site.push(part(5, 2), segment(5)[-1])
    await reader.task
    assert (await site.get(OPEN_SEGMENT)).status == 200


async def test_head_of_a_growing_segment_has_no_body():
    response = await Site(OPEN).get(OPEN_SEGMENT, method="HEAD")

    assert (response.status, response.body, response.chunks) == (200, b"", None)


@pytest.mark.parametrize("name", ["range", "if_none_match"])
async def test_what_is_not_complete_is_sent_whole(name):
    site = Site(OPEN)
    value = {"range": "bytes=0-1", "if_none_match": '"RunRunRunRunRun1"'}[name]
    reader = await Reader.of(site, OPEN_SEGMENT, **{name: value})

    assert (reader.response.status, reader.got) == (200, [b"<5.0>", b"<5.1>"])
    site.stream.close()
    await reader.task


async def test_fragmented_mp4_grows_too():
    site = Site([*segment(0, init=b"<init>"), started(1), part(1, 0)], make_plan("FRAGMENTED_MP4"))
    reader = await Reader.of(site, f"{MEDIA}/1.m4s")
    site.push(*segment(1)[2:])
    await reader.task

    assert header(reader.response, "content-type") == "video/iso.segment"
    assert reader.got == [b"<1.0>", b"<1.1>", b"<1.2>", b"<1.3>"]
