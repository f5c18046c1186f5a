import pytest

from delivery.feed import FINISHED, INIT, make_plan, part, segment, segments, started
from headwater.core.segment import SegmentFinished
from headwater.delivery.window import MAX_SEGMENTS_LISTED, Window


def fed(events, plan=None, **options):
    window = Window(plan or make_plan(), **options)
    for event in events:
        window.push(event)
    return window


def listed(window):
    return [row.msn for row in window.listed()]


def test_a_segment_is_listed_once_it_is_complete():
    window = fed([started(0), part(0, 0), part(0, 1)])
    assert listed(window) == []

    window.push(SegmentFinished(msn=0, duration_ms=1000))

    assert listed(window) == [0]
    assert window.segment_payload(0) == b"<0.0><0.1>"


def test_a_segment_of_one_part_shares_its_bytes():
    event = part(0, 0, 2000, payload=b"x" * 1000)

    window = fed([started(0), event, SegmentFinished(msn=0, duration_ms=2000)])

    assert window.segment_payload(0) is event.payload


def test_the_window_keeps_24_seconds_and_slides_by_whole_segments():
    assert listed(fed(segments(0, 11))) == list(range(12))
    assert listed(fed(segments(0, 12))) == list(range(1, 13))


WINDOWS = [
    # id,                                window_ms, target_duration_s, segments left
    ("24 s by default",                  24_000,    2,                 12),
    ("three target durations at least",  2_000,     6,                 9),
]  # fmt: skip


@pytest.mark.parametrize(
    ("window_ms", "target_duration_s", "left"),
    [row[1:] for row in WINDOWS],
    ids=[row[0] for row in WINDOWS],
)
def test_the_window_never_gets_shorter_than(window_ms, target_duration_s, left):
    plan = make_plan(target_duration_s=target_duration_s)

    assert len(listed(fed(segments(0, 60), plan, window_ms=window_ms))) == left


def test_segments_are_removed_only_when_enough_media_is_left_without_them():
    window = fed(segments(0, 11) + segment(12, parts=(500,)))

    assert listed(window) == list(range(13))  # 11 * 2 s + 0.5 s would be too little


def test_absurdly_short_segments_do_not_make_the_playlist_endless():
    count = 3 * MAX_SEGMENTS_LISTED
    window = fed(segments(0, count - 1, parts=(1,)))

    assert len(listed(window)) == MAX_SEGMENTS_LISTED
    assert len(window._segments) == 2 * MAX_SEGMENTS_LISTED
    assert window.is_forgotten(count - 2 * MAX_SEGMENTS_LISTED - 1)


def test_a_removed_segment_stays_for_its_duration_and_that_of_the_playlist():
    window = fed(segments(0, 12))
    assert listed(window)[0] == 1

    retired_ms = 0
    msn = 12
    while window.segment_payload(0) is not None:
        msn += 1
        retired_ms += 2000
        for event in segment(msn):
            window.push(event)

    assert retired_ms >= 24_000 + 2_000
    assert window.is_forgotten(0)
    assert not window.is_forgotten(1)
    assert window.part_payload(0, 0) is None


def test_memory_is_bounded_by_the_window_and_what_was_just_in_it():
    window = fed(segments(0, 500))

    assert len(window._segments) <= 12 + 15


def test_parts_are_listed_for_three_target_durations():
    window = fed([*segments(0, 9), started(10), part(10, 0)])

    assert [row.msn for row in window.listed() if row.parts_listed] == [7, 8, 9]


def test_parts_that_left_the_playlist_are_cut_from_their_segment():
    window = fed(segments(0, 9))

    assert window.segment_payload(0) == b"<0.0><0.1><0.2><0.3>"
    assert all(row.payload is None for row in next(window.listed()).parts)
    assert [window.part_payload(0, index) for index in range(5)] == [
        b"<0.0>",
        b"<0.1>",
        b"<0.2>",
        b"<0.3>",
        None,
    ]


def test_a_listed_part_is_one_object_for_all():
    event = part(0, 0)
    window = fed([started(0), event])

    assert window.part_payload(0, 0) is event.payload
    window.push(SegmentFinished(msn=0, duration_ms=500))
    window.segment_payload(0)
    assert window.part_payload(0, 0) is event.payload


def test_a_segment_is_joined_when_it_is_first_asked_for_and_then_held_once():
    window = fed(segments(0, 3))
    row = next(window.listed())
    assert row.payload is None

    assert window.segment_payload(0) is window.segment_payload(0)
    assert all(each.payload is None for each in row.parts)


def test_plain_hls_has_no_parts():
    window = fed(segments(0, 1, parts=(2000,)), make_plan(part_target_ms=None))

    assert window.part_payload(1, 0) is None
    assert not window.is_hinted(2, 0)
    assert window.segment_payload(1) == b"<1.0>"
    assert all(not row.parts_listed for row in window.listed())


def test_sequence_numbers_count_what_was_removed():
    events = segments(0, 3) + segment(4, discontinuity=True) + segments(5, 16)
    window = fed(events)
    assert (window.media_sequence, window.discontinuity_sequence) == (5, 1)

    window = fed(events[:-6])
    assert (window.media_sequence, window.discontinuity_sequence) == (4, 0)


def test_nothing_is_discontinuous_with_the_first_segment():
    window = fed(segment(0, discontinuity=True))

    assert not next(window.listed()).discontinuity


def test_b8_a_new_init_segment_is_always_a_discontinuity():
    window = fed([*segment(0, init=INIT), *segment(1, init=b"<other>")])

    first, second = window.listed()
    assert (first.init.number, first.discontinuity) == (0, False)
    assert (second.init.number, second.discontinuity) == (1, True)


def test_b9_the_same_init_segment_again_changes_nothing():
    window = fed([*segment(0, init=INIT), *segment(1, init=bytes(INIT)), *segment(2)])

    assert [row.discontinuity for row in window.listed()] == [False] * 3
    assert {row.init.number for row in window.listed()} == {0}


def test_init_segments_stay_as_long_as_a_segment_needs_them():
    window = fed([*segment(0, init=INIT), *segment(1, init=b"<other>")])
    assert window.init_payload(0) == INIT
    assert window.init_payload(1) == b"<other>"
    assert window.init_payload(2) is None

    for event in segments(2, 60):
        window.push(event)

    assert window.init_payload(0) is None
    assert window.init_payload(1) == b"<other>"


def test_an_init_segment_can_be_fetched_before_its_first_part():
    assert fed([started(0, init=INIT)]).init_payload(0) == INIT


def test_the_next_part_is_known_at_any_time():
    window = fed([])
    seen = [(window.next_part(), window.last_part())]
    for event in [*segment(0, parts=(500, 500)), started(1), part(1, 0)]:
        window.push(event)
        seen.append((window.next_part(), window.last_part()))

    assert seen == [
        ((0, 0), None),
        ((0, 0), None),
        ((0, 1), (0, 0)),
        ((0, 2), (0, 1)),
        ((1, 0), (0, 1)),
        ((1, 0), (0, 1)),
        ((1, 1), (1, 0)),
    ]


def test_a_stream_that_is_cut_off_keeps_the_parts_that_came():
    window = fed([*segment(0), started(1), part(1, 0, 400), FINISHED])

    assert listed(window) == [0, 1]
    assert window.segment_payload(1) == b"<1.0>"
    assert list(window.listed())[1].duration_ms == 400
    assert not window.is_hinted(*window.next_part())


def test_a_segment_without_parts_is_dropped_at_the_end():
    assert listed(fed([*segment(0), started(1), FINISHED])) == [0]


OUT_OF_ORDER = [
    # id,                            events
    ("plan again",                   [make_plan()]),
    ("starts at 1",                  [started(1)]),
    ("starts twice",                 [started(0), started(0)]),
    ("skips a segment",              [*segment(0), started(2)]),
    ("part before its segment",      [part(0, 0)]),
    ("skips a part",                 [started(0), part(0, 1)]),
    ("part of another segment",      [started(0), part(1, 0)]),
    ("finish before start",          [SegmentFinished(msn=0, duration_ms=1)]),
    ("finish without parts",         [started(0), SegmentFinished(msn=0, duration_ms=1)]),
    ("finish of another",            [started(0), part(0, 0), SegmentFinished(msn=1, duration_ms=1)]),
    ("media after the end",          [FINISHED, started(0)]),
]  # fmt: skip


@pytest.mark.parametrize(
    "events", [row[1] for row in OUT_OF_ORDER], ids=[row[0] for row in OUT_OF_ORDER]
)
def test_events_out_of_order_are_our_bug(events):
    with pytest.raises(RuntimeError):
        fed(events)
