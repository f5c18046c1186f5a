"""Encoders without a network, which publish to a registry by a clock that stands still."""

import asyncio
import secrets

from msgspec.structs import replace

from headwater.api.quotas import DEFAULT
from headwater.core.encoded import CodecConfig, EncodedFrame
from headwater.core.secret import Secret
from headwater.delivery.http import Delivery
from headwater.delivery.quota import ViewQuota
from headwater.ingest.gate import PublishAttempt
from headwater.media.transcode.wire import EncoderSettings
from headwater.node.streams.capacity import Capacity
from headwater.node.streams.live import LiveRegistry, Packaging
from headwater.node.streams.packager import Ladders
from headwater.node.streams.publisher import Publisher
from headwater.node.streams.sessions import SessionLog
from headwater.node.viewing.admission import PlaybackAdmission
from headwater.node.viewing.countries import CountryDatabase
from media.encoders import encode

KEY = Secret("sk_hush")
CONFIG = CodecConfig(kind="audio", codec="aac", data=bytes.fromhex("1190"))


class Clock:
    now_ms = 1_700_000_000_000


class Encoder:
    """One connection: its broadcast, and what stopped it."""

    def __init__(self, registry, key=KEY, **parameters):
        self._registry = registry
        self._key = key
        self._parameters = parameters
        self.stopped = []
        self.answer = None

    def stop(self, reason):
        self.stopped.append(reason)
        self.leave(reason, on_purpose=False)

    def leave(self, reason="closed by the encoder", *, on_purpose=True):
        if self.is_in:
            self.answer.ended(reason, on_purpose=on_purpose)

    @property
    def broadcast(self):
        return self.answer._stream

    @property
    def record(self):
        """The session of its stream, as it is written."""
        return self.broadcast.session._record

    def names(self):
        """Of its stream's events, oldest first; with the code, where there is one."""
        return [f"{each['name']} {each['code']}".strip() for each in reversed(self.record.events)]

    async def publish(self):
        self.answer = await self._registry.open(
            PublishAttempt(
                app="app",
                stream_key=self._key,
                parameters=self._parameters,
                encrypted=True,
                peer="192.0.2.7:50123",
                stop=self.stop,
            )
        )
        return self

    @property
    def is_in(self):
        return isinstance(self.answer, Publisher)


def registry_of(store, **quotas):
    return LiveRegistry(
        store=store,
        sessions=SessionLog(store, server="a", now_ms=lambda: Clock.now_ms),
        delivery=Delivery(
            now_s=lambda: Clock.now_ms / 1000,
            now_ms=lambda: Clock.now_ms,
            random_bytes=secrets.token_bytes,
            quota=ViewQuota(1000, now_s=lambda: Clock.now_ms / 1000, breached=lambda *_: None),
            admission=PlaybackAdmission(
                store,
                stream_id=lambda _arn: None,
                streaming=lambda: (),
                countries=CountryDatabase(""),
                now_ms=lambda: Clock.now_ms,
            ),
            window_ms=24_000,
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


def feed(encoder, seconds=1.0, **how):
    """Real frames, each arriving in time."""
    start_ms = Clock.now_ms
    for item in encode(**how).items:
        at_ms = item.timestamp_ms if isinstance(item, EncodedFrame) else 0
        if at_ms > seconds * 1000:
            return
        Clock.now_ms = start_ms + at_ms
        encoder.answer.receive(item, Clock.now_ms)


async def second_of(registry, first, *, alive, **parameters):
    """A second encoder asks while the first goes on or has gone silent."""
    second = Encoder(registry, **parameters)
    asking = asyncio.create_task(second.publish())
    while not asking.done():
        await asyncio.sleep(0.01)
        Clock.now_ms += 30
        if alive:
            first.answer.receive(encode().items[-1], Clock.now_ms)
    await asking
    return second
