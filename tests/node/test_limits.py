import pytest

from headwater.api.quotas import AWS, DEFAULT
from headwater.core.track import AudioTrack, VideoTrack
from headwater.media.measure import AVERAGE_S, Reading, Second
from headwater.node.limits import breach_of


def video(width, height):
    return VideoTrack(
        config=b"", codec_string="avc1.64001F", width=width, height=height, frame_rate=30.0
    )


AUDIO = AudioTrack(config=b"", codec_string="mp4a.40.2", sample_rate_hz=48_000, channels=2)
SECOND = Second(start_ms=0, frames=30, payload_bytes=0, keyframe_interval_ms=None)


def reading(track, bitrate_bps, seconds=AVERAGE_S):
    return Reading(
        track=track,
        seconds=(SECOND,) * seconds,
        bitrate_bps=bitrate_bps,
        frame_rate=30.0,
        keyframe_interval_ms=None,
    )


CASES = [
    # id,                                type,       picture,      Mb/s, seconds, breach
    ("as AWS recommends",                "STANDARD", (1280, 720),  4.5,  5, None),
    ("the whole bitrate",                "STANDARD", (1920, 1080), 8.5,  5, None),
    ("a little more is let pass",        "STANDARD", (1920, 1080), 9.2,  5, None),
    ("too many bits",                    "STANDARD", (1920, 1080), 9.5,  5, "Ingest Bitrate"),
    ("too many, but too short to tell",  "STANDARD", (1920, 1080), 9.5,  4, None),
    ("BASIC up to 480p",                 "BASIC",    (852, 480),   1.5,  5, None),
    ("BASIC up to 480p, too many bits",  "BASIC",    (852, 480),   1.8,  5, "Ingest Bitrate"),
    ("BASIC above 480p",                 "BASIC",    (1280, 720),  3.5,  5, None),
    ("BASIC above, too many bits",       "BASIC",    (1280, 720),  4.0,  5, "Ingest Bitrate"),
    ("portrait",                         "STANDARD", (1080, 1920), 6.0,  5, None),
    ("a longer edge",                    "STANDARD", (1922, 800),  6.0,  5, "Ingest Resolution"),
    ("more pixels",                      "STANDARD", (1500, 1500), 6.0,  5, "Ingest Resolution"),
    ("a large picture, at once",         "STANDARD", (3840, 2160), 6.0,  0, "Ingest Resolution"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("channel_type", "picture", "mbps", "seconds", "name"),
    [row[1:] for row in CASES],
    ids=[row[0] for row in CASES],
)
def test_aws_limits_bitrate_and_picture(channel_type, picture, mbps, seconds, name):
    measured = {
        "video": reading(video(*picture), (mbps - 0.1) * 1e6, seconds),
        "audio": reading(AUDIO, 0.1e6, seconds),
    }

    breach = breach_of(AWS, channel_type, measured)

    assert (breach.name if breach else None) == name


def test_the_default_profile_lets_pass_what_fits():
    measured = {"video": reading(video(3840, 2160), 40e6)}

    assert breach_of(DEFAULT, "STANDARD", measured) is None
    assert breach_of(DEFAULT, "BASIC", measured) is None


def test_nothing_measured_breaks_nothing():
    assert breach_of(AWS, "STANDARD", {}) is None


def test_sound_alone_is_limited_too():
    assert breach_of(AWS, "BASIC", {"audio": reading(AUDIO, 2e6)}).name == "Ingest Bitrate"
