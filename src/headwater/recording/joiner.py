"""Live segments joined into recorded ones: where each begins and ends. Pure.

Source: real IVS recordings: a recorded segment is live segments one after the other, cut at
the first key frame from 10 s on. Here that key frame begins a live segment, since segments are
joined whole: their tables, tags and continuity counters stay as viewers had them.

Live segments of all renditions have the same numbers and times, so a cut is decided once, by
the first rendition that gets there, and holds for all. A discontinuity always cuts; the
recording has none where times go on and only parameters are others (RFC 8216 §4.3.2.3: it
has to be told of times and of other tracks).
"""

from typing import Literal

from msgspec import Struct

from headwater.core.segment import (
    MediaEvent,
    Part,
    SegmentFinished,
    SegmentStarted,
    StreamFinished,
    StreamPlan,
)
from headwater.recording.records import Begin, End, Piece, Step

MIN_SEGMENT_MS = 9_999.5
"""10 s, less what adding up durations may lose."""
JOINED_TARGET_S = 10
LONGEST_S = 24
"""EXT-X-TARGETDURATION where live segments may begin without a key frame: up to a key frame
that comes some segments later, since one cut there could not be played alone."""
_ROUNDING_MS = 499
_LONGEST_LIVE_MS = 6_499
MAX_DECISIONS = 1000
"""Cuts that the slowest rendition may still have to follow: two hours."""

Kind = Literal["video", "audio"]


class Init(Struct, frozen=True, kw_only=True):
    """A new init segment of a rendition, before the segment that needs it."""

    rendition: str
    number: int
    data: bytes


class Placed(Struct, frozen=True, kw_only=True):
    """A piece and its bytes."""

    piece: Piece
    payload: bytes


class _Rendition(Struct, kw_only=True):
    kind: Kind
    limit_ms: float
    next_number: int
    next_init: int  # number of the next init segment
    goes_on: bool  # with what an earlier stream recorded: the first segment says so
    start: SegmentStarted | None = None  # of a live segment whose first part is still to come
    is_open: bool = False
    filled_ms: float = 0.0
    was_gap: bool = False


class Joiner:
    """The joints of one stream."""

    def __init__(self, *, first_number: int = 0, next_inits: dict[str, int] | None = None) -> None:
        """Nothing has come.

        Args:
            first_number: of the first segment of every rendition; more than 0 goes on with a
                recording, whose times this stream does not continue.
            next_inits: of the renditions that have init segments already.
        """
        self._first_number = first_number
        self._next_inits = next_inits or {}
        self._renditions: dict[str, _Rendition] = {}
        self._numbers: dict[int, tuple[int, bool]] = {}  # by msn: recorded segment, begins it
        self._newest_msn = -1

    def push(self, name: str, event: MediaEvent) -> list[Step | Placed | Init]:
        """What becomes of a rendition's next event. Its plan comes first."""
        if isinstance(event, StreamPlan):
            self._renditions[name] = _Rendition(
                kind="audio" if event.width is None else "video",
                limit_ms=target_duration_s(event) * 1000 + _ROUNDING_MS,
                next_number=self._first_number,
                next_init=self._next_inits.get(name, 0),
                goes_on=self._first_number > 0,
            )
            return []
        rendition = self._renditions.get(name)
        if rendition is None:
            return []  # it ended before it had a plan
        match event:
            case SegmentStarted():
                rendition.start = event
            case Part():
                return self._part(name, rendition, event)
            case SegmentFinished() | StreamFinished():
                if isinstance(event, StreamFinished) and rendition.is_open:
                    rendition.is_open = False
                    return [End(rendition=name)]
        return []

    def _part(self, name: str, rendition: _Rendition, part: Part) -> list[Step | Placed | Init]:
        steps: list[Step | Placed | Init] = []
        start, rendition.start = rendition.start, None
        if start is not None:
            steps = self._start(name, rendition, start, part)
        is_first = rendition.filled_ms == 0.0
        is_key = part.independent and (rendition.kind == "video" or part.index == 0)
        piece = Piece(
            rendition=name,
            length_bytes=len(part.payload),
            duration_ms=part.duration_ms,
            begins_range=is_first or is_key or part.gap != rendition.was_gap,
            is_gap=part.gap,
        )
        rendition.was_gap = part.gap
        rendition.filled_ms += part.duration_ms
        return [*steps, Placed(piece=piece, payload=part.payload)]

    def _start(
        self, name: str, rendition: _Rendition, start: SegmentStarted, part: Part
    ) -> list[Step | Placed | Init]:
        number, begins = self._decide(rendition, start, part)
        steps: list[Step | Placed | Init] = []
        is_new_init = start.init is not None
        if rendition.is_open and not begins and not is_new_init:
            return steps
        if rendition.is_open:
            steps.append(End(rendition=name))
        if start.init is not None:
            steps.append(Init(rendition=name, number=rendition.next_init, data=start.init))
            rendition.next_init += 1
        number = max(number, rendition.next_number)
        steps.append(
            Begin(
                rendition=name,
                number=number,
                program_date_time_ms=start.program_date_time_ms,
                discontinuity=_is_broken(start) or rendition.goes_on,
                init_number=rendition.next_init - 1 if rendition.next_init else None,
            )
        )
        rendition.is_open = True
        rendition.goes_on = False
        rendition.next_number = number + 1
        rendition.filled_ms = 0.0
        return steps

    def _decide(self, rendition: _Rendition, start: SegmentStarted, part: Part) -> tuple[int, bool]:
        """Which recorded segment a live one belongs to, and whether it begins it."""
        if start.msn <= self._newest_msn:
            return self._numbers.get(start.msn, (rendition.next_number, False))
        newest = self._numbers.get(self._newest_msn, (self._first_number, True))[0]
        if self._newest_msn < 0:
            decided = (newest, True)
        elif start.discontinuity or _is_long_enough(rendition, part):
            decided = (newest + 1, True)
        else:
            decided = (newest, False)
        self._numbers[start.msn] = decided
        self._newest_msn = start.msn
        if len(self._numbers) > MAX_DECISIONS:
            del self._numbers[next(iter(self._numbers))]
        return decided


def target_duration_s(plan: StreamPlan) -> int:
    """EXT-X-TARGETDURATION of a recorded playlist; 12 for live segments of up to 2 s."""
    return JOINED_TARGET_S + plan.target_duration_s if plan.independent_segments else LONGEST_S


def _is_broken(start: SegmentStarted) -> bool:
    """Whether its times do not continue those before: other parameters alone are no reason."""
    return start.discontinuity and not start.times_go_on


def _is_long_enough(rendition: _Rendition, part: Part) -> bool:
    filled_ms = rendition.filled_ms
    if filled_ms < MIN_SEGMENT_MS:
        return False
    return part.independent or filled_ms + _LONGEST_LIVE_MS > rendition.limit_ms
