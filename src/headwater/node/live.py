"""What is live right now: the registry of one Broadcast per accepted publish.

It is the ingest's PublishGate and the API's Control.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct

from headwater.api.operation import LiveStream
from headwater.api.quotas import Quotas
from headwater.core import ids
from headwater.delivery.http import ChannelAddress, Delivery
from headwater.ingest.server import PublishAttempt, Refusal
from headwater.node.broadcast import Broadcast, Ladders
from headwater.node.renditions import Cutting
from headwater.node.sessions import SessionLog
from headwater.store import Store
from headwater.store.records import ChannelRecord, Scope

GONE_AFTER_MS = 3_000
"""Silence after which the same key may take over: an encoder that changed its network comes
back before its old connection is known to be dead."""
GONE_LOOK_S = 0.1
"""Between looks while a second encoder waits for the answer."""

DENIED = "NetStream.Publish.Denied"
"""Of NetStream's codes for a refused publish, the one whose text OBS shows its user."""


class Packaging(Struct, frozen=True, kw_only=True):
    """How streams are cut."""

    segment_target_ms: int
    low_latency_segment_target_ms: int
    part_target_ms: int
    segment_tags: bool
    metadata_text_frames: bool

    def of(self, channel: ChannelRecord) -> Cutting:
        """How this channel's streams are cut."""
        low_latency = channel.latency_mode == "LOW"
        return Cutting(
            container="FRAGMENTED_MP4" if channel.container_format == "FRAGMENTED_MP4" else "TS",
            low_latency=low_latency,
            segment_target_ms=(
                self.low_latency_segment_target_ms if low_latency else self.segment_target_ms
            ),
            part_target_ms=self.part_target_ms,
            segment_tags=self.segment_tags,
            metadata_text_frames=self.metadata_text_frames,
        )


class LiveRegistry:
    """Every broadcast of this process, by channel ARN."""

    def __init__(
        self,
        *,
        store: Store,
        sessions: SessionLog,
        delivery: Delivery,
        packaging: Packaging,
        ladders: Ladders,
        max_streams: int,
        quotas: Quotas,
        random_bytes: ids.RandomBytes,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._delivery = delivery
        self._packaging = packaging
        self._ladders = ladders
        self._max_streams = max_streams  # of the server
        self._quotas = quotas
        self._random_bytes = random_bytes
        self._now_ms = now_ms
        self._broadcasts: dict[str, Broadcast] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # of broadcasts that have ended

    def look(self) -> None:
        """Notice what changes by time alone; to be called about once a second."""
        for broadcast in self.broadcasts():  # some end by it
            broadcast.look()

    async def close(self) -> None:
        """When every encoder is gone: wait until the last media is out, about a second."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    # ingest.server.PublishGate

    async def open(self, attempt: PublishAttempt) -> Broadcast | Refusal:
        """Let an encoder publish, or say why not; the answer never repeats the key."""
        channel = await self._channel_of(attempt)
        if channel is None:
            return _refusal("The stream key is not valid.")
        if reason := await self._reason_against(channel, attempt):
            return _refusal(reason)
        broadcast = self._begin(channel, attempt)
        if await self._channel_of(attempt) is None:
            # Deleted between the look-up and our entry in the registry, which is what
            # keeps DeleteChannel and DeleteStreamKey away from a live channel.
            broadcast.ended("deleted while connecting")
            return _refusal("The stream key is not valid.")
        async with self._store.read() as work:
            await broadcast.session.begin(work, self._now_ms())
        return broadcast

    async def _reason_against(self, channel: ChannelRecord, attempt: PublishAttempt) -> str | None:
        """Why the channel may not be published to now, in words for the encoder's user."""
        if not attempt.encrypted and not channel.insecure_ingest:
            return (
                "This channel takes RTMPS only; publish to an rtmps:// URL "
                "or set insecureIngest on the channel."
            )
        if not await self._is_free(channel.arn):
            return "The channel is live from another encoder."
        if len(self._broadcasts) >= self._max_streams:
            return f"The server takes {self._max_streams} streams at once, all in use."
        most = self._quotas.concurrent_streams
        if self._published(channel.scope) >= most:
            return f"The account may publish {most} streams at once in a region, and does."
        return None

    def _published(self, scope: Scope) -> int:
        return sum(held.channel.scope == scope for held in self._broadcasts.values())

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
            session=self._sessions.session(channel, stream_id),
            cutting=self._packaging.of(channel),
            ladders=self._ladders,
            stop=attempt.stop,
            now_ms=self._now_ms,
            in_background=self._in_background,
            on_end=self._forget,
            quotas=self._quotas,
        )
        self._broadcasts[channel.arn] = broadcast
        return broadcast

    def _forget(self, broadcast: Broadcast) -> None:
        self._broadcasts.pop(broadcast.channel.arn, None)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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

    def put_metadata(self, channel_arn: str, text: str) -> bool:
        """Give viewers that text with the newest picture; False when the channel is not live."""
        broadcast = self._broadcasts.get(channel_arn)
        if broadcast is None or not broadcast.is_live:
            return False
        broadcast.put_metadata(text)
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
