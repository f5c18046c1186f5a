from decimal import Decimal

import m3u8
import pytest

from delivery.feed import FINISHED, INIT, make_plan, part, segment, segments, started
from delivery.parsed import Parsed
from headwater.core.segment import SegmentFinished
from headwater.delivery.playlist import (
    RenditionReport,
    Session,
    Variant,
    media_playlist,
    multivariant_playlist,
)
from headwater.delivery.window import Window

FMP4 = make_plan("FRAGMENTED_MP4")
NORMAL_TS = make_plan("TS", part_target_ms=None)
NORMAL_FMP4 = make_plan("FRAGMENTED_MP4", part_target_ms=None)


def text(events, plan=None, *, skip=None, reports=(), **options):
    window = Window(plan or make_plan(), **options)
    for event in events:
        window.push(event)
    return media_playlist(window, skip=skip, reports=reports)


LOW_TS_START = """\
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.500,CAN-SKIP-UNTIL=12.0
#EXT-X-PART-INF:PART-TARGET=0.500
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
#EXT-X-PART:DURATION=0.50000,URI="0.0.ts",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="0.1.ts"
#EXT-X-PREFETCH:0.ts
#EXT-X-PREFETCH:1.ts
"""

LOW_FMP4_START = """\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.500,CAN-SKIP-UNTIL=12.0
#EXT-X-PART-INF:PART-TARGET=0.500
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI="init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
#EXT-X-PART:DURATION=0.50000,URI="0.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.43333,URI="0.1.m4s"
#EXTINF:0.93333,live
0.m4s
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1.0.m4s"
#EXT-X-PREFETCH:1.m4s
#EXT-X-PREFETCH:2.m4s
"""

LOW_TS_STEADY = """\
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.500
#EXT-X-PART-INF:PART-TARGET=0.500
#EXT-X-MEDIA-SEQUENCE:4
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:13.678Z
#EXTINF:2.00000,live
4.ts
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:15.678Z
#EXT-X-PART:DURATION=0.50000,URI="5.0.ts",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.50000,URI="5.1.ts"
#EXT-X-PART:DURATION=0.50000,URI="5.2.ts"
#EXT-X-PART:DURATION=0.50000,URI="5.3.ts"
#EXTINF:2.00000,live
5.ts
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:17.678Z
#EXT-X-PART:DURATION=0.50000,URI="6.0.ts",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.50000,URI="6.1.ts"
#EXT-X-PART:DURATION=0.50000,URI="6.2.ts"
#EXT-X-PART:DURATION=0.50000,URI="6.3.ts"
#EXTINF:2.00000,live
6.ts
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:19.678Z
#EXT-X-PART:DURATION=0.50000,URI="7.0.ts",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.50000,URI="7.1.ts"
#EXT-X-PART:DURATION=0.50000,URI="7.2.ts"
#EXT-X-PART:DURATION=0.50000,URI="7.3.ts"
#EXTINF:2.00000,live
7.ts
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:21.678Z
#EXT-X-PART:DURATION=0.50000,URI="8.0.ts",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="8.1.ts"
#EXT-X-PREFETCH:8.ts
#EXT-X-PREFETCH:9.ts
"""

NORMAL_TS_END = """\
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
#EXTINF:2.00000,live
0.ts
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.678Z
#EXTINF:2.00000,live
1.ts
#EXT-X-ENDLIST
"""

NORMAL_FMP4_CHANGE = """\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI="init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
#EXTINF:2.00000,live
0.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.678Z
#EXTINF:2.00000,live
1.m4s
"""

LOW_FMP4_DISCONTINUITY_AND_END = """\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.500,CAN-SKIP-UNTIL=12.0
#EXT-X-PART-INF:PART-TARGET=0.500
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI="init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
#EXT-X-PART:DURATION=0.50000,URI="0.0.m4s",INDEPENDENT=YES
#EXTINF:0.50000,live
0.m4s
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.678Z
#EXT-X-PART:DURATION=0.50000,URI="1.0.m4s",INDEPENDENT=YES
#EXTINF:0.50000,live
1.m4s
#EXT-X-ENDLIST
"""

LOW_FMP4_INIT_AHEAD = """\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.500,CAN-SKIP-UNTIL=12.0
#EXT-X-PART-INF:PART-TARGET=0.500
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI="init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
#EXT-X-PART:DURATION=0.50000,URI="0.0.m4s",INDEPENDENT=YES
#EXTINF:0.50000,live
0.m4s
#EXT-X-PRELOAD-HINT:TYPE=MAP,URI="init-1.mp4"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1.0.m4s"
#EXT-X-PREFETCH:1.m4s
#EXT-X-PREFETCH:2.m4s
"""

SHORT = {"window_ms": 8_000}
GOLDEN = [
    # id,                         plan,        options, events,                                      text
    ("low, TS, first part",       make_plan(), {},      [started(0), part(0, 0)],                    LOW_TS_START),
    ("low, fMP4, first segment",  FMP4,        {},      segment(0, parts=(500, 433.3333), init=INIT), LOW_FMP4_START),
    ("low, TS, steady",           make_plan(), SHORT,   [*segments(0, 7), started(8), part(8, 0)],   LOW_TS_STEADY),
    ("low, fMP4, end",            FMP4,        {},
     [*segment(0, parts=(500,), init=INIT), *segment(1, parts=(500,), discontinuity=True), FINISHED],
     LOW_FMP4_DISCONTINUITY_AND_END),
    ("low, fMP4, new init ahead", FMP4,        {},
     [*segment(0, parts=(500,), init=INIT), started(1, discontinuity=True, init=b"<other>")],
     LOW_FMP4_INIT_AHEAD),
    ("normal, TS, end",           NORMAL_TS,   {},      [*segments(0, 1, parts=(2000,)), FINISHED],  NORMAL_TS_END),
    ("normal, fMP4, new init",    NORMAL_FMP4, {},
     [*segment(0, parts=(2000,), init=INIT), *segment(1, parts=(2000,), init=b"<other>"), started(2)],
     NORMAL_FMP4_CHANGE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "options", "events", "expected"),
    [row[1:] for row in GOLDEN],
    ids=[row[0] for row in GOLDEN],
)
def test_the_playlist_of(plan, options, events, expected):
    assert text(events, plan, **options) == expected


def test_a_discontinuity_that_left_the_window_is_counted():
    events = [*segment(0), *segment(1, discontinuity=True), *segments(2, 5)]

    assert "#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in text(events, **SHORT)
    assert "#EXT-X-DISCONTINUITY\n" not in text(events, **SHORT)
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:0\n" in text(events[:-6], **SHORT)


STEADY = [*segments(0, 14), started(15), part(15, 0)]


@pytest.mark.parametrize(
    ("skip", "version", "extra"),
    [("YES", 9, ""), ("v2", 10, ',RECENTLY-REMOVED-DATERANGES=""')],
    ids=["YES", "v2"],
)
def test_a_delta_update_skips_what_is_older_than_the_boundary_and_nothing_newer(
    skip, version, extra
):
    full, delta = text(STEADY), text(STEADY, skip=skip)

    # Segments 3 to 14 and a part: of 24.5 s the newest 12 s stay, and whoever crosses them.
    head, tail = full.split("#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:11.678Z\n", 1)
    head = head.replace("VERSION:3", f"VERSION:{version}")
    tail = tail[tail.index("#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:23.678Z") :]
    assert "\n9.ts\n" in tail
    assert "\n8.ts\n" not in tail
    assert delta == f"{head}#EXT-X-SKIP:SKIPPED-SEGMENTS=6{extra}\n{tail}"


def test_a_segment_that_ends_at_the_skip_boundary_is_skipped():
    delta = text(segments(0, 14), skip="YES")

    assert "SKIPPED-SEGMENTS=6\n" in delta
    assert next(iter(Parsed(delta).entries)) == "9.ts"


NOT_SKIPPED = [
    # id,                            plan,                            events
    ("nothing is old enough",        make_plan(),                     segments(0, 5)),
    ("the window is too short",      make_plan(target_duration_s=4),  STEADY),
    ("plain HLS",                    NORMAL_TS,                       segments(0, 14, parts=(2000,))),
    ("ended",                        make_plan(),                     [*STEADY, FINISHED]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "events"), [row[1:] for row in NOT_SKIPPED], ids=[row[0] for row in NOT_SKIPPED]
)
def test_a_delta_update_is_the_full_playlist_when(plan, events):
    assert text(events, plan, skip="YES") == text(events, plan)


def test_the_parts_of_the_open_segment_count_towards_the_skip_boundary():
    events = [*segments(0, 14), started(15), *(part(15, index) for index in range(4))]

    kept = text(events, skip="YES").count("#EXTINF")
    assert kept == text(segments(0, 14), skip="YES").count("#EXTINF") - 1


def test_a_map_is_hinted_only_when_it_is_a_new_one():
    begun = segment(0, init=INIT)

    assert "TYPE=MAP" not in text([*begun, started(1)], FMP4)
    assert 'TYPE=MAP,URI="init-1.mp4"' in text([*begun, started(1, init=b"<other>")], FMP4)


def test_a_delta_does_not_repeat_the_map_of_what_it_skips():
    events = [*segment(0, init=INIT), *segments(1, 14)]

    assert "EXT-X-MAP" in text(events, FMP4)
    assert "EXT-X-MAP" not in text(events, FMP4, skip="YES")


def test_other_renditions_are_reported_until_the_end():
    report = RenditionReport(uri="../480p30/playlist.m3u8", last_msn=0, last_part=3)
    line = '#EXT-X-RENDITION-REPORT:URI="../480p30/playlist.m3u8",LAST-MSN=0,LAST-PART=3\n'

    assert line in text(segment(0), reports=[report])
    assert line not in text([*segment(0), FINISHED], reports=[report])
    assert line not in text(segment(0, parts=(2000,)), NORMAL_TS, reports=[report])


SESSION = Session(
    broadcast_id="st-1A2b",
    session_id="Run1",
    server_time_ms=1_767_323_045_678,
    stream_time_ms=61_004,
    low_latency=True,
)


def variant(
    name="720p30", plan=None, peak_bps=3_422_999, average_bps=2_090_000, *, independent=True
):
    return Variant(
        name=name,
        uri=f"/v1/run/{name}/playlist.m3u8",
        plan=plan or make_plan(),
        peak_bps=peak_bps,
        average_bps=average_bps,
        independent=independent,
    )


def test_the_multivariant_playlist_has_ivs_names():
    assert multivariant_playlist([variant()], SESSION) == (
        "#EXTM3U\n"
        '#EXT-X-SESSION-DATA:DATA-ID="SERVER-TIME",VALUE="1767323045.68"\n'
        '#EXT-X-SESSION-DATA:DATA-ID="STREAM-TIME",VALUE="61.00"\n'
        '#EXT-X-SESSION-DATA:DATA-ID="BROADCAST-ID",VALUE="st-1A2b"\n'
        '#EXT-X-SESSION-DATA:DATA-ID="VIDEO-SESSION-ID",VALUE="Run1"\n'
        '#EXT-X-SESSION-DATA:DATA-ID="FUTURE",VALUE="true"\n'
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="720p30",NAME="720p30",AUTOSELECT=YES,DEFAULT=YES\n'
        "#EXT-X-STREAM-INF:BANDWIDTH=3422999,AVERAGE-BANDWIDTH=2090000,"
        'CODECS="avc1.64001F,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=30.000,VIDEO="720p30"\n'
        "/v1/run/720p30/playlist.m3u8\n"
    )


def test_segments_are_independent_only_if_those_of_all_renditions_are():
    low = variant("160p30", peak_bps=230_000, independent=False)

    playlist = multivariant_playlist([variant(), low], SESSION)

    assert "INDEPENDENT-SEGMENTS" not in playlist
    assert [line for line in playlist.splitlines() if line.startswith("/")] == [
        "/v1/run/720p30/playlist.m3u8",
        "/v1/run/160p30/playlist.m3u8",
    ]


def test_audio_alone_has_no_picture_attributes():
    plan = make_plan(width=None, height=None, frame_rate=None, codecs="mp4a.40.2")

    playlist = multivariant_playlist([variant("audio_only", plan)], SESSION)

    assert "RESOLUTION" not in playlist
    assert "FRAME-RATE" not in playlist


def test_an_independent_parser_reads_the_multivariant_playlist():
    parsed = m3u8.loads(multivariant_playlist([variant()], SESSION))

    (stream,) = parsed.playlists
    assert stream.stream_info.bandwidth == 3_422_999
    assert stream.stream_info.average_bandwidth == 2_090_000
    assert stream.stream_info.codecs == "avc1.64001F,mp4a.40.2"
    assert stream.stream_info.resolution == (1280, 720)
    assert stream.stream_info.frame_rate == 30
    assert stream.stream_info.video == "720p30"
    assert stream.media[0].group_id == "720p30"
    assert [row.data_id for row in parsed.session_data] == [
        *("SERVER-TIME", "STREAM-TIME", "BROADCAST-ID", "VIDEO-SESSION-ID", "FUTURE")
    ]


def test_an_independent_parser_reads_the_media_playlist():
    events = [*segment(0, init=INIT), *segments(1, 14), started(15), part(15, 0)]
    parsed = m3u8.loads(text(events, FMP4))

    assert parsed.version == 6
    assert parsed.target_duration == 2
    assert parsed.media_sequence == 3
    assert parsed.server_control.can_block_reload == "YES"
    assert parsed.server_control.part_hold_back == 1.5
    assert parsed.server_control.can_skip_until == 12.0
    assert parsed.part_inf.part_target == 0.5
    assert parsed.preload_hint.uri == "15.1.m4s"
    assert [row.uri for row in parsed.segments if row.uri] == [f"{n}.m4s" for n in range(3, 15)]
    assert {row.init_section.uri for row in parsed.segments if row.uri} == {"init-0.mp4"}
    assert [len(row.parts) for row in parsed.segments] == [0] * 9 + [4] * 3 + [1]
    assert parsed.segments[0].program_date_time.isoformat() == "2026-01-02T03:04:11.678000+00:00"
    assert not parsed.is_endlist


def test_b3_parts_and_the_tags_that_hold_for_them_stand_before_their_segment():
    events = [*segment(0, init=INIT), *segment(1, init=b"<other>"), started(2), part(2, 0)]
    lines = text(events, FMP4).splitlines()
    at = {line: number for number, line in enumerate(lines)}

    order = [
        at["0.m4s"],
        at["#EXT-X-DISCONTINUITY"],
        at['#EXT-X-MAP:URI="init-1.mp4"'],
        at["#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.678Z"],
        at['#EXT-X-PART:DURATION=0.50000,URI="1.0.m4s",INDEPENDENT=YES'],
        at['#EXT-X-PART:DURATION=0.50000,URI="1.3.m4s"'],
        at["1.m4s"],
    ]
    assert order == sorted(order)


@pytest.mark.parametrize("part_target_ms", [200, 333, 334, 500, 1000, 1001])
def test_the_hold_back_is_at_least_three_parts(part_target_ms):
    playlist = text(segment(0), make_plan(part_target_ms=part_target_ms))
    control = Parsed(playlist).header["#EXT-X-SERVER-CONTROL"]
    hold_back = Decimal(control.split("PART-HOLD-BACK=")[1].split(",")[0])
    part_target = Decimal(Parsed(playlist).header["#EXT-X-PART-INF"].split("=")[1])

    assert hold_back >= 3 * part_target
    assert part_target * 1000 == part_target_ms


def test_a_playlist_between_two_events_of_one_segment_is_never_torn():
    """B5: the last part without its segment is a legal state too."""
    events = segment(0)
    for count in range(1, len(events) + 1):
        playlist = Parsed(text(events[:count]))
        assert len(playlist.hints) == 1
        assert len(playlist.parts) == min(count - 1, 4)
    assert isinstance(events[-1], SegmentFinished)
