"""Which recording a stream's media belongs to, when one is full."""

from headwater.core.segment import Part, SegmentStarted, StreamFinished, StreamPlan
from headwater.recording.succession import Succession
from recording.live import START_MS, plan, segment, stream

NAMES = ("720p30", "360p30")


def sorted_of(succession, name, events):
    """Former and present events of what is pushed."""
    former, present = [], []
    for event in events:
        found = succession.push(name, event)
        (former if found.is_former else present).extend(found.events)
    return former, present


def test_without_a_limit_everything_is_the_one_recordings():
    events = stream(5)

    assert sorted_of(Succession(), "720p30", events) == ([], events)


def test_a_segment_that_begins_too_late_begins_the_next_recording():
    succession, events = Succession(), stream(5)
    succession.limit(START_MS + 2500)
    turns = [event for event in events if succession.push("720p30", event).is_turn]

    assert turns == [Part(msn=3, index=0, duration_ms=1000.0, independent=True, payload=b"<3.0>")]
    assert succession.is_passed


def test_the_next_recording_gets_the_plan_and_the_init_segment_again():
    succession = Succession()
    described = plan(container="FRAGMENTED_MP4")
    sorted_of(succession, "720p30", [described, *segment(0, 1000.0, init=b"init")])
    succession.limit(START_MS + 1000)
    _, present = sorted_of(succession, "720p30", segment(1, 1000.0, start_ms=START_MS + 1000))

    assert present[0] == described
    assert present[1].init == b"init"
    assert [type(each) for each in present[:3]] == [StreamPlan, SegmentStarted, Part]
    _, later = sorted_of(succession, "720p30", segment(2, 1000.0, start_ms=START_MS + 2000))
    assert later[0].init is None


def test_it_waits_for_a_key_frame():
    succession = Succession()
    sorted_of(succession, "720p30", [plan(), *segment(0, 1000.0)])
    succession.limit(START_MS + 500)
    late = {"start_ms": START_MS + 1000}
    for msn, kind in ((1, {"keys": ()}), (2, {"gaps": (0,)})):
        found = [succession.push("720p30", each) for each in segment(msn, 1000.0, **late, **kind)]
        assert not any(each.is_turn for each in found)
    assert any(succession.push("720p30", each).is_turn for each in segment(3, 1000.0, **late))


def test_all_renditions_turn_at_the_same_segment():
    succession, events = Succession(), stream(6)
    for name in NAMES:
        sorted_of(succession, name, events[:7])  # two segments
    succession.limit(START_MS + 3500)
    assert sorted_of(succession, "720p30", events[7:])[0] == []
    assert not succession.is_passed

    former, present = sorted_of(succession, "360p30", events[7:])

    assert former == events[7:13]
    assert present == [events[0], *events[13:]]
    assert succession.is_passed


def test_a_rendition_that_ends_is_not_waited_for():
    succession, events = Succession(), stream(6)
    for name in NAMES:
        sorted_of(succession, name, events[:7])
    succession.limit(START_MS + 3500)
    sorted_of(succession, "720p30", events[7:])

    assert succession.push("360p30", StreamFinished()).is_former
    assert succession.is_passed


def test_a_rendition_without_a_plan_is_passed_on_as_it_is():
    found = Succession().push("720p30", StreamFinished())

    assert (found.events, found.is_former, found.is_turn) == ([StreamFinished()], False, False)


def test_a_recording_turns_once_for_each_limit():
    succession, events = Succession(), stream(6)
    succession.limit(START_MS + 1000)
    turns = [event.msn for event in events if succession.push("720p30", event).is_turn]

    assert turns == [1]
