import json
from itertools import groupby

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from headwater.core.errors import LimitError
from headwater.core.packet import Packet
from headwater.core.segment import (
    Part,
    SegmentFinished,
    SegmentStarted,
    StreamFinished,
    StreamPlan,
)
from headwater.core.track import TrackSet
from headwater.media import segmenter
from headwater.media.segmenter import Segmenter
from media.packets import AUDIO, BOTH, VIDEO, in_order, picture, sound, steady
from media.readers import ts_packets, ts_payload

CONTAINERS = ["TS", "FRAGMENTED_MP4"]
NOW_MS = 1_800_000_000_000
VIDEO_ONLY = TrackSet(video=VIDEO, audio=None)


def run(*items, container="TS", low_latency=True, flush=True, **options):
    segmenter = Segmenter(container, low_latency=low_latency, **options)
    events = []
    for item in items:
        ms = 0
        if isinstance(item, Packet):
            ms = item.dts // (90 if item.kind == "video" else 48)
        events += segmenter.push(item, NOW_MS + ms)
    return events + (segmenter.flush() if flush else [])


def parts(events):
    return [event for event in events if isinstance(event, Part)]


def durations(events):
    return [event.duration_ms for event in events if isinstance(event, SegmentFinished)]


def started(events):
    return [event for event in events if isinstance(event, SegmentStarted)]


def check(events):
    """The promises of headwater.core.segment and of the playlist rules."""
    plan = events[0]
    assert isinstance(plan, StreamPlan)
    assert isinstance(events[-1], StreamFinished)
    number = -1
    for event in events[1:-1]:
        if isinstance(event, SegmentStarted):
            number += 1
            index, total = 0, 0.0
            assert event.msn == number
        elif isinstance(event, Part):
            assert (event.msn, event.index) == (number, index)
            assert event.payload
            assert event.duration_ms > 0
            if plan.part_target_ms is not None:
                assert event.duration_ms <= plan.part_target_ms
            index += 1
            total += event.duration_ms
        else:
            assert event.msn == number
            assert index > 0
            assert event.duration_ms == pytest.approx(total, abs=1e-6)
            assert int(event.duration_ms / 1000 + 0.5) <= plan.target_duration_s
    if plan.part_target_ms is None:
        assert all(part.index == 0 for part in parts(events))
    else:
        for _, group in groupby(parts(events), key=lambda part: part.msn):
            for part in list(group)[:-1]:
                assert part.duration_ms >= 0.85 * plan.part_target_ms
    times = [event.program_date_time_ms for event in started(events)]
    assert times == sorted(times)


SEGMENTS = [
    # GOP in s, segment durations in s
    (0.5, [2.0, 2.0, 2.0]),
    (0.7, [2.1, 2.1, 2.1]),
    (1.0, [2.0, 2.0, 2.0]),
    (1.2, [2.4, 2.4, 2.4]),
    (2.0, [2.0, 2.0, 2.0]),
    (3.0, [3.0, 3.0, 3.0]),
    (4.0, [4.0, 4.0, 4.0]),
    (6.0, [6.0, 6.0, 6.0]),
]


@pytest.mark.parametrize("low_latency", [True, False], ids=["parts", "plain"])
@pytest.mark.parametrize(("gop_s", "expected_s"), SEGMENTS)
def test_segments_are_whole_gops_near_two_seconds(gop_s, expected_s, low_latency):
    events = run(BOTH, *steady(30, gop_s, sum(expected_s) + 1), low_latency=low_latency)

    check(events)
    found = durations(events)[:3]
    assert found == pytest.approx([1000 * each for each in expected_s], abs=1)
    assert all(part.independent for part in parts(events) if part.index == 0)
    assert events[0].independent_segments


def test_a_gop_longer_than_any_target_is_cut_without_a_key_frame():
    events = run(BOTH, *steady(30, 10, 21))

    check(events)
    assert not events[0].independent_segments
    assert events[0].target_duration_s == 6
    first_parts = [part.independent for part in parts(events) if part.index == 0]
    assert first_parts == [True, False, True, False, True]


def test_key_frames_that_stop_coming_do_not_stretch_segments():
    packets = steady(30, 1, 3) + [
        packet
        for packet in steady(30, 100, 12)
        if packet.dts >= 3 * (90_000 if packet.kind == "video" else 48_000)
    ]
    check(run(BOTH, *packets))


def test_an_early_key_frame_is_used_where_the_next_one_may_come_too_late():
    """A GOP of 2 s with one key frame more, a second early: 0, 2, 4, 5, 7, 9."""
    keys = {0, 60, 120, 150, 210, 270}
    packets = [picture(number * 3000, key=number in keys) for number in range(330)]
    events = run(VIDEO_ONLY, *packets)

    check(events)
    assert durations(events) == [2000, 2000, 1000, 2000, 2000, 2000]
    assert all(part.independent for part in parts(events) if part.index == 0)


@pytest.mark.parametrize("rate", [15, 24, 25, 30_000 / 1001, 30, 50, 60])
def test_parts_are_full_and_never_too_long(rate):
    events = run(BOTH, *steady(rate, 2, 8))

    check(events)
    assert len(parts(events)) >= 8 * 3 - 1


def test_a_part_is_there_as_soon_as_no_further_frame_fits():
    segmenter = Segmenter("TS", low_latency=True)
    packets = steady(30, 1, 3, audio=False)
    arrived = []
    for number, packet in enumerate([VIDEO_ONLY, *packets]):
        arrived += [(number - 1, event) for event in segmenter.push(packet, 0)]

    after_planning = [number for number, event in arrived if isinstance(event, Part)][4:]
    assert after_planning == [50, 60, 70, 80]


def test_a_camera_that_pauses_is_bridged_by_parts_of_sound():
    pause = range(3 * 90_000, 5 * 90_000)
    packets = [p for p in steady(30, 1, 8) if p.kind == "audio" or p.dts not in pause]

    events = run(BOTH, *packets)

    check(events)
    assert not any(event.discontinuity for event in started(events))
    assert sum(durations(events)) == pytest.approx(8000, abs=2)
    full = [part.duration_ms for part in parts(events) if not part.independent]
    assert full.count(334.0) >= 4


def test_a_camera_that_stops_for_good_lets_the_sound_go_on():
    packets = [p for p in steady(30, 1, 30) if p.kind == "audio" or p.dts < 3 * 90_000]

    events = run(BOTH, *packets)

    check(events)
    assert sum(durations(events)) > 25_000


def tag_times(payload):
    """The times in the tag that a part begins with, if it does."""
    if payload[0] == 0x47:
        payload = ts_payload(ts_packets(payload), 0x102)
    start = payload.find(b'{"cmd":"ld_lat_data"')
    text = payload[start : payload.index(b"}", start) + 1] if start >= 0 else b"null"
    return json.loads(text)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("low_latency", [True, False], ids=["parts", "plain"])
def test_each_segment_begins_with_a_tag_of_when_it_came_in(container, low_latency):
    late = [*steady(30, 2, 4), *(p for p in steady(30, 2, 9) if p not in steady(30, 2, 4))]
    segmenter = Segmenter(container, low_latency=low_latency)
    events = segmenter.push(BOTH, NOW_MS)
    for number, packet in enumerate(late):
        events += segmenter.push(packet, NOW_MS + 10 * number)
    events += segmenter.flush()

    tags = [tag_times(part.payload) for part in parts(events)]
    assert [tag is not None for tag in tags] == [part.index == 0 for part in parts(events)]
    tags = [tag for tag in tags if tag]
    assert [tag["stream_offset"] for tag in tags] == [0, 2, 4, 6, 8]
    keys = [NOW_MS + 10 * n for n, p in enumerate(late) if p.kind == "video" and p.keyframe]
    assert [tag["transc_r"] for tag in tags] == [tag["ingest_r"] for tag in tags] == keys
    assert all(tag["transc_s"] > tag["transc_r"] for tag in tags)


def test_a_segment_of_sound_alone_says_when_it_came_in():
    """Video that stops in the middle: what follows has no frame to tell the arrival from."""
    packets = [p for p in steady(30, 1, 20) if p.kind == "audio" or p.dts < 3 * 90_000]

    events = run(BOTH, *packets)

    received = [tag["transc_r"] for part in parts(events) if (tag := tag_times(part.payload))]
    assert received == sorted(received)
    assert received == [event.program_date_time_ms for event in started(events)]


def test_tracks_of_sound_alone_have_tags_too():
    events = run(TrackSet(video=None, audio=AUDIO), *[sound(number) for number in range(300)])

    offsets = [tag["stream_offset"] for p in parts(events) if (tag := tag_times(p.payload))]
    assert offsets == pytest.approx([0, 2.005, 4.011, 6.016], abs=0.001)


SHORT_SEGMENTS = [
    (0.1, 1000),
    (0.2, 1000),
    (0.5, 1000),
    (0.8, 800),
    (1, 1000),
    (1.5, 1500),
    (2, 2000),
]


@pytest.mark.parametrize(("gop_s", "length_ms"), SHORT_SEGMENTS)
def test_segments_of_low_latency_are_near_one_second(gop_s, length_ms):
    events = run(BOTH, *steady(30, gop_s, 9), segment_target_ms=1000)

    check(events)
    assert events[0].target_duration_s == 2
    assert durations(events)[:-1] == pytest.approx(
        [length_ms] * (len(durations(events)) - 1), abs=2
    )


def test_a_pause_with_nothing_to_play_is_a_discontinuity():
    packets = [p for p in steady(30, 1, 8, audio=False) if not 270_000 <= p.dts < 400_000]

    events = run(VIDEO_ONLY, *packets)

    check(events)
    assert [event.discontinuity for event in started(events)].count(True) == 1
    after = next(event for event in started(events) if event.discontinuity)
    assert after.program_date_time_ms - NOW_MS == pytest.approx(400_000 / 90, abs=40)


@pytest.mark.parametrize("container", CONTAINERS)
def test_new_tracks_end_the_segment_and_start_a_discontinuity(container):
    small = TrackSet(
        video=VIDEO.__class__(
            config=VIDEO.config, codec_string="x", width=640, height=360, frame_rate=None
        ),
        audio=AUDIO,
        discontinuity=True,
    )
    packets = steady(30, 1, 6)
    early = [p for p in packets if p.dts < 3 * (90_000 if p.kind == "video" else 48_000)]
    late = [p for p in packets if p not in early]

    events = run(BOTH, *early, small, *late, container=container)

    check(events)
    assert durations(events) == pytest.approx([2000, 1000, 2000, 1000], abs=2)
    assert [event.discontinuity for event in started(events)] == [False, False, True, False]
    has_init = [event.init is not None for event in started(events)]
    assert has_init == ([True, False, True, False] if container != "TS" else [False] * 4)


JUMP = TrackSet(video=VIDEO, audio=None, discontinuity=True)
OTHER_PARAMETERS = structs.replace(JUMP, times_go_on=True)
CHANGES = [
    # id,                               changes,                              times go on
    ("other parameters",                [OTHER_PARAMETERS],                   True),
    ("others twice",                    [OTHER_PARAMETERS, OTHER_PARAMETERS], True),
    ("a jump",                          [JUMP],                               False),
    ("a jump, then other parameters",   [JUMP, OTHER_PARAMETERS],             False),
    ("other parameters, then a jump",   [OTHER_PARAMETERS, JUMP],             False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES]
)
def test_a_discontinuity_says_whether_times_go_on(changes, expected):
    packets = steady(30, 1, 6, audio=False)

    events = run(VIDEO_ONLY, *packets[:90], *changes, *packets[90:])

    assert [each.discontinuity for each in started(events)] == [False, False, True, False]
    assert [each.times_go_on for each in started(events)] == [False, False, expected, False]


def test_times_do_not_go_on_over_a_hole_in_the_media():
    packets = steady(30, 1, 8, audio=False)
    early, late = packets[:90], [p for p in packets[90:] if p.dts >= 400_000]

    events = run(VIDEO_ONLY, *early, OTHER_PARAMETERS, *packets[90:91], *late)

    assert [each.discontinuity for each in started(events)].count(True) == 2
    assert [each.times_go_on for each in started(events) if each.discontinuity] == [True, False]


def test_the_same_tracks_after_a_jump_need_no_new_init():
    again = TrackSet(video=VIDEO, audio=AUDIO, discontinuity=True)
    packets = steady(30, 1, 3)

    events = run(BOTH, *packets, again, *steady(30, 1, 3), container="FRAGMENTED_MP4")

    assert [event.init is not None for event in started(events)] == [True, False, False, False]
    check(events)


def test_sound_alone_is_cut_near_two_seconds():
    events = run(TrackSet(video=None, audio=AUDIO), *[sound(number) for number in range(300)])

    check(events)
    assert durations(events)[:2] == pytest.approx([2005.3, 2005.3], abs=0.1)
    assert all(part.independent for part in parts(events))


@pytest.mark.parametrize("audio", [True, False], ids=["with sound", "without"])
def test_date_times_start_at_the_first_packet_and_count_media(audio):
    events = run(BOTH if audio else VIDEO_ONLY, *steady(30, 2, 9, audio=audio))

    offsets = [event.program_date_time_ms - NOW_MS for event in started(events)]
    assert offsets == [0, 2000, 4000, 6000, 8000]


def test_the_plan_comes_with_the_second_key_frame_or_after_six_seconds():
    def planned_after(packets, tracks=BOTH):
        segmenter = Segmenter("TS", low_latency=True)
        segmenter.push(tracks, 0)
        return next(n for n, packet in enumerate(packets) if segmenter.push(packet, 0))

    assert planned_after(steady(30, 2, 9, audio=False)) == 60
    assert planned_after(steady(30, 20, 9, audio=False)) == 180
    only_sound = TrackSet(video=None, audio=AUDIO)
    assert planned_after([sound(n) for n in range(99)], only_sound) == 47


@pytest.mark.parametrize(("bound", "value"), [("BYTES", 1000), ("ITEMS", 10)])
def test_no_more_is_held_for_a_plan_than(monkeypatch, bound, value):
    monkeypatch.setattr(segmenter, f"MAX_PLANNING_{bound}", value)
    packets = [structs.replace(packet, data=bytes(100)) for packet in steady(30, 20, 9)]
    planning = Segmenter("TS", low_latency=True)

    counts = [len(planning.push(item, 0)) for item in (BOTH, *packets[:12])]

    first = next(n for n, count in enumerate(counts) if count)
    assert first == (10 if bound == "BYTES" else 9)  # of the items; the first is the TrackSet


def test_a_stream_that_ends_while_planning_still_plays():
    events = run(BOTH, *steady(30, 4, 1.5))

    check(events)
    assert events[0].target_duration_s == 2
    assert events[0].independent_segments


def test_new_tracks_while_planning_are_planned_for():
    only_sound = TrackSet(video=None, audio=AUDIO)
    packets = [sound(number) for number in range(20)]
    later = [p for p in steady(30, 1, 4) if p.kind == "video" or p.dts >= 20 * 1024]

    events = run(only_sound, *packets, BOTH, *later)

    check(events)
    assert events[0].codecs == "avc1.64002A,mp4a.40.2"


def test_nothing_but_the_end_comes_of_nothing():
    assert run() == [StreamFinished()]
    assert run(BOTH) == [StreamFinished()]


def test_a_flushed_segmenter_refuses_more():
    segmenter = Segmenter("TS", low_latency=True)
    segmenter.flush()

    with pytest.raises(RuntimeError, match="flushed"):
        segmenter.push(BOTH, 0)
    with pytest.raises(RuntimeError, match="before the first packet"):
        Segmenter("TS", low_latency=True).push(sound(0), 0)


def test_bytes_that_claim_to_last_no_time_are_refused():
    data = bytes(4 << 20)
    flood = [Packet(kind="video", dts=n, pts=n, keyframe=n == 0, data=data) for n in range(30)]

    with pytest.raises(LimitError, match="bytes of media"):
        run(VIDEO_ONLY, *flood, container="FRAGMENTED_MP4")


frame_lengths = st.one_of(
    st.integers(1, 20), st.integers(2900, 3100), st.integers(90, 40_000), st.integers(1, 700_000)
)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.tuples(frame_lengths, st.booleans()), min_size=3, max_size=150),
    silent=st.booleans(),
    low_latency=st.booleans(),
    container=st.sampled_from(CONTAINERS),
)
def test_whatever_the_frames_last_parts_and_segments_keep_to_the_plan(
    lengths, silent, low_latency, container
):
    times, now = [], 0
    for length, key in lengths:
        times.append((now, key or now == 0))
        now += length
    packets = [picture(dts, key=key) for dts, key in times]
    if not silent:
        packets += [sound(number) for number in range(min(3000, now * 48 // 90 // 1024))]
    assume(packets)

    events = run(
        VIDEO_ONLY if silent else BOTH,
        *in_order(packets),
        container=container,
        low_latency=low_latency,
    )

    check(events)
    gaps = sum(event.discontinuity for event in started(events))
    if not gaps:
        covered = sum(durations(events))
        assert covered >= (times[-1][0] - times[0][0]) / 90 - 1
