import pytest

from headwater.media.ladder import FrameRate, Rendition
from headwater.media.transcode.cadence import Cadence, KeyFrames


def rendition(every, rate):
    return Rendition(name="x", width=2, height=2, frame_rate=rate, video_bps=1, every=every)


def ticks(rate, count, *, rounded=False):
    """Frame times; `rounded` to RTMP's whole milliseconds."""
    if rounded:
        return [round(number * 1000 / rate) * 90 for number in range(count)]
    return [round(number * 90_000 / rate) for number in range(count)]


def keys(interval_ms, times, source_keys):
    decide = KeyFrames(interval_ms).decide
    return [at for number, at in enumerate(times) if decide(at, source_key=number in source_keys)]


def test_without_an_interval_key_frames_are_the_inputs():
    times = ticks(30, 400)

    assert keys(None, times, {0, 30, 300}) == [times[0], times[30], times[300]]


def test_the_first_frame_is_a_key_frame_whatever_it_was():
    assert keys(None, ticks(30, 3), {2}) == [0, 6000]


INTERVALS = [
    # id,                            fps,   rounded, input's key frames,     expected frame numbers
    ("long gop",                     30,    False,   {0, 300},               [0, 60, 120, 180, 240, 300, 360]),
    ("long gop, rounded times",      30,    True,    {0, 300},               [0, 60, 120, 180, 240, 300, 360]),
    ("60 fps",                       60,    True,    {0},                    [0, 120, 240, 360]),
    ("29.97: 60 frames are longer",  29.97, False,   {0},                    [0, 59, 118, 177, 236, 295, 354]),
    ("1 s gop is kept",              30,    True,    set(range(0, 400, 30)), [*range(0, 400, 30)]),
    ("0.5 s gop is thinned",         30,    True,    set(range(0, 400, 15)), [*range(0, 400, 30)]),
    ("gop just above gives no pairs", 29.97, False,  set(range(0, 400, 60)), [0, 59, 118, 177, 236, 295, 354]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fps", "rounded", "source_keys", "expected"),
    [row[1:] for row in INTERVALS],
    ids=[row[0] for row in INTERVALS],
)
def test_key_frames_are_at_most_two_seconds_apart(fps, rounded, source_keys, expected):
    times = ticks(fps, 400, rounded=rounded)

    assert keys(2000, times, source_keys) == [times[number] for number in expected]


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("fps", [60, 59.94, 50])
def test_half_the_frames_are_evenly_spaced(fps, rounded):
    cadence = Cadence([rendition(1, FrameRate(60)), rendition(2, FrameRate(round(fps), 2))])
    times = ticks(fps, 600, rounded=rounded)

    kept = [cadence.keep(at, key=number % 100 == 0) for number, at in enumerate(times)]

    assert all(1 in each for each in kept)
    assert [number for number, each in enumerate(kept) if 2 in each] == list(range(0, 600, 2))


def test_a_key_frame_is_kept_and_starts_the_count_anew():
    cadence = Cadence([rendition(2, FrameRate(30))])
    times = ticks(60, 12)

    kept = [n for n, at in enumerate(times) if cadence.keep(at, key=n in {0, 5})]

    assert kept == [0, 2, 4, 5, 7, 9, 11]


def test_a_lost_frame_does_not_make_it_limp():
    cadence = Cadence([rendition(2, FrameRate(30))])
    times = [at for number, at in enumerate(ticks(60, 12)) if number != 4]

    kept = [at // 1500 for at in times if cadence.keep(at, key=at == 0)]

    assert kept == [0, 2, 5, 7, 9, 11]
