"""One stream's way from tracks and packets to delivery's events, whoever its encoder is.

    waiting for tracks -> packaging -> finished (all media is out)

Which renditions it gets is decided with its first tracks and never changes; what has to be
encoded for them is done by a transcoder process, which is started before they are known.
Both, and the units taken of the server's capacity, last as long as the stream: encoders that
come back or take over find them as they were.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from msgspec import Struct, structs

from headwater.core.errors import PeerError
from headwater.core.packet import Packet
from headwater.core.segment import MediaEvent, StreamPlan
from headwater.core.track import TrackSet
from headwater.delivery.stream import Announced, LiveStream
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
from headwater.media.plan import frame_rate
from headwater.media.sample import TimedTag
from headwater.media.transcode.wire import EncoderSettings
from headwater.node.streams.capacity import Capacity
from headwater.node.streams.renditions import Cutting, Renditions, announcements, refitted
from headwater.node.streams.transcoder import COMMAND, Transcoder, Transcoding
from headwater.store.records import ChannelRecord

CAPACITY_EXCEEDED = "Transcode capacity exceeded. Please try again."
"""IVS's words."""
STREAM_FAILURE = "Stream Failure: the transcoder failed too often."


class CapacityError(PeerError):
    """There is no room to transcode this input."""


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


class Packager:
    """The transcoder's Receiver."""

    def __init__(
        self,
        *,
        channel: ChannelRecord,
        output: LiveStream,
        cutting: Cutting,
        ladders: Ladders,
        push: Callable[[str, MediaEvent], None],
        on_ladder: Callable[[Sequence[Rendition], Sequence[Announced]], None],
        on_closed: Callable[[], None],
        on_failure: Callable[[str], None],
        now_ms: Callable[[], int],
        in_background: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """Nothing has come yet.

        Args:
            channel: of the stream.
            output: is told the renditions, and closed at the end.
            cutting: how to cut.
            ladders: which renditions, made by what.
            push: takes a rendition's name and its next event.
            on_ladder: told the renditions, and how viewers see them, before any event.
            on_closed: told that no event will follow.
            on_failure: told, with the reason, that the stream cannot go on.
            now_ms: the time (Unix ms).
            in_background: runs what is still to be done when the stream is over.
        """
        self._channel = channel
        self._output = output
        self._cutting = cutting
        self._ladders = ladders
        self._push = push
        self._on_ladder = on_ladder
        self._on_closed = on_closed
        self._on_failure = on_failure
        self._now_ms = now_ms
        self._in_background = in_background
        self._ladder: tuple[Rendition, ...] = ()
        self._renditions: Renditions | None = None
        self._units = 0.0  # taken of the capacity
        self._transcoder: Transcoder | None = None
        if ladders.type_of(channel) != "BASIC":
            self._transcoder = Transcoder(
                self, ladders.settings_of(channel), name=output.stream_id, command=ladders.command
            )
            self._transcoder.start()

    @property
    def plan(self) -> StreamPlan | None:
        """How it is cut, once that is known."""
        return self._renditions.plan if self._renditions else None

    def transcoding(self) -> Transcoding | None:
        """How its transcoder does; None where there is none, or nothing is known yet."""
        return self._transcoder.transcoding() if self._transcoder else None

    def take(self, items: Sequence[TrackSet | Packet], now_ms: int) -> None:
        """Take what an encoder sent, repaired, in order.

        Raises:
            CapacityError: the first tracks need more transcoding than there is.
            PeerError: it cannot be packaged.
        """
        for position, each in enumerate(items):
            if isinstance(each, TrackSet):
                self._configure(each, items[position + 1 :])
            elif self._transcoder is not None:
                self._transcoder.feed(each)  # first: its renditions learn where they go on
            if self._renditions is not None:
                self._renditions.from_source(each, now_ms)

    def insert(self, tag: TimedTag) -> None:
        """Put an ID3 tag into all renditions, at its time."""
        if self._renditions is not None:
            self._renditions.insert(tag)

    def finish(self) -> None:
        """The stream is over: give back what it took, and close the output soon."""
        # At once: the same encoder may be back before the last pictures are out.
        self._ladders.capacity.give_back(self._units)
        if self._transcoder is None:
            self._close()
        else:
            self._in_background(self._finish(self._transcoder))

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
        self._on_failure(STREAM_FAILURE)

    # Its renditions.

    def _configure(self, tracks: TrackSet, following: Sequence[TrackSet | Packet]) -> None:
        """Decide the renditions for the first tracks; fit them to later ones."""
        stated = tracks.video.frame_rate if tracks.video else None
        packets = [each for each in following if isinstance(each, Packet)]
        times = [each.dts for each in packets if each.kind == "video"]
        source = source_of(tracks, frame_rate(times, stated))
        chosen = self._ladders.choose(self._channel, source)
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
            raise CapacityError(CAPACITY_EXCEEDED)
        self._units = units
        self._ladder = chosen
        if self._transcoder is not None and all(each.is_passthrough for each in chosen):
            self._in_background(self._transcoder.stop())
            self._transcoder = None
        is_advanced = self._ladders.type_of(self._channel).startswith("ADVANCED")
        announced = announcements(chosen, on_request=not is_advanced)
        self._output.announce(announced)
        self._on_ladder(chosen, announced)
        self._renditions = Renditions(chosen, self._cutting, self._push)

    async def _finish(self, transcoder: Transcoder) -> None:
        await transcoder.finish()
        self._close()

    def _close(self) -> None:
        if self._renditions is not None:
            self._renditions.flush()
        self._output.close()
        self._on_closed()
