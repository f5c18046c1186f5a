"""Sessions as they are written; the API shows them in tests/api/operations."""

import asyncio
import gc
import json

import pytest

from headwater.core.encoded import EncoderMetadata
from headwater.core.errors import OperatorError
from headwater.core.track import TrackSet
from headwater.node.streams import occurrences, sessions
from headwater.node.streams.sessions import (
    LIMIT_BREACH,
    LOST_AFTER_MS,
    RECORDING_CHANGE,
    RETENTION_MS,
    SessionLog,
)
from headwater.store import Store
from media.packets import BOTH
from store.rows import HERE, channel, insert_both, stream_key

BEGAN_MS = 1_700_000_000_000
NAMES = ["Session Ended", "Stream End", "Stream Start", "Session Created"]


class Clock:
    now_ms = BEGAN_MS


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(f"sqlite:///{tmp_path}/headwater.db")
    yield store
    await store.close()


@pytest.fixture
async def record(store):
    record = channel(id="abcdABCDefgh", tags={"k": "v"})
    async with store.write() as work:
        await insert_both(work, record, stream_key(record))
    return record


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    monkeypatch.setattr(Clock, "now_ms", BEGAN_MS)


def log_of(store, server="a"):
    return SessionLog(store, server=server, now_ms=lambda: Clock.now_ms)


async def begun(log, store, record, stream_id="st-1"):
    session = log.session(record, stream_id)
    async with store.read() as work:
        await session.begin(work, Clock.now_ms)
    return session


async def rows(store):
    async with store.read() as work:
        return await work.sessions.page(HERE, "abcdABCDefgh", limit=99, before=None)


async def row_when(store, is_so):
    """The one row, once that is so of it."""
    async with asyncio.timeout(5):
        while not ((found := await rows(store)) and is_so(found[0])):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    return found[0]


async def test_a_session_is_written_as_it_goes(store, record):
    log = log_of(store)
    await log.start()
    session = await begun(log, store, record)

    created = await row_when(store, lambda _: True)
    assert created.channel["name"] == record.name
    assert created.channel["tags"] == {"k": "v"}
    assert "srt_passphrase" not in created.channel
    assert (created.created_at_ms, created.live_at_ms, created.ended_at_ms) == (BEGAN_MS, 0, 0)

    session.describe(EncoderMetadata(values={"encoder": "x", "videodatarate": 800.0}))
    session.describe(BOTH)
    session.live(BEGAN_MS + 3000)
    live = await row_when(store, lambda row: row.live_at_ms)
    assert live.live_at_ms == BEGAN_MS + 3000
    assert live.ingest["videoConfigurations"][0]["targetBitrate"] == 800_000

    session.end(BEGAN_MS + 9000)
    ended = await row_when(store, lambda row: row.ended_at_ms)
    await log.close()
    assert [event["name"] for event in ended.events] == NAMES
    assert [event["time_ms"] - BEGAN_MS for event in ended.events] == [9000, 9000, 3000, 0]
    assert {event["type"] for event in ended.events} == {"IVS Stream State Change"}
    assert not ended.has_error_event


async def test_closing_writes_what_is_left(store, record):
    log = log_of(store)
    session = await begun(log, store, record)
    session.end(BEGAN_MS)
    await log.close()

    (row,) = await rows(store)
    # It never was live: no stream started, and none ended.
    assert [event["name"] for event in row.events] == ["Session Ended", "Session Created"]


async def test_an_encoder_that_was_not_let_in_leaves_nothing(store, record):
    log = log_of(store)
    session = log.session(record, "st-1")
    session.describe(BOTH)
    session.end(BEGAN_MS)
    async with store.read() as work:
        await session.begin(work, BEGAN_MS)  # it was stopped before
    await log.close()

    assert await rows(store) == []


async def test_failures_and_breaches_are_errors_and_the_newest_events_stay(
    store, record, monkeypatch
):
    monkeypatch.setattr(occurrences, "MAX_EVENTS", 3)
    log = log_of(store)
    one, other = [await begun(log, store, record, f"st-{n}") for n in range(2)]
    one.note("Stream Failure", BEGAN_MS)
    for _ in range(3):
        one.note("Stream Takeover", BEGAN_MS)
    other.note("Ingest Bitrate", BEGAN_MS, kind=LIMIT_BREACH)
    await log.close()

    second, first = await rows(store)
    assert [event["name"] for event in first.events] == ["Stream Takeover"] * 3
    assert first.has_error_event
    assert second.has_error_event


async def test_a_session_that_a_killed_server_left_ends_when_it_was_last_seen(store, record):
    log = log_of(store)
    session = await begun(log, store, record)
    session.live(BEGAN_MS)
    Clock.now_ms += 5000
    await log._beat()

    Clock.now_ms += 60_000
    again = log_of(store)
    await again.start()
    await again.close()

    (row,) = await rows(store)
    assert row.ended_at_ms == BEGAN_MS + 5000
    assert [event["name"] for event in row.events] == NAMES
    assert row.events[0]["time_ms"] == BEGAN_MS + 5000


@pytest.mark.parametrize(
    ("silent_ms", "is_over"), [(LOST_AFTER_MS, False), (LOST_AFTER_MS + 1, True)]
)
async def test_a_session_of_another_server_ends_when_nobody_speaks_of_it(
    store, record, silent_ms, is_over
):
    log = log_of(store, server="b")
    await begun(log, store, record)
    await log.close()

    Clock.now_ms += silent_ms
    mine = log_of(store)
    await mine.start()
    await mine.close()

    (row,) = await rows(store)
    assert bool(row.ended_at_ms) is is_over


async def test_while_nothing_can_be_written_sessions_wait(store, record, monkeypatch):
    log = log_of(store)
    session = await begun(log, store, record)
    transact = log._transact

    async def fails(*_args, **_options):
        raise OperatorError("the disk is full")

    monkeypatch.setattr(log, "_transact", fails)
    with pytest.raises(OperatorError):
        await log._write()
    session.live(BEGAN_MS)
    monkeypatch.setattr(log, "_transact", transact)
    await log._write()

    (row,) = await rows(store)
    assert row.live_at_ms == BEGAN_MS


async def test_what_waits_is_bounded(store, record, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_WAITING", 2)
    log = log_of(store)
    for number in range(3):
        await begun(log, store, record, f"st-{number}")
    await log.close()

    assert [row.id for row in await rows(store)] == ["st-2", "st-1"]


async def test_sessions_are_kept_for_sixty_days(store, record):
    log = log_of(store)
    (await begun(log, store, record)).end(BEGAN_MS)
    await log.close()
    counts = []
    for now_ms in (BEGAN_MS + RETENTION_MS, BEGAN_MS + RETENTION_MS + 1):
        Clock.now_ms = now_ms
        again = log_of(store)
        await again.start()
        await again.close()
        counts.append(len(await rows(store)))

    assert counts == [1, 0]


async def test_saying_the_same_again_writes_nothing(store, record):
    log = log_of(store)
    session = await begun(log, store, record)
    session.describe(TrackSet(video=None, audio=BOTH.audio))
    await log._write()
    for _ in range(4):  # seen on real encoders: onMetaData four times a second
        session.describe(EncoderMetadata(values={}))

    assert not log._waiting
    await log.close()


# The events that are told.


async def told(store):
    """The events, as they will be delivered."""
    async with store.read() as work:
        return [json.loads(record.body) for record in await work.events.after(0, limit=99)]


def summary(event):
    detail = event["detail"]
    name = detail.get("event_name") or detail.get("limit_name") or detail.get("recording_status")
    return name, event["time"][11:19]


RECORDING = {
    "recording_status_reason": "",
    "recording_s3_bucket_name": "b",
    "recording_s3_key_prefix": "p",
    "recording_duration_ms": 7,
    "recording_session_id": "a6RfV23ES97iyfoQ",
}
VIEWERS = {
    "limit_name": "Concurrent Viewers",
    "limit_value": 10,
    "exceeded_by": 1,
    "limit_unit": "viewers",
}


async def test_events_are_written_with_what_they_tell(store, record):
    woken = []
    log = SessionLog(
        store, server="a", now_ms=lambda: Clock.now_ms, on_events=lambda: woken.append(1)
    )
    session = await begun(log, store, record)
    session.live(BEGAN_MS + 3000)
    session.note("Stream Takeover Failure", BEGAN_MS + 4000, code="StreamTakeoverMediaMismatch")
    session.note("Recording Start", BEGAN_MS + 5000, kind=RECORDING_CHANGE, detail=RECORDING)
    session.end(BEGAN_MS + 9000)
    await log.close()

    events = await told(store)
    assert [summary(event) for event in events] == [
        ("Session Created", "22:13:20"),
        ("Stream Start", "22:13:23"),
        ("Stream Takeover Failure", "22:13:24"),
        ("Recording Start", "22:13:25"),
        ("Stream End", "22:13:29"),
        ("Session Ended", "22:13:29"),
    ]
    (row,) = await rows(store)
    assert [event["name"] for event in row.events] == [summary(one)[0] for one in events][::-1]
    assert events[2]["detail"] == {
        "event_name": "Stream Takeover Failure",
        "code": "StreamTakeoverMediaMismatch",
        "channel_name": record.name,
        "stream_id": "st-1",
    }
    assert {(event["account"], event["region"]) for event in events} == {
        (HERE.account, HERE.region)
    }
    assert {tuple(event["resources"]) for event in events} == {(record.arn,)}
    assert woken == [1]


async def test_a_limit_of_an_account_is_told_without_a_stream(store):
    log = log_of(store)
    log.announce(HERE, LIMIT_BREACH, BEGAN_MS, VIEWERS)
    await log.close()

    (event,) = await told(store)
    assert event["resources"] == []
    assert event["detail"] == VIEWERS


async def test_what_happens_to_a_stream_of_an_earlier_run_is_added_to_it(store, record):
    first = log_of(store)
    (await begun(first, store, record)).end(BEGAN_MS)
    await first.close()
    gc.collect()  # nobody has the session in hand

    log = log_of(store)
    ended = {"kind": RECORDING_CHANGE, "detail": RECORDING}
    log.note_of("st-1", "Recording End", BEGAN_MS + 5000, **ended)
    log.note_of("st-gone", "Recording End", BEGAN_MS + 5000, **ended)
    await log.close()

    (row,) = await rows(store)
    assert row.events[0]["name"] == "Recording End"
    assert row.ended_at_ms == BEGAN_MS
    assert [summary(event)[0] for event in await told(store)] == [
        "Session Created",
        "Session Ended",
        "Recording End",
    ]


async def test_what_happens_to_a_stream_that_runs_is_noted_by_its_session(store, record):
    log = log_of(store)
    session = await begun(log, store, record)
    log.note_of("st-1", "Stream Takeover", BEGAN_MS)
    session.end(BEGAN_MS)
    await log.close()

    (row,) = await rows(store)
    assert [event["name"] for event in row.events] == [
        "Session Ended",
        "Stream Takeover",
        "Session Created",
    ]


async def test_a_killed_servers_sessions_tell_their_end_once(store, record):
    log = log_of(store)
    (await begun(log, store, record)).live(BEGAN_MS)
    Clock.now_ms += 5000
    await log._beat()

    Clock.now_ms += 2 * LOST_AFTER_MS
    others = [log_of(store, server=name) for name in "bc"]
    await asyncio.gather(*(other.start() for other in others))
    await asyncio.gather(*(other.close() for other in others))

    events = await told(store)
    assert [summary(event) for event in events][2:] == [
        ("Stream End", "22:13:25"),
        ("Session Ended", "22:13:25"),
    ]
    assert len(events) == 4


async def test_events_wait_with_what_they_tell_and_keep_their_ids(store, record, monkeypatch):
    log = log_of(store)
    session = await begun(log, store, record)
    transact = log._transact

    async def fails_after(*args, **options):
        await transact(*args, **options)
        raise OperatorError("the connection was lost at the commit")

    monkeypatch.setattr(log, "_transact", fails_after)
    with pytest.raises(OperatorError):
        await log._write()
    before = [event["id"] for event in await told(store)]
    session.live(BEGAN_MS + 3000)
    monkeypatch.setattr(log, "_transact", transact)
    await log.close()

    events = await told(store)
    assert [event["id"] for event in events][:1] == before
    assert [summary(event)[0] for event in events] == ["Session Created", "Stream Start"]


async def test_what_ivs_would_not_say_is_no_event_and_ends_no_stream(store, record):
    log = log_of(store)
    session = await begun(log, store, record)
    session.note("Ingest Bitrate", BEGAN_MS, kind=LIMIT_BREACH)  # no figures
    log.announce(HERE, LIMIT_BREACH, BEGAN_MS, {"limit_name": "Concurrent Viewers"})
    await log.close()

    assert [summary(event)[0] for event in await told(store)] == ["Session Created"]
    (row,) = await rows(store)
    assert row.events[0]["name"] == "Ingest Bitrate"


async def test_events_that_wait_are_bounded(store, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_EVENTS_WAITING", 2)
    log = log_of(store)
    for exceeded_by in range(4):
        log.announce(HERE, LIMIT_BREACH, BEGAN_MS, VIEWERS | {"exceeded_by": exceeded_by})
        log.note_of(f"st-{exceeded_by}", "Stream Takeover", BEGAN_MS)
    assert len(log._waiting.notes) == 2
    await log.close()

    assert [event["detail"]["exceeded_by"] for event in await told(store)] == [2, 3]
