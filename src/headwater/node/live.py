"""What is live right now: one Broadcast per accepted publish, and the registry of them.

States of a broadcast: connected -> live (its first playlist can be served) -> ended.
The registry is the ingest's PublishGate and the API's Control.
"""

import asyncio
from collections.abc import Callable
from typing import Literal

import structlog
from msgspec import Struct

from headwater.api.operation import LiveStream
from headwater.core import ids
from headwater.core.encoded import CodecConfig, EncodedFrame, EncoderMetadata, Kind
from headwater.core.segment import MediaEvent, StreamPlan
from headwater.core.track import TrackSet
from headwater.delivery.http import ChannelAddress, Delivery
from headwater.delivery.stream import LiveStream as DeliveryStream
from headwater.ingest.server import PublishAttempt, Refusal
from headwater.media.measure import IngestMeter, Reading
from headwater.media.pace import Pace
from headwater.media.segmenter import Segmenter
from headwater.media.timeline import Timeline
from headwater.store import Store
from headwater.store.records import ChannelRecord

STARVING_AFTER_MS = 5_000
"""Silence from the encoder after which a stream's health is STARVING."""

GONE_AFTER_MS = 3_000
"""Silence after which the same key may take over: an encoder that changed its network comes
back before its old connection is known to be dead."""
GONE_LOOK_S = 0.1
"""Between looks while a second encoder waits for the answer."""

DENIED = "NetStream.Publish.Denied"
"""Of NetStream's codes for a refused publish, the one whose text OBS shows its user."""

log = structlog.get_logger(__name__)


class Packaging(Struct, frozen=True, kw_only=True):
    """How streams are cut."""

    segment_target_ms: int
    low_latency_segment_target_ms: int
    part_target_ms: int
    segment_tags: bool

    def segmenter(self, channel: ChannelRecord) -> Segmenter:
        """A segmenter for a channel's stream."""
        low_latency = channel.latency_mode == "LOW"
        return Segmenter(
            "FRAGMENTED_MP4" if channel.container_format == "FRAGMENTED_MP4" else "TS",
            low_latency=low_latency,
            segment_target_ms=(
                self.low_latency_segment_target_ms if low_latency else self.segment_target_ms
            ),
            part_target_ms=self.part_target_ms,
            segment_tags=self.segment_tags,
        )


class Broadcast:
    """One encoder's stream on its way from packets to playlists (ingest's Publisher)."""

    def __init__(
        self,
        *,
        channel: ChannelRecord,
        stream_id: str,
        output: DeliveryStream,
        packaging: Packaging,
        stop: Callable[[str], None],
        now_ms: Callable[[], int],
        on_end: Callable[["Broadcast"], None],
    ) -> None:
        self.channel = channel
        self.stream_id = stream_id
        self.stop = stop
        self.plan: StreamPlan | None = None
        self.started_at_ms = now_ms()
        self.bytes_in = 0
        self.encoder = ""
        self._was_live = False
        self.last_frame_ms = self.started_at_ms
        self._output = output
        self._now_ms = now_ms
        self._on_end = on_end
        self._meter = IngestMeter()
        self._pace = Pace()
        self._timeline = Timeline()
        self._segmenter = packaging.segmenter(channel)

    @property
    def is_live(self) -> bool:
        """Viewers can be served."""
        return self._output.is_live()

    def health(self) -> Literal["HEALTHY", "STARVING"]:
        """STARVING when the encoder has been silent for a while."""
        silent_ms = self._now_ms() - self.last_frame_ms
        return "STARVING" if silent_ms > STARVING_AFTER_MS else "HEALTHY"

    def uptime_ms(self) -> int:
        """Time since the first playlist could be served, or since the encoder connected."""
        return self._now_ms() - self.started_at_ms

    def viewer_count(self) -> int:
        """Viewers watching now."""
        return self._output.viewer_count()

    def receive(self, item: CodecConfig | EncodedFrame | EncoderMetadata, now_ms: int) -> None:
        """Take what the encoder sent; raises PeerError if it cannot be packaged."""
        if isinstance(item, EncoderMetadata):
            self.encoder = str(item.values.get("encoder", ""))
            return
        self.bytes_in += len(item.data)
        self.last_frame_ms = now_ms
        for packet in self._timeline.push(self._watch(item, now_ms)):
            if isinstance(packet, TrackSet):
                self._meter.configure(packet)
            self._deliver(self._segmenter.push(packet, now_ms))

    def measured(self) -> dict[Kind, Reading]:
        """What each track really is, second by second."""
        return self._meter.read(self._now_ms())

    def _watch(self, item: CodecConfig | EncodedFrame, now_ms: int) -> CodecConfig | EncodedFrame:
        """Measure what came; give it a time that can be used."""
        if isinstance(item, CodecConfig):
            self._pace.configure(item)
            return item
        self._meter.count(item, now_ms)
        trusted = not self._pace.by_arrival
        frame = self._pace.pass_on(item, now_ms)
        if trusted and self._pace.by_arrival:
            log.warning(
                "encoder's clock runs at a wrong rate: times of arrival are used",
                channel=self.channel.arn,
                stream=self.stream_id,
            )
        return frame

    def ended(self, reason: str) -> None:
        """The connection is over: finish the playlists and say so once."""
        self._deliver(self._segmenter.flush())
        self._output.close()
        self._on_end(self)
        log.info(
            "stream ended",
            channel=self.channel.arn,
            stream=self.stream_id,
            reason=reason,
            duration_ms=self.uptime_ms(),
            bytes_in=self.bytes_in,
            encoder=self.encoder,
        )

    def _deliver(self, events: list[MediaEvent]) -> None:
        for event in events:
            self._output.push(None, event)
            if isinstance(event, StreamPlan):
                self.plan = event
        if not self._was_live and self.is_live:
            self._was_live = True
            self.started_at_ms = self._now_ms()
            log.info("stream live", channel=self.channel.arn, stream=self.stream_id)


class LiveRegistry:
    """Every broadcast of this process, by channel ARN."""

    def __init__(
        self,
        *,
        store: Store,
        delivery: Delivery,
        packaging: Packaging,
        max_streams: int,
        random_bytes: ids.RandomBytes,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._packaging = packaging
        self._max_streams = max_streams
        self._random_bytes = random_bytes
        self._now_ms = now_ms
        self._broadcasts: dict[str, Broadcast] = {}

    # ingest.server.PublishGate

    async def open(self, attempt: PublishAttempt) -> Broadcast | Refusal:
        """Let an encoder publish, or say why not; the answer never repeats the key."""
        channel = await self._channel_of(attempt)
        if channel is None:
            return _refusal("The stream key is not valid.")
        if not attempt.encrypted and not channel.insecure_ingest:
            return _refusal(
                "This channel takes RTMPS only; publish to an rtmps:// URL "
                "or set insecureIngest on the channel."
            )
        if not await self._is_free(channel.arn):
            return _refusal("The channel is live from another encoder.")
        if len(self._broadcasts) >= self._max_streams:
            return _refusal(f"The server takes {self._max_streams} streams at once, all in use.")
        broadcast = self._begin(channel, attempt)
        if await self._channel_of(attempt) is None:
            # Deleted between the look-up and our entry in the registry, which is what
            # keeps DeleteChannel and DeleteStreamKey away from a live channel.
            broadcast.ended("deleted while connecting")
            return _refusal("The stream key is not valid.")
        return broadcast

    async def _is_free(self, channel_arn: str) -> bool:
        """Whether no encoder holds the channel; ends one that has gone silent.

        Waits while it is not clear: a live encoder shows itself with its next frame.
        """
        held = self._broadcasts.get(channel_arn)
        if held is None:
            return True
        seen_ms = held.last_frame_ms
        while held.last_frame_ms == seen_ms and self._broadcasts.get(channel_arn) is held:
            if self._now_ms() - seen_ms >= GONE_AFTER_MS:
                held.stop("the encoder went silent, and came back on another connection")
                break
            await asyncio.sleep(GONE_LOOK_S)
        return channel_arn not in self._broadcasts

    async def _channel_of(self, attempt: PublishAttempt) -> ChannelRecord | None:
        async with self._store.read() as work:
            key = await work.stream_key_by_value(attempt.stream_key)
            return await work.channel_by_id(key.channel_id) if key else None

    def _begin(self, channel: ChannelRecord, attempt: PublishAttempt) -> Broadcast:
        stream_id = ids.stream_id(self._random_bytes)
        output = self._delivery.open(
            ChannelAddress(channel.region, channel.account, channel.id),
            run_id=ids.run_id(self._random_bytes),
            stream_id=stream_id,
            private=channel.authorized,
        )
        broadcast = Broadcast(
            channel=channel,
            stream_id=stream_id,
            output=output,
            packaging=self._packaging,
            stop=attempt.stop,
            now_ms=self._now_ms,
            on_end=self._forget,
        )
        self._broadcasts[channel.arn] = broadcast
        return broadcast

    def _forget(self, broadcast: Broadcast) -> None:
        self._broadcasts.pop(broadcast.channel.arn, None)

    # api.operation.Control

    def live_stream(self, channel_arn: str) -> LiveStream | None:
        """The channel's stream, once viewers can be served."""
        broadcast = self._broadcasts.get(channel_arn)
        return _as_live_stream(broadcast) if broadcast and broadcast.is_live else None

    def is_publishing(self, channel_arn: str) -> bool:
        """Whether an encoder is connected, playable already or not."""
        return channel_arn in self._broadcasts

    def live_streams(self, account: str, region: str) -> list[LiveStream]:
        """Every live stream of an account in a region, oldest first."""
        found = [
            _as_live_stream(broadcast)
            for broadcast in self._broadcasts.values()
            if broadcast.is_live
            and (broadcast.channel.account, broadcast.channel.region) == (account, region)
        ]
        return sorted(found, key=lambda stream: (stream.started_at_ms, stream.stream_id))

    def stop_stream(self, channel_arn: str) -> bool:
        """Disconnect the encoder; False when none is connected."""
        broadcast = self._broadcasts.get(channel_arn)
        if broadcast is None:
            return False
        broadcast.stop("stopped through the API")
        return True

    def broadcasts(self) -> list[Broadcast]:
        """All, connected or live, in the order of their start."""
        return list(self._broadcasts.values())


def _refusal(description: str) -> Refusal:
    return Refusal(code=DENIED, description=description)


def _as_live_stream(broadcast: Broadcast) -> LiveStream:
    return LiveStream(
        channel_arn=broadcast.channel.arn,
        stream_id=broadcast.stream_id,
        started_at_ms=broadcast.started_at_ms,
        health=broadcast.health(),
        viewer_count=broadcast.viewer_count(),
    )
