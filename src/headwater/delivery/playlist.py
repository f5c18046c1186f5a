"""HLS playlists as text, from a window, without I/O.

Source: RFC 8216 §4 and draft-pantos-hls-rfc8216bis §4.4 (low latency: SERVER-CONTROL,
PART-INF, PART, PRELOAD-HINT, SKIP, RENDITION-REPORT). EXT-X-PREFETCH and the session data
are Amazon IVS's: the IVS player passes over parts, and the two prefetch lines switch its own
low latency on; players that follow the draft pass over those.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

from headwater.core.segment import StreamPlan
from headwater.delivery.window import SegmentRow, Window

Skip = Literal["YES", "v2"]
"""The value of `_HLS_skip`; "v2" also skips date ranges, of which there are none here."""

PART_HOLD_BACK_PARTS = 3  # Apple's players refuse less
SKIP_TARGET_DURATIONS = 6  # rfc8216bis §4.4.3.8: CAN-SKIP-UNTIL is at least that

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Variant(Struct, frozen=True, kw_only=True):
    """One rendition in the multivariant playlist."""

    name: str  # "720p30": what players show and what groups are called
    uri: str
    plan: StreamPlan
    peak_bps: int
    average_bps: int
    independent: bool  # every segment so far began with a key frame
    automatic: bool = True  # players may pick it by themselves


class Session(Struct, frozen=True, kw_only=True):
    """What IVS tells its player about the stream as a whole."""

    broadcast_id: str  # of the stream
    session_id: str  # of the viewer
    server_time_ms: int  # Unix time of the answer: players set their clock by it
    stream_time_ms: int  # how long the stream has been running
    low_latency: bool


class RenditionReport(Struct, frozen=True, kw_only=True):
    """Where another rendition of the stream stands."""

    uri: str  # relative to the playlist that reports it
    last_msn: int
    last_part: int


def multivariant_playlist(variants: Sequence[Variant], session: Session) -> str:
    """The playlist that names the renditions.

    Args:
        variants: at least one, best first.
        session: right for the moment of the answer.

    Source: RFC 8216 §4.3.4; the order of tags and the names of groups and session data are
    those of IVS.
    """
    lines = ["#EXTM3U", *_session_data(session)]
    if all(variant.independent for variant in variants):
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    for variant in variants:
        lines.extend(_variant(variant))
    return _text(lines)


def _session_data(session: Session) -> Iterator[str]:
    values = {
        "SERVER-TIME": f"{session.server_time_ms / 1000:.2f}",
        "STREAM-TIME": f"{session.stream_time_ms / 1000:.2f}",
        "BROADCAST-ID": session.broadcast_id,
        "VIDEO-SESSION-ID": session.session_id,
        "FUTURE": "true" if session.low_latency else "false",
    }
    for name, value in values.items():
        yield f'#EXT-X-SESSION-DATA:DATA-ID="{name}",VALUE="{value}"'


def _variant(variant: Variant) -> Iterator[str]:
    plan, name = variant.plan, variant.name
    automatic = "YES" if variant.automatic else "NO"
    yield (
        f'#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="{name}",NAME="{name}",'
        f"AUTOSELECT={automatic},DEFAULT={automatic}"
    )
    attributes = [
        f"BANDWIDTH={variant.peak_bps}",
        f"AVERAGE-BANDWIDTH={variant.average_bps}",
        f'CODECS="{plan.codecs}"',
    ]
    if plan.width is not None and plan.height is not None:
        attributes.append(f"RESOLUTION={plan.width}x{plan.height}")
    if plan.frame_rate is not None:
        attributes.append(f"FRAME-RATE={plan.frame_rate:.3f}")
    attributes.append(f'VIDEO="{name}"')
    yield "#EXT-X-STREAM-INF:" + ",".join(attributes)
    yield variant.uri


def media_playlist(
    window: Window,
    *,
    skip: Skip | None = None,
    reports: Sequence[RenditionReport] = (),
    folder: str = "",
) -> str:
    """The playlist of one rendition as it stands now.

    Args:
        window: its segments and parts.
        skip: a Playlist Delta Update is asked for. It is given only when the window
            advertises it and has something to skip; the full text is always right too.
        reports: the other renditions of the stream.
        folder: where the media is, relative to the playlist; with a slash at its end.

    Source: rfc8216bis §4.4.3 to §4.4.5. Low-latency tags appear if and only if the
    window has a part target; PART-TARGET never changes, or Apple's players stop.
    """
    skipped = _skippable(window) if skip else 0
    files = _Files(folder, extension(window.plan))
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_version(window, skip if skipped else None)}"]
    lines.extend(_header(window))
    if skipped:
        removed = ',RECENTLY-REMOVED-DATERANGES=""' if skip == "v2" else ""
        lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}{removed}")
    before: SegmentRow | None = None
    for position, segment in enumerate(window.listed()):
        if position >= skipped:
            lines.extend(_segment(window, segment, before, files))
        before = segment
    if window.open_segment is not None and window.part_target_ms is not None:
        lines.extend(_open_segment(window.open_segment, before, files))
    msn, index = window.next_part()
    if window.ended:
        lines.append("#EXT-X-ENDLIST")
    elif window.is_hinted(msn, index):
        lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{files.part(msn, index)}"')
        lines.extend(
            f'#EXT-X-RENDITION-REPORT:URI="{report.uri}",'
            f"LAST-MSN={report.last_msn},LAST-PART={report.last_part}"
            for report in reports
        )
    lines.extend(f"#EXT-X-PREFETCH:{files.segment(msn)}" for msn in window.prefetched())
    return _text(lines)


def extension(plan: StreamPlan) -> str:
    """What names of segments and parts end in."""
    return "ts" if plan.container == "TS" else "m4s"


class _Files(Struct, frozen=True):
    """What media files are called, relative to a playlist."""

    folder: str
    extension: str

    def segment(self, msn: int) -> str:
        return f"{self.folder}{msn}.{self.extension}"

    def part(self, msn: int, index: int) -> str:
        return f"{self.folder}{msn}.{index}.{self.extension}"

    def init(self, number: int) -> str:
        return f"{self.folder}init-{number}.mp4"


def _version(window: Window, skip: Skip | None) -> int:
    """The least EXT-X-VERSION that the tags in use allow (rfc8216bis §8)."""
    if skip:
        return 10 if skip == "v2" else 9
    return 6 if window.plan.container == "FRAGMENTED_MP4" else 3


def _header(window: Window) -> Iterator[str]:
    yield f"#EXT-X-TARGETDURATION:{window.plan.target_duration_s}"
    if window.part_target_ms is not None:
        control = [
            "CAN-BLOCK-RELOAD=YES",
            f"PART-HOLD-BACK={PART_HOLD_BACK_PARTS * window.part_target_ms / 1000:.3f}",
        ]
        if (until_ms := _can_skip_until_ms(window)) is not None:
            control.append(f"CAN-SKIP-UNTIL={until_ms / 1000:.1f}")
        yield "#EXT-X-SERVER-CONTROL:" + ",".join(control)
        yield f"#EXT-X-PART-INF:PART-TARGET={window.part_target_ms / 1000:.3f}"
    yield f"#EXT-X-MEDIA-SEQUENCE:{window.media_sequence}"
    yield f"#EXT-X-DISCONTINUITY-SEQUENCE:{window.discontinuity_sequence}"


def _segment(
    window: Window, segment: SegmentRow, before: SegmentRow | None, files: _Files
) -> Iterator[str]:
    yield from _before_parts(segment, before, files)
    if segment.parts_listed and window.part_target_ms is not None:
        yield from _parts(segment, files)
    yield f"#EXTINF:{_seconds(segment.duration_ms or 0.0)},live"
    if segment.is_gap:
        yield "#EXT-X-GAP"
    yield files.segment(segment.msn)


def _open_segment(segment: SegmentRow, before: SegmentRow | None, files: _Files) -> Iterator[str]:
    if segment.parts:
        yield from _before_parts(segment, before, files)
        yield from _parts(segment, files)
    elif segment.init is not None and (before is None or before.init is not segment.init):
        # The hinted part needs it: let players fetch it in the meantime.
        yield f'#EXT-X-PRELOAD-HINT:TYPE=MAP,URI="{files.init(segment.init.number)}"'


def _before_parts(segment: SegmentRow, before: SegmentRow | None, files: _Files) -> Iterator[str]:
    """The tags of a segment that hold for its parts too, so stand before them."""
    if segment.discontinuity:
        yield "#EXT-X-DISCONTINUITY"
    if segment.init is not None and (before is None or before.init is not segment.init):
        yield f'#EXT-X-MAP:URI="{files.init(segment.init.number)}"'
    time = _EPOCH + timedelta(milliseconds=segment.program_date_time_ms)
    yield f"#EXT-X-PROGRAM-DATE-TIME:{time.strftime('%Y-%m-%dT%H:%M:%S')}.{_milliseconds(time)}Z"


def _parts(segment: SegmentRow, files: _Files) -> Iterator[str]:
    for index, part in enumerate(segment.parts):
        uri = files.part(segment.msn, index)
        kind = ",INDEPENDENT=YES" if part.independent else ",GAP=YES" if part.gap else ""
        yield f'#EXT-X-PART:DURATION={_seconds(part.duration_ms)},URI="{uri}"{kind}'


def _skippable(window: Window) -> int:
    """How many of the oldest segments lie wholly before the skip boundary."""
    until_ms = _can_skip_until_ms(window)
    if until_ms is None or window.ended:
        return 0
    open_parts = window.open_segment.parts if window.open_segment else []
    behind_ms = sum(part.duration_ms for part in open_parts)
    kept = 0
    for segment in reversed(list(window.listed())):
        if behind_ms >= until_ms:
            break
        behind_ms += segment.duration_ms or 0.0
        kept += 1
    return window.next_msn - window.media_sequence - kept


def _can_skip_until_ms(window: Window) -> int | None:
    """The skip boundary, or None where the window never reaches beyond it."""
    until_ms = SKIP_TARGET_DURATIONS * window.plan.target_duration_s * 1000
    can_skip = window.part_target_ms is not None and window.length_ms > until_ms
    return until_ms if can_skip else None


def _seconds(duration_ms: float) -> str:
    return f"{duration_ms / 1000:.5f}"


def _milliseconds(time: datetime) -> str:
    return f"{time.microsecond // 1000:03d}"


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
