"""What is live right now: the registry of one Broadcast per stream.

It is the ingest's PublishGate and the API's Control.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct

from headwater.api.operation import LiveStream
from headwater.api.quotas import Quotas
from headwater.core import ids
from headwater.delivery.address import ChannelAddress
from headwater.delivery.http import Delivery
from headwater.events.envelope import time_of
from headwater.ingest.server import PublishAttempt, Refusal
from headwater.node.recording.recorder import Recorder
from headwater.node.streams.broadcast import Broadcast
from headwater.node.streams.limits import streams_breach
from headwater.node.streams.packager import Ladders
from headwater.node.streams.publisher import Publisher
from headwater.node.streams.renditions import Cutting
from headwater.node.streams.sessions import AD_BREAK_CHANGE, LIMIT_BREACH, SessionLog
from headwater.node.streams.takeover import NO_PRIORITY, Busy, Failure, decide, priority_of
from headwater.store import Store, UnitOfWork
from headwater.store.records import (
    AdBreakRecord,
    ChannelRecord,
    RecordingConfigurationRecord,
    Scope,
)

GONE_AFTER_MS = 3_000
"""Silence after which a connection is given up when the same key comes again: an encoder that
changed its network is back before its old connection is known to be dead."""
GONE_LOOK_S = 0.1
"""Between looks while a second encoder waits for the answer."""

NOT_VALID = "The stream key is not valid."
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
        recorder: Recorder | None = None,
    ) -> None:
        self._store = store
        self._recorder = recorder  # None: nothing is recorded
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
        self._is_closing = False

    def look(self) -> None:
        """Notice what changes by time alone; to be called about once a second."""
        for broadcast in self.broadcasts():  # some end by it
            broadcast.look()

    def stop_all(self, reason: str) -> None:
        """End every stream, and let no other begin."""
        self._is_closing = True
        for broadcast in self.broadcasts():
            broadcast.stop(reason)

    async def close(self) -> None:
        """When every stream has ended: wait until the last media is out, about a second."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    # ingest.server.PublishGate

    async def open(self, attempt: PublishAttempt) -> Publisher | Refusal:
        """Let an encoder publish, or say why not; the answer never repeats the key."""
        channel = await self._channel_of(attempt)
        if channel is None:
            return _refusal(NOT_VALID)
        if not attempt.encrypted and not channel.insecure_ingest:
            return _refusal(
                "This channel takes RTMPS only; publish to an rtmps:// URL "
                "or set insecureIngest on the channel."
            )
        priority = priority_of(attempt.parameters.get("priority"))
        await self._look_after(channel.arn, priority)
        if self._is_closing:
            return _refusal("The server is shutting down.")
        held = self._broadcasts.get(channel.arn)
        if held is not None:
            return await self._confirmed(self._join(held, attempt, priority), attempt)
        if reason := self._reason_against(channel):
            return _refusal(reason)
        begun = self._begin(channel)
        # Without a stream there is nothing that a wrong priority could be wrong for.
        first = begun.connect(attempt.stop, priority or NO_PRIORITY)
        answer = await self._confirmed(first, attempt)
        if answer is first:
            async with self._store.read() as work:
                await begun.session.begin(work, self._now_ms())
                await self._record(work, begun)
        return answer

    def _join(
        self, held: Broadcast, attempt: PublishAttempt, priority: int | None
    ) -> Publisher | Refusal:
        """Let an encoder go on with a stream that is there, or try to take it over."""
        answer = decide(priority, held.running, most_takeovers=self._quotas.takeovers_per_stream)
        if isinstance(answer, Failure):
            held.refuse(answer)
            return _refusal(answer.text)
        if isinstance(answer, Busy):
            return _refusal(answer.text)
        admit = held.connect if answer == "resume" else held.consider
        return admit(attempt.stop, priority or NO_PRIORITY)

    async def _confirmed(
        self, answer: Publisher | Refusal, attempt: PublishAttempt
    ) -> Publisher | Refusal:
        """The answer, if the key still holds.

        It may have been deleted between the look-up and our entry in the registry, which is
        what keeps DeleteChannel and DeleteStreamKey away from a live channel.
        """
        if isinstance(answer, Refusal) or await self._channel_of(attempt) is not None:
            return answer
        answer.ended("deleted while connecting", on_purpose=False)
        return _refusal(NOT_VALID)

    async def _record(self, work: UnitOfWork, begun: Broadcast) -> None:
        """Have a new stream recorded, if its channel says so."""
        channel, arn = begun.channel, begun.channel.recording_configuration_arn
        found = await work.resource(channel.scope, arn) if arn else None
        if self._recorder is not None and isinstance(found, RecordingConfigurationRecord):
            begun.record(self._recorder.stream(channel, found, begun.stream_id))

    def _reason_against(self, channel: ChannelRecord) -> str | None:
        """Why no stream may begin on the channel now, in words for the encoder's user."""
        if len(self._broadcasts) >= self._max_streams:
            return f"The server takes {self._max_streams} streams at once, all in use."
        most = self._quotas.concurrent_streams
        published = self._published(channel.scope)
        if published >= most:
            breach = streams_breach(most, published + 1)
            self._sessions.announce(channel.scope, LIMIT_BREACH, self._now_ms(), breach.detail)
            return breach.text
        return None

    def _published(self, scope: Scope) -> int:
        return sum(held.channel.scope == scope for held in self._broadcasts.values())

    async def _look_after(self, channel_arn: str, priority: int | None) -> None:
        """See whether the channel's encoder is still there; give up one that has gone silent.

        Waits while it is not clear: a live encoder shows itself with its next frame. One with a
        higher priority needs not wait for that.
        """
        held = self._broadcasts.get(channel_arn)
        if held is None or (priority or NO_PRIORITY) > held.running.priority:
            return
        seen_ms = held.silent_since_ms
        while held.running.is_connected and held.silent_since_ms == seen_ms:
            if self._now_ms() - seen_ms >= GONE_AFTER_MS:
                held.give_up_publisher("the encoder went silent, and came back elsewhere")
                return
            await asyncio.sleep(GONE_LOOK_S)

    async def _channel_of(self, attempt: PublishAttempt) -> ChannelRecord | None:
        async with self._store.read() as work:
            key = await work.stream_key_by_value(attempt.stream_key)
            return await work.channel_by_id(key.channel_id) if key else None

    def _begin(self, channel: ChannelRecord) -> Broadcast:
        stream_id = ids.stream_id(self._random_bytes)
        output = self._delivery.open(
            _address(channel),
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
        """Whether there is a stream, playable already or not, its encoder connected or not."""
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

    def stream_id(self, channel_arn: str) -> str | None:
        """Which stream there is, playable already or not."""
        broadcast = self._broadcasts.get(channel_arn)
        return broadcast.stream_id if broadcast else None

    def stop_stream(self, channel_arn: str) -> bool:
        """End the stream, also one that waits for its encoder; False when there is none."""
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

    def tell_ad_break(self, ad_break: AdBreakRecord) -> None:
        """Tell that a stream was given an ad break."""
        self._sessions.note_of(
            ad_break.stream_id,
            "Ad Break Inserted",
            self._now_ms(),
            kind=AD_BREAK_CHANGE,
            detail={
                "ad_break_id": ad_break.id,
                "duration_seconds": ad_break.duration_seconds,
                "target_start_time": time_of(ad_break.target_start_ms),
            },
        )

    def channels(self) -> list[ChannelAddress]:
        """Those that have a stream, playable already or not."""
        return [_address(broadcast.channel) for broadcast in self._broadcasts.values()]

    def broadcasts(self) -> list[Broadcast]:
        """All, connected or live, in the order of their start."""
        return list(self._broadcasts.values())


def _address(channel: ChannelRecord) -> ChannelAddress:
    return ChannelAddress(channel.region, channel.account, channel.id)


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
