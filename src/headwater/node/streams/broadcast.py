"""One stream: the life that it has while encoders come and go.

    connected -> live <-> waiting for an encoder -> over
        |         |                                  ^
        +---------+----------------------------------+

- connected: an encoder publishes, and nothing can be played yet. If its connection ends, the
  stream is over.
- live: viewers can be served. An encoder that says that it stops (FCUnpublish, deleteStream,
  closeStream) ends the stream at once.
- waiting: the connection ended in any other way. For GRACE_MS from the last media on, whoever
  may (`node.takeover`) goes on with the same stream; to viewers and to the API it is live.
- over: told to the session, the playlists end; `Packager` lets the last media out.

GRACE_MS without media end a stream whose encoder is connected, too, so there is one rule: a
stream without media for so long is over. So is one that has lasted MAX_STREAM_MS.

An encoder with a higher priority than the one that publishes is a candidate first. With its
first tracks it takes over if they fit, and the other is disconnected; if they don't, or it
breaks another rule, the candidate is, and nobody else notices.
Source: IVS user guide, "Stream Takeover", "Service Quotas", "Troubleshooting" (30 s).
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from headwater.api.quotas import Quotas
from headwater.core.encoded import CodecConfig, EncodedFrame, Kind
from headwater.core.errors import MediaError, PeerError
from headwater.core.packet import Packet
from headwater.core.segment import MediaEvent, StreamPlan
from headwater.core.track import TrackSet
from headwater.delivery.stream import Announced, LiveStream
from headwater.media.ladder import Rendition
from headwater.media.measure import IngestMeter, Reading
from headwater.media.sample import TimedTag
from headwater.media.splice import Splice
from headwater.media.timed_metadata import metadata_tag
from headwater.node.monitoring.health import Health
from headwater.node.recording.stream_recording import StreamRecording
from headwater.node.streams.limits import Breach, breach_of
from headwater.node.streams.multitrack import (
    ONE_TRACK_TEXT,
    SessionEndCode,
    code_of_several_tracks,
    requires_several_tracks,
)
from headwater.node.streams.packager import CapacityError, Ladders, Packager
from headwater.node.streams.publisher import Publisher
from headwater.node.streams.renditions import Cutting
from headwater.node.streams.sessions import HEALTH_CHANGE, LIMIT_BREACH, Session
from headwater.node.streams.takeover import Failure, Running, decide, mismatch_of
from headwater.node.streams.transcoder import Transcoding
from headwater.shapes.scalars import StreamHealth
from headwater.store.records import ChannelRecord

GRACE_MS = 30_000
"""Without media, a stream goes on for so long; IVS's figure."""
MAX_STREAM_MS = 48 * 3600 * 1000
"""The longest that a stream may last; IVS's figure."""

TAG_STEP_TICKS = 90
"""Between two messages at least: 1 ms of 90 kHz."""

TAKEN_OVER = "Another encoder with a higher priority has taken the stream over."

log = structlog.get_logger(__name__)


class Broadcast:
    """The Stream of its publishers."""

    def __init__(
        self,
        *,
        channel: ChannelRecord,
        stream_id: str,
        output: LiveStream,
        session: Session,
        cutting: Cutting,
        ladders: Ladders,
        now_ms: Callable[[], int],
        in_background: Callable[[Coroutine[Any, Any, None]], None],
        on_end: Callable[["Broadcast"], None],
        quotas: Quotas,
    ) -> None:
        self.channel = channel
        self.stream_id = stream_id
        self.session = session
        self.started_at_ms = now_ms()
        self.bytes_in = 0
        self.encoder = ""
        self.last_frame_ms = self.started_at_ms
        self._created_at_ms = self.started_at_ms
        self._was_live = False
        self._is_over = False
        self._end_code: SessionEndCode = ""  # of the session, if it ends now
        self._health = Health()
        self._is_starving = False  # as the session was told
        self._output = output
        self._cutting = cutting
        self._now_ms = now_ms
        self._on_end = on_end
        self._quotas = quotas
        self._meter = IngestMeter()
        self._splice = Splice()
        self._tag_pts = 0  # of the newest metadata
        self._publisher: Publisher | None = None
        self._candidates: list[Publisher] = []
        self._priority = 0  # of the publisher, also when it is gone
        self._takeovers = 0
        self._heard: Publisher | None = None  # of whom the newest media is
        self._heard_ms = self.started_at_ms  # when that came
        self._recording: StreamRecording | None = None
        self._packager = self._packaged(ladders, in_background)

    @property
    def is_live(self) -> bool:
        """Viewers can be served."""
        return self._output.is_live()

    @property
    def silent_since_ms(self) -> int:
        """When the last media came, or the encoder whose first is still to come."""
        connected_ms = self._publisher.last_seen_ms if self._publisher else 0
        return max(self.last_frame_ms, connected_ms)

    @property
    def plan(self) -> StreamPlan | None:
        """How it is cut, once that is known."""
        return self._packager.plan

    @property
    def is_recorded(self) -> bool:
        """What comes is being recorded."""
        return self._recording is not None and self._recording.is_recorded

    def record(self, recording: StreamRecording) -> None:
        """Give what viewers get to a recording, too; to be called before any media comes."""
        self._recording = recording

    def health(self) -> StreamHealth:
        """Whether enough of what the encoder makes arrives."""
        return self._health.look(self.measured(), self._now_ms())

    def look(self) -> None:
        """Notice what time alone does: silence, its end, the limits, and the longest life."""
        now_ms = self._now_ms()
        is_starving = self.health() == "STARVING"
        if self.is_live and is_starving != self._is_starving:
            name = "Starvation Start" if is_starving else "Starvation End"
            self.session.note(name, now_ms, kind=HEALTH_CHANGE)
            self._is_starving = is_starving
        if now_ms - self.silent_since_ms >= GRACE_MS:
            self.stop(f"no media for {GRACE_MS // 1000} s")
        elif now_ms - self._created_at_ms >= MAX_STREAM_MS:
            self.stop(f"a stream lasts {MAX_STREAM_MS // 3_600_000} hours at most")
        elif breach := breach_of(self._quotas, self.channel.type, self.measured()):
            self._break_limit(breach)

    def uptime_ms(self) -> int:
        """Time since the first playlist could be served, or since the encoder connected."""
        return self._now_ms() - self.started_at_ms

    def viewer_count(self) -> int:
        """Viewers watching now."""
        return self._output.viewer_count()

    def waiting_count(self) -> int:
        """Viewers' requests that wait for what comes next."""
        return self._output.waiting_count()

    def put_metadata(self, text: str) -> None:
        """Give it to viewers with the newest picture that has come."""
        # Of two at one time hls.js shows one.
        self._tag_pts = max(self._splice.edge_pts, self._tag_pts + TAG_STEP_TICKS)
        tag = metadata_tag(text, with_text_frame=self._cutting.metadata_text_frames)
        self._packager.insert(TimedTag(pts=self._tag_pts, data=tag))

    def measured(self) -> dict[Kind, Reading]:
        """What each track really is, second by second."""
        return self._meter.read(self._now_ms())

    def transcoding(self) -> Transcoding | None:
        """How its transcoder does; None where there is none, or nothing is known yet."""
        return self._packager.transcoding()

    def stop(self, reason: str) -> None:
        """End it now, and disconnect all encoders; harmless when it is over."""
        connected = [self._publisher] if self._publisher else []
        connected += self._candidates
        self._end(reason)
        for each in connected:
            each.disconnect(reason)

    # Encoders come and go.

    @property
    def running(self) -> Running:
        """What one that wants to publish to it has to know."""
        return Running(
            priority=self._priority,
            is_connected=self._publisher is not None,
            takeovers=self._takeovers,
            candidates=len(self._candidates),
        )

    def connect(self, stop: Callable[[str], None], priority: int) -> Publisher:
        """Let an encoder publish: the first, or one that comes back."""
        publisher = Publisher(self, stop=stop, priority=priority, now_ms=self._now_ms())
        self._welcome(publisher)
        return publisher

    def consider(self, stop: Callable[[str], None], priority: int) -> Publisher:
        """Let an encoder show what it has, in order to take over."""
        candidate = Publisher(self, stop=stop, priority=priority, now_ms=self._now_ms())
        self._candidates.append(candidate)
        return candidate

    def refuse(self, failure: Failure) -> None:
        """An encoder may not take over: say it in the session."""
        log.info("stream takeover failed", stream=self.stream_id, code=failure.code)
        self.session.note("Stream Takeover Failure", self._now_ms(), code=failure.code)

    def give_up_publisher(self, reason: str) -> None:
        """Its connection is as good as broken: wait for another one."""
        publisher = self._publisher
        if publisher is not None:
            self.left(publisher, reason, on_purpose=False)
            publisher.disconnect(reason)

    def describe(self, publisher: Publisher) -> None:
        """What an encoder says of itself."""
        if publisher is self._publisher:
            self.encoder = str(publisher.metadata.values.get("encoder", ""))
            self._health.describe(publisher.metadata.values)
            self.session.describe(publisher.metadata)

    def unusable(self, publisher: Publisher, error: PeerError) -> None:
        """What an encoder sends cannot be taken; its end follows."""
        if publisher in self._candidates:
            self.refuse(Failure("StreamTakeoverMediaMismatch", str(error)))
        elif isinstance(error, MediaError) and error.is_multitrack:
            self._end_code = code_of_several_tracks(self.channel)

    def receive(
        self,
        publisher: Publisher,
        sent: CodecConfig | EncodedFrame,
        items: Sequence[TrackSet | Packet],
        now_ms: int,
    ) -> None:
        """Take media; raises PeerError if it cannot be packaged, or may not take over."""
        if publisher is not self._publisher:
            if publisher not in self._candidates:
                raise PeerError("the stream goes on without this encoder")
            if not items:
                return  # not decided yet
            self._take_over(publisher, items)
        self.bytes_in += len(sent.data)
        self.last_frame_ms = now_ms
        if isinstance(sent, EncodedFrame):
            if sent.kind == "video" and requires_several_tracks(self.channel):
                self._end_code = "MultitrackInputRequired"
                raise PeerError(ONE_TRACK_TEXT)
            self._meter.count(sent, now_ms)
        if items:
            self._package(publisher, items, now_ms)

    def left(self, publisher: Publisher, reason: str, *, on_purpose: bool) -> None:
        """A connection is over: the stream with it, or it waits for another."""
        if publisher in self._candidates:
            self._candidates.remove(publisher)
        if publisher is not self._publisher:
            return
        self._publisher = None
        silent_ms = self._now_ms() - self.last_frame_ms
        if on_purpose or not self.is_live or silent_ms >= GRACE_MS:
            self.stop(reason)
        else:
            log.info("stream waits for its encoder", stream=self.stream_id, reason=reason)

    def _welcome(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._priority = publisher.priority
        self._end_code = ""  # was another's
        self.describe(publisher)  # what the one before said holds no more

    def _take_over(self, candidate: Publisher, items: Sequence[TrackSet | Packet]) -> None:
        """Put a candidate, whose first tracks these are, in the publisher's place."""
        self._candidates.remove(candidate)
        most = self._quotas.takeovers_per_stream
        answer = decide(candidate.priority, self.running, most_takeovers=most)
        failure = answer if isinstance(answer, Failure) else self._mismatch(items)
        if failure is not None:
            self.refuse(failure)
            raise PeerError(failure.text)
        before, self._takeovers = self._publisher, self._takeovers + 1
        self._welcome(candidate)
        log.info("stream taken over", stream=self.stream_id, priority=candidate.priority)
        self.session.note("Stream Takeover", self._now_ms())
        if before is not None:
            before.disconnect(TAKEN_OVER)

    def _mismatch(self, items: Sequence[TrackSet | Packet]) -> Failure | None:
        tracks = next(each for each in items if isinstance(each, TrackSet))
        return mismatch_of(self._splice.tracks, tracks) if self._splice.tracks else None

    # Media.

    def _packaged(
        self, ladders: Ladders, in_background: Callable[[Coroutine[Any, Any, None]], None]
    ) -> Packager:
        return Packager(
            channel=self.channel,
            output=self._output,
            cutting=self._cutting,
            ladders=ladders,
            push=self._deliver,
            on_ladder=self._announce,
            on_closed=self._close_recording,
            on_failure=self._fail,
            now_ms=self._now_ms,
            in_background=in_background,
        )

    def _package(
        self, publisher: Publisher, items: Sequence[TrackSet | Packet], now_ms: int
    ) -> None:
        if publisher is not self._heard:
            began_ms = publisher.began_ms or now_ms
            self._splice.join(pause_ms=began_ms - self._heard_ms)
            self._heard = publisher
        self._heard_ms = now_ms
        for each in items:
            if isinstance(each, TrackSet):
                self._meter.configure(each)
                self.session.describe(each)
                # A picture that is too large is told before anybody sees it.
                if breach := breach_of(self._quotas, self.channel.type, self.measured()):
                    self._publisher = None  # is told by the error
                    self._break_limit(breach)
                    raise PeerError(breach.text)
        try:
            self._packager.take(self._splice.push(items), now_ms)
        except CapacityError as error:
            self._publisher = None  # is told by the error
            self._fail(str(error))
            raise

    def _announce(self, ladder: Sequence[Rendition], announced: Sequence[Announced]) -> None:
        if self._recording is not None:
            hidden = [each.name for each in announced if each.on_request]
            self._recording.announce(ladder, hidden)

    def _close_recording(self) -> None:
        if self._recording is not None:
            self._recording.close()

    def _deliver(self, name: str, event: MediaEvent) -> None:
        self._output.push(name, event)
        if self._recording is not None:
            self._recording.push(name, event)
        if not self._was_live and self.is_live:
            self._was_live = True
            self.started_at_ms = self._now_ms()
            self.session.live(self.started_at_ms)
            if self._recording is not None:
                self._recording.live()
            log.info("stream live", channel=self.channel.arn, stream=self.stream_id)

    # The end.

    def _fail(self, reason: str) -> None:
        self.session.note("Stream Failure", self._now_ms(), detail={"reason": reason})
        self.stop(reason)

    def _break_limit(self, breach: Breach) -> None:
        detail = breach.detail
        self.session.note(breach.name, self._now_ms(), kind=LIMIT_BREACH, detail=detail)
        self.stop(breach.text)

    def _end(self, reason: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._publisher = None
        self._candidates = []
        self.session.end(self._now_ms(), code=self._end_code)
        self._packager.finish()
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
