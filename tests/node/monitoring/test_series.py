"""Series against a plain list of the same seconds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.track import AudioTrack, VideoTrack
from headwater.media.measure import RING_S, Reading, Second
from headwater.node.monitoring import series as module
from headwater.node.monitoring.series import (
    HAS_AUDIO,
    HAS_VIDEO,
    HEALTHY,
    IS_RECORDED,
    KEPT_S,
    MAX_ENDED,
    SLACK_S,
    STARVING,
    Row,
    Series,
    SeriesLog,
)
from headwater.store.records import Scope
from store.rows import channel

SCOPE = Scope("000000000000", "us-west-2")
NOW_S = 1_700_000_000
VIDEO = VideoTrack(config=b"", codec_string="avc1.64001F", width=640, height=360, frame_rate=None)
AUDIO = AudioTrack(config=b"", codec_string="mp4a.40.2", sample_rate_hz=48_000, channels=2)
NAMES = ("video_bytes", "audio_bytes", "frames", "keyframe_ms", "viewers", "state")


def rows_of(series, first_s, end_s):
    chosen = series.rows(first_s, end_s)
    columns = [getattr(series, name)[chosen] for name in NAMES]
    return [Row(**dict(zip(NAMES, values, strict=True))) for values in zip(*columns, strict=True)]


rows = st.builds(
    Row,
    video_bytes=st.integers(0, 2**32 - 1),
    audio_bytes=st.integers(0, 2**32 - 1),
    frames=st.integers(0, 65_535),
    keyframe_ms=st.integers(0, 2**32 - 1),
    viewers=st.integers(0, 2**32 - 1),
    state=st.integers(0, 255),
)


@settings(max_examples=60)
@given(st.lists(rows, max_size=30), st.integers(0, 20), st.integers(-5, 40), st.integers(-5, 40))
def test_any_time_has_the_rows_of_a_plain_list(pushed, forgotten, begin, length):
    series = Series(SCOPE, "c", "st-1", NOW_S)
    for row in pushed:
        series.push(row)
    forgotten = min(forgotten, len(pushed))
    series.forget(forgotten)

    expected = [
        row
        for n, row in enumerate(pushed)
        if n >= forgotten and NOW_S + begin <= NOW_S + n < NOW_S + begin + length
    ]
    assert rows_of(series, NOW_S + begin, NOW_S + begin + length) == expected
    assert series.end_s == NOW_S + len(pushed)


def test_three_hours_are_kept_whatever_the_length_and_within_250_kilobytes():
    series = Series(SCOPE, "c", "st-1", NOW_S)
    most = 0
    for n in range(2 * KEPT_S):
        series.push(Row(video_bytes=n, viewers=2, state=HEALTHY | IS_RECORDED))
        if n % 100 == 0:
            most = max(most, sum(getattr(series, name).__sizeof__() for name in NAMES))
            assert len(series) >= min(n + 1, KEPT_S)
            assert len(series) < KEPT_S + SLACK_S
    end_s = NOW_S + 2 * KEPT_S
    assert most < 250_000
    assert [row.video_bytes for row in rows_of(series, end_s - KEPT_S, end_s)] == list(
        range(KEPT_S, 2 * KEPT_S)
    )
    assert (series.live_s, series.delivered_s, series.recorded_s) == (
        2 * KEPT_S,
        4 * KEPT_S,
        2 * KEPT_S,
    )


def test_what_is_out_of_all_proportion_is_cut_off():
    series = Series(SCOPE, "c", "st-1", NOW_S)
    series.push(Row(video_bytes=2**40, audio_bytes=2**40, frames=2**20, viewers=2**33))

    (row,) = rows_of(series, NOW_S, NOW_S + 1)
    assert (row.video_bytes, row.frames, row.viewers) == (2**32 - 1, 65_535, 2**32 - 1)


class Stream:
    """A broadcast of which nothing is asked but what it was like."""

    def __init__(self, name="st-1", began_s=NOW_S, channel_id="Ab12Cd34Ef56"):
        self.channel = channel(id=channel_id)
        self.stream_id = name
        self.is_live = True
        self.is_recorded = False
        self.began_s = began_s
        self.viewers = 3
        self.state = "HEALTHY"
        self.now_s = began_s
        self.tracks = {"video": VIDEO, "audio": AUDIO}

    def health(self):
        return self.state

    def viewer_count(self):
        return self.viewers

    def measured(self):
        return {kind: self.reading(track) for kind, track in self.tracks.items()}

    def reading(self, track):
        first_s = max(self.began_s, self.now_s - RING_S)
        seconds = tuple(
            Second(
                start_ms=1000 * at_s,
                frames=30,
                payload_bytes=at_s - NOW_S,
                media_ms=1000,
                keyframe_interval_ms=2000 if at_s % 2 else None,
            )
            for at_s in range(first_s, self.now_s)
        )
        return Reading(
            track=track,
            since_ms=1000 * self.began_s + 500,
            frames=0,
            media_ms=0,
            seconds=seconds,
            bitrate_bps=0,
            frame_rate=0,
            keyframe_interval_ms=None,
        )


def looked(log, streams, now_s):
    for stream in streams:
        stream.now_s = now_s
    log.look(streams, 1000 * now_s + 123)


def test_each_second_that_is_over_is_written_down_once():
    log, stream = SeriesLog(), Stream()
    looked(log, [stream], NOW_S + 2)
    stream.viewers, stream.state, stream.is_recorded = 5, "STARVING", True
    looked(log, [stream], NOW_S + 2)
    looked(log, [stream], NOW_S + 4)

    both = HAS_VIDEO | HAS_AUDIO
    first = {"frames": 30, "viewers": 3, "state": HEALTHY | both}
    later = {"frames": 30, "viewers": 5, "state": STARVING | both | IS_RECORDED}
    series = log.of("st-1")
    assert rows_of(series, NOW_S, NOW_S + 10) == [
        Row(**first, video_bytes=0, audio_bytes=0),
        Row(**first, video_bytes=1, audio_bytes=1, keyframe_ms=2000),
        Row(**later, video_bytes=2, audio_bytes=2),
        Row(**later, video_bytes=3, audio_bytes=3, keyframe_ms=2000),
    ]
    assert (series.live_s, series.delivered_s, series.recorded_s) == (4, 16, 2)


def test_before_it_is_live_a_stream_has_no_viewers():
    log, stream = SeriesLog(), Stream()
    stream.is_live, stream.tracks = False, {"video": VIDEO}
    looked(log, [stream], NOW_S + 1)

    assert rows_of(log.of("st-1"), NOW_S, NOW_S + 9) == [Row(frames=30, state=HAS_VIDEO)]


def test_a_stream_of_which_nothing_came_yet_has_no_series():
    log, stream = SeriesLog(), Stream()
    stream.tracks = {}
    looked(log, [stream], NOW_S + 1)

    assert list(log) == []


def test_seconds_that_nobody_measured_are_zeros():
    log, stream = SeriesLog(), Stream()
    looked(log, [stream], NOW_S + 10)
    looked(log, [stream], NOW_S + 10 + RING_S + 20)

    frames = [row.frames for row in rows_of(log.of("st-1"), NOW_S, NOW_S + 1000)]
    assert frames == [30] * 10 + [0] * 20 + [30] * RING_S


def test_a_clock_that_jumps_makes_no_years_of_zeros_and_one_that_steps_back_no_rows():
    log, stream = SeriesLog(), Stream()
    looked(log, [stream], NOW_S + 10)
    looked(log, [stream], NOW_S + 5)
    assert len(log.of("st-1")) == 10

    looked(log, [stream], NOW_S + 10**8)

    assert len(log.of("st-1")) == 1
    assert log.of("st-1").end_s == NOW_S + 10**8


def test_series_of_streams_that_are_over_stay_three_hours():
    log, stream = SeriesLog(), Stream()
    looked(log, [stream], NOW_S + 10)
    looked(log, [], NOW_S + 11)

    assert log.of("st-1") is None
    assert [each.stream_id for each in log.series(stream.channel.scope)] == ["st-1"]
    assert log.series(Scope("111111111111", "us-west-2")) == []
    looked(log, [], NOW_S + 9 + KEPT_S)
    assert len(list(log)) == 1
    looked(log, [], NOW_S + 10 + KEPT_S)
    assert list(log) == []


def test_no_more_series_of_streams_that_are_over_are_kept_than_there_is_room_for(monkeypatch):
    log = SeriesLog()
    for n in range(MAX_ENDED + 10):
        looked(log, [Stream(f"st-{n}")], NOW_S + 1)
    looked(log, [], NOW_S + 1)
    assert len(list(log)) == MAX_ENDED
    assert next(iter(log)).stream_id == "st-10"

    monkeypatch.setattr(module, "MAX_ENDED_S", 100)
    looked(log, [], NOW_S + 1)

    assert len(list(log)) == 100
