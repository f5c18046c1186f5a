import pytest

from headwater.core.encoded import EncodedFrame
from headwater.core.track import AudioTrack, TrackSet, VideoTrack
from headwater.media.measure import RING_S, IngestMeter

VIDEO = VideoTrack(config=b"", codec_string="avc1.64001F", width=640, height=360, frame_rate=30.0)
AUDIO = AudioTrack(config=b"", codec_string="mp4a.40.2", sample_rate_hz=48_000, channels=2)
START_MS = 1_700_000_000_000


def frame(kind, time_ms, *, key=False, size=1000):
    return EncodedFrame(
        kind=kind,
        timestamp_ms=time_ms % 2**32,
        composition_offset_ms=0,
        keyframe=key,
        data=bytes(size),
    )


def measured(seconds, *, fps=25, gop=50, start=0):
    meter = IngestMeter()
    meter.configure(TrackSet(video=VIDEO, audio=AUDIO))
    for n in range(seconds * fps):
        time_ms = n * 1000 // fps
        meter.count(frame("video", start + time_ms, key=n % gop == 0), START_MS + time_ms)
        meter.count(frame("audio", start + time_ms, size=100), START_MS + time_ms)
    return meter


def test_each_track_has_its_configuration_rate_bitrate_and_key_frame_interval():
    readings = measured(10).read(START_MS + 10_000)

    video, audio = readings["video"], readings["audio"]
    assert (video.track, audio.track) == (VIDEO, AUDIO)
    assert (video.frame_rate, video.bitrate_bps, video.keyframe_interval_ms) == (25, 200_000, 2000)
    assert (audio.frame_rate, audio.bitrate_bps, audio.keyframe_interval_ms) == (25, 20_000, None)
    assert [each.frames for each in video.seconds] == [25] * 10
    assert [each.start_ms for each in video.seconds] == [START_MS + 1000 * n for n in range(10)]
    assert [each.keyframe_interval_ms for each in video.seconds][:5] == [
        None,
        None,
        2000,
        None,
        2000,
    ]


def test_the_second_in_progress_is_not_shown():
    assert len(measured(3).read(START_MS + 2999)["video"].seconds) == 2


def test_silence_is_seconds_of_zero():
    reading = measured(3).read(START_MS + 8000)["video"]

    assert [each.frames for each in reading.seconds] == [25, 25, 25, 0, 0, 0, 0, 0]
    assert (reading.frame_rate, reading.bitrate_bps) == (0, 0)
    assert reading.keyframe_interval_ms == 2000


def test_no_more_than_the_ring_is_kept_however_long_the_stream_or_the_pause():
    meter = measured(RING_S + 20)
    assert len(meter.read(START_MS + (RING_S + 20) * 1000)["video"].seconds) == RING_S

    year_ms = 365 * 86_400_000
    seconds = meter.read(START_MS + year_ms)["video"].seconds

    assert [each.frames for each in seconds] == [0] * RING_S
    assert seconds[-1].start_ms == START_MS + year_ms - 1000


def test_a_clock_that_steps_back_loses_no_frame():
    meter = measured(2)
    meter.count(frame("video", 0), START_MS - 60_000)

    assert sum(each.frames for each in meter.read(START_MS + 3000)["video"].seconds) == 51


def test_an_interval_over_the_wrap_of_the_encoders_clock_is_one():
    meter = measured(4, start=2**32 - 2000)

    assert meter.read(START_MS + 4000)["video"].keyframe_interval_ms == 2000


def test_a_track_that_is_gone_is_not_read():
    meter = measured(2)
    meter.configure(TrackSet(video=None, audio=AUDIO))

    assert set(meter.read(START_MS + 2000)) == {"audio"}


def test_a_track_without_a_frame_is_not_read():
    meter = IngestMeter()
    meter.configure(TrackSet(video=VIDEO, audio=None))

    assert meter.read(START_MS) == {}


def test_media_is_measured_by_the_encoders_clock_whenever_it_arrives():
    meter = IngestMeter()
    meter.configure(TrackSet(video=VIDEO, audio=None))
    for n in range(100):
        meter.count(frame("video", n * 40), START_MS + 300 + n)  # four seconds at once

    reading = meter.read(START_MS + 2000)["video"]

    assert (reading.since_ms, reading.frames, reading.media_ms) == (START_MS + 300, 100, 99 * 40)
    assert [each.media_ms for each in reading.seconds] == [99 * 40, 0]


def test_the_second_in_progress_counts_for_what_came_so_far():
    reading = measured(3).read(START_MS + 2999)["video"]

    assert (reading.frames, reading.media_ms) == (75, 2960)
    assert sum(each.frames for each in reading.seconds) == 50


CLOCKS = [
    # id, times in ms, media in ms
    ("a gap",          [0, 40, 5040, 5080],           5080),
    ("a jump",         [0, 40, 3_600_000, 3_600_040], 80),
    ("a step back",    [1000, 1040, 0, 40],           80),
    ("a wrap",         [2**32 - 40, 0, 40],           80),
    ("standing still", [7, 7, 7],                     0),
]  # fmt: skip


@pytest.mark.parametrize(("times", "media_ms"), [r[1:] for r in CLOCKS], ids=[r[0] for r in CLOCKS])
def test_a_clock_that_jumps_is_no_media(times, media_ms):
    meter = IngestMeter()
    meter.configure(TrackSet(video=VIDEO, audio=None))
    for time_ms in times:
        meter.count(frame("video", time_ms), START_MS)

    assert meter.read(START_MS)["video"].media_ms == media_ms


def test_no_interval_of_key_frames_goes_over_a_jump_of_the_clock():
    meter = IngestMeter()
    meter.configure(TrackSet(video=VIDEO, audio=None))
    for time_ms in (500_000, 502_000, 0, 3000):  # another encoder, or the same again
        meter.count(frame("video", time_ms, key=True), START_MS)

    assert meter.read(START_MS + 1000)["video"].keyframe_interval_ms == 3000


@pytest.mark.parametrize("jump_ms", [-9_000, 3_600_000], ids=["back", "ahead"])
def test_between_the_clocks_of_two_encoders_there_is_no_key_frame_interval(jump_ms):
    meter = measured(10)
    for n in range(100):
        time_ms = 10_000 + n * 40
        meter.count(frame("video", time_ms + jump_ms, key=n % 50 == 0), START_MS + time_ms)

    seconds = meter.read(START_MS + 14_000)["video"].seconds
    assert {each.keyframe_interval_ms for each in seconds} == {None, 2000}
