"""Encoders that come and go while their stream lives. The ids are those of encoders.md."""

import pytest

from headwater.core.encoded import EncoderMetadata
from headwater.core.errors import PeerError
from headwater.core.secret import Secret
from headwater.ingest.gate import Refusal
from headwater.node.streams.broadcast import GRACE_MS, MAX_STREAM_MS, TAKEN_OVER
from headwater.node.streams.live import NOT_VALID
from headwater.node.streams.takeover import MAX_CANDIDATES, MAX_PRIORITY
from headwater.store.records import StreamKeyRecord
from media.encoders import encode
from node.publishing import KEY, Clock, Encoder, feed, registry_of, second_of
from store.rows import stream_key

OTHER = {"size": (96, 64)}


async def live(registry, **parameters):
    """An encoder whose stream can be played."""
    encoder = await Encoder(registry, **parameters).publish()
    feed(encoder, 3.0)
    assert encoder.broadcast.is_live
    return encoder


def rows_of(encoder):
    """The segments of its stream's picture."""
    [rendition, _] = encoder.broadcast._output._renditions.values()
    return list(rendition.window.listed())


def discontinuities(encoder):
    return [row.discontinuity for row in rows_of(encoder)].count(True)


def later(seconds):
    Clock.now_ms += round(seconds * 1000)


BACK = [
    # id,                                         away s, other,  discontinuities
    ("R-47 at once, the same settings",           0.5,    {},     0),
    ("R-47 after some seconds",                   8.0,    {},     1),
    ("R-47 at the last moment",                   29.9,   {},     1),
    ("R-47 at once, another picture",             0.5,    OTHER,  1),
    ("R-47 without sound",                        0.5,    {"audio": False}, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("away_s", "other", "breaks"), [row[1:] for row in BACK], ids=[row[0] for row in BACK]
)
async def test_an_encoder_that_is_back_goes_on_with_its_stream(registry, away_s, other, breaks):
    first = await live(registry)
    before_s = sum(row.duration_ms for row in rows_of(first)) / 1000
    first.leave("connection lost", on_purpose=False)
    later(away_s)
    registry.look()
    stream = registry.live_stream(first.broadcast.channel.arn)
    assert stream is not None

    back = await Encoder(registry).publish()
    feed(back, 3.9, **other)
    back.leave()

    assert back.broadcast is first.broadcast
    assert back.broadcast.stream_id == stream.stream_id
    assert discontinuities(back) == breaks
    assert back.names().count("Session Created") == 1
    assert back.names()[-2:] == ["Stream End", "Session Ended"]
    lasting_s = sum(row.duration_ms for row in rows_of(back)) / 1000
    assert lasting_s == pytest.approx(
        max(before_s, 3.0) + 4 + (away_s if not breaks else 0), abs=0.2
    )
    video = back.record.ingest.get("videoConfigurations")[0]
    assert (video["videoWidth"], video["videoHeight"]) == other.get("size", (64, 48))


async def test_a_stream_whose_encoder_stays_away_ends_after_the_grace(registry):
    encoder = await live(registry)
    last_ms = encoder.broadcast.last_frame_ms
    encoder.leave("connection lost", on_purpose=False)
    Clock.now_ms = last_ms + GRACE_MS - 1
    registry.look()
    assert registry.is_publishing(encoder.broadcast.channel.arn)
    assert registry.live_stream(encoder.broadcast.channel.arn).health == "STARVING"

    Clock.now_ms += 1
    registry.look()

    assert not registry.is_publishing(encoder.broadcast.channel.arn)
    assert encoder.names()[-2:] == ["Stream End", "Session Ended"]
    assert encoder.record.ended_at_ms == last_ms + GRACE_MS
    assert (await Encoder(registry).publish()).broadcast is not encoder.broadcast


async def test_silence_of_an_encoder_that_is_connected_ends_its_stream_by_the_same_rule(registry):
    encoder = await live(registry)
    Clock.now_ms = encoder.broadcast.last_frame_ms + GRACE_MS
    registry.look()

    assert encoder.stopped == ["no media for 30 s"]
    assert not registry.broadcasts()


async def test_an_encoder_that_is_back_has_the_whole_grace_for_its_first_frame(registry):
    first = await live(registry)
    first.leave("connection lost", on_purpose=False)
    later(29)
    back = await Encoder(registry).publish()
    later(29)
    registry.look()
    assert registry.broadcasts() == [first.broadcast]

    back.leave("connection lost", on_purpose=False)
    assert not registry.broadcasts()


ENDS = [
    # id,                              seconds of media, on purpose
    ("R-44 it says that it stops",     3.0,              True),
    ("nothing can be played yet",      0.5,              False),
    ("nothing has come yet",           0.0,              False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "on_purpose"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS]
)
async def test_a_stream_that_nobody_waits_for_ends_at_once(registry, seconds, on_purpose):
    encoder = await Encoder(registry).publish()
    if seconds:
        feed(encoder, seconds)
    encoder.leave(on_purpose=on_purpose)

    assert not registry.broadcasts()
    assert encoder.names()[-1] == "Session Ended"


async def test_a_stream_that_waits_can_be_stopped_and_counts(registry):
    registry = registry_of(registry._store, concurrent_streams=1)
    first = await live(registry)
    arn = first.broadcast.channel.arn
    first.leave("connection lost", on_purpose=False)
    assert registry._published(first.broadcast.channel.scope) == 1
    assert registry.put_metadata(arn, "still there")

    assert registry.stop_stream(arn)

    assert not registry.stop_stream(arn)
    assert first.names()[-1] == "Session Ended"
    assert first.stopped == []


async def test_the_longest_life_of_a_stream_is_bounded(registry):
    encoder = await live(registry)
    started_ms = Clock.now_ms - 3_000
    Clock.now_ms = started_ms + MAX_STREAM_MS - 1_000
    encoder.answer.receive(encode().items[-1], Clock.now_ms)
    registry.look()
    assert encoder.stopped == []

    later(2)
    encoder.answer.receive(encode().items[-1], Clock.now_ms)
    registry.look()

    assert encoder.stopped == ["a stream lasts 48 hours at most"]
    assert encoder.names()[-2:] == ["Stream End", "Session Ended"]


async def test_a_server_that_stops_ends_streams_that_wait_too(registry):
    encoder = await live(registry)
    encoder.leave("connection lost", on_purpose=False)
    registry.stop_all("server is shutting down")

    assert not registry.broadcasts()
    assert encoder.names()[-1] == "Session Ended"
    refused = await Encoder(registry).publish()
    assert refused.answer.description == "The server is shutting down."


async def test_a_key_that_is_deleted_while_its_encoder_comes_back_is_refused(registry, monkeypatch):
    encoder = await live(registry)
    encoder.leave("connection lost", on_purpose=False)
    look_up, answers = registry._channel_of, []

    async def once(attempt):
        answers.append(None if answers else await look_up(attempt))
        return answers[-1]

    monkeypatch.setattr(registry, "_channel_of", once)
    back = await Encoder(registry).publish()

    assert isinstance(back.answer, Refusal)
    assert not encoder.broadcast.running.is_connected
    assert registry.broadcasts() == [encoder.broadcast]


async def test_a_key_that_is_deleted_while_its_stream_waits_lets_nobody_back_in_but_a_new_one_does(
    registry,
):
    encoder = await live(registry)
    held = encoder.broadcast.channel
    encoder.leave("connection lost", on_purpose=False)
    async with registry._store.write() as work:
        old = await work.stream_key_by_value(KEY)
        await work.delete(StreamKeyRecord, held.scope, old.id)

    back = await Encoder(registry).publish()
    taking = await Encoder(registry, priority="1").publish()
    assert (back.answer.description, taking.answer.description) == (NOT_VALID, NOT_VALID)
    assert encoder.names()[-1] == "Stream Start"

    async with registry._store.write() as work:
        await work.insert(stream_key(held, value=Secret("sk_new")))
    back = await Encoder(registry, Secret("sk_new")).publish()
    assert back.broadcast is encoder.broadcast
    back.leave()


# R-45b: takeover by priority.


@pytest.mark.parametrize("before", [{}, {"priority": "1"}], ids=["of none", "of a lower one"])
async def test_a_higher_priority_takes_over_and_viewers_see_no_seam(registry, before):
    first = await live(registry, **before)
    first.answer.receive(EncoderMetadata(values={"encoder": "first"}), Clock.now_ms)
    second = await Encoder(registry, priority="2").publish()
    second.answer.receive(EncoderMetadata(values={"encoder": "second"}), Clock.now_ms)
    assert first.stopped == []
    assert first.record.ingest["videoConfigurations"][0]["encoder"] == "first"
    feed(second, 3.9)
    second.leave()

    assert first.stopped == [TAKEN_OVER]
    assert second.broadcast is first.broadcast
    assert second.names() == [
        "Session Created",
        "Stream Start",
        "Stream Takeover",
        "Stream End",
        "Session Ended",
    ]
    assert second.record.ingest["videoConfigurations"][0]["encoder"] == "second"
    assert discontinuities(second) == 0
    assert sum(row.duration_ms for row in rows_of(second)) == pytest.approx(7_000, abs=100)


async def test_a_stream_that_cannot_be_played_yet_is_taken_over_too(registry):
    first = await Encoder(registry).publish()
    first.answer.receive(EncoderMetadata(values={"encoder": "first"}), Clock.now_ms)
    second = await Encoder(registry, priority="1").publish()
    second.answer.receive(EncoderMetadata(values={"encoder": "second"}), Clock.now_ms)
    feed(second, 3.0)

    assert first.stopped == [TAKEN_OVER]
    assert second.record.ingest["videoConfigurations"][0]["encoder"] == "second"
    assert second.names() == ["Session Created", "Stream Takeover", "Stream Start"]


async def test_until_its_tracks_are_known_a_newcomer_changes_nothing(registry):
    first = await live(registry)
    taken = first.broadcast.bytes_in
    second = await Encoder(registry, priority="1").publish()
    for item in encode().items[:4]:
        second.answer.receive(item, Clock.now_ms)
    assert first.broadcast.bytes_in == taken
    assert first.stopped == []

    second.leave("connection lost", on_purpose=False)
    feed(first, 1.0)
    assert first.broadcast.running.candidates == 0
    assert registry.live_stream(first.broadcast.channel.arn) is not None


FAILURES = [
    # id,                      priorities,                what comes,         code
    ("the same",               ("2", "2"),                {},                 "InvalidPriority"),
    ("a lower one",            ("2", "1"),                {},                 "InvalidPriority"),
    ("nought",                 ("0", "0"),                {},                 "InvalidPriority"),
    ("below nought",           ("1", "-1"),               {},                 "InvalidPriority"),
    ("beyond the range",       ("1", str(MAX_PRIORITY + 1)), {},              "InvalidPriority"),
    ("no number",              ("1", "high"),             {},                 "InvalidPriority"),
    ("empty",                  ("1", ""),                 {},                 "InvalidPriority"),
    ("another resolution",     ("1", "2"),                OTHER,              "MediaMismatch"),
    ("no sound",               ("1", "2"),                {"audio": False},   "MediaMismatch"),
    ("no picture",             ("1", "2"),                {"video": False},   "MediaMismatch"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("priorities", "how", "code"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
async def test_a_takeover_that_fails_is_told_and_harms_only_the_newcomer(
    registry, priorities, how, code
):
    before, asked = priorities
    first = await live(registry, priority=before)
    second = await second_of(registry, first, alive=True, priority=asked)
    if second.is_in:
        with pytest.raises(PeerError, match="is not taken over, because the media differs"):
            feed(second, 2.0, **how)
        second.leave("it was refused", on_purpose=False)

    assert first.stopped == []
    assert first.names()[-1] == f"Stream Takeover Failure StreamTakeover{code}"
    assert first.record.has_error_event
    assert first.broadcast.running.candidates == 0
    feed(first, 1.0)
    assert registry.live_stream(first.broadcast.channel.arn) is not None


async def test_takeovers_of_a_stream_are_counted_and_bounded(registry):
    registry = registry_of(registry._store, takeovers_per_stream=2)
    first = await live(registry)
    encoders = [await Encoder(registry, priority=str(n)).publish() for n in (1, 2, 3)]
    feed(encoders[0])
    feed(encoders[1])
    with pytest.raises(PeerError, match="taken over 2 times, the most allowed"):
        feed(encoders[2])
    last = await Encoder(registry, priority="4").publish()

    assert not last.is_in
    assert [encoders[0].stopped, encoders[1].stopped] == [[TAKEN_OVER], []]
    assert (
        first.names()[2:]
        == ["Stream Takeover"] * 2 + ["Stream Takeover Failure StreamTakeoverLimitBreached"] * 2
    )


async def test_of_two_that_try_at_once_the_quicker_wins_unless_the_other_is_higher(registry):
    await live(registry)
    low, high, same = [await Encoder(registry, priority=n).publish() for n in ("5", "9", "5")]
    feed(low)
    with pytest.raises(PeerError, match="of priority 5; 5 is not higher"):
        feed(same)
    feed(high)

    assert low.stopped == [TAKEN_OVER]
    assert high.broadcast.running.priority == 9


async def test_candidates_are_bounded(registry):
    first = await live(registry)
    answers = [await Encoder(registry, priority="1").publish() for _ in range(MAX_CANDIDATES + 1)]

    assert [each.is_in for each in answers] == [True] * MAX_CANDIDATES + [False]
    registry.stop_stream(first.broadcast.channel.arn)
    assert all(each.stopped for each in answers[:-1])


async def test_priorities_are_forgotten_at_the_end_of_the_stream(registry):
    first = await live(registry, priority="7")
    first.leave()

    assert (await Encoder(registry, priority="1").publish()).broadcast.running.priority == 1


async def test_without_a_stream_a_wrong_priority_is_none(registry):
    first = await live(registry, priority="0")

    assert first.broadcast.running.priority == 0


SLOTS = [
    # id,                            lost,    back,   in
    ("the same goes on",             "2",     "2",    True),
    ("a higher one takes over",      "2",     "3",    True),
    ("a lower one does not",         "2",     "1",    False),
    ("none does not",                "2",     None,   False),
    ("none goes on where none was",  None,    None,   True),
    ("any takes over from none",     None,    "1",    True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "back", "is_in"), [row[1:] for row in SLOTS], ids=[row[0] for row in SLOTS]
)
async def test_who_goes_on_with_a_stream_that_waits(registry, lost, back, is_in):
    first = await live(registry, **({"priority": lost} if lost else {}))
    first.leave("connection lost", on_purpose=False)
    second = await Encoder(registry, **({"priority": back} if back else {})).publish()

    assert second.is_in == is_in
    assert registry.broadcasts() == [first.broadcast]
    if is_in:
        feed(second, 1.0)
        assert ("Stream Takeover" in first.names()) == (lost != back)
        assert first.broadcast.running.is_connected


async def test_an_encoder_that_was_taken_over_cannot_go_on_sending(registry):
    first = await live(registry)
    second = await Encoder(registry, priority="1").publish()
    feed(second, 1.0)

    with pytest.raises(PeerError, match="goes on without this encoder"):
        first.answer.receive(encode().items[-1], Clock.now_ms)
    first.leave()
    assert registry.broadcasts() == [second.broadcast]
