"""Recorded playlists: golden texts."""

from msgspec.structs import replace

from headwater.recording.layout import RecordedRendition
from headwater.recording.playlists import (
    ByteRange,
    MasterEntry,
    RecordedSegment,
    byte_range_playlist,
    media_playlist,
    multivariant_playlist,
    packed_ranges,
    segment_lines,
)

TS = RecordedRendition(
    path="480p30",
    codecs="avc1.4D401F,mp4a.40.2",
    width=852,
    height=480,
    frame_rate=30.0,
    container="TS",
    target_duration_s=12,
)
FMP4 = replace(TS, container="FRAGMENTED_MP4")
START_MS = 1_675_983_341_550


def recorded(number, *ranges, **changes):
    fields = {
        "number": number,
        "program_date_time_ms": START_MS + 10_000 * number,
        "duration_ms": sum(each.duration_ms for each in ranges),
        "size_bytes": sum(each.length_bytes for each in ranges),
        "discontinuity": False,
        "init_number": None,
        "ranges": packed_ranges(ranges),
    }
    return RecordedSegment(**(fields | changes))


def gop(length_bytes, duration_ms, *, is_gap=False):
    return ByteRange(length_bytes=length_bytes, duration_ms=duration_ms, is_gap=is_gap)


FIRST = recorded(0, gop(141_188, 5000.0), gop(247_784, 5267.0))
SECOND = recorded(1, gop(184_052, 2979.3))


def listed(rendition, segments, **wishes):
    lines, before = [], None
    for each in segments:
        lines.append(segment_lines(rendition, each, before))
        before = each
    total_ms = sum(each.duration_ms for each in segments)
    options = {"is_over": True, "has_gaps": False, "now_ms": START_MS + 20_000} | wishes
    return media_playlist(rendition, lines, total_ms=total_ms, **options)


def test_a_media_playlist_is_as_in_a_real_recording():
    assert (
        listed(TS, [FIRST, SECOND])
        == """\
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:12
#ID3-EQUIV-TDTG:2023-02-09T22:56:01
#EXT-X-PLAYLIST-TYPE:EVENT
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-TWITCH-ELAPSED-SECS:0.000
#EXT-X-TWITCH-TOTAL-SECS:13.246
#EXT-X-PROGRAM-DATE-TIME:2023-02-09T22:55:41.550Z
#EXTINF:10.267,
0.ts
#EXT-X-PROGRAM-DATE-TIME:2023-02-09T22:55:51.550Z
#EXTINF:2.979,
1.ts
#EXT-X-ENDLIST
"""
    )


def test_a_live_one_has_no_end():
    text = listed(TS, [FIRST], is_over=False)

    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in text
    assert "ENDLIST" not in text


def test_a_byte_range_playlist_has_an_entry_for_each_group_of_pictures():
    assert (
        byte_range_playlist(TS, [FIRST, SECOND])
        == """\
#EXTM3U
#EXT-X-VERSION:4
#EXT-X-TARGETDURATION:12
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PROGRAM-DATE-TIME:2023-02-09T22:55:41.550Z
#EXTINF:5.000,
#EXT-X-BYTERANGE:141188@0
0.ts
#EXT-X-PROGRAM-DATE-TIME:2023-02-09T22:55:46.550Z
#EXTINF:5.267,
#EXT-X-BYTERANGE:247784@141188
0.ts
#EXT-X-PROGRAM-DATE-TIME:2023-02-09T22:55:51.550Z
#EXTINF:2.979,
#EXT-X-BYTERANGE:184052@0
1.ts
#EXT-X-ENDLIST
"""
    )


def test_a_multivariant_playlist_is_as_in_a_real_recording():
    sound = RecordedRendition(
        path="audio_only",
        codecs="mp4a.40.2",
        width=None,
        height=None,
        frame_rate=None,
        container="TS",
        target_duration_s=12,
    )
    entries = [
        MasterEntry(rendition=TS, bandwidth_bps=1_495_199),
        MasterEntry(rendition=sound, bandwidth_bps=70_000, automatic=False),
    ]
    text = multivariant_playlist(
        "AbCd12345678", "123456789012", entries, playlist_name="playlist.m3u8"
    )

    assert (
        text
        == """\
#EXTM3U
#EXT-X-SESSION-DATA:DATA-ID="net.live-video.content.id",VALUE="AbCd12345678"
#EXT-X-SESSION-DATA:DATA-ID="net.live-video.customer.id",VALUE="123456789012"
#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="480p30",NAME="480p",AUTOSELECT=YES,DEFAULT=YES
#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=1495199,CODECS="avc1.4D401F,mp4a.40.2",RESOLUTION=852x480,VIDEO="480p30"
480p30/playlist.m3u8
#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="audio_only",NAME="audio_only",AUTOSELECT=NO,DEFAULT=NO
#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=70000,CODECS="mp4a.40.2",VIDEO="audio_only"
audio_only/playlist.m3u8
"""
    )


def test_discontinuities_and_gaps_stand_where_they_are():
    lost = recorded(1, gop(0, 10_000.0, is_gap=True))
    after = recorded(2, gop(100, 10_000.0), discontinuity=True)
    text = listed(TS, [FIRST, lost, after], has_gaps=True)

    assert "#EXT-X-VERSION:8" in text
    assert "#EXTINF:10.000,\n#EXT-X-GAP\n1.ts\n" in text
    assert "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2023-02-09T22:56:01.550Z\n" in text
    assert text.count("#EXT-X-DISCONTINUITY") == 1


def test_a_segment_with_some_of_its_media_is_no_gap_but_its_ranges_tell():
    half = recorded(0, gop(100, 4000.0), gop(0, 6000.0, is_gap=True))

    assert "GAP" not in listed(TS, [half])
    text = byte_range_playlist(TS, [half])
    assert "#EXTINF:6.000,\n#EXT-X-GAP\n0.ts\n" in text
    assert "#EXT-X-BYTERANGE:100@0\n" in text


def test_the_first_segment_continues_nothing_so_has_no_discontinuity():
    assert "DISCONTINUITY" not in listed(TS, [replace(FIRST, discontinuity=True)])


def test_fragmented_mp4_names_its_init_segment_where_it_changes():
    segments = [
        replace(FIRST, init_number=0),
        replace(SECOND, init_number=0),
        recorded(2, gop(10, 10_000.0), init_number=1, discontinuity=True),
    ]
    text = listed(FMP4, segments)

    assert "#EXT-X-VERSION:6" in text
    assert text.count("#EXT-X-MAP") == 2
    assert '#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="init-1.mp4"\n' in text
    assert "\n0.m4s\n" in text
