import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import LimitError, PeerError
from headwater.recording import playlist_reader
from headwater.recording.playlist_reader import parse_media, parse_multivariant

MEDIA = b"""#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:12
#EXT-X-PLAYLIST-TYPE:EVENT
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-SOMETHING:new
#EXT-X-MAP:URI="init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-03-04T05:06:07.250Z
#EXTINF:10.500,
0.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init-1.mp4"
#EXTINF:10,title
#EXT-X-GAP
1.m4s
#EXT-X-ENDLIST
"""
RANGES = b"""#EXTM3U
#EXT-X-TARGETDURATION:12
#EXTINF:2.000,
#EXT-X-BYTERANGE:1000@0
0.ts
#EXTINF:2.000,
#EXT-X-BYTERANGE:500
0.ts
#EXTINF:2.000,
#EXT-X-BYTERANGE:300
1.ts
"""


def test_a_media_playlist_is_read():
    playlist = parse_media(MEDIA.replace(b"\n", b"\r\n"))

    first, second = playlist.entries
    assert (playlist.version, playlist.target_duration_s, playlist.type) == (6, 12, "EVENT")
    assert playlist.is_over
    assert playlist.duration_s() == 20.5
    assert (first.uri, first.duration_s, first.init_uri) == ("0.m4s", 10.5, "init-0.mp4")
    assert first.program_date_time == datetime(2026, 3, 4, 5, 6, 7, 250_000, tzinfo=UTC)
    assert not first.discontinuity
    assert (second.discontinuity, second.is_gap, second.init_uri) == (True, True, "init-1.mp4")


def test_a_byte_range_without_offset_follows_the_one_before_it_in_the_same_object():
    ranges = [entry.byte_range for entry in parse_media(RANGES).entries]
    assert ranges == [(0, 1000), (1000, 500), (0, 300)]


def test_a_multivariant_playlist_is_read():
    [variant] = parse_multivariant(
        b'#EXTM3U\n#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="720p30"\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=2440200,CODECS="avc1.4D401F,mp4a.40.2",RESOLUTION=1280x720\n'
        b"720p30/playlist.m3u8\n"
    )
    assert (variant.uri, variant.bandwidth_bps) == ("720p30/playlist.m3u8", 2_440_200)
    assert (variant.codecs, variant.width, variant.height) == ("avc1.4D401F,mp4a.40.2", 1280, 720)


HEAD = b"#EXTM3U\n#EXT-X-TARGETDURATION:12\n"
BROKEN = [
    # id,                   body,                                              says
    ("empty",               b"",                                               "line 1"),
    ("no head",             b"#EXTINF:1,\n0.ts\n",                             "line 1"),
    ("not UTF-8",           b"#EXTM3U\n\xff",                                  "UTF-8"),
    ("no target duration",  b"#EXTM3U\n",                                      "TARGETDURATION"),
    ("no duration",         HEAD + b"0.ts\n",                                  "line 3: a URI without EXTINF"),
    ("bad duration",        HEAD + b"#EXTINF:long,\n0.ts\n",                   "line 3: EXTINF"),
    ("infinite",            HEAD + b"#EXTINF:inf,\n0.ts\n",                    "line 3: EXTINF"),
    ("cut off",             HEAD + b"#EXTINF:2.0,\n",                          "cut off"),
    ("bad range",           HEAD + b"#EXTINF:2,\n#EXT-X-BYTERANGE:-1@0\n0.ts\n", "BYTERANGE"),
    ("bad date",            HEAD + b"#EXT-X-PROGRAM-DATE-TIME:today\n",        "PROGRAM-DATE-TIME"),
    ("no time zone",        HEAD + b"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00\n", "time zone"),
    ("bad number",          HEAD + b"#EXT-X-MEDIA-SEQUENCE:x\n",               "whole number"),
    ("no init",             HEAD + b"#EXT-X-MAP:BYTERANGE=1\n",                "URI"),
    ("absolute path",       HEAD + b"#EXTINF:2,\n/etc/passwd\n",               "does not name"),
    ("URL",                 HEAD + b"#EXTINF:2,\nhttp://example.com/0.ts\n",   "does not name"),
    ("parent",              HEAD + b"#EXTINF:2,\na/../../0.ts\n",              "does not name"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "says"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_broken_media_playlist_is_refused_with_its_line(body, says):
    with pytest.raises(PeerError, match=says):
        parse_media(body)


BROKEN_MULTIVARIANTS = [
    # id,             body,                                                  says
    ("media",         HEAD + b"#EXTINF:2,\n0.ts\n",                          "line 2"),
    ("no attributes", b"#EXTM3U\n720p30/playlist.m3u8\n",                    "without EXT-X-STREAM-INF"),
    ("no bandwidth",  b"#EXTM3U\n#EXT-X-STREAM-INF:CODECS=x\na.m3u8\n",      "line 3"),
    ("no URI",        b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n",           "no URI"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "says"),
    [row[1:] for row in BROKEN_MULTIVARIANTS],
    ids=[row[0] for row in BROKEN_MULTIVARIANTS],
)
def test_a_broken_multivariant_playlist_is_refused(body, says):
    with pytest.raises(PeerError, match=says):
        parse_multivariant(body)


def test_a_playlist_has_a_bound(monkeypatch):
    monkeypatch.setattr(playlist_reader, "MAX_PLAYLIST_BYTES", 10)
    with pytest.raises(LimitError):
        parse_media(HEAD)


LINES = st.sampled_from(MEDIA.splitlines() + RANGES.splitlines()) | st.binary(max_size=40)


@given(st.lists(LINES, max_size=12).map(lambda lines: b"#EXTM3U\n" + b"\n".join(lines)))
def test_any_lines_are_read_or_refused(body):
    for parse in (parse_media, parse_multivariant):
        with contextlib.suppress(PeerError):
            parse(body)
