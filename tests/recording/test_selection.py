"""Which renditions are recorded, and which streams go on with a recording."""

import pytest
from msgspec.structs import replace

from headwater.recording.manifest import Manifest
from headwater.recording.records import Begin, Described, End, Joined, Opened, Piece
from headwater.recording.selection import (
    MAX_RECORDING_MS,
    Candidate,
    Measured,
    reason_against_merge,
    recorded_names,
)
from recording.live import START_MS, plan, rendition

LADDER = (
    Candidate(name="1080p30", width=1920, height=1080),
    Candidate(name="720p30", width=1280, height=720),
    Candidate(name="480p30", width=852, height=480),
    Candidate(name="360p30", width=640, height=360),
    Candidate(name="160p30", width=284, height=160),
    Candidate(name="audio_only", width=0, height=0, on_request=True),
)
SHOWN = [each.name for each in LADDER[:-1]]
PORTRAIT = (Candidate(name="720p30", width=720, height=1280),)


def custom(*names):
    return {"renditionSelection": "CUSTOM", "renditions": list(names)}


@pytest.mark.parametrize(
    ("configuration", "offered", "expected"),
    [
        pytest.param({}, LADDER, SHOWN, id="all by default"),
        pytest.param({"renditionSelection": "ALL"}, LADDER, SHOWN, id="all that viewers see"),
        pytest.param({"renditionSelection": "NONE"}, LADDER, [], id="none"),
        pytest.param(custom("FULL_HD"), LADDER, ["1080p30"], id="full hd"),
        pytest.param(custom("HD"), LADDER, ["720p30"], id="hd"),
        pytest.param(custom("SD"), LADDER, ["480p30"], id="sd"),
        pytest.param(custom("LOWEST_RESOLUTION"), LADDER, ["360p30", "160p30"], id="all of lowest"),
        pytest.param(custom("SD"), LADDER[3:], ["360p30"], id="the best one below"),
        pytest.param(custom("SD", "FULL_HD"), LADDER, ["1080p30", "480p30"], id="best first"),
        pytest.param(custom("FULL_HD"), LADDER[1:], ["720p30"], id="the best there is"),
        pytest.param(custom("FULL_HD", "HD"), LADDER[1:], ["720p30"], id="once"),
        pytest.param(custom("LOWEST_RESOLUTION"), LADDER[:2], ["720p30"], id="the smallest"),
        pytest.param(custom("HD"), PORTRAIT, ["720p30"], id="portrait by its shorter edge"),
        pytest.param(custom("SD"), LADDER[-1:], ["audio_only"], id="sound is all there is"),
        pytest.param({}, LADDER[-1:], ["audio_only"], id="all of sound"),
    ],
)
def test_the_configuration_selects_renditions(configuration, offered, expected):
    assert recorded_names(configuration, "STANDARD", offered) == expected


def test_basic_channels_have_no_selection_of_their_own():
    assert recorded_names(custom("SD"), "BASIC", LADDER[:1]) == ["1080p30"]
    assert recorded_names({"renditionSelection": "NONE"}, "BASIC", LADDER[:1]) == []


def manifest(recorded_ms=20_000.0, streams=1, bps=4_000_000):
    made = Manifest()
    made.opened = Opened(
        session_id="a",
        prefix="p",
        bucket_name="b",
        account="1",
        region="r",
        channel_id="c",
        channel_arn="arn",
        started_at_ms=START_MS,
        reconnect_window_ms=60_000,
        configuration_id="d",
        thumbnail_configuration={},
    )
    for number in range(streams):
        made.apply(Joined(stream_id=f"st-{number}", at_ms=START_MS))
    made.apply(Described(rendition=rendition(), position=0, automatic=True))
    made.apply(
        Begin(
            rendition="720p30",
            number=0,
            program_date_time_ms=START_MS,
            discontinuity=False,
            init_number=None,
        )
    )
    made.apply(
        Piece(
            rendition="720p30",
            length_bytes=round(bps * recorded_ms / 8000),
            duration_ms=recorded_ms,
            begins_range=True,
        )
    )
    made.apply(End(rendition="720p30"))
    return made


def measured(bps=4_000_000.0, **changes):
    return {"720p30": Measured(plan=plan(**changes), bitrate_bps=bps)}


@pytest.mark.parametrize(
    ("before", "stream", "late_ms", "expected"),
    [
        pytest.param(manifest(), measured(), 60_000, None, id="the same"),
        pytest.param(manifest(), measured(6_000_000.0), 0, None, id="half as much again"),
        pytest.param(manifest(), measured(2_000_000.0), 0, None, id="half as much"),
        pytest.param(manifest(), measured(6_000_001.0), 0, "bitrate", id="more than that"),
        pytest.param(manifest(), measured(1_999_999.0), 0, "bitrate", id="less than that"),
        pytest.param(manifest(), measured(width=1920), 0, "size", id="width"),
        pytest.param(manifest(), measured(height=1080), 0, "size", id="height"),
        pytest.param(manifest(), measured(frame_rate=60.0), 0, "frame rate", id="frame rate"),
        pytest.param(manifest(), measured(frame_rate=29.97), 0, None, id="a clock's error"),
        pytest.param(manifest(), measured(codecs="avc1.64001F"), 0, "codecs", id="codecs"),
        pytest.param(manifest(), measured(container="FRAGMENTED_MP4"), 0, "container", id="mp4"),
        pytest.param(manifest(9_999.0), measured(), 0, "shorter than 10 s", id="too fast"),
        pytest.param(manifest(streams=20), measured(), 0, "20 streams", id="twenty are enough"),
        pytest.param(manifest(streams=19), measured(), 0, None, id="nineteen"),
        pytest.param(manifest(), measured(), MAX_RECORDING_MS, "48 hours", id="48 hours"),
        pytest.param(manifest(), measured(), MAX_RECORDING_MS - 1, None, id="just before"),
        pytest.param(manifest(), {}, 0, "others", id="no renditions"),
    ],
)
def test_streams_are_merged_on_ivs_conditions(before, stream, late_ms, expected):
    reason = reason_against_merge(before, stream, START_MS + late_ms)

    assert reason is None if expected is None else expected in reason


def test_a_rendition_more_is_a_difference():
    stream = measured() | {"360p30": replace(measured()["720p30"], bitrate_bps=1.0)}

    assert "others" in reason_against_merge(manifest(), stream, START_MS)
