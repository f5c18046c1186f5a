"""Who may publish, and who takes over from whom. The ids are those of docs/reference/encoders.md."""

import asyncio
import secrets

import pytest
from msgspec.structs import replace

from headwater.api.quotas import DEFAULT
from headwater.core.encoded import CodecConfig, EncodedFrame
from headwater.core.secret import Secret
from headwater.delivery.http import Delivery
from headwater.ingest.gate import PublishAttempt, Refusal
from headwater.media.transcode.wire import EncoderSettings
from headwater.node import live
from headwater.node.broadcast import Broadcast, Ladders
from headwater.node.capacity import Capacity
from headwater.node.live import LiveRegistry, Packaging
from headwater.node.sessions import SessionLog
from headwater.store import Store
from media.encoders import encode
from store.rows import ELSEWHERE, channel, insert_both, stream_key

KEY = Secret("sk_hush")
CONFIG = CodecConfig(kind="audio", codec="aac", data=bytes.fromhex("1190"))


class Clock:
    now_ms = 1_700_000_000_000


class Encoder:
    """One connection: its broadcast, and what stopped it."""

    def __init__(self, registry, key=KEY):
        self._registry = registry
        self._key = key
        self.stopped = []
        self.answer = None

    def stop(self, reason):
        self.stopped.append(reason)
        if isinstance(self.answer, Broadcast):
            self.answer.ended(reason)

    async def publish(self):
        self.answer = await self._registry.open(
            PublishAttempt(
                app="app",
                stream_key=self._key,
                parameters={},
                encrypted=True,
                peer="192.0.2.7:50123",
                stop=self.stop,
            )
        )
        return self

    @property
    def is_in(self):
        return isinstance(self.answer, Broadcast)


@pytest.fixture
async def registry(tmp_path):
    store = await Store.open(f"sqlite:///{tmp_path}/headwater.db")
    try:
        record = channel()
        async with store.write() as work:
            await insert_both(work, record, stream_key(record, value=KEY))
        yield registry_of(store)
    finally:
        await store.close()


def registry_of(store, **quotas):
    return LiveRegistry(
        store=store,
        sessions=SessionLog(store, server="a", now_ms=lambda: Clock.now_ms),
        delivery=Delivery(
            now_s=lambda: Clock.now_ms / 1000, now_ms=lambda: Clock.now_ms, window_ms=24_000
        ),
        packaging=Packaging(
            segment_target_ms=2000,
            low_latency_segment_target_ms=2000,
            part_target_ms=333,
            segment_tags=False,
            metadata_text_frames=False,
        ),
        ladders=Ladders(is_on=False, settings=EncoderSettings(), capacity=Capacity(None)),
        max_streams=3,
        quotas=replace(DEFAULT, **quotas),
        random_bytes=secrets.token_bytes,
        now_ms=lambda: Clock.now_ms,
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(live, "GONE_LOOK_S", 0.01)
    monkeypatch.setattr(Clock, "now_ms", 1_700_000_000_000)


def feed(encoder, seconds=1.0):
    """Real frames, each arriving in time."""
    start_ms = Clock.now_ms
    for item in encode().items:
        at_ms = item.timestamp_ms if isinstance(item, EncodedFrame) else 0
        if at_ms > seconds * 1000:
            return
        Clock.now_ms = start_ms + at_ms
        encoder.answer.receive(item, Clock.now_ms)


async def second_of(registry, first, *, alive):
    """A second encoder while the first goes on or has gone silent."""
    second = Encoder(registry)
    asking = asyncio.create_task(second.publish())
    while not asking.done():
        await asyncio.sleep(0.01)
        Clock.now_ms += 30
        if alive:
            first.answer.receive(encode().items[-1], Clock.now_ms)
    await asking
    return second


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
        first.answer.ended("closed by the encoder")
    asking = asyncio.create_task(second.publish())
    await asyncio.sleep(ends_after_s)
    if ends_after_s:
        first.answer.ended("closed by the encoder")

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

    readings = encoder.answer.measured()

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

    assert encoder.answer._pace.by_arrival
    assert encoder.answer.plan is not None


def session_of(registry):
    """The session of the one stream, as it would be written."""
    [record] = registry._sessions._waiting.values()
    return record


async def test_a_silent_encoder_is_told_to_its_session_once_and_so_is_its_return(registry):
    encoder = await Encoder(registry).publish()
    feed(encoder, 3.9)
    for after_ms in (0, 5_001, 1_000):
        Clock.now_ms += after_ms
        registry.look()
    encoder.answer.receive(CONFIG, Clock.now_ms)
    registry.look()
    encoder.answer.ended("closed by the encoder")

    record = session_of(registry)
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
    arn = encoder.answer.channel.arn
    assert not registry.put_metadata(arn, "early")
    assert not registry.put_metadata(arn + "x", "nowhere")

    feed(encoder, 3.0)
    assert registry.put_metadata(arn, "hello")
    assert registry.put_metadata(arn, "again")  # at the same picture
    encoder.answer.ended("closed by the encoder")

    for rendition in encoder.answer._output._renditions.values():
        window = rendition.window
        media = b"".join(window.segment_payload(row.msn) for row in window.listed())
        assert media.count(b"metadata.live-video.net\x00hello") == 1
        assert media.count(b"metadata.live-video.net\x00again") == 1
        assert b"early" not in media


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
    assert (await Encoder(registry, Secret("elsewhere")).publish()).is_in

    first.answer.ended("closed by the encoder")
    assert (await Encoder(registry, Secret("same")).publish()).is_in


async def test_an_input_beyond_the_limits_is_stopped_and_the_session_says_why(registry):
    registry = registry_of(registry._store, ingest_edge_pixels=1)
    encoder = await Encoder(registry).publish()
    feed(encoder)
    registry.look()

    (reason,) = encoder.stopped
    assert "is larger than the quota allows" in reason
    assert not registry.broadcasts()
    events = [(event["name"], event["type"]) for event in session_of(registry).events]
    assert ("Ingest Resolution", "IVS Limit Breach") in events
    assert session_of(registry).has_error_event
