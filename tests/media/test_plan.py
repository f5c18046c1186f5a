from fractions import Fraction

import pytest

from headwater.core.track import TrackSet
from headwater.media.plan import decide_plan, frame_rate, planned_part_ms, target_duration_s
from media.packets import AUDIO, BOTH, VIDEO, picture, sound, steady

PARTS = [
    # id,       frames a second,        PART-TARGET in ms: whole frames nearest to 333, and room
    ("10",      10,                     301),
    ("15",      15,                     334),
    ("24",      24,                     334),
    ("23.976",  Fraction(24000, 1001),  334),
    ("25",      25,                     321),
    ("30",      30,                     334),
    ("29.97",   Fraction(30000, 1001),  334),
    ("50",      50,                     341),
    ("60",      60,                     334),
    ("59.94",   Fraction(60000, 1001),  334),
    ("1",       1,                      1001),
]  # fmt: skip


@pytest.mark.parametrize(("rate", "part_ms"), [r[1:] for r in PARTS], ids=[r[0] for r in PARTS])
def test_the_part_target_is_a_whole_number_of_frames_and_the_rate_is_found(rate, part_ms):
    packets = steady(rate, 2, 4, audio=False)
    plan = decide_plan(BOTH, packets, container="TS", part_target_ms=333, gop_ms=2000)

    assert plan.part_target_ms == part_ms
    assert plan.frame_rate == pytest.approx(float(rate), rel=1e-6)


TARGETS = [
    # GOP in ms, EXT-X-TARGETDURATION
    (500, 2), (1000, 2), (1200, 2), (2000, 2), (2400, 2), (2451, 3), (2500, 3), (3000, 3),
    (4000, 4), (4033, 4), (4100, 5), (6000, 6), (10_000, 6), (None, 6),
]  # fmt: skip


@pytest.mark.parametrize(("gop_ms", "expected"), TARGETS)
def test_the_target_duration_holds_whole_gops(gop_ms, expected):
    assert target_duration_s(gop_ms) == expected


def test_a_plan_names_what_delivery_needs():
    plan = decide_plan(
        BOTH, steady(30, 2, 2), container="FRAGMENTED_MP4", part_target_ms=333, gop_ms=2000
    )

    assert plan.codecs == "avc1.64002A,mp4a.40.2"
    assert (plan.width, plan.height, plan.frame_rate) == (1920, 1080, 30.0)
    assert plan.independent_segments


@pytest.mark.parametrize(("gop_ms", "fits"), [(6000, True), (6600, False), (None, False)])
def test_segments_are_independent_only_if_the_gop_fits(gop_ms, fits):
    plan = decide_plan(BOTH, steady(30, 10, 6), container="TS", part_target_ms=None, gop_ms=gop_ms)

    assert plan.independent_segments == fits
    assert plan.part_target_ms is None


def test_sound_alone_has_parts_of_whole_frames():
    tracks = TrackSet(video=None, audio=AUDIO)
    packets = [sound(number) for number in range(50)]

    plan = decide_plan(tracks, packets, container="TS", part_target_ms=333, gop_ms=None)

    assert (plan.part_target_ms, plan.target_duration_s) == (342, 2)
    assert (plan.frame_rate, plan.width, plan.codecs) == (None, None, "mp4a.40.2")
    assert plan.independent_segments


def test_lost_frames_do_not_change_the_rate():
    times = [number * 3000 for number in range(60) if number not in {20, 21, 40}]

    assert frame_rate(times, None) == 30.0


def test_steps_that_only_keep_times_rising_do_not_change_the_rate():
    assert frame_rate([1, 2, 60, *range(3000, 18_001, 3000)], None) == 30.0
    assert frame_rate([1, 2, 3], 25.0) == 25.0


def test_the_stated_rate_only_settles_what_was_measured():
    times = [number * 100 // 3 * 90 for number in range(30)]

    assert frame_rate(times, 30_000 / 1001) == 30_000 / 1001
    assert frame_rate(times, 60.0) == 30.0
    assert frame_rate([0], 60.0) == 60.0
    assert frame_rate([0], None) is None
    assert frame_rate([number * 90_000 // 7 for number in range(20)], None) == 7.0


def test_jitter_seen_while_planning_gets_room():
    times = [(number * 100 // 3 + (number % 11 == 10) * 8) * 90 for number in range(60)]

    assert planned_part_ms(times, 3000, 90_000, 333) == 342


def test_a_plan_from_one_frame_is_possible():
    tracks = TrackSet(video=VIDEO, audio=None)
    plan = decide_plan(
        tracks, [picture(0, key=True)], container="TS", part_target_ms=333, gop_ms=None
    )

    assert (plan.frame_rate, plan.part_target_ms) == (None, 334)
