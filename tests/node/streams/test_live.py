"""Who may publish, and who takes over from whom. The ids are those of docs/reference/encoders.md."""

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from headwater.core.encoded import CodecConfig, EncodedFrame
from headwater.core.errors import PeerError
from headwater.core.secret import Secret
from headwater.ingest.gate import Refusal
from headwater.store.records import AdBreakRecord
from media.encoders import encode
from node.publishing import CONFIG, Clock, Encoder, feed, registry_of, second_of
from store.rows import ELSEWHERE, channel, insert_both, stream_key

CASES = [
    # id,                                          first alive, second in
    ("R-45 the first is alive: it stays",          True,        False),
    ("R-45 the first is half-dead: it goes",       False,       True),
    ("R-47 the network changed",                   False,       True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("alive", "is_in"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
async def test_a_second_encoder_takes_over_only_from_a_silent_one(registry, alive, is_in):
    first = await Encoder(registry).publish()
    feed(first)

    second = await second_of(registry, first, alive=alive)

    assert second.is_in == is_in
    assert bool(first.stopped) == is_in
    assert len(registry.broadcasts()) == 1
    if not is_in:
        assert "live from another encoder" in second.answer.description


@pytest.mark.parametrize(
    "ends_after_s", [0.0, 0.05], ids=["R-47 ended before", "R-47 ends meanwhile"]
)
async def test_stop_and_start_again_is_quick(registry, ends_after_s):
    first = await Encoder(registry).publish()
    feed(first)
    second = Encoder(registry)
    if not ends_after_s:
        first.leave()
    asking = asyncio.create_task(second.publish())
    await asyncio.sleep(ends_after_s)
    if ends_after_s:
        first.leave()

    await asyncio.wait_for(asking, 5)

    assert second.is_in
    assert first.stopped == []


@pytest.mark.parametrize("count", [5], ids=["R-46 five at once"])
async def test_of_many_at_once_one_gets_in(registry, count):
    encoders = [Encoder(registry) for _ in range(count)]
    asking = [asyncio.create_task(each.publish()) for each in encoders]
    while not any(each.is_in for each in encoders):  # noqa: ASYNC110 - the registry wakes nobody
        await asyncio.sleep(0.01)
    [first] = [each for each in encoders if each.is_in]
    while not all(each.done() for each in asking):
        await asyncio.sleep(0.01)
        Clock.now_ms += 30
        first.answer.receive(CONFIG, Clock.now_ms)

    assert [each.is_in for each in encoders].count(True) == 1
    assert len(registry.broadcasts()) == 1


async def test_of_many_that_wait_for_a_silent_one_one_gets_in(registry):
    """R-46."""
    await Encoder(registry).publish()
    waiting = [Encoder(registry) for _ in range(4)]
    asking = [asyncio.create_task(each.publish()) for each in waiting]
    winner = None
    while not all(each.done() for each in asking):
        await asyncio.sleep(0.01)
        Clock.now_ms += 30
        winner = winner or next((each for each in waiting if each.is_in), None)
        if winner is not None:
            winner.answer.receive(CONFIG, Clock.now_ms)

    assert [isinstance(each.answer, Refusal) for each in waiting].count(True) == 3


async def test_a_broadcast_tells_what_its_tracks_really_are(registry):
    encoder = await Encoder(registry).publish()
    feed(encoder, 3.9)
    Clock.now_ms += 1000

    readings = encoder.broadcast.measured()

    assert (readings["video"].track.width, readings["audio"].track.sample_rate_hz) == (64, 48_000)
    assert readings["video"].keyframe_interval_ms == 1000
    assert 25 < readings["video"].frame_rate < 31
    assert readings["audio"].bitrate_bps > 0


@pytest.mark.parametrize("clock", [10], ids=["R-68 a clock 10 times too fast"])
async def test_a_wrong_clock_is_noticed_and_said_once(registry, clock):
    encoder = await Encoder(registry).publish()
    source = encode()
    encoder.answer.receive(
        CodecConfig(kind="video", codec="h264", data=source.video_config), Clock.now_ms
    )
    frames = [
        each for each in source.items if isinstance(each, EncodedFrame) and each.kind == "video"
    ]
    with capture_logs() as logs:
        for n in range(40 * 25):
            frame = frames[n % len(frames)]
            Clock.now_ms += 40
            encoder.answer.receive(
                EncodedFrame(
                    kind="video",
                    timestamp_ms=n * 40 * clock,
                    composition_offset_ms=0,
                    keyframe=frame.keyframe,
                    data=frame.data,
                ),
                Clock.now_ms,
            )

    said = [each["event"] for each in logs if each["log_level"] == "warning"]
    assert said == ["encoder's clock runs at a wrong rate: times of arrival are used"]
    assert encoder.broadcast.plan is not None


async def test_a_silent_encoder_is_told_to_its_session_once_and_so_is_its_return(registry):
    encoder = await Encoder(registry).publish()
    arn = encoder.broadcast.channel.arn
    feed(encoder, 3.9)
    assert registry.live_stream(arn).health == "HEALTHY"
    for after_ms in (0, 5_001, 1_000):
        Clock.now_ms += after_ms
        registry.look()
    assert registry.live_stream(arn).health == "STARVING"
    for _ in range(4):
        feed(encoder, 3.9)
        registry.look()
    assert registry.live_stream(arn).health == "HEALTHY"
    encoder.leave()

    record = encoder.record
    assert [(event["name"], event["type"]) for event in record.events] == [
        ("Session Ended", "IVS Stream State Change"),
        ("Stream End", "IVS Stream State Change"),
        ("Starvation End", "IVS Stream Health Change"),
        ("Starvation Start", "IVS Stream Health Change"),
        ("Stream Start", "IVS Stream State Change"),
        ("Session Created", "IVS Stream State Change"),
    ]


async def test_metadata_is_taken_when_viewers_can_be_served(registry):
    encoder = await Encoder(registry).publish()
    arn = encoder.broadcast.channel.arn
    assert not registry.put_metadata(arn, "early")
    assert not registry.put_metadata(arn + "x", "nowhere")

    feed(encoder, 3.0)
    assert registry.put_metadata(arn, "hello")
    assert registry.put_metadata(arn, "again")  # at the same picture
    encoder.leave()

    for rendition in encoder.broadcast._output._renditions.values():
        window = rendition.window
        media = b"".join(window.segment_payload(row.msn) for row in window.listed())
        assert media.count(b"metadata.live-video.net\x00hello") == 1
        assert media.count(b"metadata.live-video.net\x00again") == 1
        assert b"early" not in media


async def test_an_ad_break_is_told_by_the_stream_that_it_is_for(registry):
    encoder = await Encoder(registry).publish()
    feed(encoder, 3.0)
    registry.tell_ad_break(
        AdBreakRecord(
            channel_id=encoder.broadcast.channel.id,
            stream_id=encoder.broadcast.stream_id,
            id="q1W2e3R4t5Y6",
            target_start_ms=1_790_858_105_000,
            duration_seconds=60,
        )
    )

    newest = encoder.record.events[0]
    assert (newest["name"], newest["type"]) == ("Ad Break Inserted", "IVS Ad Break State Change")
    body = json.loads(registry._sessions._waiting.events[-1].body)
    detail = {
        name: body["detail"][name] for name in body["detail"] if name.startswith(("a", "d", "t"))
    }
    assert detail == {
        "ad_break_id": "q1W2e3R4t5Y6",
        "duration_seconds": 60,
        "target_start_time": "2026-10-01T12:35:05Z",
    }


async def test_an_account_publishes_as_many_streams_as_its_quota_allows(registry):
    store = registry._store
    keys = {"same": channel(), "elsewhere": channel(ELSEWHERE[0])}
    async with store.write() as work:
        for key, record in keys.items():
            await insert_both(work, record, stream_key(record, value=Secret(key)))
    registry = registry_of(store, concurrent_streams=1)

    first = await Encoder(registry).publish()
    second = await Encoder(registry, Secret("same")).publish()
    assert first.is_in
    assert second.answer.description == (
        "The account may publish 1 streams at once in a region, and does."
    )
    [event] = [json.loads(each.body) for each in registry._sessions._waiting.events][1:]
    assert (event["detail-type"], event["resources"]) == ("IVS Limit Breach", [])
    assert event["detail"] == {
        "limit_name": "Concurrent Broadcasts",
        "limit_value": 1,
        "exceeded_by": 1,
        "limit_unit": "active streams",
    }
    assert (await Encoder(registry, Secret("elsewhere")).publish()).is_in

    first.leave()
    assert (await Encoder(registry, Secret("same")).publish()).is_in


async def test_a_picture_beyond_the_limits_is_never_seen_and_the_session_says_why(registry):
    registry = registry_of(registry._store, ingest_edge_pixels=1)
    encoder = await Encoder(registry).publish()
    with pytest.raises(PeerError, match="is larger than the quota allows"):
        feed(encoder, 3.0)
    encoder.leave("it was refused", on_purpose=False)

    assert not registry.broadcasts()
    assert encoder.names() == ["Session Created", "Ingest Resolution", "Session Ended"]
    events = [(event["name"], event["type"]) for event in encoder.record.events]
    assert ("Ingest Resolution", "IVS Limit Breach") in events
    assert encoder.record.has_error_event
    bodies = [json.loads(event.body) for event in registry._sessions._waiting.events]
    (detail,) = [each["detail"] for each in bodies if each["detail-type"] == "IVS Limit Breach"]
    assert detail == {
        "limit_name": "Ingest Resolution",
        "limit_value": 1,
        "exceeded_by": 63,
        "limit_unit": "pixels per edge",
        "channel_name": encoder.broadcast.channel.name,
        "stream_id": encoder.broadcast.stream_id,
    }
