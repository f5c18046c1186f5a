from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from headwater.media.audiogrid import AudioGrid


def ticks(positions_ms, rate=48_000, floor_ms=0):
    grid = AudioGrid(rate, floor_ms)
    return [grid.place(position_ms) for position_ms in positions_ms]


@given(st.sampled_from([44_100, 48_000, 22_050]), st.integers(0, 10**6))
def test_rounded_milliseconds_give_frames_exactly_1024_apart(rate, start_ms):
    placed = ticks([start_ms + number * 1_024_000 // rate for number in range(500)], rate)

    assert [tick - placed[0] for tick in placed] == [1024 * number for number in range(500)]


@given(st.lists(st.integers(-40, 40), min_size=200, max_size=200))
def test_jitter_moves_nothing_by_more_than_the_jitter(jitter):
    positions = [1000 + number * 1024 // 48 + off for number, off in enumerate(jitter)]
    placed = [tick for tick in ticks(positions) if tick is not None]

    assert all(after - before >= 1024 for before, after in pairwise(placed))
    assert abs(placed[-1] / 48 - 1000 - 199 * 1024 / 48) < 100


def test_a_gap_keeps_its_size():
    assert ticks([0, 21, 43, 543, 564])[3:] == [543 * 48, 543 * 48 + 1024]


def test_one_lost_frame_is_made_up_for_after_a_few_frames():
    positions = [number * 1024 // 48 for number in range(40) if number != 10]

    assert abs(ticks(positions)[-1] - 39 * 1024) < 48


def test_frames_that_come_too_dense_are_dropped_until_time_fits():
    placed = ticks([number * 20 for number in range(300)])

    kept = [tick for tick in placed if tick is not None]
    assert len(kept) < 300
    assert abs(kept[-1] - 299 * 20 * 48) < 2048


def test_nothing_lies_before_the_floor():
    assert ticks([50, 71, 93, 114], floor_ms=100) == [None, None, 4800, 5824]
