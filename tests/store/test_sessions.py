from msgspec.structs import replace

from headwater.store.records import Position
from headwater.store.sessions import StreamSessionRecord
from store.rows import ELSEWHERE, HERE


def session(number, scope=HERE, **changes):
    fields = {
        "id": f"st-{number:023}",
        "region": scope.region,
        "account": scope.account,
        "channel_id": "channel",
        "server": "a",
        "created_at_ms": 1000 + number // 2,  # two at a time
        "live_at_ms": 0,
        "ended_at_ms": 0,
        "seen_at_ms": 5000,
        "has_error_event": False,
        "channel": {"name": "ü"},
        "recording_configuration": {},
        "failover_slate_configuration": {"state": "CREATED"},
        "ingest": {"videoConfigurations": []},
        "events": [{"name": "Session Created", "time_ms": 1}],
    }
    return StreamSessionRecord(**{**fields, **changes})


async def put(store, *sessions):
    async with store.write() as work:
        for each in sessions:
            await work.sessions.put(each)


async def test_what_was_said_last_is_kept(store):
    first = session(1)
    last = replace(first, live_at_ms=7, has_error_event=True, events=[])
    await put(store, first)
    await put(store, last)

    async with store.read() as work:
        assert await work.sessions.get(HERE, "channel", first.id) == last
        assert await work.sessions.get(HERE, "other", first.id) is None
        for scope in ELSEWHERE:
            assert await work.sessions.get(scope, "channel", first.id) is None


async def test_pages_go_from_the_newest_on(store):
    sessions = [session(number) for number in range(5)]
    others = [session(7, channel_id="other"), *(session(8 + n, s) for n, s in enumerate(ELSEWHERE))]
    await put(store, *sessions, *others)
    found, before = [], None

    async with store.read() as work:
        while page := await work.sessions.page(HERE, "channel", limit=2, before=before):
            found += page
            before = Position(page[-1].created_at_ms, page[-1].id)

    assert found == sessions[::-1]


async def test_sessions_without_an_end_are_found_by_server_and_silence(store):
    mine = session(1, seen_at_ms=5000)
    ended = session(2, seen_at_ms=1, ended_at_ms=2)
    silent = session(3, server="b", seen_at_ms=4000)
    others = session(4, server="b", seen_at_ms=5000)
    await put(store, mine, ended, silent, others)

    async with store.read() as work:
        assert await work.sessions.unended("a", seen_before_ms=4500) == [mine, silent]


async def test_a_server_says_that_its_sessions_go_on(store):
    await put(store, session(1), session(2, ended_at_ms=2), session(3, server="b"))
    async with store.write() as work:
        await work.sessions.saw("a", 9000)

    async with store.read() as work:
        found = await work.sessions.page(HERE, "channel", limit=9, before=None)
    assert [each.seen_at_ms for each in found] == [5000, 5000, 9000]


async def test_what_ended_long_ago_is_removed(store):
    kept = [session(1), session(2, ended_at_ms=100)]
    await put(store, *kept, session(3, ended_at_ms=99))
    async with store.write() as work:
        await work.sessions.purge(100)

    async with store.read() as work:
        found = await work.sessions.page(HERE, "channel", limit=9, before=None)
    assert found == kept[::-1]
