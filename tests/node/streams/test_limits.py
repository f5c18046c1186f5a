import pytest

from headwater.api.quotas import AWS, DEFAULT
from headwater.core.track import AudioTrack, VideoTrack
from headwater.media.measure import Reading, Second
from headwater.node.streams.limits import BREACH_S, breach_of, streams_breach, viewers_breach


def video(width, height):
    return VideoTrack(
        config=b"", codec_string="avc1.64001F", width=width, height=height, frame_rate=30.0
    )


AUDIO = AudioTrack(config=b"", codec_string="mp4a.40.2", sample_rate_hz=48_000, channels=2)


def reading(track, bitrate_bps, seconds=BREACH_S):
    second = Second(
        start_ms=0,
        frames=30,
        payload_bytes=round(bitrate_bps / 8),
        media_ms=1000,
        keyframe_interval_ms=None,
    )
    return Reading(
        track=track,
        since_ms=0,
        frames=30 * seconds,
        media_ms=1000 * seconds,
        seconds=(second,) * seconds,
        bitrate_bps=bitrate_bps,
        frame_rate=30.0,
        keyframe_interval_ms=None,
    )


CASES = [
    # id,                                type,       picture,      Mb/s, seconds, breach
    ("as AWS recommends",                "STANDARD", (1280, 720),  4.5, 10, None),
    ("the whole bitrate",                "STANDARD", (1920, 1080), 8.5, 10, None),
    ("a little more is let pass",        "STANDARD", (1920, 1080), 9.2, 10, None),
    ("too many bits",                    "STANDARD", (1920, 1080), 9.5, 10, "Ingest Bitrate"),
    ("too many, but too short to tell",  "STANDARD", (1920, 1080), 9.5,  9, None),
    ("BASIC up to 480p",                 "BASIC",    (852, 480),   1.5, 10, None),
    ("BASIC up to 480p, too many bits",  "BASIC",    (852, 480),   1.8, 10, "Ingest Bitrate"),
    ("BASIC above 480p",                 "BASIC",    (1280, 720),  3.5, 10, None),
    ("BASIC above, too many bits",       "BASIC",    (1280, 720),  4.0, 10, "Ingest Bitrate"),
    ("portrait",                         "STANDARD", (1080, 1920), 6.0, 10, None),
    ("a longer edge",                    "STANDARD", (1922, 800),  6.0, 10, "Ingest Resolution"),
    ("more pixels",                      "STANDARD", (1500, 1500), 6.0, 10, "Ingest Resolution"),
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


def test_an_hour_of_little_does_not_excuse_ten_seconds_of_much():
    calm, wild = reading(video(1280, 720), 1e6, 50), reading(video(1280, 720), 12e6, 10)
    both = reading(video(1280, 720), 0)
    both = type(both)(
        **{name: getattr(both, name) for name in both.__struct_fields__ if name != "seconds"},
        seconds=calm.seconds + wild.seconds,
    )

    assert breach_of(AWS, "STANDARD", {"video": both}).value == 12_000_000
    assert breach_of(AWS, "STANDARD", {"video": calm}) is None


DETAILS = [
    # id,        breach,                                                     value,      by, unit
    ("bitrate",  breach_of(AWS, "STANDARD", {"video": reading(video(1280, 720), 10e6)}), 8_500_000, 1_500_000, "bits per second"),
    ("480p",     breach_of(AWS, "BASIC", {"video": reading(video(640, 360), 2e6)}),      1_500_000, 500_000,   "bits per second"),
    ("pixels",   breach_of(AWS, "STANDARD", {"video": reading(video(1500, 1500), 0)}),   2_100_000, 150_000,   "total pixels"),
    ("both",     breach_of(AWS, "STANDARD", {"video": reading(video(3840, 2160), 0)}),   2_100_000, 6_194_400, "total pixels"),
    ("edge",     breach_of(AWS, "STANDARD", {"video": reading(video(800, 1922), 0)}),    1920,      2,         "pixels per edge"),
    ("streams",  streams_breach(100, 101),                                               100,       1,         "active streams"),
    ("viewers",  viewers_breach(15_000, 15_003),                                         15_000,    3,         "viewers"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("breach", "limit", "by", "unit"), [row[1:] for row in DETAILS], ids=[row[0] for row in DETAILS]
)
def test_the_event_says_the_limit_its_unit_and_by_how_much(breach, limit, by, unit):
    assert breach.detail == {
        "limit_name": breach.name,
        "limit_value": limit,
        "exceeded_by": by,
        "limit_unit": unit,
    }
