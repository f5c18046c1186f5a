"""What one stream's media goes through on its way into a recording.

    opening (its recording is made, or found to go on with) <-> recording -> left
        |                                                        |
        +-------------------> failed: nothing is recorded <------+

Media that comes while opening is held. Nobody waits: a broadcast calls and goes on. A recording
that is 48 hours old ends, and the stream goes on in a new one.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from msgspec import Struct, structs

from headwater.core.segment import MediaEvent, Part, SegmentFinished, SegmentStarted, StreamPlan
from headwater.media.ladder import Rendition
from headwater.recording.objects import StorageError
from headwater.recording.pictures import KeyFrame, PictureSource
from headwater.recording.recording import FAILURE, REFUSED, Recording
from headwater.recording.selection import (
    MAX_RECORDING_MS,
    Candidate,
    Measured,
    reason_against_merge,
    recorded_names,
)
from headwater.recording.spool import Offer
from headwater.recording.succession import Succession
from headwater.store.records import ChannelRecord, RecordingConfigurationRecord

MAX_HELD_BYTES = 64 << 20
"""While opening. Of a stream that might be merged some seconds are held; where a disk hangs so
long, nothing can be recorded."""
MAX_HELD_FRAMES = 8
"""Key frames while opening, over all renditions: thumbnails are a second apart at least."""
MEASURED_MS = 2_000
"""Of a stream's media, before its bitrate is compared with the recording's."""
MAX_MEASURED_MS = 12_000
"""After which a rendition that has not come is one that does not fit."""
MAX_BEHIND_S = 30.0
"""For the slowest rendition to get to where a new recording begins; transcoders that hang are
replaced sooner."""
_ROUNDING_MS = 10  # of times that were added up

log = structlog.get_logger(__name__)


class Keeper(Protocol):
    """The Recorder, as a stream sees it."""

    def now_ms(self) -> int:
        """The time (Unix ms)."""

    async def may_record(self, configuration: RecordingConfigurationRecord) -> bool:
        """Whether its bucket can be recorded to."""

    def take_waiting(self, channel_arn: str, configuration_id: str) -> Recording | None:
        """The channel's recording that waits for a stream to go on with it."""

    async def begin(self, stream: "StreamRecording") -> Recording:
        """A new recording; raises OSError."""

    async def make_thumbnailer(
        self, recording: Recording, sources: Sequence[PictureSource]
    ) -> None:
        """Give it a thumbnailer, if it wants one."""

    async def started(self, recording: Recording) -> None:
        """Tell that it began."""

    def not_started(self, stream: "StreamRecording", session_id: str, reason: str) -> None:
        """Tell that it could not begin."""

    def left(self, recording: Recording) -> None:
        """No stream belongs to it now."""

    def finish(self, recording: Recording) -> None:
        """No stream will go on with it."""

    def forget(self, stream: "StreamRecording") -> None:
        """That stream is over."""


class _Measure(Struct):
    """A rendition's first media."""

    plan: StreamPlan | None = None
    size_bytes: int = 0
    duration_ms: float = 0.0


class StreamRecording:
    """One stream's; made by the Recorder for each stream whose channel is recorded."""

    def __init__(
        self,
        keeper: Keeper,
        channel: ChannelRecord,
        configuration: RecordingConfigurationRecord,
        stream_id: str,
    ) -> None:
        """Nothing has come."""
        self.channel = channel
        self.configuration = configuration
        self.stream_id = stream_id
        self._keeper = keeper
        self._offers: list[Offer] = []
        self._names: frozenset[str] = frozenset()
        self._sources: list[PictureSource] = []
        self._recording: Recording | None = None
        self._has_failed = False
        self._held: list[tuple[str, MediaEvent]] = []
        self._held_bytes = 0
        self._measures: dict[str, _Measure] = {}
        self._is_measured = asyncio.Event()
        self._is_decisive = asyncio.Event()  # it went live, or is over
        self._is_live = False
        self._is_over = asyncio.Event()
        self._succession = Succession()
        self._former: Recording | None = None  # that is full; slower renditions still fill it
        self._is_left = asyncio.Event()  # by the media that comes from now on
        self._is_passed = asyncio.Event()  # nothing comes for the former any more
        self._begin_ms = 0  # of the stream within its recording; negative: of a later one
        self._held_frames: deque[KeyFrame] = deque(maxlen=MAX_HELD_FRAMES)
        self._frames = _Frames(self._push_frame)
        self._task: asyncio.Task[None] | None = None

    @property
    def is_recorded(self) -> bool:
        """What comes is being recorded."""
        recording = self._recording or self._former
        return recording is not None and not self._is_over.is_set()

    def announce(self, renditions: Sequence[Rendition], on_request: Sequence[str]) -> None:
        """Say, once and before any event, which renditions are to come, best first.

        Args:
            renditions: all.
            on_request: the names of those that viewers have to ask for.
        """
        candidates = [
            Candidate(
                name=each.name,
                width=each.width,
                height=each.height,
                on_request=each.name in on_request,
            )
            for each in renditions
        ]
        wanted = self.configuration.rendition_configuration
        names = recorded_names(wanted, self.channel.type, candidates)
        self._names = frozenset(names)
        self._offers = [
            Offer(name=each.name, position=position, automatic=not each.is_audio_only)
            for position, each in enumerate(renditions)
            if each.name in self._names
        ]
        self._sources = [
            PictureSource(name=each.name, width=each.width, height=each.height)
            for each in renditions
            if each.width
        ]
        self._task = asyncio.create_task(self._run())

    def push(self, name: str, event: MediaEvent) -> None:
        """Take a rendition's next event."""
        if self._has_failed and self._former is None:
            return
        found = self._succession.push(name, event)
        if found.is_turn:
            self._turn(name)
        self._frames.push(name, event)
        for each in found.events if name in self._names else ():
            if found.is_former:
                self._push_former(name, each)
            else:
                self._take(name, each)
        if self._former is not None and self._succession.is_passed:
            self._is_passed.set()

    def live(self) -> None:
        """Viewers can be served."""
        self._is_live = True
        self._is_decisive.set()

    def close(self) -> None:
        """No more media will come."""
        self._is_over.set()
        self._is_left.set()
        self._is_passed.set()
        self._is_decisive.set()
        self._is_measured.set()
        if self._task is None:
            self._keeper.forget(self)

    async def closed(self) -> None:
        """Wait until all of it is in the recording."""
        if self._task is not None:
            await asyncio.wait([self._task])

    @property
    def offers(self) -> Sequence[Offer]:
        """What is recorded."""
        return self._offers

    # Its life.

    async def _run(self) -> None:
        try:
            recording = await self._open()
            while recording is not None and await self._go_on(recording):
                recording = await self._succeed(recording)
        except Exception:
            log.exception("recording failed", stream=self.stream_id)
            self._fail("", FAILURE, "a mistake of ours")
        finally:
            self._keeper.forget(self)

    async def _open(self) -> Recording | None:
        if not await self._keeper.may_record(self.configuration):
            self._fail("", REFUSED, "its configuration is not ACTIVE")
            return None
        try:
            recording = await self._merged() or await self._keeper.begin(self)
            await recording.join(self.stream_id, self._offers)
        except OSError as error:
            self._fail("", FAILURE, f"the spool cannot be written: {error.strerror}")
            return None
        if recording.thumbnailer is None:
            await self._keeper.make_thumbnailer(recording, self._sources)
        self._begin_ms += recording.duration_ms
        self._succession.limit(recording.opened.started_at_ms + MAX_RECORDING_MS)
        self._recording = recording
        for name, event in self._held:
            recording.push(name, event)
        for frame in self._held_frames:
            self._push_frame(frame)
        self._held.clear()
        self._held_bytes = 0
        self._held_frames.clear()
        return recording

    async def _merged(self) -> Recording | None:
        """The recording that this stream goes on with, if there is one, and it may."""
        found = self._keeper.take_waiting(self.channel.arn, self.configuration.id)
        if found is None:
            return None
        await self._is_measured.wait()
        stream = {
            name: Measured(
                plan=each.plan,
                bitrate_bps=8000 * each.size_bytes / max(each.duration_ms, 1.0),
            )
            for name, each in self._measures.items()
            if each.plan is not None
        }
        reason = reason_against_merge(found.spool.manifest, stream, self._keeper.now_ms())
        if reason is None:
            return found
        log.info("stream gets a recording of its own", stream=self.stream_id, reason=reason)
        self._keeper.finish(found)
        return None

    async def _go_on(self, recording: Recording) -> bool:
        """Fill it; whether it is full, and the stream goes on."""
        await self._is_decisive.wait()
        if self._is_live and not recording.is_announced:
            try:
                await recording.check()
            except StorageError as error:
                if error.is_refused:
                    self._fail(recording.opened.session_id, REFUSED, str(error))
                    await recording.discard()
                    return False
            await self._keeper.started(recording)
        await self._is_left.wait()
        if self._former is recording:
            return True
        if not self._is_live and len(recording.stream_ids) == 1:
            self._recording = None
            await recording.discard()
            return False
        await recording.leave()
        self._keeper.left(recording)
        return False

    async def _succeed(self, full: Recording) -> Recording | None:
        """Begin the next one, and end the one that is full."""
        self._is_left.clear()
        if self._is_over.is_set():
            self._is_left.set()
        log.info("stream gets a new recording", stream=self.stream_id, reason="48 hours are over")
        recording = await self._open()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_passed.wait(), MAX_BEHIND_S)
        self._former = None
        await full.leave()
        self._keeper.finish(full)
        return recording

    def _fail(self, session_id: str, reason: str, text: str) -> None:
        if self._has_failed:
            return
        log.warning("stream is not recorded", stream=self.stream_id, reason=text)
        self._has_failed = True
        self._recording = None
        self._held.clear()
        self._keeper.not_started(self, session_id, reason)

    # Its media.

    def _turn(self, name: str) -> None:
        """What comes now, beginning with this rendition's next part, is the next recording's."""
        self._former, self._recording = self._recording, None
        self._begin_ms = -round(self._frames.reach_ms(name))
        self._is_passed.clear()
        self._is_left.set()

    def _push_former(self, name: str, event: MediaEvent) -> None:
        if self._former is not None:
            self._former.push(name, event)

    def _take(self, name: str, event: MediaEvent) -> None:
        if self._recording is not None:
            self._recording.push(name, event)
        elif not self._has_failed:
            self._held.append((name, event))
            self._measure(name, event)
            if self._held_bytes > MAX_HELD_BYTES:
                self._fail("", FAILURE, "the spool's disk does not answer")

    def _measure(self, name: str, event: MediaEvent) -> None:
        measure = self._measures.setdefault(name, _Measure())
        if isinstance(event, StreamPlan):
            measure.plan = event
        elif isinstance(event, Part):
            measure.size_bytes += len(event.payload)
            measure.duration_ms += event.duration_ms
            self._held_bytes += len(event.payload)
        elif isinstance(event, SegmentFinished):
            lengths = [each.duration_ms for each in self._measures.values()]
            is_all = len(lengths) == len(self._names)
            if (is_all and min(lengths) >= MEASURED_MS) or max(lengths) >= MAX_MEASURED_MS:
                self._is_measured.set()

    def _push_frame(self, frame: KeyFrame) -> None:
        at_ms = self._begin_ms + frame.at_ms
        if at_ms < -_ROUNDING_MS:
            return  # of the former recording, which gets no more thumbnails
        if self._recording is None:
            self._held_frames.append(frame)
        elif self._recording.thumbnailer is not None:
            self._recording.thumbnailer.push(structs.replace(frame, at_ms=max(at_ms, 0)))


class _Frames:
    """Finds the key frames of all renditions; their times are since the stream began."""

    def __init__(self, push: Callable[[KeyFrame], None]) -> None:
        self._push = push
        self._plans: dict[str, StreamPlan] = {}
        self._inits: dict[str, bytes | None] = {}
        self._reach_ms: dict[str, float] = {}

    def reach_ms(self, name: str) -> float:
        """How much of a rendition came."""
        return self._reach_ms.get(name, 0.0)

    def push(self, name: str, event: MediaEvent) -> None:
        match event:
            case StreamPlan():
                self._plans[name] = event
            case SegmentStarted() if event.init is not None:
                self._inits[name] = event.init
            case Part():
                plan, at_ms = self._plans.get(name), self._reach_ms.get(name, 0.0)
                self._reach_ms[name] = at_ms + event.duration_ms
                if plan is not None and plan.width and event.independent and not event.gap:
                    self._push(
                        KeyFrame(
                            rendition=name,
                            container=plan.container,
                            init=self._inits.get(name),
                            payload=event.payload,
                            at_ms=round(at_ms),
                        )
                    )
