"""The renditions of one broadcast: where the media of its source and transcoder goes.

One rendition leads: it decides where segments and parts end, and all others are cut there
too. The leader is the source as it is, where the ladder has it; it goes on whatever happens
to the transcoder, and then the others have gaps. Else the transcoder's first rendition
leads: when the transcoder is replaced, all have a discontinuity at the same place.
"""

from collections import deque
from collections.abc import Callable, Sequence
from math import lcm

from msgspec import Struct, structs

from headwater.core.packet import Packet
from headwater.core.segment import Container, MediaEvent, StreamPlan
from headwater.core.track import TrackSet
from headwater.delivery.stream import Announced
from headwater.media.cutter import Cut
from headwater.media.follower import Follower
from headwater.media.ladder import Rendition, Source
from headwater.media.sample import TimedTag
from headwater.media.segmenter import Segmenter

MAX_ARRIVALS = 2000
"""Pictures whose time of arrival is remembered: half a minute of 60 frames a second."""
USUAL_SOUND_BPS = 128_000

Push = Callable[[str, MediaEvent], None]


class Cutting(Struct, frozen=True, kw_only=True):
    """How a channel's streams are cut."""

    container: Container
    low_latency: bool
    segment_target_ms: int
    part_target_ms: int
    segment_tags: bool
    metadata_text_frames: bool


class Renditions:
    """Turns tracks and packets, of the source and of the transcoder, into delivery's events."""

    def __init__(self, ladder: Sequence[Rendition], cutting: Cutting, push: Push) -> None:
        """Nothing has come yet.

        Args:
            ladder: best first.
            cutting: the same for all.
            push: takes a rendition's name and its next event.
        """
        self._push = push
        self._encoded = [each.name for each in ladder if not each.is_passthrough]
        self._passed = [each for each in ladder if each.is_passthrough]
        leader = _leader(ladder)
        self._leader = leader.name
        self._segmenter = Segmenter(
            cutting.container,
            low_latency=cutting.low_latency,
            segment_target_ms=cutting.segment_target_ms,
            part_target_ms=cutting.part_target_ms,
            segment_tags=cutting.segment_tags,
            frames_together=lcm(*(max(1, each.every // leader.every) for each in ladder)),
        )
        self._followers = {
            each.name: Follower(
                cutting.container,
                frame_rate=float(each.frame_rate) if each.frame_rate else None,
            )
            for each in ladder
            if each is not leader
        }
        self._arrivals: deque[tuple[int, int]] = deque(maxlen=MAX_ARRIVALS)
        self.plan: StreamPlan | None = None  # the leader's

    def from_source(self, item: TrackSet | Packet, now_ms: int) -> None:
        """Take what the encoder sent, repaired.

        Raises:
            LimitError: more bytes than any real stream's.
        """
        if isinstance(item, Packet) and item.kind == "video" and self._leader in self._encoded:
            self._arrivals.append((item.pts, now_ms))
        for rendition in self._passed:
            wanted = _sound_of(item) if rendition.is_audio_only else item
            if wanted is not None:
                self._take(rendition.name, wanted, now_ms)

    def from_transcoder(self, indices: Sequence[int], item: TrackSet | Packet, now_ms: int) -> None:
        """Take what the transcoder made for these of its renditions.

        Raises:
            LimitError: more bytes than any real stream's.
            IndexError: there is no such rendition.
        """
        for index in indices:
            name = self._encoded[index]
            arrived_ms = self._arrival_ms(item, now_ms) if name == self._leader else now_ms
            self._take(name, item, arrived_ms)

    def insert(self, tag: TimedTag) -> None:
        """Put an ID3 tag into all of them, at its time."""
        self._segmenter.insert(tag)  # the others do as the leader does

    def lose(self) -> None:
        """The transcoder is no more."""
        for name in self._encoded:
            if name != self._leader:
                self._deliver(name, self._followers[name].lose())

    def resume(self, pts: int) -> None:
        """Another transcoder is given the pictures from `pts` (90 kHz) on."""
        for name in self._encoded:
            if name != self._leader:
                self._followers[name].resume(pts)

    def flush(self) -> None:
        """The stream is over."""
        self._deliver(self._leader, self._segmenter.flush())
        self._lead(self._segmenter.cuts())
        for name, follower in self._followers.items():
            self._deliver(name, follower.flush())

    def _take(self, name: str, item: TrackSet | Packet, now_ms: int) -> None:
        if name == self._leader:
            self._deliver(name, self._segmenter.push(item, now_ms))
            self._lead(self._segmenter.cuts())
        else:
            self._deliver(name, self._followers[name].push(item))

    def _lead(self, cuts: list[Cut]) -> None:
        if cuts:
            for name, follower in self._followers.items():
                self._deliver(name, follower.follow(cuts))

    def _deliver(self, name: str, events: list[MediaEvent]) -> None:
        for event in events:
            if isinstance(event, StreamPlan) and name == self._leader:
                self.plan = event
            self._push(name, event)

    def _arrival_ms(self, item: TrackSet | Packet, now_ms: int) -> int:
        """When the picture came in from which this one was made."""
        if isinstance(item, TrackSet) or item.kind != "video":
            return now_ms
        arrived_ms = now_ms
        while self._arrivals and self._arrivals[0][0] <= item.pts:
            _, arrived_ms = self._arrivals.popleft()
        return arrived_ms


def announcements(ladder: Sequence[Rendition], *, on_request: bool) -> list[Announced]:
    """The renditions as viewers will see them.

    Args:
        ladder: best first.
        on_request: sound without a picture is for who asks for it.
    """
    return [
        Announced(
            name=each.name,
            on_request=on_request and each.is_audio_only and len(ladder) > 1,
            automatic=not each.is_audio_only or len(ladder) == 1,
            target_bps=_target_bps(each),
        )
        for each in ladder
    ]


def refitted(
    ladder: Sequence[Rendition], fresh: Sequence[Rendition], source: Source
) -> tuple[Rendition, ...]:
    """The same renditions for an input that has changed, as near as it allows.

    Args:
        ladder: what the stream began with; names and bitrates stay.
        fresh: what would be chosen for the input now.
        source: the input now; nothing is made larger than it.
    """
    by_edge = {_edge(each): each for each in fresh if each.video_bps is not None}
    if not by_edge:
        return tuple(ladder)
    whole = structs.replace(
        next(iter(by_edge.values())), width=source.width & ~1, height=source.height & ~1
    )
    return tuple(
        each if each.video_bps is None else _like(each, by_edge.get(_edge(each), whole))
        for each in ladder
    )


def _like(rendition: Rendition, other: Rendition) -> Rendition:
    return structs.replace(
        rendition,
        width=other.width,
        height=other.height,
        frame_rate=other.frame_rate,
        every=other.every,
    )


def _edge(rendition: Rendition) -> str:
    return rendition.name.partition("p")[0]


def _target_bps(rendition: Rendition) -> int:
    if rendition.is_passthrough:
        return 0
    sound_bps = USUAL_SOUND_BPS if rendition.audio_bps is None else rendition.audio_bps
    return (rendition.video_bps or 0) + sound_bps


def _leader(ladder: Sequence[Rendition]) -> Rendition:
    with_picture = [each for each in ladder if not each.is_audio_only]
    passed = [each for each in with_picture if each.is_passthrough]
    return [*passed, *with_picture, *ladder][0]


def _sound_of(item: TrackSet | Packet) -> TrackSet | Packet | None:
    if isinstance(item, Packet):
        return item if item.kind == "audio" else None
    return structs.replace(item, video=None)
