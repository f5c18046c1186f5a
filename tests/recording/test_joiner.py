"""Where recorded segments begin and end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.segment import StreamFinished
from headwater.recording.joiner import Init, Joiner, Placed, target_duration_s
from headwater.recording.manifest import Manifest
from headwater.recording.playlists import ranges_of
from headwater.recording.records import Begin, Described, End
from recording.live import payloads, plan, rendition, segment, stream


def joined(joiner, events, name="720p30"):
    """Recorded segments as (number, bytes, milliseconds), and all steps."""
    steps = [step for event in events for step in joiner.push(name, event)]
    segments = []
    for step in steps:
        match step:
            case Begin():
                segments.append([step.number, b"", 0.0])
            case Placed(piece=piece, payload=payload):
                segments[-1][1] += payload
                segments[-1][2] += piece.duration_ms
    return [tuple(each) for each in segments], steps


def lengths(segments):
    return [round(each[2]) for each in segments]


@pytest.mark.parametrize(
    ("of_ms", "count", "expected"),
    [
        pytest.param(1000.0, 25, [10_000, 10_000, 5000], id="one second"),
        pytest.param(2000.0, 12, [10_000, 10_000, 4000], id="two seconds"),
        pytest.param(2000.0 / 3 * 2, 20, [10_667, 10_667, 5333], id="thirds do not add up"),
        pytest.param(999.9999, 20, [10_000, 10_000], id="a hair below"),
        pytest.param(6000.0, 5, [12_000, 12_000, 6000], id="six seconds"),
    ],
)
def test_segments_are_cut_at_the_first_key_frame_from_ten_seconds_on(of_ms, count, expected):
    segments, _ = joined(Joiner(), stream(count, of_ms=of_ms))

    assert lengths(segments) == expected
    assert [each[0] for each in segments] == list(range(len(expected)))


def test_a_cut_waits_for_a_key_frame_where_segments_may_begin_without_one():
    joiner, media = Joiner(), plan(independent_segments=False, target_duration_s=6)
    events = [media]
    for msn in range(8):
        events += segment(msn, 4000.0, keys=(0,) if msn in {0, 4} else ())
    segments, _ = joined(joiner, [*events, StreamFinished()])

    assert lengths(segments) == [16_000, 16_000]


def test_a_cut_waits_for_a_key_frame_only_as_long_as_the_target_duration_allows():
    joiner, media = Joiner(), plan(independent_segments=False, target_duration_s=6)
    events = [media]
    for msn in range(9):
        events += segment(msn, 6400.0, keys=(0,) if msn == 0 else ())
    segments, _ = joined(joiner, [*events, StreamFinished()])

    assert lengths(segments) == [19_200, 19_200, 19_200]
    assert target_duration_s(media) == 24


def test_a_discontinuity_begins_a_segment():
    joiner = Joiner()
    events = [plan()]
    for msn in range(5):
        events += segment(msn, 1000.0, discontinuity=msn == 3)
    segments, steps = joined(joiner, [*events, StreamFinished()])

    assert lengths(segments) == [3000, 2000]
    assert [step.discontinuity for step in steps if isinstance(step, Begin)] == [False, True]


def test_where_times_go_on_a_segment_begins_without_a_discontinuity():
    joiner = Joiner()
    events = [plan(container="FRAGMENTED_MP4")]
    for msn, init in enumerate([b"one", None, b"two", None]):
        joint = msn == 2
        events += segment(msn, 1000.0, init=init, discontinuity=joint, times_go_on=joint)
    segments, steps = joined(joiner, [*events, StreamFinished()])

    assert lengths(segments) == [2000, 2000]
    begins = [step for step in steps if isinstance(step, Begin)]
    assert [(step.discontinuity, step.init_number) for step in begins] == [(False, 0), (False, 1)]


def test_a_new_init_segment_begins_a_segment_and_comes_before_it():
    joiner = Joiner()
    events = [plan(container="FRAGMENTED_MP4"), *segment(0, 1000.0, init=b"one")]
    events += segment(1, 1000.0)
    events += segment(2, 1000.0, init=b"two", discontinuity=True)
    _, steps = joined(joiner, [*events, StreamFinished()])

    told = [step for step in steps if not isinstance(step, Placed)]
    assert [type(step) for step in told] == [Init, Begin, End, Init, Begin, End]
    assert [step.number for step in told if isinstance(step, Init)] == [0, 1]
    assert [step.init_number for step in told if isinstance(step, Begin)] == [0, 1]


def test_all_renditions_are_cut_at_the_same_places_however_late_they_are():
    joiner, whole = Joiner(), stream(33)
    first, _ = joined(joiner, whole, "720p30")
    late, _ = joined(joiner, whole, "360p30")

    assert [each[0] for each in first] == [each[0] for each in late]
    assert lengths(first) == lengths(late) == [10_000, 10_000, 10_000, 3000]


def test_a_gap_in_a_rendition_that_follows_does_not_move_its_cuts():
    joiner = Joiner()
    joined(joiner, stream(25), "720p30")
    late, _ = joined(joiner, stream(25, gaps=(0,), keys=()), "360p30")

    assert lengths(late) == [10_000, 10_000, 5000]


def test_a_further_stream_counts_on_and_says_that_its_times_do_not_continue():
    joiner = Joiner(first_number=4)
    segments, steps = joined(joiner, stream(12))

    assert [each[0] for each in segments] == [4, 5]
    assert [step.discontinuity for step in steps if isinstance(step, Begin)] == [True, False]


def test_sound_alone_has_one_range_for_each_live_segment():
    joiner = Joiner()
    events = [plan(width=None, height=None, frame_rate=None)]
    events += segment(0, 300.0, 300.0, 300.0, keys=(0, 1, 2))
    events += segment(1, 300.0, keys=(0,))
    _, steps = joined(joiner, events)

    begins = [step.piece.begins_range for step in steps if isinstance(step, Placed)]
    assert begins == [True, False, False, True]


live_segments = st.lists(
    st.tuples(
        st.lists(st.floats(1.0, 700.0), min_size=1, max_size=4),
        st.sets(st.integers(0, 3)),  # key frames
        st.sets(st.integers(0, 3), max_size=2),  # gaps
        st.booleans(),
    ),
    max_size=60,
)


@given(live_segments)
def test_joined_segments_are_the_live_ones_one_after_the_other(live):
    events = [plan(independent_segments=False)]
    for msn, (parts, keys, gaps, cut) in enumerate(live):
        events += segment(msn, *parts, keys=keys, gaps=gaps, discontinuity=cut and msn % 9 == 5)
    segments, _ = joined(Joiner(), [*events, StreamFinished()])

    assert b"".join(each[1] for each in segments) == payloads(events)
    assert [each[0] for each in segments] == list(range(len(segments)))


@given(live_segments)
def test_byte_ranges_cover_each_segment_exactly(live):
    events = [plan()]
    for msn, (parts, keys, gaps, cut) in enumerate(live):
        events += segment(msn, *parts, keys=keys, gaps=gaps, discontinuity=cut and msn % 9 == 5)
    segments, steps = joined(Joiner(), [*events, StreamFinished()])
    manifest = Manifest()
    manifest.apply(Described(rendition=rendition(), position=0, automatic=True))
    for step in steps:
        manifest.apply(step.piece if isinstance(step, Placed) else step)

    recorded = manifest.tracks["720p30"].segments
    assert [each.size_bytes for each in recorded] == [len(each[1]) for each in segments]
    for each in recorded:
        ranges = ranges_of(each)
        assert sum(one.length_bytes for one in ranges) == each.size_bytes
        total_ms = sum(one.duration_ms for one in ranges)
        assert total_ms == pytest.approx(each.duration_ms, abs=0.001 * len(ranges))
