"""What is live right now: one Broadcast per accepted publish, and the registry of them.

States of a broadcast: connected -> live (its first playlist can be served) -> ended.
The registry is the ingest's PublishGate and the API's Control.
"""

from collections.abc import Callable
from typing import Literal

import structlog
from msgspec import Struct

from headwater.api.operation import LiveStream
from headwater.core import ids
from headwater.core.encoded import CodecConfig, EncodedFrame, EncoderMetadata
from headwater.core.segment import MediaEvent, StreamPlan
from headwater.delivery.http import ChannelAddress, Delivery
from headwater.delivery.stream import LiveStream as DeliveryStream
from headwater.ingest.server import PublishAttempt, Refusal
from headwater.media.segmenter import Segmenter
from headwater.media.timeline import Timeline
from headwater.store import Store
from headwater.store.records import ChannelRecord

STARVING_AFTER_MS = 5_000
"""Silence from the encoder after which a stream's health is STARVING."""

DENIED = "NetStream.Publish.Denied"
"""Of NetStream's codes for a refused publish, the one whose text OBS shows its user."""

log = structlog.get_logger(__name__)


class Packaging(Struct, frozen=True, kw_only=True):
    """How streams are cut."""

    segment_target_ms: int
    part_target_ms: int


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
        self._last_frame_ms = self.started_at_ms
        self._output = output
        self._now_ms = now_ms
        self._on_end = on_end
        self._timeline = Timeline()
        self._segmenter = Segmenter(
            "FRAGMENTED_MP4" if channel.container_format == "FRAGMENTED_MP4" else "TS",
            low_latency=channel.latency_mode == "LOW",
            segment_target_ms=packaging.segment_target_ms,
            part_target_ms=packaging.part_target_ms,
        )

    @property
    def is_live(self) -> bool:
        """Viewers can be served."""
        return self._output.is_live()

    def health(self) -> Literal["HEALTHY", "STARVING"]:
        """STARVING when the encoder has been silent for a while."""
        silent_ms = self._now_ms() - self._last_frame_ms
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
        self._last_frame_ms = now_ms
        for packet in self._timeline.push(item):
            self._deliver(self._segmenter.push(packet, now_ms))

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
        if channel.arn in self._broadcasts:
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

    async def _channel_of(self, attempt: PublishAttempt) -> ChannelRecord | None:
        async with self._store.read() as work:
            key = await work.stream_key_by_value(attempt.stream_key)
            return await work.channel_by_id(key.channel_id) if key else None

    def _begin(self, channel: ChannelRecord, attempt: PublishAttempt) -> Broadcast:
        output = self._delivery.open(
            ChannelAddress(channel.region, channel.account, channel.id),
            run_id=ids.run_id(self._random_bytes),
        )
        broadcast = Broadcast(
            channel=channel,
            stream_id=ids.stream_id(self._random_bytes),
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
