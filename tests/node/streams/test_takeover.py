"""The decision alone, in tables. The ids are those of docs/reference/encoders.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.track import AudioTrack, TrackSet, VideoTrack
from headwater.node.streams.takeover import (
    MAX_CANDIDATES,
    MAX_PRIORITY,
    Busy,
    Failure,
    Running,
    decide,
    mismatch_of,
    priority_of,
)

PRIORITIES = [
    # id,                 text,                   priority
    ("no parameter",      None,                   0),
    ("the least",         "1",                    1),
    ("the most",          str(MAX_PRIORITY),      MAX_PRIORITY),
    ("leading zeros",     "007",                  7),
    ("nought",            "0",                    None),
    ("one too many",      str(MAX_PRIORITY + 1),  None),
    ("a huge number",     "9" * 5000,             None),
    ("below nought",      "-1",                   None),
    ("a sign",            "+1",                   None),
    ("a fraction",        "1.5",                  None),
    ("underscores",       "1_0",                  None),
    ("other digits",      "\u0661",               None),
    ("empty",             "",                     None),
    ("a word",            "high",                 None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "priority"), [row[1:] for row in PRIORITIES], ids=[row[0] for row in PRIORITIES]
)
def test_a_priority_is_a_whole_number_within_the_range(text, priority):
    assert priority_of(text) == priority


@given(st.text())
def test_any_text_is_a_priority_in_the_range_or_none(text):
    priority = priority_of(text)
    assert priority is None or 1 <= priority <= MAX_PRIORITY


def running(priority=0, *, connected=True, takeovers=0, candidates=0):
    return Running(
        priority=priority, is_connected=connected, takeovers=takeovers, candidates=candidates
    )


LIMIT = "StreamTakeoverLimitBreached"
INVALID = "StreamTakeoverInvalidPriority"
DECISIONS = [
    # id,                                       asked, the stream,                               answer
    ("R-45 none of none",                       0,     running(),                                Busy),
    ("R-45 none of some",                       0,     running(3),                               Busy),
    ("R-45b some of none",                      1,     running(),                                "take over"),
    ("R-45b higher",                            4,     running(3),                               "take over"),
    ("R-45b equal",                             3,     running(3),                               INVALID),
    ("R-45b lower",                             2,     running(3),                               INVALID),
    ("R-45b out of range",                      None,  running(),                                INVALID),
    ("R-45b out of range, it waits",            None,  running(connected=False),                 INVALID),
    ("R-45b the last that may",                 4,     running(3, takeovers=99),                 "take over"),
    ("R-45b one too many",                      4,     running(3, takeovers=100),                LIMIT),
    ("R-45b lower, and one too many",           2,     running(3, takeovers=100),                INVALID),
    ("R-45b too many at once",                  4,     running(3, candidates=MAX_CANDIDATES),    LIMIT),
    ("R-47 back without a priority",            0,     running(connected=False),                 "resume"),
    ("R-47 back with its priority",             3,     running(3, connected=False),              "resume"),
    ("R-47 back when takeovers are used up",    3,     running(3, connected=False, takeovers=100), "resume"),
    ("R-47 higher, it waits",                   4,     running(3, connected=False),              "take over"),
    ("R-47 lower, it waits",                    2,     running(3, connected=False),              INVALID),
    ("R-47 taken over, then back",              0,     running(3, connected=False),              Busy),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "stream", "expected"), [row[1:] for row in DECISIONS], ids=[r[0] for r in DECISIONS]
)
def test_who_may_publish_to_a_stream_that_is_there(asked, stream, expected):
    answer = decide(asked, stream, most_takeovers=100)

    if expected is Busy:
        assert isinstance(answer, Busy)
    elif isinstance(answer, Failure):
        assert answer.code == expected
    else:
        assert answer == expected


def tracks(video="avc1.64001F", size=(1280, 720), audio="mp4a.40.2", rate_hz=48_000):
    return TrackSet(
        video=VideoTrack(
            config=video.encode(), codec_string=video, width=size[0], height=size[1], frame_rate=30
        )
        if video
        else None,
        audio=AudioTrack(config=b"", codec_string=audio, sample_rate_hz=rate_hz, channels=2)
        if audio
        else None,
    )


MEDIA = [
    # id,                    newcomer,                       words
    ("the same",             tracks(),                       None),
    ("another profile",      tracks("avc1.42C01E"),          None),
    ("another sample rate",  tracks(rate_hz=44_100),         None),
    ("smaller",              tracks(size=(640, 360)),        "resolution 640x360 instead of 1280x720"),
    ("turned",               tracks(size=(720, 1280)),       "resolution 720x1280 instead of 1280x720"),
    ("another video codec",  tracks("hvc1.1.6.L93.B0"),      "video codec hvc1 instead of avc1"),
    ("another audio codec",  tracks(audio="mp4a.40.5"),      "audio codec mp4a.40.5 instead of mp4a.40.2"),
    ("no sound",             tracks(audio=""),               "audio codec none instead of mp4a.40.2"),
    ("no picture",           tracks(""),                     "resolution none instead of 1280x720"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("newcomer", "words"), [row[1:] for row in MEDIA], ids=[row[0] for row in MEDIA]
)
def test_what_has_to_be_the_same_to_take_over(newcomer, words):
    failure = mismatch_of(tracks(), newcomer)

    if words is None:
        assert failure is None
    else:
        assert failure.code == "StreamTakeoverMediaMismatch"
        assert words in failure.text
