"""One encoder's stream on its way from packets to playlists.

    connected -> live (its playlists can be served) -> ended -> closed (all media is out)

Which renditions it gets is decided with its first tracks and never changes; what has to be
encoded for them is done by a transcoder process, which is started before they are known.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, cast

import structlog
from msgspec import Struct, structs

from headwater.api.quotas import Quotas
from headwater.core.encoded import CodecConfig, EncodedFrame, EncoderMetadata, Kind
from headwater.core.errors import PeerError
from headwater.core.packet import Packet
from headwater.core.segment import MediaEvent, StreamPlan
from headwater.core.track import TrackSet
from headwater.delivery.stream import LiveStream
from headwater.media.ladder import (
    ADVANCED_KEYFRAME_INTERVAL_MS,
    ChannelType,
    Preset,
    Rendition,
    Source,
    cost_units,
    ladder,
    source_of,
)
from headwater.media.measure import IngestMeter, Reading
from headwater.media.pace import Pace
from headwater.media.plan import frame_rate
from headwater.media.sample import TimedTag
from headwater.media.timed_metadata import metadata_tag
from headwater.media.timeline import Timeline
from headwater.media.transcode.wire import EncoderSettings
from headwater.node.capacity import Capacity
from headwater.node.limits import breach_of
from headwater.node.renditions import Cutting, Renditions, announcements, refitted
from headwater.node.sessions import HEALTH_CHANGE, LIMIT_BREACH, Session
from headwater.node.transcoder import COMMAND, Transcoder, Transcoding
from headwater.store.records import ChannelRecord

STARVING_AFTER_MS = 5_000
"""Silence from the encoder after which a stream's health is STARVING."""

TAG_STEP_TICKS = 90
"""Between two messages at least: 1 ms of 90 kHz."""

CAPACITY_EXCEEDED = "Transcode capacity exceeded. Please try again."
"""IVS's words."""
STREAM_FAILURE = "Stream Failure: the transcoder failed too often."

log = structlog.get_logger(__name__)


class Ladders(Struct, frozen=True, kw_only=True):
    """Which renditions streams get, and what makes them."""

    is_on: bool  # off: every input is passed through, whatever its channel's type
    settings: EncoderSettings
    capacity: Capacity
    command: Sequence[str] = COMMAND

    def type_of(self, channel: ChannelRecord) -> ChannelType:
        """The channel's type, as far as it can be had."""
        return cast(ChannelType, channel.type) if self.is_on else "BASIC"

    def choose(self, channel: ChannelRecord, source: Source) -> tuple[Rendition, ...]:
        """The renditions of this input, best first."""
        preset = cast(Preset, channel.preset) if self.is_on else ""
        return ladder(self.type_of(channel), preset, source, allow_audio_only=True)

    def settings_of(self, channel: ChannelRecord) -> EncoderSettings:
        """How to encode for this channel."""
        if not channel.type.startswith("ADVANCED"):
            return self.settings
        return structs.replace(self.settings, keyframe_interval_ms=ADVANCED_KEYFRAME_INTERVAL_MS)


class Broadcast:
    """Ingest's Publisher and the transcoder's Receiver."""

    def __init__(
        self,
        *,
        channel: ChannelRecord,
        stream_id: str,
        output: LiveStream,
        session: Session,
        cutting: Cutting,
        ladders: Ladders,
        stop: Callable[[str], None],
        now_ms: Callable[[], int],
        in_background: Callable[[Coroutine[Any, Any, None]], None],
        on_end: Callable[["Broadcast"], None],
        quotas: Quotas,
    ) -> None:
        self.channel = channel
        self.stream_id = stream_id
        self.session = session
        self.stop = stop
        self.started_at_ms = now_ms()
        self.bytes_in = 0
        self.encoder = ""
        self.last_frame_ms = self.started_at_ms
        self._was_live = False
        self._last_health = "HEALTHY"  # as the session was told
        self._output = output
        self._cutting = cutting
        self._ladders = ladders
        self._now_ms = now_ms
        self._in_background = in_background
        self._on_end = on_end
        self._quotas = quotas
        self._meter = IngestMeter()
        self._pace = Pace()
        self._timeline = Timeline()
        self._tag_pts = 0  # of the newest metadata
        self._ladder: tuple[Rendition, ...] = ()
        self._renditions: Renditions | None = None
        self._units = 0.0  # taken of the capacity
        self._transcoder: Transcoder | None = None
        if ladders.type_of(channel) != "BASIC":
            self._transcoder = Transcoder(
                self, ladders.settings_of(channel), name=stream_id, command=ladders.command
            )
            self._transcoder.start()

    @property
    def is_live(self) -> bool:
        """Viewers can be served."""
        return self._output.is_live()

    @property
    def plan(self) -> StreamPlan | None:
        """How it is cut, once that is known."""
        return self._renditions.plan if self._renditions else None

    def health(self) -> Literal["HEALTHY", "STARVING"]:
        """STARVING when the encoder has been silent for a while."""
        silent_ms = self._now_ms() - self.last_frame_ms
        return "STARVING" if silent_ms > STARVING_AFTER_MS else "HEALTHY"

    def look(self) -> None:
        """Tell the session when the encoder falls silent and comes back; enforce the limits."""
        health = self.health()
        if self.is_live and health != self._last_health:
            name = "Starvation Start" if health == "STARVING" else "Starvation End"
            self.session.note(name, self._now_ms(), kind=HEALTH_CHANGE)
            self._last_health = health
        if breach := breach_of(self._quotas, self.channel.type, self.measured()):
            self.session.note(breach.name, self._now_ms(), kind=LIMIT_BREACH)
            self.stop(breach.text)

    def uptime_ms(self) -> int:
        """Time since the first playlist could be served, or since the encoder connected."""
        return self._now_ms() - self.started_at_ms

    def viewer_count(self) -> int:
        """Viewers watching now."""
        return self._output.viewer_count()

    def put_metadata(self, text: str) -> None:
        """Give it to viewers with the newest picture that has come."""
        if self._renditions is None:
            return
        # Of two at one time hls.js shows one.
        self._tag_pts = max(self._timeline.edge_pts, self._tag_pts + TAG_STEP_TICKS)
        tag = metadata_tag(text, with_text_frame=self._cutting.metadata_text_frames)
        self._renditions.insert(TimedTag(pts=self._tag_pts, data=tag))

    def measured(self) -> dict[Kind, Reading]:
        """What each track really is, second by second."""
        return self._meter.read(self._now_ms())

    def transcoding(self) -> Transcoding | None:
        """How its transcoder does; None where there is none, or nothing is known yet."""
        return self._transcoder.transcoding() if self._transcoder else None

    # From the ingest.

    def receive(self, item: CodecConfig | EncodedFrame | EncoderMetadata, now_ms: int) -> None:
        """Take what the encoder sent; raises PeerError if it cannot be packaged."""
        if isinstance(item, EncoderMetadata):
            self.encoder = str(item.values.get("encoder", ""))
            self.session.describe(item)
            return
        self.bytes_in += len(item.data)
        self.last_frame_ms = now_ms
        items = self._timeline.push(self._watch(item, now_ms))
        for position, each in enumerate(items):
            if isinstance(each, TrackSet):
                self._meter.configure(each)
                self.session.describe(each)
                self._configure(each, items[position + 1 :])
            elif self._transcoder is not None:
                self._transcoder.feed(each)  # first: its renditions learn where they go on
            if self._renditions is not None:
                self._renditions.from_source(each, now_ms)

    def ended(self, reason: str) -> None:
        """The connection is over: finish the playlists and say so once."""
        self.session.end(self._now_ms())
        # At once: the same encoder may be back before the last pictures are out.
        self._ladders.capacity.give_back(self._units)
        if self._transcoder is None:
            self._close()
        else:
            self._in_background(self._finish(self._transcoder))
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

    # From the transcoder.

    def encoded(self, indices: Sequence[int], item: TrackSet | Packet) -> None:
        """Take what it made."""
        if self._renditions is not None:
            self._renditions.from_transcoder(indices, item, self._now_ms())

    def lost(self) -> None:
        """It is being replaced."""
        if self._renditions is not None:
            self._renditions.lose()

    def resumed(self, pts: int) -> None:
        """Its successor goes on."""
        if self._renditions is not None:
            self._renditions.resume(pts)

    def given_up(self) -> None:
        """There will be no successor."""
        self.session.note("Stream Failure", self._now_ms())
        self.stop(STREAM_FAILURE)

    # Its renditions.

    def _configure(self, tracks: TrackSet, following: list[TrackSet | Packet]) -> None:
        """Decide the renditions for the first tracks; fit them to later ones."""
        stated = tracks.video.frame_rate if tracks.video else None
        packets = [each for each in following if isinstance(each, Packet)]
        times = [each.dts for each in packets if each.kind == "video"]
        source = source_of(tracks, frame_rate(times, stated))
        chosen = self._ladders.choose(self.channel, source)
        if self._renditions is None:
            self._begin(chosen, source)
        else:
            chosen = refitted(self._ladder, chosen, source)
        if self._transcoder is None:
            return
        encoded = tuple(each for each in chosen if not each.is_passthrough)
        if tracks.video is None and any(not each.is_audio_only for each in encoded):
            self._transcoder.suspend()
        else:
            self._transcoder.configure(tracks, encoded)

    def _begin(self, chosen: tuple[Rendition, ...], source: Source) -> None:
        units = cost_units(chosen, source)
        if not self._ladders.capacity.take(units):
            self.session.note("Stream Failure", self._now_ms())
            raise PeerError(CAPACITY_EXCEEDED)
        self._units = units
        self._ladder = chosen
        if self._transcoder is not None and all(each.is_passthrough for each in chosen):
            self._in_background(self._transcoder.stop())
            self._transcoder = None
        is_advanced = self._ladders.type_of(self.channel).startswith("ADVANCED")
        self._output.announce(announcements(chosen, on_request=not is_advanced))
        self._renditions = Renditions(chosen, self._cutting, self._deliver)

    def _deliver(self, name: str, event: MediaEvent) -> None:
        self._output.push(name, event)
        if not self._was_live and self.is_live:
            self._was_live = True
            self.started_at_ms = self._now_ms()
            self.session.live(self.started_at_ms)
            log.info("stream live", channel=self.channel.arn, stream=self.stream_id)

    async def _finish(self, transcoder: Transcoder) -> None:
        await transcoder.finish()
        self._close()

    def _close(self) -> None:
        if self._renditions is not None:
            self._renditions.flush()
        self._output.close()
