"""Tags that are put into a running stream: each once, in order, at its time, in all renditions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.packet import Packet
from headwater.core.segment import Part
from headwater.core.track import TrackSet
from headwater.media.follower import Follower
from headwater.media.sample import TimedTag
from headwater.media.segmenter import Segmenter
from headwater.media.timed_metadata import metadata_tag
from headwater.media.ts.muxer import OFFSET_TICKS
from media.packets import AUDIO, BOTH, sound, steady
from media.readers import boxes, id3_frames, ts_packets

CONTAINERS = ["TS", "FRAGMENTED_MP4"]
SECOND = 90_000
OWNER = b"metadata.live-video.net\x00"


def tag(text, pts):
    return TimedTag(pts=pts, data=metadata_tag(text, with_text_frame=False))


def text_of(data):
    ((kind, content),) = id3_frames(data)
    assert kind == b"PRIV"
    assert content.startswith(OWNER)
    return content.removeprefix(OWNER).decode()


def pes_time(packet):
    """The PTS of a PES packet with PTS alone, and what it carries."""
    assert packet[:4] == b"\x00\x00\x01\xbd"
    assert int.from_bytes(packet[4:6], "big") == len(packet) - 6
    assert packet[6:9] == b"\x84\x80\x05"
    number = int.from_bytes(packet[9:14], "big")
    high, middle, low = number >> 33 & 7, number >> 17 & 0x7FFF, number >> 1 & 0x7FFF
    return (high << 30 | middle << 15 | low) - OFFSET_TICKS, packet[14:]


def found_in_ts(payload):
    packets = []
    for pid, starts, _, _, data in ts_packets(payload):
        if pid == 0x102:
            packets += [data] if starts else []
            if not starts:
                packets[-1] += data
    return [(text_of(data), pts) for pts, data in map(pes_time, packets)]


def found_in_mp4(payload):
    messages = [content for kind, content in boxes(payload) if kind == b"emsg"]
    for old, new in zip(messages[::2], messages[1::2], strict=True):
        assert old[:4] == bytes(4)
        assert old[4:].startswith(b"urn:twitch:id3\x00\x00")
        assert new[:4] == b"\x01\x00\x00\x00"
        assert old.endswith(new[new.index(b"ID3\x04") :])
    return [
        (text_of(new[new.index(b"ID3\x04") :]), int.from_bytes(new[8:16], "big"))
        for new in messages[1::2]
    ]


def found(events):
    """(text, pts, start and length of the part in seconds) of every tag."""
    at_s, rows = 0.0, []
    for event in events:
        if isinstance(event, Part):
            read = found_in_ts if event.payload[0] == 0x47 else found_in_mp4
            length_s = event.duration_ms / 1000
            rows += [(*each, at_s, length_s) for each in read(event.payload)]
            at_s += length_s
    return rows


def stream(segmenter, packets, tags=(), follower=None, *, delay=0):
    """Everything goes in; a tag when the stream has come to its time, as it does live."""
    led, followed, waiting, made = segmenter.push(BOTH, 0), [], list(tags), []
    if follower:
        followed += follower.push(BOTH)
    for packet in packets:
        led += segmenter.push(packet, 0)
        while waiting and packet.kind == "video" and packet.pts >= waiting[0].pts:
            segmenter.insert(waiting.pop(0))
        if follower:
            followed += follower.follow(segmenter.cuts())
            made.append(packet)
            if len(made) > delay:
                followed += follower.push(made.pop(0))
    led += segmenter.flush()
    if follower:
        followed += follower.follow(segmenter.cuts())
        for packet in made:
            followed += follower.push(packet)
        followed += follower.flush()
    return led, followed


@pytest.mark.parametrize("low_latency", [True, False], ids=["parts", "plain"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_tag_is_in_the_part_that_its_time_lies_in(container, low_latency):
    tags = [tag(f"message {n}", n * SECOND // 5) for n in range(10, 40)]
    segmenter = Segmenter(container, low_latency=low_latency, segment_tags=False)

    led, _ = stream(segmenter, steady(30, 1, 10), tags)

    rows = found(led)
    assert [(text, pts) for text, pts, *_ in rows] == [
        (f"message {n}", n * SECOND // 5) for n in range(10, 40)
    ]
    for _, pts, at_s, length_s in rows:
        assert at_s - 0.04 <= pts / SECOND <= at_s + length_s + 0.04


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_renditions_have_the_same_tags_at_the_same_times(container):
    tags = [tag(str(n), n * SECOND // 7) for n in range(10, 60)]
    segmenter = Segmenter(container, low_latency=True, segment_tags=False)
    follower = Follower(container, frame_rate=30.0)

    led, followed = stream(segmenter, steady(30, 1, 12), tags, follower, delay=40)

    assert found(followed) == found(led)
    assert [row[0] for row in found(led)] == [str(n) for n in range(10, 60)]


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_tag_that_meets_a_gap_comes_behind_it(container):
    segmenter = Segmenter(container, low_latency=True, segment_tags=False)
    follower = Follower(container, frame_rate=30.0)
    packets = list(steady(30, 1, 12))
    is_lost = lambda packet: packet.kind == "video" and 4 <= packet.pts / SECOND < 6  # noqa: E731
    led, followed = segmenter.push(BOTH, 0), follower.push(BOTH)
    for packet in packets:
        led += segmenter.push(packet, 0)
        if packet.kind == "video" and packet.pts == 5 * SECOND:
            segmenter.insert(tag("in the gap", packet.pts))
            followed += follower.lose()
        if packet.kind == "video" and packet.pts == 6 * SECOND:
            follower.resume(packet.pts)
            followed += follower.push(BOTH)
        followed += follower.follow(segmenter.cuts())
        if not is_lost(packet):
            followed += follower.push(packet)
    led += segmenter.flush()
    followed += follower.follow(segmenter.cuts()) + follower.flush()

    assert [row[0] for row in found(led)] == ["in the gap"]
    assert [row[:2] for row in found(followed)] == [("in the gap", 5 * SECOND)]


@pytest.mark.parametrize("container", CONTAINERS)
def test_tags_before_the_plan_and_behind_the_last_picture_are_there_too(container):
    segmenter = Segmenter(container, low_latency=True, segment_tags=False)
    segmenter.insert(tag("early", 0))

    led, _ = stream(segmenter, steady(30, 1, 3), [tag("late", 3 * SECOND - 3100)])

    assert [row[0] for row in found(led)] == ["early", "late"]


def test_sound_alone_carries_tags():
    segmenter = Segmenter("TS", low_latency=True, segment_tags=False)
    events = segmenter.push(TrackSet(video=None, audio=AUDIO), 0)
    for number in range(300):
        events += segmenter.push(sound(number), 0)
        if number == 100:
            segmenter.insert(tag("x", 2 * SECOND))
    events += segmenter.flush()

    ((text, pts, at_s, length_s),) = found(events)
    assert (text, pts) == ("x", 2 * SECOND)
    assert at_s <= 2.1 <= at_s + length_s + 0.1


def test_a_change_of_tracks_loses_none():
    segmenter = Segmenter("TS", low_latency=True, segment_tags=False)
    first = list(steady(30, 1, 3))
    second = [moved(packet, 3) for packet in steady(30, 1, 3)]
    events = segmenter.push(BOTH, 0)
    for packet in first:
        events += segmenter.push(packet, 0)
    segmenter.insert(tag("before", 3 * SECOND - 3000))
    segmenter.insert(tag("between", 3 * SECOND - 2910))
    for item in [BOTH, *second]:
        events += segmenter.push(item, 0)
    segmenter.insert(tag("behind", 6 * SECOND - 3000))
    events += segmenter.flush()

    assert [row[0] for row in found(events)] == ["before", "between", "behind"]


def moved(packet, seconds):
    ticks = seconds * (SECOND if packet.kind == "video" else AUDIO.sample_rate_hz)
    return Packet(
        kind=packet.kind,
        dts=packet.dts + ticks,
        pts=packet.pts + ticks,
        keyframe=packet.keyframe,
        data=packet.data,
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 6 * SECOND - 3100), max_size=20, unique=True),
    st.sampled_from([0.5, 1, 2.3]),
    st.sampled_from(CONTAINERS),
    st.booleans(),
)
def test_all_arrive_once_and_in_order(times, gop_s, container, low_latency):
    tags = [tag(str(number), pts) for number, pts in enumerate(sorted(times))]
    segmenter = Segmenter(container, low_latency=low_latency, segment_tags=False)

    led, _ = stream(segmenter, steady(30, gop_s, 6), tags)

    assert [row[:2] for row in found(led)] == [
        (str(number), pts) for number, pts in enumerate(sorted(times))
    ]
