"""Whether a rendition's segments are what its playlists say. Pure.

Source: RFC 8216 §3, §4.3.2 (what playlists say of segments); "Auto-Record to Amazon S3" of the
IVS user guide (byte-range playlists have an entry for each group of pictures).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import takewhile

from msgspec import Struct

from headwater.recording.playlist_reader import Entry, MediaPlaylist
from headwater.recording.scan import CLOCK_HZ, Scan

TIME_TOLERANCE_S = 0.1
"""Playlists have milliseconds, and frames their own grid: three frames of 30 a second."""
SOUND_TOLERANCE_S = 0.35
"""Sound is cut between its packets, which hold up to 0.2 s."""
SUM_TOLERANCE_S = 0.05
"""Of durations that are rounded and then added up, for one segment."""
_WRAP = 1 << 33  # of times in MPEG-TS

Fault = Callable[[str, str], None]
"""Told of an object (its name) and what is wrong with it."""


class _Before(Struct, kw_only=True):
    """What the next segment has to continue."""

    scan: Scan
    due_s: float  # from where its media begins to the next one's beginning, by the playlists
    is_next: bool  # nothing is missing between them


class SegmentCheck:
    """Checks the segments of one rendition, given one after the other."""

    def __init__(self, playlist: MediaPlaylist, ranges: MediaPlaylist | None, fault: Fault) -> None:
        """No segment has come.

        Args:
            playlist: of the rendition.
            ranges: its byte-range playlist; None: there is none.
            fault: told of what is wrong.
        """
        self._fault = fault
        self._before: _Before | None = None
        self._ranges: dict[str, list[Entry]] = defaultdict(list)
        for entry in ranges.entries if ranges else ():
            self._ranges[entry.uri].append(entry)
        self._has_ranges = ranges is not None
        self._check_names(playlist)

    def gap(self, entry: Entry) -> None:
        """The playlist says that this one's media is missing."""
        if entry.discontinuity:
            self._before = None
        if self._before is not None:
            self._before.due_s += entry.duration_s
            self._before.is_next = False

    def missing(self) -> None:
        """The next one is not there, which was told: what follows is not compared."""
        self._before = None

    def segment(self, entry: Entry, size_bytes: int, scan: Scan) -> None:
        """Check the next one."""
        rows = self._ranges[entry.uri]
        has_gap = any(row.is_gap for row in rows)
        for text in scan.faults:
            if not (has_gap and text.startswith("continuity")):
                self._fault(entry.uri, text)
        if self._has_ranges:
            self._check_ranges(entry, rows, size_bytes, scan)
        span = scan.span()
        if span is None:
            self._fault(entry.uri, "holds neither pictures nor sound")
            self._before = None
            return
        tolerance_s = TIME_TOLERANCE_S if scan.video else SOUND_TOLERANCE_S
        held_s = (span.end - span.first) / CLOCK_HZ
        is_off = abs(held_s - entry.duration_s) > tolerance_s + span.step / CLOCK_HZ
        if is_off and not has_gap and not _sound_goes_on(scan, span.end, entry.duration_s):
            self._fault(
                entry.uri, f"holds {held_s:.3f} s; the playlist says {entry.duration_s:.3f} s"
            )
        lead_s = sum(row.duration_s for row in takewhile(lambda row: row.is_gap, rows))
        if self._before is not None and not entry.discontinuity:
            self._before.due_s += lead_s
            self._before.is_next &= not lead_s
            self._check_continuity(entry, scan, self._before, tolerance_s)
        due_s = entry.duration_s - lead_s
        self._before = _Before(scan=scan, due_s=due_s, is_next=not has_gap)

    def _check_names(self, playlist: MediaPlaylist) -> None:
        seen: set[str] = set()
        latest = None
        for entry in playlist.entries:
            if entry.uri in seen:
                self._fault(entry.uri, "stands in the playlist twice")
            seen.add(entry.uri)
            if playlist.target_duration_s is not None and (
                round(entry.duration_s) > playlist.target_duration_s
            ):
                self._fault(
                    entry.uri,
                    f"lasts {entry.duration_s:.3f} s; "
                    f"the target duration is {playlist.target_duration_s} s",
                )
            time = entry.program_date_time
            if time is not None and latest is not None and time < latest:
                self._fault(entry.uri, "has an earlier date than the segment before it")
            latest = time or latest
        for uri in self._ranges:
            if uri not in seen:
                self._fault(uri, "stands in the byte-range playlist alone")

    def _check_continuity(
        self, entry: Entry, scan: Scan, before: _Before, tolerance_s: float
    ) -> None:
        tracks = (before.scan.video, scan.video)
        if None in tracks:
            tracks = (before.scan.sound, scan.sound)
        last, now = tracks
        if last is not None and now is not None:
            ticks = (now.first - last.first + _WRAP // 2) % _WRAP - _WRAP // 2
            off_s = ticks / CLOCK_HZ - before.due_s
            if abs(off_s) > tolerance_s:
                self._fault(
                    entry.uri,
                    f"begins {abs(off_s):.3f} s too {'late' if off_s > 0 else 'early'} "
                    "for the segments before it",
                )
        if not before.is_next:
            return
        for pid, counter in scan.first_counters.items():
            previous = before.scan.last_counters.get(pid)
            if previous is not None and counter != (previous + 1) & 15:
                self._fault(
                    entry.uri,
                    f"continuity counter of PID {pid} begins with {counter}; "
                    f"the segment before ends with {previous}",
                )
                return  # one of them says it

    def _check_ranges(
        self, entry: Entry, rows: Sequence[Entry], size_bytes: int, scan: Scan
    ) -> None:
        if not rows:
            self._fault(entry.uri, "is not in the byte-range playlist")
            return
        total_s = sum(row.duration_s for row in rows)
        if abs(total_s - entry.duration_s) > SUM_TOLERANCE_S:
            self._fault(
                entry.uri,
                f"lasts {total_s:.3f} s by its byte ranges, "
                f"{entry.duration_s:.3f} s by the playlist",
            )
        end = 0
        for row in rows:
            if row.byte_range is None:
                if not row.is_gap:
                    self._fault(entry.uri, f"line {row.line} of its byte ranges has no range")
                continue
            offset, length = row.byte_range
            if offset != end:
                self._fault(entry.uri, f"byte range {length}@{offset} does not begin at {end}")
            end = offset + length
            if end > size_bytes:
                self._fault(
                    entry.uri,
                    f"byte range {length}@{offset} ends beyond the object's {size_bytes} bytes",
                )
                return
            if not row.is_gap:
                self._check_start(entry, offset, end, scan)
        if end != size_bytes:
            self._fault(entry.uri, f"its byte ranges end at {end} of {size_bytes} bytes")

    def _check_start(self, entry: Entry, offset: int, end: int, scan: Scan) -> None:
        if offset not in scan.starts:
            self._fault(entry.uri, f"the byte range at {offset} begins within a part")
        first = next((each for each in scan.pictures if offset <= each.offset < end), None)
        if first is not None and not first.is_key:
            self._fault(entry.uri, f"the byte range at {offset} does not begin with a key frame")


def _sound_goes_on(scan: Scan, pictures_end: int, duration_s: float) -> bool:
    """Whether the last pictures were left out, as by a transcoder that fell behind.

    Then there is sound to the segment's end, which shows that its media is whole.
    """
    if not scan.video or not scan.sound or scan.sound.end < pictures_end:
        return False
    heard_s = (scan.sound.end - scan.video.first) / CLOCK_HZ
    return abs(heard_s - duration_s) <= SOUND_TOLERANCE_S
