import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.track import TrackSet
from headwater.node.streams import ingest_configuration
from headwater.node.streams.ingest_configuration import ingest_configurations
from headwater.shapes.wire import encode
from media.packets import AUDIO, BOTH, VIDEO


def test_the_bitstream_says_what_it_is_and_the_encoder_what_it_aims_at():
    shown = ingest_configurations(
        BOTH,
        {
            "encoder": "obs-output module (libobs version 27.0.1)",
            "videodatarate": 2500.0,
            "framerate": 29.97,
            "audiodatarate": 160,
        },
    )

    (video,), (audio,) = shown.video_configurations, shown.audio_configurations
    assert (video.codec, video.video_width, video.video_height) == (
        VIDEO.codec_string,
        VIDEO.width,
        VIDEO.height,
    )
    assert video.encoder == "obs-output module (libobs version 27.0.1)"
    assert (video.target_bitrate, video.target_framerate, video.track) == (2_500_000, 30, "Track0")
    assert (video.avc_profile, video.avc_level) == ("", "")
    assert video.profile in {"Baseline", "Main", "High"}
    assert (audio.codec, audio.sample_rate, audio.channels) == (
        AUDIO.codec_string,
        AUDIO.sample_rate_hz,
        AUDIO.channels,
    )
    assert (audio.target_bitrate, audio.track) == (160_000, "Track0")


LEVELS = [
    # profile, constraints, level, shown
    (66, 0xC0, 40, "4.0"),
    (100, 0, 31, "3.1"),
    (66, 0x10, 11, "1b"),
    (66, 0, 11, "1.1"),
    (100, 0x10, 11, "1.1"),
    (100, 0, 9, "1b"),
]


@pytest.mark.parametrize(("profile", "constraints", "level", "shown"), LEVELS)
def test_a_level_is_written_as_people_say_it(profile, constraints, level, shown):
    assert ingest_configuration._level(profile, constraints, level) == shown


@pytest.mark.parametrize(
    "tracks", [TrackSet(video=None, audio=AUDIO), TrackSet(video=VIDEO, audio=None)]
)
def test_a_track_that_is_not_there_is_not_shown(tracks):
    shown = ingest_configurations(tracks, {})

    assert len(shown.video_configurations) == (tracks.video is not None)
    assert len(shown.audio_configurations) == (tracks.audio is not None)


@given(
    st.dictionaries(
        st.sampled_from(["encoder", "videodatarate", "audiodatarate", "framerate"]),
        st.text() | st.floats() | st.booleans(),
    )
)
def test_whatever_an_encoder_says_can_be_shown(metadata):
    shown = ingest_configurations(BOTH, metadata)

    video = shown.video_configurations[0]
    assert encode(shown)
    assert 0 <= video.target_bitrate <= 2**53
    assert 0 <= video.target_framerate <= 2**53
    assert video.encoder.isprintable()
    assert len(video.encoder) <= 256
