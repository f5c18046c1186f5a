"""Where one recording of a stream ends and its next one begins. Pure.

Source: IVS user guide, "Auto-Record to Amazon S3": a recording has 48 hours at most. A stream that
goes on with an earlier one's recording may reach them.

    a recording --(a live segment that begins too late for it, with a key frame)--> the next one

All renditions change over at the same live segment, each when it gets there; until then what is
left of it belongs to the former recording. What the next one has to know before any media, plan
and init segment, is told again.
"""

from msgspec import Struct
from msgspec.structs import replace

from headwater.core.segment import MediaEvent, Part, SegmentStarted, StreamFinished, StreamPlan


class Sorted(Struct, frozen=True, kw_only=True):
    """What became of an event."""

    events: list[MediaEvent]  # of the same rendition, in order
    is_former: bool = False  # they are the former recording's
    is_turn: bool = False  # with them the next recording begins


class _Rendition(Struct, kw_only=True):
    plan: StreamPlan
    init: bytes | None = None  # in force
    start: SegmentStarted | None = None  # of a segment whose first part is still to come
    is_behind: bool = False  # it has not reached the turn yet


class Succession:
    """One stream's: it says which recording each event belongs to."""

    def __init__(self) -> None:
        """There is one recording, without an end."""
        self._renditions: dict[str, _Rendition] = {}
        self._until_ms: int | None = None
        self._turn_msn = 0

    def limit(self, until_ms: int) -> None:
        """The recording of now takes what begins before that (Unix ms)."""
        self._until_ms = until_ms

    @property
    def is_passed(self) -> bool:
        """Nothing more comes for the former recording."""
        return not any(each.is_behind for each in self._renditions.values())

    def push(self, name: str, event: MediaEvent) -> Sorted:
        """Take a rendition's next event."""
        rendition = self._renditions.get(name)
        if isinstance(event, StreamPlan):
            self._renditions[name] = _Rendition(plan=event)
            return Sorted(events=[event])
        if rendition is None:
            return Sorted(events=[event])
        if isinstance(event, SegmentStarted):
            rendition.start = event
            rendition.init = event.init or rendition.init
            return Sorted(events=[])  # its first part says whether it begins with a key frame
        if isinstance(event, Part) and rendition.start is not None:
            return self._begin(rendition, rendition.start, event)
        is_former = rendition.is_behind
        if isinstance(event, StreamFinished):
            rendition.is_behind = False
        return Sorted(events=[event], is_former=is_former)

    def _begin(self, rendition: _Rendition, start: SegmentStarted, part: Part) -> Sorted:
        rendition.start = None
        is_turn = self._is_turn(start, part)
        if is_turn:
            self._until_ms = None
            self._turn_msn = start.msn
            for each in self._renditions.values():
                each.is_behind = True
        if rendition.is_behind and start.msn >= self._turn_msn:
            rendition.is_behind = False
            whole = replace(start, init=rendition.init)
            return Sorted(events=[rendition.plan, whole, part], is_turn=is_turn)
        return Sorted(events=[start, part], is_former=rendition.is_behind)

    def _is_turn(self, start: SegmentStarted, part: Part) -> bool:
        is_late = self._until_ms is not None and start.program_date_time_ms >= self._until_ms
        return is_late and part.independent and not part.gap
