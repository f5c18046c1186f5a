"""The playlists of a recording as text.

Source: RFC 8216; draft-pantos-hls-rfc8216bis §4.4.4.7 (EXT-X-GAP); tags, their order and the
names of session data as seen in a real IVS recording, with ID3-EQUIV-TDTG, TWITCH-ELAPSED-SECS
and TWITCH-TOTAL-SECS. What IVS's recordings lack is told by the RFC: EXT-X-MAP for fragmented
MP4, EXT-X-DISCONTINUITY and EXT-X-GAP.

A playlist grows by the lines of whole segments, so a long recording keeps each segment's
lines and never renders one twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from struct import iter_unpack, pack

from msgspec import Struct

from headwater.recording import layout
from headwater.recording.layout import RecordedRendition

GAP_VERSION = 8  # EXT-X-GAP
_RANGE = "<III"  # bytes, microseconds, whether it is missing
_MAP_VERSION = 6  # EXT-X-MAP outside I-frame playlists


class ByteRange(Struct, frozen=True, kw_only=True):
    """From one key frame to the next within a recorded segment."""

    length_bytes: int  # 0: it is missing, and nothing stands for it
    duration_ms: float
    is_gap: bool = False


class RecordedSegment(Struct, frozen=True, kw_only=True, gc=False):
    """One complete recorded segment: live segments joined."""

    number: int  # from 0
    program_date_time_ms: int  # Unix ms of its first frame
    duration_ms: float  # of its media, with what is missing of it
    size_bytes: int  # 0: nothing of it is there
    discontinuity: bool  # its times do not continue those before
    init_number: int | None  # of its init segment; TS: None
    ranges: bytes  # packed_ranges: where its groups of pictures are

    @property
    def is_gap(self) -> bool:
        """Whether none of its media is there."""
        return all(each.is_gap for each in ranges_of(self))


def packed_ranges(ranges: Iterable[ByteRange]) -> bytes:
    """Ranges in 12 bytes each: of two days there are hundreds of thousands."""
    return b"".join(
        pack(_RANGE, each.length_bytes, round(each.duration_ms * 1000), each.is_gap)
        for each in ranges
    )


def ranges_of(segment: RecordedSegment) -> list[ByteRange]:
    """Its groups of pictures, in order; their lengths add up to its size."""
    return [
        ByteRange(length_bytes=length, duration_ms=microseconds / 1000, is_gap=bool(gap))
        for length, microseconds, gap in iter_unpack(_RANGE, segment.ranges)
    ]


class MasterEntry(Struct, frozen=True, kw_only=True):
    """A rendition in the multivariant playlist."""

    rendition: RecordedRendition
    bandwidth_bps: int  # of its largest segment
    automatic: bool = True  # players may pick it by themselves


def multivariant_playlist(
    channel_id: str, account: str, entries: Sequence[MasterEntry], *, playlist_name: str
) -> str:
    """master.m3u8, or byte-range-multivariant.m3u8, by the name of the playlists it points at.

    Args:
        channel_id: last part of the channel's ARN.
        account: 12 digits.
        entries: best first.
        playlist_name: PLAYLIST_NAME or BYTE_RANGE_PLAYLIST_NAME of `layout`.
    """
    lines = [
        "#EXTM3U",
        f'#EXT-X-SESSION-DATA:DATA-ID="net.live-video.content.id",VALUE="{channel_id}"',
        f'#EXT-X-SESSION-DATA:DATA-ID="net.live-video.customer.id",VALUE="{account}"',
    ]
    for entry in entries:
        lines += _variant(entry, playlist_name)
    return _text(lines)


def _variant(entry: MasterEntry, playlist_name: str) -> Iterator[str]:
    rendition = entry.rendition
    automatic = "YES" if entry.automatic else "NO"
    yield (
        f'#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="{rendition.path}",NAME="{shown_name(rendition.path)}",'
        f"AUTOSELECT={automatic},DEFAULT={automatic}"
    )
    size = ""
    if rendition.width is not None and rendition.height is not None:
        size = f"RESOLUTION={rendition.width}x{rendition.height},"
    yield (
        f"#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH={entry.bandwidth_bps},"
        f'CODECS="{rendition.codecs}",{size}VIDEO="{rendition.path}"'
    )
    yield f"{rendition.path}/{playlist_name}"


def shown_name(path: str) -> str:
    """What IVS's recordings show for a rendition: 720p for 720p30, but 720p60."""
    return path.removesuffix("30") if path.endswith("p30") else path


def media_playlist(
    rendition: RecordedRendition,
    segments: Sequence[str],
    *,
    total_ms: float,
    now_ms: int,
    is_over: bool,
    has_gaps: bool,
) -> str:
    """playlist.m3u8: EVENT, and ENDLIST once nothing follows.

    Args:
        rendition: whose it is.
        segments: what `segment_lines` gave for each, in order.
        total_ms: their durations, added up.
        now_ms: when this is written (Unix ms).
        is_over: nothing follows.
        has_gaps: EXT-X-GAP stands in one of them.
    """
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_version(rendition, 3, has_gaps=has_gaps)}",
        f"#EXT-X-TARGETDURATION:{rendition.target_duration_s}",
        f"#ID3-EQUIV-TDTG:{layout.iso_second(now_ms)[:-1]}",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-TWITCH-ELAPSED-SECS:0.000",
        f"#EXT-X-TWITCH-TOTAL-SECS:{_seconds(total_ms)}",
    ]
    end = "#EXT-X-ENDLIST\n" if is_over else ""
    return _text(lines) + "".join(segments) + end


def segment_lines(
    rendition: RecordedRendition, segment: RecordedSegment, before: RecordedSegment | None
) -> str:
    """A segment's part of playlist.m3u8, given the one before it."""
    lines = [
        *_leading(segment, before),
        f"#EXT-X-PROGRAM-DATE-TIME:{layout.iso_millisecond(segment.program_date_time_ms)}",
        f"#EXTINF:{_seconds(segment.duration_ms)},",
        *(["#EXT-X-GAP"] if segment.is_gap else []),
        layout.segment_name(rendition.container, segment.number),
    ]
    return _text(lines)


def byte_range_playlist(rendition: RecordedRendition, segments: Sequence[RecordedSegment]) -> str:
    """byte-range-variant.m3u8: one entry for each group of pictures."""
    has_gaps = any(each.is_gap for segment in segments for each in ranges_of(segment))
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_version(rendition, 4, has_gaps=has_gaps)}",
        f"#EXT-X-TARGETDURATION:{rendition.target_duration_s}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-MEDIA-SEQUENCE:0",
    ]
    before: RecordedSegment | None = None
    for segment in segments:
        lines += _leading(segment, before)
        lines += _ranges(rendition, segment)
        before = segment
    return _text([*lines, "#EXT-X-ENDLIST"])


def _ranges(rendition: RecordedRendition, segment: RecordedSegment) -> Iterator[str]:
    name = layout.segment_name(rendition.container, segment.number)
    offset_bytes, at_ms = 0, float(segment.program_date_time_ms)
    for each in ranges_of(segment):
        yield f"#EXT-X-PROGRAM-DATE-TIME:{layout.iso_millisecond(round(at_ms))}"
        yield f"#EXTINF:{_seconds(each.duration_ms)},"
        if each.is_gap:
            yield "#EXT-X-GAP"
        if each.length_bytes:
            yield f"#EXT-X-BYTERANGE:{each.length_bytes}@{offset_bytes}"
        yield name
        offset_bytes += each.length_bytes
        at_ms += each.duration_ms


def _leading(segment: RecordedSegment, before: RecordedSegment | None) -> Iterator[str]:
    if segment.discontinuity and before is not None:
        yield "#EXT-X-DISCONTINUITY"
    if segment.init_number is not None and (
        before is None or before.init_number != segment.init_number
    ):
        yield f'#EXT-X-MAP:URI="{layout.init_name(segment.init_number)}"'


def _version(rendition: RecordedRendition, least: int, *, has_gaps: bool) -> int:
    """The least that the tags in use allow (rfc8216bis §8)."""
    if has_gaps:
        return GAP_VERSION
    return least if rendition.container == "TS" else _MAP_VERSION


def _seconds(duration_ms: float) -> str:
    return f"{duration_ms / 1000:.3f}"


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
