import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.track import TrackSet
from headwater.media.ladder import (
    FrameRate,
    Rendition,
    Source,
    cost_units,
    exact_frame_rate,
    ladder,
    source_of,
)

HIGH, CONSTRAINED = "HIGHER_BANDWIDTH_DELIVERY", "CONSTRAINED_BANDWIDTH_DELIVERY"


def make(channel_type, preset, width, height, rate, **options):
    source = Source(width=width, height=height, frame_rate=rate)
    return ladder(channel_type, preset, source, **options)


def spell(rendition: Rendition) -> str:
    """One rendition as the tables below write it."""
    rate = f"{float(rendition.frame_rate):g}" if rendition.frame_rate else "-"
    video = "source" if rendition.video_bps is None else f"{rendition.video_bps // 1000}k"
    audio = "source" if rendition.audio_bps is None else f"{rendition.audio_bps // 1000}k"
    return f"{rendition.name} {rendition.width}x{rendition.height}@{rate} {video}+{audio}"


SD60 = [
    "480p30 852x480@30 1400k+source",
    "360p30 640x360@30 630k+64k",
    "160p30 284x160@30 230k+48k",
]
HD_HIGH = [
    "480p30 852x480@30 1300k+128k",
    "360p30 640x360@30 700k+64k",
    "160p30 284x160@30 270k+48k",
    "audio_only 0x0@- source+64k",
]
HD_CONSTRAINED = [
    "480p30 852x480@30 800k+128k",
    "360p30 640x360@30 400k+64k",
    "160p30 284x160@30 220k+48k",
    "audio_only 0x0@- source+64k",
]

DOCUMENTED = [
    # id,                          type,          preset,      input,            renditions
    ("standard 1080p60",           "STANDARD",    "",          (1920, 1080, 60), ["1080p60 1920x1080@60 source+source", "720p60 1280x720@60 3400k+source", *SD60]),
    ("standard 1080p30",           "STANDARD",    "",          (1920, 1080, 30), ["1080p30 1920x1080@30 source+source", "720p30 1280x720@30 2400k+source", *SD60]),
    ("standard 900p60",            "STANDARD",    "",          (1600, 900, 60),  ["900p60 1600x900@60 source+source", "720p60 1280x720@60 3400k+source", *SD60]),
    ("standard 720p60",            "STANDARD",    "",          (1280, 720, 60),  ["720p60 1280x720@60 3400k+source", *SD60]),
    ("standard 720p30",            "STANDARD",    "",          (1280, 720, 30),  ["720p30 1280x720@30 2400k+source", *SD60]),
    ("standard 576p30",            "STANDARD",    "",          (1024, 576, 30),  SD60),
    ("standard 480p30",            "STANDARD",    "",          (852, 480, 30),   SD60),
    ("standard 480p60",            "STANDARD",    "",          (852, 480, 60),   SD60),
    ("advanced hd 1080p60",        "ADVANCED_HD", HIGH,        (1920, 1080, 60), ["720p60 1280x720@60 3000k+128k", *HD_HIGH]),
    ("advanced hd 720p60",         "ADVANCED_HD", HIGH,        (1280, 720, 60),  ["720p60 1280x720@60 3000k+128k", *HD_HIGH]),
    ("advanced hd 1080p30",        "ADVANCED_HD", HIGH,        (1920, 1080, 30), ["720p30 1280x720@30 2300k+128k", *HD_HIGH]),
    ("advanced hd 720p30",         "ADVANCED_HD", HIGH,        (1280, 720, 30),  ["720p30 1280x720@30 2300k+128k", *HD_HIGH]),
    ("advanced hd 576p30",         "ADVANCED_HD", HIGH,        (1024, 576, 30),  ["576p30 1024x576@30 2300k+128k", *HD_HIGH]),
    ("advanced hd 480p30",         "ADVANCED_HD", HIGH,        (852, 480, 30),   HD_HIGH),
    ("advanced hd default preset", "ADVANCED_HD", "",          (1280, 720, 30),  ["720p30 1280x720@30 2300k+128k", *HD_HIGH]),
    ("constrained 1080p60",        "ADVANCED_HD", CONSTRAINED, (1920, 1080, 60), ["720p60 1280x720@60 2200k+128k", *HD_CONSTRAINED]),
    ("constrained 720p30",         "ADVANCED_HD", CONSTRAINED, (1280, 720, 30),  ["720p30 1280x720@30 1900k+128k", *HD_CONSTRAINED]),
    ("constrained 576p30",         "ADVANCED_HD", CONSTRAINED, (1024, 576, 30),  ["576p30 1024x576@30 1900k+128k", *HD_CONSTRAINED]),
    ("advanced sd 1080p60",        "ADVANCED_SD", HIGH,        (1920, 1080, 60), HD_HIGH),
    ("advanced sd 720p30",         "ADVANCED_SD", CONSTRAINED, (1280, 720, 30),  HD_CONSTRAINED),
    ("advanced sd 360p30",         "ADVANCED_SD", HIGH,        (640, 360, 30),   HD_HIGH[1:]),
    ("basic 1080p60",              "BASIC",       "",          (1920, 1080, 60), ["1080p60 1920x1080@60 source+source"]),
    ("basic 480p30",               "BASIC",       "",          (852, 480, 30),   ["480p30 852x480@30 source+source"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("channel_type", "preset", "source", "expected"),
    [row[1:] for row in DOCUMENTED],
    ids=[row[0] for row in DOCUMENTED],
)
def test_gives_the_documented_ladder(channel_type, preset, source, expected):
    assert [spell(each) for each in make(channel_type, preset, *source)] == expected


DECIDED = [
    # id,                        type,          input,               renditions
    ("portrait",                 "STANDARD",    (1080, 1920, 30),    ["1080p30 1080x1920@30 source+source", "720p30 720x1280@30 2400k+source", "480p30 480x852@30 1400k+source", "360p30 360x640@30 630k+64k", "160p30 160x284@30 230k+48k"]),
    ("square",                   "STANDARD",    (720, 720, 30),      ["720p30 720x720@30 2400k+source", "480p30 480x480@30 1400k+source", "360p30 360x360@30 630k+64k", "160p30 160x160@30 230k+48k"]),
    ("4:3",                      "ADVANCED_SD", (640, 480, 30),      ["480p30 640x480@30 1300k+128k", "360p30 480x360@30 700k+64k", "160p30 212x160@30 270k+48k", "audio_only 0x0@- source+64k"]),
    ("odd size",                 "STANDARD",    (641, 481, 30),      ["480p30 638x480@30 1400k+source", "360p30 478x360@30 630k+64k", "160p30 212x160@30 230k+48k"]),
    ("50 fps is halved to 25",   "STANDARD",    (1280, 720, 50),     ["720p60 1280x720@50 3400k+source", "480p30 852x480@25 1400k+source", "360p30 640x360@25 630k+64k", "160p30 284x160@25 230k+48k"]),
    ("25 fps stays",             "STANDARD",    (852, 480, 25),      ["480p30 852x480@25 1400k+source", "360p30 640x360@25 630k+64k", "160p30 284x160@25 230k+48k"]),
    ("24 fps stays",             "ADVANCED_SD", (284, 160, 24),      ["160p30 284x160@24 270k+48k", "audio_only 0x0@- source+64k"]),
    ("31 fps is no 60",          "STANDARD",    (284, 160, 31),      ["160p30 284x160@31 230k+48k"]),
    ("unknown rate",             "STANDARD",    (284, 160, None),    ["160p30 284x160@- 230k+48k"]),
    ("360p has no 480p",         "STANDARD",    (640, 360, 30),      ["360p30 640x360@30 630k+64k", "160p30 284x160@30 230k+48k"]),
    ("between two steps",        "STANDARD",    (480, 270, 30),      ["270p30 480x270@30 354k+64k", "160p30 284x160@30 230k+48k"]),
    ("just above a step",        "STANDARD",    (296, 166, 30),      ["166p30 296x166@30 230k+64k", "160p30 284x160@30 230k+48k"]),
    ("below all steps",          "STANDARD",    (120, 90, 30),       ["90p30 120x90@30 72k+48k"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("channel_type", "source", "expected"),
    [row[1:] for row in DECIDED],
    ids=[row[0] for row in DECIDED],
)
def test_decides_what_the_guide_leaves_open(channel_type, source, expected):
    assert [spell(each) for each in make(channel_type, "", *source)] == expected


@pytest.mark.parametrize("channel_type", ["BASIC", "STANDARD"])
def test_viewers_may_ask_for_sound_only_and_get_the_inputs(channel_type):
    last = make(channel_type, "", 1280, 720, 30, allow_audio_only=True)[-1]

    assert last.is_audio_only
    assert last.is_passthrough


def test_without_sound_there_is_no_audio_only():
    silent = Source(width=1280, height=720, frame_rate=30, has_audio=False)

    made = ladder("ADVANCED_HD", "", silent, allow_audio_only=True)

    assert all(each.audio_bps is None and not each.is_audio_only for each in made)


def test_without_a_picture_there_is_only_sound():
    source = source_of(TrackSet(video=None, audio=None), 30.0)

    assert [each.name for each in ladder("STANDARD", "", source)] == ["audio_only"]


RATES = [
    (29.97002997, FrameRate(30000, 1001)),
    (59.94, FrameRate(60000, 1001)),
    (30.00001, FrameRate(30)),
    (23.976, FrameRate(24000, 1001)),
    (12.5, FrameRate(25, 2)),
    (15.0, FrameRate(15)),
]


@pytest.mark.parametrize(("measured", "exact"), RATES)
def test_finds_the_fraction_behind_a_float(measured, exact):
    assert exact_frame_rate(measured) == exact


sizes = st.integers(2, 4096)


@given(
    channel_type=st.sampled_from(["BASIC", "STANDARD", "ADVANCED_SD", "ADVANCED_HD"]),
    preset=st.sampled_from(["", HIGH, CONSTRAINED]),
    width=sizes,
    height=sizes,
    rate=st.none() | st.floats(1, 300),
)
def test_never_scales_up_and_never_speeds_up(channel_type, preset, width, height, rate):
    made = make(channel_type, preset, width, height, rate)

    assert made
    assert len({each.name for each in made}) == len(made)
    pictures = [each for each in made if not each.is_audio_only]
    for each in pictures:
        assert each.width <= width
        assert each.height <= height
        assert each.video_bps is None or (each.width % 2 == 0 and each.height % 2 == 0)
        assert each.frame_rate is None or float(each.frame_rate) <= rate * 1.001
        if each.video_bps is not None and each.frame_rate is not None:
            assert float(each.frame_rate) <= 66.1
    pixels = [each.width * each.height for each in pictures]
    assert pixels == sorted(pixels, reverse=True)
    rates = [each.video_bps for each in pictures if each.video_bps is not None]
    assert rates == sorted(rates, reverse=True)


def test_a_720p30_encode_costs_about_one_unit():
    source = Source(width=1280, height=720, frame_rate=30)
    made = ladder("ADVANCED_HD", "", source)

    assert 1.0 < cost_units(made[:1], source) < 1.5
    assert cost_units(made[-1:], source) == 0
    assert cost_units(made, source) > cost_units(made[1:], source)
