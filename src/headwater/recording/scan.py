"""What a recorded segment holds, found by reading it: pictures, sound, times, continuity. Pure.

`scan_ts` and `scan_mp4` give the same facts of MPEG-TS and of fragmented MP4. They read what
a check needs and no more: a segment that is written wrongly in other places passes.
"""

from msgspec import Struct, field

CLOCK_HZ = 90_000
"""Of all times here."""
MAX_FAULTS = 5
"""Of one segment: a broken one would fill the report."""


class Picture(Struct, frozen=True, kw_only=True, gc=False):
    """A picture and where it begins."""

    offset: int  # bytes from the beginning of the segment: where its packet or fragment is
    pts: int  # 90 kHz
    is_key: bool


class Span(Struct, kw_only=True):
    """From the first to the last of a track's times."""

    first: int  # presentation times, 90 kHz
    last: int
    step: int  # to what would follow the last

    @property
    def end(self) -> int:
        """Where the next segment should begin."""
        return self.last + self.step


class Scan(Struct, kw_only=True):
    """What a segment holds."""

    pictures: list[Picture] = field(default_factory=list)  # in the order of decoding
    video: Span | None = None
    sound: Span | None = None
    first_counters: dict[int, int] = field(default_factory=dict)  # of each PID; TS only
    last_counters: dict[int, int] = field(default_factory=dict)
    starts: set[int] = field(default_factory=set)  # offsets at which a player can begin to read
    faults: list[str] = field(default_factory=list)  # for people

    def span(self) -> Span | None:
        """Of the pictures, else of the sound."""
        return self.video or self.sound


def span_of(times: list[int]) -> Span | None:
    """Of pictures, in any order; the last is as long as the one before it."""
    shown = sorted(times)
    if not shown:
        return None
    return Span(first=shown[0], last=shown[-1], step=shown[-1] - shown[-2] if shown[1:] else 0)


def grown(span: Span | None, pts: int, step: int) -> Span:
    """The span of sound with one more time in it."""
    if span is None:
        return Span(first=pts, last=pts, step=step)
    span.first = min(span.first, pts)
    if pts >= span.last:
        span.last, span.step = pts, step
    return span
