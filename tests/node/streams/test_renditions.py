from collections import defaultdict

import pytest
from msgspec import structs

from headwater.core.packet import Packet
from headwater.core.segment import Part, SegmentStarted, StreamFinished, StreamPlan
from headwater.core.track import TrackSet
from headwater.media.ladder import Source, ladder
from headwater.node.streams.renditions import Cutting, Renditions, announcements, refitted
from media.packets import AUDIO, BOTH, VIDEO, steady

CUTTING = Cutting(
    container="TS",
    low_latency=True,
    segment_target_ms=2000,
    part_target_ms=333,
    segment_tags=False,
    metadata_text_frames=False,
)
FULL_HD_60 = Source(width=1920, height=1080, frame_rate=60.0)
HD_30 = Source(width=1280, height=720, frame_rate=30.0)
NOW_MS = 1_800_000_000_000


class Stream:
    """Renditions of a ladder; what is encoded is a copy of the frames that are kept."""

    def __init__(self, channel_type, source, *, allow_audio_only=True):
        self.ladder = ladder(channel_type, "", source, allow_audio_only=allow_audio_only)
        self.encoded = [each for each in self.ladder if not each.is_passthrough]
        self.events = defaultdict(list)
        self.renditions = Renditions(
            self.ladder, CUTTING, lambda name, event: self.events[name].append(event)
        )
        self._pictures = 0

    def begin(self, tracks=BOTH):
        self.renditions.from_source(tracks, NOW_MS)
        self.begin_encoding()

    def begin_encoding(self):
        for index, each in enumerate(self.encoded):
            video = structs.replace(VIDEO, width=each.width, height=each.height)
            given = TrackSet(video=None if each.is_audio_only else video, audio=AUDIO)
            self.renditions.from_transcoder((index,), given, NOW_MS)

    def feed(self, packets, *, encode=True):
        for packet in packets:
            ms = packet.dts // (90 if packet.kind == "video" else 48)
            self.renditions.from_source(packet, NOW_MS + ms)
            if encode:
                self.encode(packet, NOW_MS + ms + 150)
            self._pictures += packet.kind == "video"

    def encode(self, packet, now_ms):
        for index, each in enumerate(self.encoded):
            is_kept = not each.is_audio_only and self._pictures % each.every == 0
            if packet.kind == "audio" or is_kept:
                self.renditions.from_transcoder((index,), packet, now_ms)

    def end(self):
        self.renditions.flush()
        return self

    def times(self, name):
        rows = []
        for event in self.events[name]:
            if isinstance(event, SegmentStarted):
                rows.append((event.msn, event.discontinuity, event.program_date_time_ms))
            elif isinstance(event, Part):
                rows.append((event.msn, event.index, event.duration_ms))
        return rows

    def gaps(self, name):
        return [e.msn for e in self.events[name] if isinstance(e, Part) and e.gap]


LADDERS = [
    # id,                                  type,           source,      renditions
    ("the input leads",                    "STANDARD",     FULL_HD_60,
     ["1080p60", "720p60", "480p30", "360p30", "160p30", "audio_only"]),
    ("the first that is encoded leads",    "STANDARD",     HD_30,
     ["720p30", "480p30", "360p30", "160p30", "audio_only"]),
    ("sound encoded too",                  "ADVANCED_SD",  HD_30,
     ["480p30", "360p30", "160p30", "audio_only"]),
    ("nothing encoded",                    "BASIC",        HD_30,       ["720p30", "audio_only"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("channel_type", "source", "names"),
    [row[1:] for row in LADDERS],
    ids=[row[0] for row in LADDERS],
)
def test_all_renditions_of_a_ladder_are_cut_alike(channel_type, source, names):
    stream = Stream(channel_type, source)
    stream.begin()
    stream.feed(steady(round(source.frame_rate), 1, 6.5))
    stream.end()

    assert set(stream.events) == set(names)
    times = stream.times(names[0])
    assert len(times) > 20
    for name in names:
        assert stream.times(name) == times
        assert stream.gaps(name) == []
        plan, last = stream.events[name][0], stream.events[name][-1]
        assert (plan.part_target_ms, plan.target_duration_s) == (334, 2)
        assert isinstance(last, StreamFinished)
    rates = {name: stream.events[name][0].frame_rate for name in names}
    expected = {name: 60 if "p60" in name else 30 for name in names} | {"audio_only": None}
    assert rates == {name: expected[name] for name in names}
    assert stream.renditions.plan == stream.events[names[0]][0]


def test_times_are_those_of_the_inputs_arrival_whoever_leads():
    passed, encoded = Stream("BASIC", HD_30), Stream("STANDARD", HD_30)
    for stream in (passed, encoded):
        stream.begin()
        stream.feed(steady(30, 1, 5))

    assert encoded.times("720p30")[0] == passed.times("720p30")[0]


def test_where_the_input_leads_a_lost_transcoder_leaves_gaps_in_the_others():
    stream = Stream("STANDARD", FULL_HD_60)
    stream.begin()
    packets = steady(60, 1, 12.5)
    before = [each for each in packets if seconds(each) < 4.5]
    stream.feed(before)
    stream.renditions.lose()
    between = [each for each in packets if 4.5 <= seconds(each) < 6]
    stream.feed(between, encode=False)
    after = [each for each in packets if seconds(each) >= 6]
    stream.renditions.resume(6 * 90_000)
    stream.begin_encoding()
    stream.feed(after)
    stream.end()

    for name in stream.events:
        assert stream.times(name) == stream.times("1080p60")
        lost = set() if name in ("1080p60", "audio_only") else {2}
        assert set(stream.gaps(name)) == lost


def test_where_it_does_not_all_have_a_discontinuity_at_the_same_place():
    stream = Stream("STANDARD", HD_30)
    stream.begin()
    packets = steady(30, 1, 12.5)
    stream.feed(each for each in packets if seconds(each) < 4.5)
    stream.renditions.lose()
    stream.feed((each for each in packets if 4.5 <= seconds(each) < 6), encode=False)
    stream.renditions.resume(6 * 90_000)
    stream.begin_encoding()
    stream.feed(each for each in packets if seconds(each) >= 6)
    stream.end()

    for name in stream.events:
        assert stream.times(name) == stream.times("720p30")
        assert stream.gaps(name) == []
    starts = [e for e in stream.events["160p30"] if isinstance(e, SegmentStarted)]
    assert [event.msn for event in starts if event.discontinuity] == [3]


def seconds(packet):
    return packet.dts / (90_000 if packet.kind == "video" else 48_000)


def test_sound_alone_is_a_stream_too():
    stream = Stream("STANDARD", Source(width=0, height=0, frame_rate=None))
    stream.begin(TrackSet(video=None, audio=AUDIO))
    stream.feed(each for each in steady(30, 1, 6) if each.kind == "audio")
    stream.end()

    assert list(stream.events) == ["audio_only"]
    assert isinstance(stream.events["audio_only"][0], StreamPlan)
    assert len(stream.times("audio_only")) > 10


def test_viewers_are_told_what_to_expect():
    told = announcements(ladder("STANDARD", "", FULL_HD_60, allow_audio_only=True), on_request=True)

    assert [each.name for each in told][:2] == ["1080p60", "720p60"]
    assert [each.target_bps for each in told] == [*(0, 3_528_000, 1_528_000, 694_000, 278_000, 0)]
    assert [each.on_request for each in told] == [False] * 5 + [True]
    assert [each.automatic for each in told] == [True] * 5 + [False]
    [alone] = announcements(
        ladder("BASIC", "", Source(width=0, height=0, frame_rate=None)), on_request=True
    )
    assert (alone.on_request, alone.automatic) == (False, True)


REFITS = [
    # id,            input now,                                              sizes of what is encoded, frames kept
    ("the same",     FULL_HD_60,                                             [(1280, 720), (852, 480), (640, 360), (284, 160)], [1, 2, 2, 2]),
    ("slower",       structs.replace(FULL_HD_60, frame_rate=30.0),           [(1280, 720), (852, 480), (640, 360), (284, 160)], [1, 1, 1, 1]),
    ("smaller",      Source(width=640, height=360, frame_rate=30.0),         [(640, 360), (640, 360), (640, 360), (284, 160)],  [1, 1, 1, 1]),
    ("no picture",   Source(width=0, height=0, frame_rate=None),             [(1280, 720), (852, 480), (640, 360), (284, 160)], [1, 2, 2, 2]),
    ("upright",      Source(width=1080, height=1920, frame_rate=60.0),       [(720, 1280), (480, 852), (360, 640), (160, 284)], [1, 2, 2, 2]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "sizes", "kept"), [row[1:] for row in REFITS], ids=[row[0] for row in REFITS]
)
def test_a_ladder_is_fitted_to_an_input_that_has_changed(source, sizes, kept):
    before = ladder("STANDARD", "", FULL_HD_60, allow_audio_only=True)
    after = refitted(before, ladder("STANDARD", "", source, allow_audio_only=True), source)

    assert [each.name for each in after] == [each.name for each in before]
    assert [each.video_bps for each in after] == [each.video_bps for each in before]
    encoded = [each for each in after if each.video_bps]
    assert [(each.width, each.height) for each in encoded] == sizes
    assert [each.every for each in encoded] == kept


def test_what_no_ladder_has_is_an_error_of_the_transcoder():
    stream = Stream("STANDARD", HD_30)

    with pytest.raises(IndexError):
        stream.renditions.from_transcoder(
            (4,), Packet(kind="audio", dts=0, pts=0, keyframe=True, data=b""), NOW_MS
        )
