"""The sliding window of one rendition: what can be listed and fetched now, without I/O.

Source: RFC 8216 §6.2.2 (live playlists) and draft-pantos-hls-rfc8216bis §6.2.2 (parts).

States of a segment:

    open      its parts arrive; they are listed, it is not
    listed    complete and in the playlist; the newest of them still list their parts
    retired   out of the playlist, still downloadable
    forgotten gone

All sums here are of media durations, so a window moves only when media arrives and
needs no clock.
"""

from collections.abc import Iterator

from msgspec import Struct, field

from headwater.core.segment import (
    MediaEvent,
    Part,
    SegmentFinished,
    SegmentStarted,
    StreamFinished,
    StreamPlan,
)

DEFAULT_WINDOW_MS = 24_000
"""Media a playlist lists: about what IVS lists, and more than the 20 s players rewind."""

MAX_SEGMENTS_LISTED = 300
"""A publisher with a key frame in each frame must not make playlists endless."""

PREFETCHED_SEGMENTS = 2  # the one being made and the one after it, as Amazon IVS names them

MIN_TARGET_DURATIONS_LISTED = 3  # RFC 8216 §6.2.2: never fewer may be left
TARGET_DURATIONS_WITH_PARTS = 3  # rfc8216bis §6.2.2: older parts serve nobody


class InitSegment(Struct, frozen=True):
    """A Media Initialization Section (fMP4), named by a number that counts changes."""

    number: int
    payload: bytes


class PartRow(Struct, kw_only=True):
    """A part: `payload` is None once only the joined segment holds its bytes."""

    duration_ms: float
    independent: bool
    gap: bool  # nothing of it can be played
    start_byte: int  # within its segment
    end_byte: int
    payload: bytes | None


class SegmentRow(Struct, kw_only=True):
    """A segment; `duration_ms` is None while it is open, `payload` until it was asked for whole."""

    msn: int
    discontinuity: bool
    init: InitSegment | None  # None in TS
    program_date_time_ms: int  # Unix time
    parts: list[PartRow] = field(default_factory=list)
    parts_listed: bool = True
    duration_ms: float | None = None
    payload: bytes | None = None

    @property
    def is_gap(self) -> bool:
        """Whether nothing of it can be played."""
        return all(part.gap for part in self.parts)

    def part_payload(self, index: int) -> bytes | None:
        """The bytes of a part: they outlive its own payload within the segment's."""
        part = self.parts[index]
        if part.payload is None and self.payload is not None:
            return self.payload[part.start_byte : part.end_byte]
        return part.payload


class Window:
    """One rendition's segments and parts, from the events of packaging.

    `media_sequence` and `discontinuity_sequence` never go back. `next_msn` is the
    sequence number of the segment that is open or comes next: all before it are complete.
    """

    def __init__(self, plan: StreamPlan, *, window_ms: int = DEFAULT_WINDOW_MS) -> None:
        target_duration_ms = plan.target_duration_s * 1000
        self.plan = plan
        self.part_target_ms = plan.part_target_ms
        self.length_ms = max(window_ms, MIN_TARGET_DURATIONS_LISTED * target_duration_ms)
        # RFC 8216 §6.2.2: a removed segment stays for its own duration and that of the
        # longest playlist that listed it (which may exceed the length by one segment).
        self.retention_ms = self.length_ms + 2 * target_duration_ms
        self.media_sequence = 0
        self.discontinuity_sequence = 0
        self.next_msn = 0
        self.open_segment: SegmentRow | None = None
        self.ended = False
        self._first_kept = 0
        self._segments: dict[int, SegmentRow] = {}  # complete ones, by msn
        self._init: InitSegment | None = None
        self._with_parts_ms = TARGET_DURATIONS_WITH_PARTS * target_duration_ms

    def push(self, event: MediaEvent) -> None:
        """Take the next event of packaging.

        Raises:
            RuntimeError: events out of order (a bug of ours, never the encoder's).
        """
        if self.ended:
            raise RuntimeError("the stream has ended")
        match event:
            case SegmentStarted():
                self._start(event)
            case Part():
                self._append(event)
            case SegmentFinished():
                self._finish(event.msn, event.duration_ms)
            case StreamFinished():
                self._end()
            case StreamPlan():
                raise RuntimeError("a stream's plan never changes")

    def listed(self) -> Iterator[SegmentRow]:
        """The complete segments of the playlist, oldest first."""
        return (self._segments[msn] for msn in range(self.media_sequence, self.next_msn))

    def next_part(self) -> tuple[int, int]:
        """Segment and index of the part that comes next: the one a playlist hints at."""
        return self.next_msn, len(self.open_segment.parts) if self.open_segment else 0

    def is_hinted(self, msn: int, index: int) -> bool:
        """Whether the playlist now names this part as the one that comes next."""
        is_next = (msn, index) == self.next_part()
        return is_next and self.part_target_ms is not None and not self.ended

    def prefetched(self) -> range:
        """The segments that a playlist names ahead; none without parts or after the end."""
        if self.part_target_ms is None or self.ended:
            return range(0)
        return range(self.next_msn, self.next_msn + PREFETCHED_SEGMENTS)

    def never_came(self, msn: int) -> bool:
        """Whether the last playlists before the end named this segment ahead, in vain."""
        ahead = self.next_msn <= msn < self.next_msn + PREFETCHED_SEGMENTS
        return ahead and self.ended and self.part_target_ms is not None

    def growing_segment(self, msn: int) -> SegmentRow | None:
        """That segment, if it has parts and more may come."""
        segment = self.open_segment
        started = segment is not None and segment.msn == msn and bool(segment.parts)
        return segment if started and self.part_target_ms is not None else None

    def last_part(self) -> tuple[int, int] | None:
        """Segment and index of the newest part, or None before the first."""
        msn, index = self.next_part()
        if index:
            return msn, index - 1
        newest = self._segments.get(msn - 1)
        return (newest.msn, len(newest.parts) - 1) if newest else None

    def part_count(self, msn: int) -> int | None:
        """How many parts a complete segment has; None when it is not kept."""
        segment = self._segments.get(msn)
        return len(segment.parts) if segment else None

    def segment_payload(self, msn: int) -> bytes | None:
        """The bytes of a complete segment, listed or retired."""
        segment = self._segments.get(msn)
        if segment is None:
            return None
        if segment.payload is None:  # low-latency players never ask for most of them
            segment.payload = b"".join(part.payload or b"" for part in segment.parts)
            if msn < self.next_msn - 1:
                _hold_once(segment)
        return segment.payload

    def part_payload(self, msn: int, index: int) -> bytes | None:
        """The bytes of a part, as long as its segment is kept."""
        is_open = self.open_segment is not None and msn == self.next_msn
        segment = self.open_segment if is_open else self._segments.get(msn)
        if segment is None or self.part_target_ms is None or index >= len(segment.parts):
            return None
        return segment.part_payload(index)

    def init_payload(self, number: int) -> bytes | None:
        """The bytes of an init segment, as long as a kept segment needs it."""
        if self._init is not None and self._init.number == number:
            return self._init.payload
        inits = (segment.init for segment in self._segments.values())
        return next((init.payload for init in inits if init and init.number == number), None)

    def is_forgotten(self, msn: int) -> bool:
        """Whether this segment was once downloadable and is no more."""
        return msn < self._first_kept

    def _start(self, event: SegmentStarted) -> None:
        if self.open_segment is not None or event.msn != self.next_msn:
            raise RuntimeError(f"segment {event.msn} starts, expected {self.next_msn}")
        init = self._init
        # An encoder that repeats its configuration changes nothing.
        if event.init is not None and (init is None or event.init != init.payload):
            init = InitSegment(init.number + 1 if init else 0, event.init)
        changed = event.discontinuity or init is not self._init
        self._init = init
        self.open_segment = SegmentRow(
            msn=event.msn,
            # hls.js and others break when EXT-X-MAP changes without a discontinuity.
            # Nothing comes before the first segment, so nothing can break there.
            discontinuity=changed and event.msn > 0,
            init=init,
            program_date_time_ms=event.program_date_time_ms,
        )

    def _append(self, event: Part) -> None:
        if (event.msn, event.index) != self.next_part() or self.open_segment is None:
            raise RuntimeError(f"part {event.msn}.{event.index}, expected {self.next_part()}")
        parts = self.open_segment.parts
        start_byte = parts[-1].end_byte if parts else 0
        parts.append(
            PartRow(
                duration_ms=event.duration_ms,
                independent=event.independent,
                gap=event.gap,
                start_byte=start_byte,
                end_byte=start_byte + len(event.payload),
                payload=event.payload,
            )
        )

    def _finish(self, msn: int, duration_ms: float) -> None:
        segment = self.open_segment
        if segment is None or msn != segment.msn or not segment.parts:
            raise RuntimeError(f"segment {msn} cannot finish now")
        segment.duration_ms = duration_ms
        self._segments[msn] = segment
        self.open_segment = None
        self.next_msn = msn + 1
        self._hide_old_parts()
        self._slide()
        self._forget()

    def _end(self) -> None:
        segment = self.open_segment
        if segment is not None and segment.parts:  # cut off: what came is a segment too
            self._finish(segment.msn, sum(part.duration_ms for part in segment.parts))
        self.open_segment = None
        self.ended = True

    def _hide_old_parts(self) -> None:
        behind_ms = 0.0  # from the end of a segment to the end of the playlist
        for msn in range(self.next_msn - 1, self.media_sequence - 1, -1):
            segment = self._segments[msn]
            if not segment.parts_listed:
                return
            if behind_ms >= self._with_parts_ms or self.part_target_ms is None:
                _hide_parts(segment)
            elif msn < self.next_msn - 1:
                _hold_once(segment)  # hardly anyone fetches them any more
            behind_ms += segment.duration_ms or 0.0

    def _slide(self) -> None:
        listed_ms = sum(segment.duration_ms or 0.0 for segment in self.listed())
        while True:
            oldest = self._segments[self.media_sequence]
            listed_ms -= oldest.duration_ms or 0.0
            too_many = self.next_msn - self.media_sequence > MAX_SEGMENTS_LISTED
            if listed_ms < self.length_ms and not too_many:
                return
            _hide_parts(oldest)
            self.media_sequence += 1
            self.discontinuity_sequence += oldest.discontinuity

    def _forget(self) -> None:
        retired_ms = 0.0  # media retired after this segment: how long ago it was retired
        for msn in range(self.media_sequence - 1, self._first_kept - 1, -1):
            too_many = self.media_sequence - msn > MAX_SEGMENTS_LISTED
            if retired_ms >= self.retention_ms or too_many:
                for old in range(self._first_kept, msn + 1):
                    del self._segments[old]
                self._first_kept = msn + 1
                return
            retired_ms += self._segments[msn].duration_ms or 0.0


def _hide_parts(segment: SegmentRow) -> None:
    """Take the parts out of the playlist."""
    segment.parts_listed = False
    _hold_once(segment)


def _hold_once(segment: SegmentRow) -> None:
    """Where the segment has been joined, let its parts be cut from it from now on."""
    if segment.payload is not None:
        for part in segment.parts:
            part.payload = None
