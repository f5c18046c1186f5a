"""Recordings and the owners of buckets, as rows."""

import pytest

from headwater.store.recordings import RecordingRecord
from headwater.store.records import Position, Scope

SCOPE = Scope("123456789012", "eu-west-1")


def recording(number, **changes):
    fields = {
        "id": f"recording{number:07d}",
        "region": SCOPE.region,
        "account": SCOPE.account,
        "channel_id": "abcdABCDefgh",
        "bucket_name": "vod",
        "prefix": f"ivs/v1/123456789012/abcdABCDefgh/2026/1/1/0/{number}/abc",
        "state": "RECORDING",
        "started_at_ms": 1000 + number // 2,
        "ended_at_ms": 0,
        "duration_ms": 0,
        "stream_ids": ["st-1"],
        "message": "",
    }
    return RecordingRecord(**(fields | changes))


async def test_what_is_said_later_replaces_what_was_said(store):
    ended = recording(1, state="ENDED", ended_at_ms=9, duration_ms=8, stream_ids=["st-1", "st-2"])
    async with store.write() as work:
        await work.recordings.put(recording(1))
        await work.recordings.put(recording(2))
        await work.recordings.put(ended)
    async with store.read() as work:
        assert await work.recordings.get(ended.id) == ended
        assert await work.recordings.get(recording(2).id) == recording(2)
        assert await work.recordings.get("no such one") is None


async def test_pages_are_newest_first_and_of_one_channel(store):
    others = [
        recording(100, channel_id="other"),
        recording(101, account="999999999999"),
        recording(102, region="us-east-1"),
    ]
    async with store.write() as work:
        for number in range(7):
            await work.recordings.put(recording(number))
        for each in others:
            await work.recordings.put(each)
    found, before = [], None
    async with store.read() as work:
        while page := await work.recordings.page(SCOPE, "abcdABCDefgh", limit=3, before=before):
            found += page
            before = Position(page[-1].started_at_ms, page[-1].id)
    assert found == [recording(number) for number in reversed(range(7))]


@pytest.mark.parametrize("account", [SCOPE.account, "999999999999"])
async def test_a_bucket_is_the_first_accounts_that_claims_it(store, account):
    async with store.write() as work:
        assert await work.recordings.claim_bucket("vod", SCOPE.account) == SCOPE.account
        assert await work.recordings.claim_bucket("other", account) == account
    async with store.write() as work:
        assert await work.recordings.claim_bucket("vod", account) == SCOPE.account
    async with store.read() as work:
        assert await work.recordings.buckets(limit=9) == ["other", "vod"]
        assert await work.recordings.buckets(limit=1) == ["other"]
