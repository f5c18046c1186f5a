import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater.media.clock import BACKWARD_MS, EncoderClock

A, V = "audio", "video"


def place(*times):
    clock = EncoderClock()
    return [
        (placed.position_ms, placed.jumped)
        for placed in (clock.place(kind, time_ms) for kind, time_ms in times)
    ]


ROWS = [
    # id,                        frames,                                            positions (jumps negative)
    ("starts at 10^9 (R-67)",    [(V, 10**9), (V, 10**9 + 33)],                       [0, 33]),
    ("wrap at 2^32 (R-24)",      [(V, 2**32 - 20), (V, 13)],                          [0, 33]),
    ("wrap at 2^31",             [(V, 2**31 - 20), (V, 13)],                          [0, 33]),
    ("wrap at 2^24",             [(V, 2**24 - 20), (V, 13)],                          [0, 33]),
    ("over 2^24 (R-20)",         [(V, 2**24 - 20), (V, 2**24 + 13)],                  [0, 33]),
    ("top bit set (R-25)",       [(V, 100), (V, 2**31 + 133), (V, 166)],              [0, 33, 66]),
    ("small step back (R-65)",   [(V, 100), (V, 133), (V, 120), (V, 166)],            [0, 33, 20, 66]),
    ("1 frame a second (R-69)",  [(V, 0), (V, 1000), (V, 2001)],                      [0, 1000, 2001]),
    ("reset to 0 (R-66)",        [(V, 90_000), (V, 90_033), (V, 0), (V, 33)],         [0, 33, "66", 99]),
    ("an hour ahead (R-66)",     [(V, 0), (V, 33), (V, 3_600_066), (V, 3_600_099)],   [0, 33, "66", 99]),
    ("steps back add up",        [(V, 1000), (V, 800), (V, 600)],                     [0, -200, "33"]),
    ("slow after one jump",      [(V, 0), (V, 33), (V, 2033), (V, 4033)],             [0, 33, "66", 2066]),
    ("far apart (R-67)",         [(A, 0), (V, 10**6), (A, 21), (V, 10**6 + 33)],      [0, 0, 21, 33]),
    ("sound 3 s ahead (R-65)",   [(A, 3000), (V, 0), (A, 3021), (V, 33)],             [0, -3000, 21, -2967]),
    ("the other follows",        [(V, 5000), (A, 5000), (V, 0), (A, 5021), (A, 10)],  [0, 0, "33", 21, 43]),
    ("camera paused",            [(V, 0), (A, 0), (A, 1400), (A, 2800), (V, 2810)],   [0, 0, 1400, 2800, 2810]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("frames", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_positions(frames, expected):
    rows = [(int(each), isinstance(each, str)) for each in expected]

    assert place(*frames) == rows


@example([(A, 153), (V, 0), (V, 2549), (V, 0), (V, 2**30 + 1501), (V, 0)])
@given(st.lists(st.tuples(st.sampled_from([A, V]), st.integers(0, 2**32 - 1)), max_size=40))
def test_no_track_ever_goes_back_by_more_than_jitter_but_to_its_other_track(frames):
    highest = {}
    for (kind, _), (position_ms, jumped) in zip(frames, place(*frames), strict=True):
        if jumped:
            assert position_ms >= highest[kind]
        highest[kind] = max(position_ms, highest.get(kind, position_ms))
        assert position_ms >= highest[kind] - 5000 - BACKWARD_MS
