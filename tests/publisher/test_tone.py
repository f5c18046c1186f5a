import math
from array import array
from itertools import pairwise

from headwater.publisher.tone import FRAME_SAMPLES, SAMPLE_RATE_HZ, Tone


def samples(tone, frames):
    return array("f", b"".join(tone.frame(index) for index in range(frames)))


def test_a_frame_is_1024_floats():
    tone = Tone(0)

    assert {len(tone.frame(index)) for index in range(200)} == {FRAME_SAMPLES * 4}


def test_it_beeps_for_100_ms_at_each_whole_second():
    heard = samples(Tone(0), 100)
    sounding = [index for index, value in enumerate(heard) if abs(value) > 1e-6]
    within = {index % SAMPLE_RATE_HZ for index in sounding}

    assert max(within) < SAMPLE_RATE_HZ // 10
    assert {index // SAMPLE_RATE_HZ for index in sounding} == {0, 1, 2}


def test_the_beep_is_1_khz():
    beep = samples(Tone(0), 3)[480:2880]  # 50 ms in the middle of the beep
    rises = sum(1 for before, after in pairwise(beep) if before < 0 <= after)

    assert rises in (49, 50, 51)
    assert math.isclose(max(beep), 0.2, rel_tol=0.01)


def test_a_start_within_a_second_delays_the_beep_to_the_next():
    heard = samples(Tone(1_700_000_000_750), 20)
    first = next(index for index, value in enumerate(heard) if abs(value) > 1e-6)

    assert abs(first - SAMPLE_RATE_HZ // 4) <= 1
