import pytest

from headwater.media.ladder import FrameRate, Rendition
from headwater.media.transcode.encoders import (
    EncoderError,
    Look,
    open_encoder,
    orientation_sei,
    preset_at,
    video_track,
)
from headwater.media.transcode.policy import LEVELS
from headwater.media.transcode.wire import EncoderSettings

SMALL = Rendition(name="160p30", width=284, height=160, frame_rate=FrameRate(30), video_bps=230_000)


@pytest.mark.parametrize("asked", ["faster", "veryfast", "superfast", "ultrafast"])
def test_a_faster_preset_needs_no_new_configuration(asked):
    settings = EncoderSettings(preset=asked)
    presets = {preset_at(settings, level) for level in LEVELS}

    tracks = {
        video_track(open_encoder(SMALL, settings, Look(), preset), SMALL).config
        for preset in presets
    }

    assert len(tracks) == 1


PRESETS = [
    # asked,      at each level
    ("veryfast",  ["veryfast", "superfast", "ultrafast", "ultrafast"]),
    ("slow",      ["slow", "superfast", "ultrafast", "ultrafast"]),
    ("ultrafast", ["ultrafast"] * 4),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "expected"), PRESETS)
def test_a_level_never_slows_down_what_was_asked_for(asked, expected):
    assert [preset_at(EncoderSettings(preset=asked), level) for level in LEVELS] == expected


def test_hardware_keeps_its_preset():
    settings = EncoderSettings(encoder="nvenc", preset="p4")

    assert {preset_at(settings, level) for level in LEVELS} == {"p4"}


def test_an_encoder_that_does_not_open_says_which_and_why():
    with pytest.raises(EncoderError, match="libx264 does not open"):
        open_encoder(SMALL, EncoderSettings(), Look(), "no such preset")


TURNS = [
    # degrees, SEI
    (0,   []),
    (90,  ["062f0308000980"]),
    (180, ["062f0310000980"]),
    (270, ["062f0318000980"]),
    (45,  []),
]  # fmt: skip


@pytest.mark.parametrize(("degrees", "expected"), TURNS)
def test_quarter_turns_become_a_display_orientation_sei(degrees, expected):
    assert [nal.hex() for nal in orientation_sei(degrees)] == expected
