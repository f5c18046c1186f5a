import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from headwater.core.packet import Packet
from headwater.core.segment import Part, SegmentFinished, SegmentStarted, StreamFinished, StreamPlan
from headwater.core.track import TrackSet
from headwater.media import follower as module
from headwater.media.follower import Follower
from headwater.media.segmenter import Segmenter
from media.packets import AUDIO, BOTH, VIDEO, steady
from media.readers import boxes, ts_packets

SMALL = structs.replace(VIDEO, width=284, height=160, codec_string="avc1.4D400C")
ENCODED = TrackSet(video=SMALL, audio=AUDIO)
SOUND = TrackSet(video=None, audio=AUDIO)
CONTAINERS = ["TS", "FRAGMENTED_MP4"]


class Pair:
    """A leader that gets the source, and a follower that gets what was made of it."""

    def __init__(self, container="TS", *, rate=30.0, low_latency=True, together=1, tracks=ENCODED):
        self.leader = Segmenter(
            container, low_latency=low_latency, segment_tags=False, frames_together=together
        )
        self.follower = Follower(container, frame_rate=rate)
        self.led, self.followed = [], []
        self.lead(BOTH)
        self.make(tracks)

    def lead(self, item):
        ms = item.dts // (90 if item.kind == "video" else 48) if isinstance(item, Packet) else 0
        self.led += self.leader.push(item, 1_800_000_000_000 + ms)
        self.followed += self.follower.follow(self.leader.cuts())

    def make(self, item):
        self.followed += self.follower.push(item)

    def both(self, packets, *, delay=0):
        """The follower's packets come `delay` packets behind the leader's."""
        packets = list(packets)
        for number, packet in enumerate(packets):
            self.lead(packet)
            if number >= delay:
                self.make(packets[number - delay])
        for packet in packets[len(packets) - delay :] if delay else []:
            self.make(packet)

    def end(self):
        self.led += self.leader.flush()
        self.followed += self.follower.follow(self.leader.cuts())
        self.followed += self.follower.flush()
        return self


def times(events):
    """What must be the same in all renditions."""
    return [
        structs.replace(event, payload=b"", independent=False, gap=False)
        if isinstance(event, Part)
        else structs.replace(event, init=None)
        if isinstance(event, SegmentStarted)
        else event
        for event in events
        if not isinstance(event, StreamPlan)
    ]


def parts(events):
    return [event for event in events if isinstance(event, Part)]


def test_frames_of_uneven_lengths_do_not_overlap_where_parts_end():
    pair = Pair("FRAGMENTED_MP4")
    pair.both(steady(30, 1, 4, audio=False))  # 33 and 34 ms; at a cut the next is not there yet
    pair.end()

    ends = [0]
    for part in parts(pair.followed):
        fragment = dict(boxes(part.payload))[b"moof"]
        for kind, traf in boxes(fragment):
            if kind == b"traf":
                fields = dict(boxes(traf))
                start = int.from_bytes(fields[b"tfdt"][4:12], "big")
                count = int.from_bytes(fields[b"trun"][4:8], "big")
                rows = [fields[b"trun"][12 + 16 * n : 16 + 16 * n] for n in range(count)]
                assert start >= ends[-1]
                ends.append(start + sum(int.from_bytes(row, "big") for row in rows))
    assert len(ends) > 10


def gaps(events):
    return [(part.msn, part.index) for part in parts(events) if part.gap]


def segments_with_gaps(events):
    return sorted({msn for msn, _ in gaps(events)})


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("low_latency", [True, False], ids=["parts", "plain"])
@pytest.mark.parametrize("delay", [0, 40], ids=["at once", "later"])
def test_it_is_cut_where_its_leader_is(container, low_latency, delay):
    pair = Pair(container, low_latency=low_latency)
    pair.both(steady(30, 1, 8.5), delay=delay)
    pair.end()

    assert times(pair.followed) == times(pair.led)
    assert gaps(pair.followed) == []
    assert [part.independent for part in parts(pair.followed)] == [
        part.independent for part in parts(pair.led)
    ]
    plan = pair.followed[0]
    assert (plan.width, plan.height) == (284, 160)
    assert plan.codecs == "avc1.4D400C,mp4a.40.2"
    same = {"width": 1920, "height": 1080, "codecs": pair.led[0].codecs}
    assert structs.replace(plan, **same) == pair.led[0]


def test_half_of_the_frames_fill_the_same_parts():
    pair = Pair(rate=25.0, together=2)
    packets = steady(50, 1, 6.5)
    pictures = [packet for packet in packets if packet.kind == "video"]
    kept = set(pictures[::2])
    for packet in packets:
        pair.lead(packet)
        if packet.kind == "audio" or packet in kept:
            pair.make(packet)
    pair.end()

    assert times(pair.followed) == times(pair.led)
    assert gaps(pair.followed) == []
    assert pair.led[0].part_target_ms == 321  # 16 frames of 50, 8 of 25
    assert (pair.led[0].frame_rate, pair.followed[0].frame_rate) == (50, 25)


def test_sound_alone_is_cut_with_the_pictures():
    pair = Pair(rate=None, tracks=SOUND)
    for packet in steady(30, 1, 6.5):
        pair.lead(packet)
        if packet.kind == "audio":
            pair.make(packet)
    pair.end()

    assert times(pair.followed) == times(pair.led)
    assert gaps(pair.followed) == []
    assert all(part.independent for part in parts(pair.followed))
    assert (pair.followed[0].width, pair.followed[0].codecs) == (None, "mp4a.40.2")


def test_pictures_decoded_early_are_cut_by_when_they_are_shown():
    pair = Pair()
    for packet in steady(30, 1, 6.5, delay=6000):  # of the source: 2 frames of reordering
        pair.lead(packet)
        shown = packet.pts
        pair.make(structs.replace(packet, dts=shown, pts=shown))
    pair.end()

    assert gaps(pair.followed) == []
    assert [part.independent for part in parts(pair.followed)] == [
        part.independent for part in parts(pair.led)
    ]


def lose_and_resume(pair, *, lost_s, resumed_s, seconds, gop_s=1, tracks=ENCODED):
    """Its encoder gives nothing from `lost_s` on; the next one begins at `resumed_s`."""
    resumed = False
    lost = False
    for packet in steady(30, gop_s, seconds):
        at_s = packet.dts / (90_000 if packet.kind == "video" else 48_000)
        if at_s >= lost_s and not lost:
            pair.followed += pair.follower.lose()
            lost = True
        is_start = packet.keyframe and packet.kind == "video" and at_s >= resumed_s
        if lost and not resumed and is_start:
            pair.follower.resume(packet.pts)
            resumed = True
            pair.make(tracks)
        pair.lead(packet)
        if not lost or resumed:
            pair.make(packet)
    return pair.end()


LOSSES = [
    # id,                             lost, resumed, segments that have gaps
    ("within one segment",            4.5,  6.0,     [2]),
    ("over a whole segment",          4.5,  8.0,     [2, 3]),
    ("the next begins in a segment",  4.5,  5.0,     [2]),
    ("only a frame",                  5.98, 6.0,     []),
    ("right behind its start",        6.01, 7.0,     [3]),
]  # fmt: skip


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    ("lost_s", "resumed_s", "expected"),
    [row[1:] for row in LOSSES],
    ids=[row[0] for row in LOSSES],
)
def test_what_a_lost_encoder_leaves_out_is_a_gap(container, lost_s, resumed_s, expected):
    pair = lose_and_resume(Pair(container), lost_s=lost_s, resumed_s=resumed_s, seconds=12.5)

    assert times(pair.followed) == times(pair.led)
    assert segments_with_gaps(pair.followed) == expected
    whole = [part for part in parts(pair.followed) if part.msn not in expected]
    assert all(part.independent for part in whole if part.index == 0)
    assert not any(
        event.discontinuity for event in pair.followed if isinstance(event, SegmentStarted)
    )
    inits = [event.init for event in pair.followed if isinstance(event, SegmentStarted)]
    assert inits.count(None) == len(inits) - (container == "FRAGMENTED_MP4")


def test_a_gap_has_no_media_and_is_a_transport_stream_all_the_same():
    pair = lose_and_resume(Pair(), lost_s=4.5, resumed_s=8.0, seconds=12.5)

    for part in parts(pair.followed):
        pids = {row[0] for row in ts_packets(part.payload)}
        assert (pids == {0, 0x1000}) == part.gap


def test_a_change_of_the_source_is_a_discontinuity_at_the_same_place():
    pair = Pair("FRAGMENTED_MP4")
    packets = steady(30, 1, 4)
    pair.both(packets, delay=20)
    other = structs.replace(VIDEO, width=640, height=360)
    pair.lead(structs.replace(BOTH, video=other, discontinuity=True))
    shift_s = 5
    later = [
        structs.replace(
            packet,
            dts=packet.dts + shift_s * (90_000 if packet.kind == "video" else 48_000),
            pts=packet.pts + shift_s * (90_000 if packet.kind == "video" else 48_000),
        )
        for packet in packets
    ]
    for packet in later[:60]:
        pair.lead(packet)
    smaller = structs.replace(SMALL, width=200, config=SMALL.config[:-1] + b"\x00")
    pair.make(structs.replace(ENCODED, video=smaller, discontinuity=True))
    for packet in later[:60]:
        pair.make(packet)
    pair.both(later[60:])
    pair.end()

    assert times(pair.followed) == times(pair.led)
    assert gaps(pair.followed) == []
    starts = [event for event in pair.followed if isinstance(event, SegmentStarted)]
    assert [event.msn for event in starts if event.discontinuity] == [2]
    assert [event.msn for event in starts if event.init] == [0, 2]


def test_in_a_pause_of_the_camera_sound_goes_on():
    pair = Pair()
    packets = [
        packet
        for packet in steady(30, 1, 16)
        if packet.kind == "audio" or not 4 <= packet.dts / 90_000 < 11
    ]
    pair.both(packets, delay=10)
    pair.end()

    assert times(pair.followed) == times(pair.led)
    assert gaps(pair.followed) == []


def test_one_that_is_far_behind_has_gaps_until_it_has_caught_up():
    pair = Pair()
    packets = steady(30, 1, 40)
    for packet in packets:
        pair.lead(packet)
    waiting_ms = sum(part.duration_ms for part in parts(pair.led)) - sum(
        part.duration_ms for part in parts(pair.followed)
    )
    assert module.MAX_BEHIND_MS - 400 < waiting_ms <= module.MAX_BEHIND_MS
    assert gaps(pair.followed)[0] == (0, 0)

    for packet in packets:
        pair.make(packet)
    pair.end()
    assert times(pair.followed) == times(pair.led)
    assert gaps(pair.followed)[-1][0] < 16


def test_one_that_never_comes_holds_nothing():
    pair = Pair.__new__(Pair)
    pair.leader = Segmenter("TS", low_latency=True)
    pair.follower = Follower("TS", frame_rate=30.0)
    pair.led, pair.followed = [], []
    pair.lead(BOTH)
    for packet in steady(30, 1, 20):
        pair.lead(packet)
    pair.make(ENCODED)

    assert pair.followed == []
    assert pair.follower.flush() == [StreamFinished()]


def test_what_is_held_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 1000)
    follower = Follower("TS", frame_rate=30.0)
    follower.push(ENCODED)
    for packet in steady(30, 1, 60):
        follower.push(packet)

    assert follower._held_bytes <= 1000


def test_segments_begin_with_the_leaders_tag():
    leader = Segmenter("TS", low_latency=True, segment_tags=True)
    follower = Follower("TS", frame_rate=30.0)
    follower.push(ENCODED)
    led, followed = leader.push(BOTH, 0), []
    for packet in steady(30, 1, 4.5):
        led += leader.push(packet, 0)
        followed += follower.follow(leader.cuts()) + follower.push(packet)

    def tagged(events):
        return [0x102 in {row[0] for row in ts_packets(part.payload)} for part in parts(events)]

    assert tagged(followed) == tagged(led)[: len(parts(followed))]
    assert any(tagged(followed))


@settings(max_examples=10, deadline=None)
@given(
    gop_s=st.sampled_from([0.5, 1, 2, 3]),
    lost_s=st.floats(0.5, 9),
    out_s=st.floats(0.1, 4),
    container=st.sampled_from(CONTAINERS),
)
def test_whatever_is_lost_the_numbers_and_times_stay_the_leaders(gop_s, lost_s, out_s, container):
    pair = lose_and_resume(
        Pair(container), lost_s=lost_s, resumed_s=lost_s + out_s, seconds=14, gop_s=gop_s
    )

    assert times(pair.followed) == times(pair.led)
    assert isinstance(pair.followed[-2], SegmentFinished)
