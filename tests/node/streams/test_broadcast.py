"""A broadcast with a stand-in for the transcoder, which gives packets back as they are."""

import asyncio
import sys
from pathlib import Path

import pytest

from headwater.api.quotas import DEFAULT
from headwater.core.encoded import CodecConfig, EncodedFrame
from headwater.core.errors import PeerError
from headwater.delivery.address import ChannelAddress
from headwater.delivery.admission import Grant
from headwater.delivery.stream import LiveStream
from headwater.media.transcode.wire import EncoderSettings
from headwater.node.streams.broadcast import Broadcast
from headwater.node.streams.capacity import Capacity
from headwater.node.streams.packager import CAPACITY_EXCEEDED, STREAM_FAILURE, Ladders
from headwater.node.streams.renditions import Cutting
from media.encoders import encode
from store.rows import channel

STAND_IN = str(Path(__file__).with_name("stand_in.py"))
CUTTING = Cutting(
    container="TS",
    low_latency=True,
    segment_target_ms=2000,
    part_target_ms=333,
    segment_tags=False,
    metadata_text_frames=False,
)
NOW_MS = 1_800_000_000_000
GENEROUS_S = 20


class Session:
    """Notes what it is told."""

    def __init__(self):
        self.notes = []

    def describe(self, what):
        pass

    def live(self, _now_ms):
        self.notes.append("live")

    def end(self, _now_ms, *, code=""):
        self.notes.append(code or "end")

    def note(self, name, _now_ms, *, code="", **_):
        self.notes.append(code or name)


class Encoder:
    """One that publishes to a channel, and the stream that comes of it."""

    def __init__(self, *mode, units=None, is_on=True, **wishes):
        self.capacity = Capacity(units)
        self.stopped, self.tasks, self.session = [], [], Session()
        self.output = LiveStream(
            ChannelAddress("us-west-2", "123456789012", "AbCdEf123456"),
            "run",
            stream_id="st-1",
            private=False,
            window_ms=24_000,
            now_s=lambda: 0.0,
        )
        self.broadcast = Broadcast(
            channel=channel(**wishes),
            stream_id="st-1",
            output=self.output,
            session=self.session,
            cutting=CUTTING,
            ladders=Ladders(
                is_on=is_on,
                settings=EncoderSettings(),
                capacity=self.capacity,
                command=(sys.executable, STAND_IN, *map(str, mode)),
            ),
            now_ms=lambda: NOW_MS,
            in_background=lambda work: self.tasks.append(asyncio.create_task(work)),
            on_end=lambda _: None,
            quotas=DEFAULT,
        )
        self.publisher = self.broadcast.connect(self.stopped.append, 0)

    def send(self, items=None):
        for item in items or encode().items:
            at_ms = item.timestamp_ms if isinstance(item, EncodedFrame) else 0
            self.publisher.receive(item, NOW_MS + at_ms)

    async def until(self, ready):
        """Wait; another process works."""
        for _ in range(GENEROUS_S * 50):
            if ready():
                return
            await asyncio.sleep(0.02)
        raise TimeoutError

    async def end(self):
        self.publisher.ended("test", on_purpose=True)
        await asyncio.gather(*self.tasks)

    def names(self):
        text = self.output.multivariant(0, "viewer", Grant(), with_all=True).decode()
        return [line.split("/")[-2] for line in text.splitlines() if line.startswith("/")]


async def test_a_stream_is_live_when_its_transcoder_has_given_something():
    encoder = Encoder("honest")
    encoder.send()
    assert not encoder.broadcast.is_live
    await encoder.until(lambda: encoder.broadcast.is_live)

    assert encoder.names() == ["48p30", "audio_only"]
    assert encoder.session.notes == ["live"]
    assert encoder.capacity.used > 0
    await encoder.until(lambda: encoder.broadcast.transcoding() is not None)
    await encoder.end()
    assert encoder.capacity.used == 0
    assert encoder.session.notes == ["live", "end"]
    window = encoder.output.rendition("48p30").window
    assert window.ended
    assert sum(row.duration_ms for row in window.listed()) == pytest.approx(4000, abs=2)


PASSED = [
    # id,                     channel,                  transcoding is on
    ("a BASIC channel",       {"type": "BASIC"},        True),
    ("transcoding is off",    {"type": "ADVANCED_HD"},  False),
]  # fmt: skip


@pytest.mark.parametrize(("wishes", "is_on"), [r[1:] for r in PASSED], ids=[r[0] for r in PASSED])
async def test_an_input_that_is_passed_through_needs_no_transcoder(wishes, is_on):
    encoder = Encoder("crash", 1, is_on=is_on, **wishes)
    encoder.send()

    assert encoder.broadcast.is_live
    assert encoder.names() == ["48p30", "audio_only"]
    assert encoder.broadcast.transcoding() is None
    await encoder.end()
    assert encoder.tasks == []


async def test_sound_alone_gives_its_transcoder_back():
    encoder = Encoder("honest")
    encoder.send(encode(video=False).items)

    assert encoder.broadcast.is_live
    assert encoder.names() == ["audio_only"]
    await encoder.end()
    assert len(encoder.tasks) == 1


async def test_a_stream_beyond_the_capacity_is_refused_in_the_words_of_ivs():
    encoder = Encoder("honest", units=1.0)
    encoder.capacity.take(1.0)

    with pytest.raises(PeerError, match=f"^{CAPACITY_EXCEEDED}$"):
        encoder.send()
    await encoder.end()

    assert encoder.capacity.used == 1.0
    assert encoder.session.notes == ["Stream Failure", "end"]


async def test_an_input_that_no_transcoder_takes_ends_the_stream():
    encoder = Encoder("crash", 1)
    config = [item for item in encode().items if isinstance(item, CodecConfig)]
    frames = [item for item in encode().items if isinstance(item, EncodedFrame)]
    encoder.send([*config, *frames[:40]])
    number = 40
    while not encoder.stopped and number < len(frames) * 50:
        frame = frames[number % len(frames)]
        encoder.send([frame])
        number += 1
        await asyncio.sleep(0.002)

    assert encoder.stopped == [STREAM_FAILURE]
    await encoder.end()
    assert encoder.output.has_ended()


async def test_a_change_of_the_input_goes_through_the_transcoder_too():
    encoder = Encoder("honest")
    encoder.send()
    await encoder.until(lambda: encoder.broadcast.is_live)
    items = [
        EncodedFrame(
            kind=item.kind,
            timestamp_ms=item.timestamp_ms + 60_000,  # a jump: another timeline
            composition_offset_ms=item.composition_offset_ms,
            keyframe=item.keyframe,
            data=item.data,
        )
        for item in encode().items
        if isinstance(item, EncodedFrame)
    ]
    encoder.send(items)
    await encoder.end()

    rows = list(encoder.output.rendition("48p30").window.listed())
    assert [row.discontinuity for row in rows] == [False, False, True, False]
    others = list(encoder.output.rendition("audio_only").window.listed())
    assert [row.discontinuity for row in others] == [False, False, True, False]


async def test_a_transcoder_and_its_capacity_outlive_the_connection():
    encoder = Encoder("honest")
    encoder.send()
    await encoder.until(lambda: encoder.broadcast.is_live)
    used = encoder.capacity.used
    encoder.publisher.ended("connection lost", on_purpose=False)
    assert encoder.capacity.used == used > 0
    assert encoder.tasks == []

    encoder.publisher = encoder.broadcast.connect(encoder.stopped.append, 0)
    encoder.send()
    await encoder.end()

    assert encoder.capacity.used == 0
    assert encoder.broadcast.transcoding().restarts == 0
    for name in ("48p30", "audio_only"):
        rows = list(encoder.output.rendition(name).window.listed())
        assert sum(row.duration_ms for row in rows) == pytest.approx(8000, abs=100)
