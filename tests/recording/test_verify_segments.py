"""Single segments, as values, and what the check says of their lengths."""

import pytest

from headwater.recording.playlist_reader import Entry, MediaPlaylist
from headwater.recording.scan import CLOCK_HZ, Scan, Span
from headwater.recording.verify_segments import SegmentCheck

FRAME_TICKS = CLOCK_HZ // 30
PACKET_TICKS = CLOCK_HZ * 1024 // 48_000


def span(first_s, end_s, step):
    first, end = round(first_s * CLOCK_HZ), round(end_s * CLOCK_HZ)
    return Span(first=first, last=end - step, step=step)


LENGTHS = [
    # id,                                    pictures, sound, what is said of 10.2 s
    ("both are there to the end",            10.2, 10.2, None),
    ("a transcoder left the last ones out",  9.966, 10.2, None),
    ("sound is cut between packets",         8.0, 9.9, None),
    ("both end early",                       9.7, 9.7, "holds 9.700 s; the playlist says 10.200 s"),
    ("no sound shows that nothing is lost",  9.7, None, "holds 9.700 s; the playlist says 10.200 s"),
    ("pictures go on too long",              10.7, 10.2, "holds 10.700 s; the playlist says 10.200 s"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pictures_s", "sound_s", "says"), [row[1:] for row in LENGTHS], ids=[row[0] for row in LENGTHS]
)
def test_a_segment_holds_what_its_playlist_says(pictures_s, sound_s, says):
    said = []
    entry = Entry(uri="0.ts", line=1, duration_s=10.2)
    check = SegmentCheck(
        MediaPlaylist(entries=[entry]), None, lambda name, text: said.append((name, text))
    )

    check.segment(
        entry,
        1000,
        Scan(
            video=span(0, pictures_s, FRAME_TICKS),
            sound=None if sound_s is None else span(0, sound_s, PACKET_TICKS),
        ),
    )

    assert said == ([("0.ts", says)] if says else [])
