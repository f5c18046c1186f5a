"""What is in a recording: its journal's records, added up. Pure.

The same while it is being written and when it is read again after a kill.
"""

from collections.abc import Iterable

from msgspec import Struct, field
from msgspec.structs import replace

from headwater.recording import layout
from headwater.recording.layout import Gap, RecordedRendition
from headwater.recording.playlists import ByteRange, RecordedSegment, packed_ranges, segment_lines
from headwater.recording.records import (
    Announced,
    Begin,
    Cut,
    Described,
    End,
    Joined,
    Kept,
    Left,
    Opened,
    Pictured,
    Piece,
    Record,
    Stored,
)

MAX_GAPS = 1000
"""Of a recording, as told in its event file; the rest is in its playlists."""
AS_LIVE = "no media came, live viewers had none either"


class OpenSegment(Struct, kw_only=True):
    """A recorded segment in the making."""

    begin: Begin
    size_bytes: int = 0
    duration_ms: float = 0.0
    ranges: list[ByteRange] = field(default_factory=list)


class Track(Struct, kw_only=True):
    """One rendition of a recording."""

    rendition: RecordedRendition
    position: int
    automatic: bool
    segments: list[RecordedSegment] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # of each in playlist.m3u8
    total_ms: float = 0.0  # of them, without the open one
    open: OpenSegment | None = None
    has_gaps: bool = False  # EXT-X-GAP stands in the lines
    max_bps: int = 0  # of its largest segment

    @property
    def duration_ms(self) -> float:
        """Media so far, with the open segment's."""
        return self.total_ms + (self.open.duration_ms if self.open else 0.0)

    @property
    def next_number(self) -> int:
        """Of its next segment."""
        if self.open is not None:
            return self.open.begin.number + 1
        return self.segments[-1].number + 1 if self.segments else 0

    def segment_key(self, number: int) -> str:
        """Of one of its segments."""
        name = layout.segment_name(self.rendition.container, number)
        return layout.media_key(self.rendition.path, name)


class Manifest:
    """A recording as its records tell it."""

    def __init__(self) -> None:
        """Nothing is told."""
        self.opened: Opened | None = None
        self.tracks: dict[str, Track] = {}
        self.stream_ids: list[str] = []
        self.is_announced = False
        self.left_at_ms: int | None = None  # the last stream is over since
        self.gaps: list[Gap] = []
        self.losses: dict[str, float] = {}  # milliseconds not kept, by reason
        self.kept: dict[str, Kept] = {}  # other objects in the spool, by key
        self.stored: set[str] = set()  # keys of this recording's segments and init segments
        self.thumbnails = Pictured(sequential=None, latest=None)
        self.next_thumbnail = 0

    def apply(self, record: Record) -> RecordedSegment | None:  # noqa: C901 - one case for each kind
        """Take the next record; the segment that it completes."""
        match record:
            case Opened():
                self.opened = record
            case Joined():
                self.stream_ids.append(record.stream_id)
                self.left_at_ms = None
            case Announced():
                self.is_announced = True
            case Pictured():
                self.thumbnails = record
            case Described():
                self._describe(record)
            case Begin():
                self.tracks[record.rendition].open = OpenSegment(begin=record)
            case Piece():
                self._add(self.tracks[record.rendition], record)
            case Cut():
                self._cut(self.tracks[record.rendition], record)
            case End():
                return self._end(self.tracks[record.rendition])
            case Kept():
                self.kept[record.key] = record
                self.stored.discard(record.key)
                self._count_thumbnail(record.key)
            case Stored():
                self.kept.pop(record.key, None)
                self.stored.add(record.key)
            case Left():
                self.left_at_ms = record.at_ms
        return None

    def ordered(self) -> list[Track]:
        """Its renditions, best first."""
        return sorted(self.tracks.values(), key=lambda track: track.position)

    def duration_ms(self) -> int:
        """Of its longest rendition."""
        return round(max((track.duration_ms for track in list(self.tracks.values())), default=0.0))

    def next_number(self) -> int:
        """Of the first segments of a further stream."""
        return max((track.next_number for track in list(self.tracks.values())), default=0)

    def lose(self, path: str, number: int, reason: str) -> None:
        """A complete segment's bytes are gone: it is a gap now."""
        track = self.tracks[path]
        position = next(i for i, each in enumerate(track.segments) if each.number == number)
        segment = track.segments[position]
        gap = ByteRange(length_bytes=0, duration_ms=segment.duration_ms, is_gap=True)
        lost = replace(segment, size_bytes=0, ranges=packed_ranges([gap]))
        track.segments[position] = lost
        before = track.segments[position - 1] if position else None
        track.lines[position] = segment_lines(track.rendition, lost, before)
        track.has_gaps = True
        self._tell(path, segment.program_date_time_ms, segment.duration_ms, reason, is_loss=True)

    def _describe(self, record: Described) -> None:
        path = record.rendition.path
        known = self.tracks.get(path)
        if known is None:
            self.tracks[path] = Track(
                rendition=record.rendition, position=record.position, automatic=record.automatic
            )

    def _add(self, track: Track, piece: Piece) -> None:
        segment = track.open
        if segment is None:
            return
        if piece.is_gap or piece.lost:
            at_ms = segment.begin.program_date_time_ms + segment.duration_ms
            reason = piece.lost or AS_LIVE
            path = track.rendition.path
            self._tell(path, at_ms, piece.duration_ms, reason, is_loss=bool(piece.lost))
        segment.size_bytes += piece.length_bytes
        segment.duration_ms += piece.duration_ms
        is_gap = piece.is_gap or bool(piece.lost)
        last = segment.ranges[-1] if segment.ranges else None
        if last is None or piece.begins_range or last.is_gap != is_gap:
            fresh = ByteRange(
                length_bytes=piece.length_bytes, duration_ms=piece.duration_ms, is_gap=is_gap
            )
            segment.ranges.append(fresh)
        else:
            segment.ranges[-1] = ByteRange(
                length_bytes=last.length_bytes + piece.length_bytes,
                duration_ms=last.duration_ms + piece.duration_ms,
                is_gap=is_gap,
            )

    def _cut(self, track: Track, cut: Cut) -> None:
        """Groups of pictures that are not all there are not there."""
        segment = track.open
        if segment is None:
            return
        at_ms: float = segment.begin.program_date_time_ms
        kept: list[ByteRange] = []
        reach_bytes = 0
        for each in segment.ranges:
            reach_bytes += each.length_bytes
            if reach_bytes > cut.size_bytes and not each.is_gap:
                self._tell(track.rendition.path, at_ms, each.duration_ms, cut.lost, is_loss=True)
            lost = replace(each, length_bytes=0, is_gap=True)
            kept.append(lost if reach_bytes > cut.size_bytes else each)
            at_ms += each.duration_ms
        segment.ranges = kept
        segment.size_bytes = sum(each.length_bytes for each in kept)

    def _end(self, track: Track) -> RecordedSegment | None:
        ended, track.open = track.open, None
        if ended is None or not ended.ranges:
            return None
        segment = RecordedSegment(
            number=ended.begin.number,
            program_date_time_ms=ended.begin.program_date_time_ms,
            duration_ms=ended.duration_ms,
            size_bytes=ended.size_bytes,
            discontinuity=ended.begin.discontinuity,
            init_number=ended.begin.init_number,
            ranges=packed_ranges(ended.ranges),
        )
        before = track.segments[-1] if track.segments else None
        track.lines.append(segment_lines(track.rendition, segment, before))
        track.segments.append(segment)
        track.total_ms += ended.duration_ms
        track.has_gaps |= segment.is_gap
        bits = 8000 * ended.size_bytes
        track.max_bps = max(track.max_bps, round(bits / max(ended.duration_ms, 1.0)))
        return segment

    def _tell(
        self, path: str, at_ms: float, duration_ms: float, reason: str, *, is_loss: bool
    ) -> None:
        if is_loss:
            self.losses[reason] = self.losses.get(reason, 0.0) + duration_ms
        start_ms, length_ms = round(at_ms), round(duration_ms)
        own = [i for i, each in enumerate(self.gaps) if each.rendition == path]
        last = self.gaps[own[-1]] if own else None
        if (
            last is not None
            and last.reason == reason
            and abs(last.start_ms + last.duration_ms - start_ms) <= JOINT_MS
        ):
            self.gaps[own[-1]] = replace(last, duration_ms=start_ms + length_ms - last.start_ms)
        elif len(self.gaps) < MAX_GAPS:
            gap = Gap(rendition=path, start_ms=start_ms, duration_ms=length_ms, reason=reason)
            self.gaps.append(gap)

    def _count_thumbnail(self, key: str) -> None:
        if key.startswith(f"{layout.THUMBNAILS_PATH}/"):
            self.next_thumbnail += 1


JOINT_MS = 50
"""Two gaps so near to each other are one: wall clock times are rounded."""


def manifest_of(records: Iterable[Record]) -> Manifest:
    """What these records add up to."""
    manifest = Manifest()
    for record in records:
        manifest.apply(record)
    return manifest
