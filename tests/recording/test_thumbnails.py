import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.recording.layout import ThumbnailSize
from headwater.recording.pictures import PictureSource
from headwater.recording.thumbnails import (
    ThumbnailPlan,
    ThumbnailSchedule,
    thumbnail_plan,
    thumbnail_source,
)

PLANS = [
    # id,          configuration,                                     interval, sequential, latest, resolution
    ("defaults",   {},                                                60_000,   True,  False, None),
    ("none kept",  {"storage": []},                                   60_000,   True,  False, None),
    ("both",       {"storage": ["LATEST", "SEQUENTIAL"]},             60_000,   True,  True,  None),
    ("latest",     {"storage": ["LATEST"], "targetIntervalSeconds": 1}, 1_000,  False, True,  None),
    ("resolution", {"recordingMode": "INTERVAL", "resolution": "SD"}, 60_000,   True,  False, "SD"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("configuration", "interval_ms", "sequential", "latest", "resolution"),
    [row[1:] for row in PLANS],
    ids=[row[0] for row in PLANS],
)
def test_a_configuration_says_what_is_wanted(
    configuration, interval_ms, sequential, latest, resolution
):
    assert thumbnail_plan(configuration) == ThumbnailPlan(
        interval_ms=interval_ms, sequential=sequential, latest=latest, resolution=resolution
    )


def test_disabled_is_no_thumbnails():
    assert thumbnail_plan({"recordingMode": "DISABLED", "storage": ["LATEST"]}) is None


LADDER = [(1920, 1080), (1280, 720), (852, 480), (640, 360), (284, 160)]
SOURCES = [
    # id,                       resolution,          pictures,                  taken of, size
    ("full size",               None,                LADDER,                    1080, (1920, 1080)),
    ("full size of 4K",         None,                [(3840, 2160)],            2160, (3840, 2160)),
    ("FULL_HD",                 "FULL_HD",           LADDER,                    1080, (1920, 1080)),
    ("HD",                      "HD",                LADDER,                    720,  (1280, 720)),
    ("SD",                      "SD",                LADDER,                    480,  (852, 480)),
    ("lowest",                  "LOWEST_RESOLUTION", LADDER,                    160,  (284, 160)),
    ("lowest of one",           "LOWEST_RESOLUTION", [(1920, 1080)],            1080, (640, 360)),
    ("lowest, portrait",        "LOWEST_RESOLUTION", [(1080, 1920)],            1080, (360, 640)),
    ("scaled down",             "SD",                [(1920, 1080), (640, 360)], 1080, (854, 480)),
    ("from the nearest above",  "SD",                [(1920, 1080), (1280, 720)], 720, (854, 480)),
    ("never up",                "FULL_HD",           [(640, 360), (284, 160)],  360,  (640, 360)),
    ("odd sides are kept",      None,                [(641, 361)],              361,  (641, 361)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("resolution", "pictures", "edge", "size"),
    [row[1:] for row in SOURCES],
    ids=[row[0] for row in SOURCES],
)
def test_a_resolution_names_a_rendition_and_a_size(resolution, pictures, edge, size):
    sources = [PictureSource(name=str(min(p)), width=p[0], height=p[1]) for p in pictures]

    source, got = thumbnail_source(resolution, sources)

    assert source.name == str(edge)
    assert got == ThumbnailSize(width=size[0], height=size[1])
    assert thumbnail_source(resolution, sources[::-1]) == (source, got)


SCHEDULES = [
    # id,                  interval, first due, key frames,                       taken
    ("every one",          1000,     0,         [0, 1000, 2000],                  [0, 1000, 2000]),
    ("each 5 s",           5000,     0,         range(0, 16_000, 2000),           [0, 6000, 10_000]),
    ("late ones",          5000,     0,         [300, 5200, 9900, 10_100],        [300, 5200, 10_100]),
    ("a gap skips",        1000,     0,         [0, 60_500, 60_900, 61_000],      [0, 60_500, 61_000]),
    ("a merged recording", 60_000,   120_000,   [100_000, 119_999, 120_400],      [120_400]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("interval_ms", "first_due_ms", "frames", "taken"),
    [row[1:] for row in SCHEDULES],
    ids=[row[0] for row in SCHEDULES],
)
def test_thumbnails_are_taken_at_key_frames_once_an_interval(
    interval_ms, first_due_ms, frames, taken
):
    schedule = ThumbnailSchedule(interval_ms, first_due_ms)
    assert [at_ms for at_ms in frames if schedule.wants(at_ms)] == taken


@given(
    st.integers(1, 60).map(lambda seconds: seconds * 1000),
    st.lists(st.integers(0, 10_000), max_size=100),
)
def test_no_interval_has_two_and_none_with_a_key_frame_has_none(interval_ms, steps):
    schedule, at_ms, frames, taken = ThumbnailSchedule(interval_ms), 0, [], []
    for step in steps:
        at_ms += step
        frames.append(at_ms // interval_ms)
        if schedule.wants(at_ms):
            taken.append(at_ms // interval_ms)
    assert taken == sorted(set(frames))
