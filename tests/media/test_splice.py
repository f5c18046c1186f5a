"""Encoders one after another on one timeline."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from headwater.core.encoded import EncodedFrame
from headwater.core.packet import Packet
from headwater.core.track import TrackSet
from headwater.media.splice import Splice
from headwater.media.timeline import Timeline
from media.encoders import encode


def of(**how):
    """What one encoder's own timeline gives."""
    timeline, found = Timeline(), []
    for item in encode(**how).items:
        found += timeline.push(item)
    return found


def spliced(*parts):
    """(pause before it in ms, items) of each encoder, on one timeline."""
    splice, found = Splice(), []
    for number, (pause_ms, items) in enumerate(parts):
        if number:
            splice.join(pause_ms)
        found += splice.push(items)
    return splice, found


def times(found, kind):
    return [each.dts for each in found if isinstance(each, Packet) and each.kind == kind]


def changes(found):
    return [each.discontinuity for each in found if isinstance(each, TrackSet)]


def test_of_one_encoder_nothing_is_changed():
    items = of(b_frames=2)
    splice, found = spliced((0, items))

    assert found == items
    assert all(a is b for a, b in zip(found, items, strict=True))
    assert splice.edge_pts == max(each.pts for each in items[1:] if each.kind == "video")


JOINS = [
    # id,                          pause ms, the other,                    changes
    ("the same, at once",          0,        {},                           [False]),
    ("the same, overlapping",      -300,     {},                           [False]),
    ("the same, a short pause",    1500,     {},                           [False]),
    ("the same, a long pause",     1501,     {},                           [False, True]),
    ("another picture",            0,        {"size": (96, 64)},           [False, True]),
    ("other settings",             0,        {"b_frames": 2},              [False, True]),
    ("no sound",                   0,        {"audio": False},             [False, True]),
    ("no picture",                 0,        {"video": False},             [False, True]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pause_ms", "how", "expected"), [row[1:] for row in JOINS], ids=[row[0] for row in JOINS]
)
def test_a_join_is_seen_only_where_it_has_to_be(pause_ms, how, expected):
    _, found = spliced((0, of(seconds=2.0)), (pause_ms, of(seconds=2.0, **how)))

    assert changes(found) == expected
    for kind in ("video", "audio"):
        found_times = times(found, kind)
        steps = [b - a for a, b in pairwise(found_times)]
        assert all(step > 0 for step in steps)
    if expected == [False]:
        video = times(found, "video")
        assert video[60] - video[59] == pytest.approx(3000 + 90 * max(0, pause_ms), abs=180)


def test_sound_and_picture_stay_together_and_sound_never_overlaps():
    _, found = spliced(*[(0, of(seconds=1.3))] * 5)

    video, audio = times(found, "video"), times(found, "audio")
    assert len(video) == 5 * 39
    assert all(b - a >= 1024 for a, b in pairwise(audio))
    assert abs(video[-1] / 90_000 - audio[-1] / 48_000) < 0.1


def test_a_picture_is_never_shown_before_those_of_the_encoder_before():
    delayed, plain = of(b_frames=3, seconds=1.0), of(seconds=1.0)
    tracks = delayed[0]
    plain[0] = structs.replace(tracks)  # the same configuration, but no delay
    _, found = spliced((0, delayed), (0, plain))

    assert changes(found) == [False]
    pictures = [each.pts for each in found[1:] if each.kind == "video"]
    assert min(pictures[30:]) > max(pictures[:30])


AKIN = [
    # id,                     pause ms, before,          the other
    ("reordered pictures",    0,        {},              {"b_frames": 3}),
    ("none reordered",        0,        {"b_frames": 3}, {}),
    ("another frame rate",    0,        {},              {"rate": Fraction(24)}),
    ("after a long pause",    20_000,   {},              {}),
    ("another sample rate",   0,        {},              {"audio_rate": 44_100}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pause_ms", "before", "how"), [row[1:] for row in AKIN], ids=[row[0] for row in AKIN]
)
def test_tracks_of_the_same_kind_go_on_in_time_behind_a_discontinuity(pause_ms, before, how):
    _, found = spliced((0, of(seconds=1.0, **before)), (pause_ms, of(seconds=1.0, **how)))

    (at,) = [i for i, each in enumerate(found) if isinstance(each, TrackSet) and i]
    assert found[at].discontinuity
    assert found[at].times_go_on
    shown = [[p.pts for p in part if p.kind == "video"] for part in (found[1:at], found[at + 1 :])]
    assert min(shown[1]) - max(shown[0]) == pytest.approx(3000, abs=90)
    heard = [
        [p.dts / tracks.audio.timescale for p in part if p.kind == "audio"]
        for tracks, part in ((found[0], found[1:at]), (found[at], found[at + 1 :]))
    ]
    hole_s = heard[1][0] - heard[0][-1] - 1024 / found[0].audio.timescale
    assert 0 <= hole_s <= 0.001
    assert abs(shown[1][-1] / 90_000 - heard[1][-1]) < 0.15


OTHERS = [
    # id,               the other
    ("a larger picture", {"size": (96, 64)}),
    ("no sound",         {"audio": False}),
    ("no picture",       {"video": False}),
]  # fmt: skip


@pytest.mark.parametrize("how", [row[1] for row in OTHERS], ids=[row[0] for row in OTHERS])
def test_tracks_of_another_kind_do_not_go_on(how):
    _, found = spliced((0, of(seconds=2.0)), (0, of(seconds=2.0, **how)))

    (fresh,) = [each for each in found[1:] if isinstance(each, TrackSet)]
    assert fresh.discontinuity
    assert not fresh.times_go_on


def test_an_encoder_that_jumps_itself_goes_on_where_it_is():
    timeline, items = Timeline(), []
    for start_ms in (0, 100_000):
        for item in encode(seconds=2.0).items:
            items += timeline.push(
                structs.replace(item, timestamp_ms=item.timestamp_ms + start_ms)
                if isinstance(item, EncodedFrame)
                else item
            )
    _, found = spliced((0, of(seconds=2.0)), (5000, items), (0, of(seconds=2.0)))

    assert changes(found) == [False, True, True]
    for kind in ("video", "audio"):
        found_times = times(found, kind)
        assert found_times == sorted(set(found_times))
    assert len(times(found, "video")) == 4 * 60


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(-2000, 40_000),
            st.sampled_from(
                [
                    {},
                    {"b_frames": 2},
                    {"audio": False},
                    {"video": False},
                    {"rate": Fraction(24)},
                    {"size": (96, 64)},
                ]
            ),
            st.integers(0, 40),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_comes_after_what_times_rise(parts):
    _, found = spliced(*[(pause, of(seconds=1.0, **how)[:count]) for pause, how, count in parts])

    for kind in ("video", "audio"):
        last, tracks = -1, None
        for each in found:
            if isinstance(each, TrackSet):
                tracks = each
            elif each.kind == kind:
                rate = 90_000 if kind == "video" else tracks.audio.timescale
                assert each.dts / rate > last
                assert each.pts >= each.dts
                last = each.dts / rate
