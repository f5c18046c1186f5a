"""Health by a fake clock: what encoders do, second by second, and what is said of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from headwater.core.encoded import EncodedFrame
from headwater.core.track import AudioTrack, TrackSet, VideoTrack
from headwater.media.measure import IngestMeter
from headwater.node.monitoring.health import Health, Stated, stated_of

VIDEO = VideoTrack(config=b"", codec_string="avc1.64001F", width=640, height=360, frame_rate=None)
AUDIO = AudioTrack(config=b"", codec_string="mp4a.40.2", sample_rate_hz=48_000, channels=2)
START, END = "start", "end"  # of starvation
START_MS = 1_700_000_000_000
FPS = 30
SAID = {"framerate": 30.0, "videodatarate": 240.0, "audiodatarate": 37.5}  # 1000 bytes a frame


class Second(Struct, frozen=True):
    """What arrives in one second."""

    frames: int = FPS
    bytes_each: int = 1000
    clock_ms: int = 1000  # by which the encoder's clock goes on
    sounds: float = 46.875  # frames of 1024 samples

    def __mul__(self, times):
        return [self] * times


GOOD = Second()
SILENT = Second(frames=0, clock_ms=0, sounds=0)
STILL = Second(bytes_each=40)
SLOW = Second(frames=15, clock_ms=500, sounds=23.5)  # -readrate 0.5
DROPPING = Second(frames=12)  # OBS on a bad uplink: the sound comes
FEW = Second(frames=12, bytes_each=2500)  # a phone in the dark
SLIDES = Second(frames=2, bytes_each=400)
NO_PICTURES = Second(frames=0)
CATCH_UP = Second(frames=8 * FPS, clock_ms=8000, sounds=375)
SKIPPED = Second(clock_ms=8000)  # what was made in the stall was thrown away
MUTE = Second(sounds=0)
FAST_CLOCK = Second(clock_ms=10_000)
SLOW_CLOCK = Second(clock_ms=100)


def lived(seconds, *, said=SAID, tracks=None, part_ms=0):
    """The health at the end of each second, and the changes with their second."""
    meter, health = IngestMeter(), Health()
    meter.configure(tracks or TrackSet(video=VIDEO, audio=AUDIO))
    health.describe(said)
    states, changes, clock_ms, owed = [], [], 0.0, 0.0
    for n, second in enumerate(seconds):
        begin_ms = START_MS + 1000 * n + part_ms
        owed += second.sounds
        sounds, owed = divmod(owed, 1)
        for i in range(second.frames):
            clock_ms += second.clock_ms / second.frames
            meter.count(
                frame("video", clock_ms, second.bytes_each), begin_ms + i * 1000 // FPS % 1000
            )
        for i in range(int(sounds)):
            meter.count(frame("audio", clock_ms, 100), begin_ms + int(i * 1000 / sounds))
        states.append(health.look(meter.read(begin_ms + 1000), begin_ms + 1000))
        if (states[-1] == "STARVING") != (states[-2:-1] == ["STARVING"]):
            changes.append((n + 1, START if states[-1] == "STARVING" else END))
    return states, changes


def frame(kind, clock_ms, size):
    return EncodedFrame(
        kind=kind,
        timestamp_ms=round(clock_ms) % 2**32,
        composition_offset_ms=0,
        keyframe=False,
        data=bytes(size),
    )


CASES = [
    # id, what comes in each second, in which second that is said
    ("an encoder that keeps up",                GOOD * 90,                               []),
    ("a hiccup is none", [*GOOD * 20, SILENT, SLOW, Second(frames=75, clock_ms=2500, sounds=117), *GOOD * 20], []),
    ("a stall of a second is none",             [*GOOD * 20, SILENT, *GOOD * 20],        []),
    ("a stall, then what it made meanwhile",    [*GOOD * 20, *SILENT * 7, CATCH_UP, *GOOD * 20], [(23, START), (32, END)]),
    ("a stall, what it made is thrown away",    [*GOOD * 20, *SILENT * 7, SKIPPED, *GOOD * 20], [(23, START), (35, END)]),
    ("it never comes back",                     [*GOOD * 20, *SILENT * 90],             [(23, START)]),
    ("an uplink of half the speed",             [*GOOD * 20, *SLOW * 30, *GOOD * 20],    [(23, START), (58, END)]),
    ("slow from the beginning, for ever",       SLOW * 300,                              [(5, START)]),
    ("pictures are dropped, the sound comes",   [*GOOD * 60, *DROPPING * 30, *GOOD * 20], [(63, START), (98, END)]),
    ("pictures stop, the sound comes",          [*GOOD * 60, *NO_PICTURES * 120],        [(63, START)]),
    ("a still picture",                         [*GOOD * 60, *STILL * 90],              []),
    ("fewer pictures of more bits",             [*GOOD * 60, *FEW * 90],                []),
    ("slides from the beginning",               SLIDES * 90,                            []),
    ("the sound is turned off",                 [*GOOD * 60, *MUTE * 90],               []),
    ("a clock ten times too fast",              FAST_CLOCK * 120,                        []),
    ("a clock ten times too slow",              SLOW_CLOCK * 120,                        []),
]  # fmt: skip


@pytest.mark.parametrize("part_ms", [0, 999], ids=["on the second", "before the second"])
@pytest.mark.parametrize(
    ("seconds", "changes"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_changes(seconds, changes, part_ms):
    states, seen = lived(seconds, part_ms=part_ms)

    assert [name for _, name in seen] == [name for _, name in changes]
    assert all(abs(at - due) <= 2 for (at, _), (due, _) in zip(seen, changes, strict=True))
    assert ("STARVING" in states) == bool(changes)


def test_who_becomes_another_encoder_does_not_starve_for_ever():
    states, changes = lived([*GOOD * 600, *DROPPING * 1200])

    assert [name for _, name in changes] == [START, END]
    assert changes[1][0] - changes[0][0] > 200
    assert states[-1] == "HEALTHY"


def test_what_an_encoder_says_and_never_does_is_no_target():
    states, changes = lived(GOOD * 60, said={"framerate": 60.0, "videodatarate": 8000.0})

    assert changes == []
    assert states[-1] == "HEALTHY"


def test_what_was_stated_counts_where_the_mean_is_higher():
    lavish = Second(frames=60, bytes_each=1000)
    down_to_what_it_said = Second(frames=30, bytes_each=1000)

    assert lived([*lavish * 60, *down_to_what_it_said * 60])[1] == []
    assert lived([*lavish * 60, *down_to_what_it_said * 20], said={})[1] == [(64, START)]


def test_another_encoder_has_a_mean_of_its_own():
    meter, health = IngestMeter(), Health()
    meter.configure(TrackSet(video=VIDEO, audio=None))

    def goes_on(begin_s, end_s, fps):
        for n in range(begin_s * fps, end_s * fps):
            meter.count(frame("video", n * 1000 / fps, 1000), START_MS + n * 1000 // fps)
            health.look(meter.read(START_MS + n * 1000 // fps), START_MS + n * 1000 // fps)

    health.describe({"framerate": 60.0})
    goes_on(0, 60, 60)
    health.describe({"framerate": 20.0})
    goes_on(60, 90, 20)
    assert health.state == "HEALTHY"
    health.describe({"framerate": 20.0})  # some say it again and again
    goes_on(90, 120, 10)
    assert health.state == "STARVING"


def test_a_stream_is_healthy_as_soon_as_a_second_of_it_came_in_time():
    meter, health = IngestMeter(), Health()
    meter.configure(TrackSet(video=VIDEO, audio=None))
    states = []
    for n in range(60):
        at_ms = START_MS + 700 + n * 1000 // FPS
        meter.count(frame("video", n * 1000 / FPS, 1000), at_ms)
        states.append(health.look(meter.read(at_ms), at_ms))

    assert states == ["UNKNOWN"] * 30 + ["HEALTHY"] * 30


def test_a_file_sent_at_once_is_healthy_at_once_and_starves_when_it_is_over():
    meter, health = IngestMeter(), Health()
    meter.configure(TrackSet(video=VIDEO, audio=None))
    for n in range(300):
        meter.count(frame("video", n * 1000 / FPS, 1000), START_MS)
    assert health.look(meter.read(START_MS), START_MS) == "HEALTHY"

    assert health.look(meter.read(START_MS + 8000), START_MS + 8000) == "STARVING"


def test_nothing_is_known_before_media_comes():
    health = Health()

    assert health.look({}, START_MS) == "UNKNOWN"


def test_slow_media_is_unknown_until_there_is_a_window_of_it():
    states, _ = lived(SLOW * 10)

    assert states == ["UNKNOWN"] * 5 + ["STARVING"] * 5


def test_sound_alone_is_judged_by_its_time():
    tracks = TrackSet(video=None, audio=AUDIO)
    good, silent = Second(frames=0), Second(frames=0, sounds=0)

    states, changes = lived([*good * 20, *silent * 6, *good * 20], tracks=tracks)

    assert states[3] == "HEALTHY"
    assert [name for _, name in changes] == [START, END]


STATED = [
    # id,                 sent,                                                      stated
    ("nothing",           {},                                                        Stated()),
    ("ffmpeg",            {"framerate": 30.0, "videodatarate": 781.25, "audiodatarate": 125.0}, Stated(30.0, 906_250)),
    ("sound alone",       {"audiodatarate": 128.0},                                  Stated()),
    ("no numbers",        {"framerate": "30", "videodatarate": True},                Stated()),
    ("no figures",        {"framerate": float("nan"), "videodatarate": float("inf")}, Stated()),
    ("less than nothing", {"framerate": -1.0, "videodatarate": -5.0},                Stated()),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "stated"), [r[1:] for r in STATED], ids=[r[0] for r in STATED])
def test_what_an_encoder_states(sent, stated):
    assert stated_of(sent) == stated


seconds = st.builds(
    Second,
    frames=st.integers(0, 40),
    bytes_each=st.sampled_from([0, 40, 1000]),
    clock_ms=st.integers(0, 3000),
    sounds=st.integers(0, 60).map(float),
)


@settings(max_examples=30)
@given(st.lists(seconds, max_size=40))
def test_changes_alternate_and_fit_the_state_whatever_comes(lived_through):
    states, changes = lived(lived_through)

    names = [name for _, name in changes]
    assert names == [START, END] * (len(names) // 2) + [START] * (len(names) % 2)
    if states:
        assert (states[-1] == "STARVING") == (len(names) % 2 == 1)
    known = [state for state in states if state != "UNKNOWN"]
    assert states == ["UNKNOWN"] * (len(states) - len(known)) + known


def test_several_seconds_at_once_are_judged_each():
    meter, health = IngestMeter(), Health()
    meter.configure(TrackSet(video=VIDEO, audio=None))
    for n in range(20 * FPS):
        meter.count(frame("video", n * 1000 / FPS, 1000), START_MS + n * 1000 // FPS)
    health.look(meter.read(START_MS + 20_000), START_MS + 20_000)
    for n in range(27 * FPS, 60 * FPS):
        if n == 30 * FPS:
            assert health.look(meter.read(START_MS + 30_000), START_MS + 30_000) == "STARVING"
        meter.count(frame("video", n * 1000 / FPS, 1000), START_MS + n * 1000 // FPS)

    assert health.look(meter.read(START_MS + 60_000), START_MS + 60_000) == "HEALTHY"
