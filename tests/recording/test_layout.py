"""Keys and event files, as a real recording has them."""

import json

import pytest

from headwater.recording import layout
from headwater.recording.layout import Gap, RecordedRendition, RecordingFacts, ThumbnailSize

CHANNEL = "arn:aws:ivs:us-east-1:123456789012:channel/AbCd12345678"


def rendition(path, width=None, height=None):
    return RecordedRendition(
        path=path,
        codecs="avc1.4D401F,mp4a.40.2",
        width=width,
        height=height,
        frame_rate=30.0,
        container="TS",
        target_duration_s=12,
    )


@pytest.mark.parametrize(
    ("at_ms", "expected"),
    [
        pytest.param(1_592_943_125_000, "2020/6/23/20/12", id="AWS's own example"),
        pytest.param(1_704_067_200_000, "2024/1/1/0/0", id="nothing is padded"),
        pytest.param(1_735_689_599_999, "2024/12/31/23/59", id="the last moment of a year"),
    ],
)
def test_the_prefix_has_the_time_in_utc_without_padding(at_ms, expected):
    prefix = layout.prefix("123456789012", "AbCd12345678", at_ms, "xYz123AbC456")

    assert prefix == f"ivs/v1/123456789012/AbCd12345678/{expected}/xYz123AbC456"


def test_keys_are_those_of_ivs():
    assert layout.media_key("720p30", layout.segment_name("TS", 7)) == "media/hls/720p30/7.ts"
    assert layout.media_key("720p30", layout.PLAYLIST_NAME) == "media/hls/720p30/playlist.m3u8"
    assert layout.hls_key(layout.MASTER_NAME) == "media/hls/master.m3u8"
    assert layout.thumbnail_key(0) == "media/thumbnails/thumb0.jpg"
    assert layout.segment_name("FRAGMENTED_MP4", 0) == "0.m4s"


STARTED = (
    '{"version":"v1","recording_started_at":"2023-02-09T22:55:41Z",'
    f'"channel_arn":"{CHANNEL}","recording_status":"RECORDING_STARTED",'
    '"media":{"hls":{"path":"media/hls","playlist":"master.m3u8",'
    '"byte_range_playlist":"byte-range-multivariant.m3u8","renditions":['
    '{"path":"720p30","playlist":"playlist.m3u8","byte_range_playlist":"byte-range-variant.m3u8",'
    '"resolution_width":1280,"resolution_height":720}]},'
    '"thumbnails":{"path":"media/thumbnails","resolution_width":1280,"resolution_height":720}}}'
)


def test_the_started_file_is_spelled_as_in_a_real_recording():
    facts = RecordingFacts(
        channel_arn=CHANNEL,
        status="RECORDING_STARTED",
        started_at_ms=1_675_983_341_550,
        renditions=[rendition("720p30", 1280, 720)],
        thumbnails=ThumbnailSize(width=1280, height=720),
    )

    assert layout.event_file(facts).decode() == STARTED


def test_the_ended_file_has_the_end_and_the_duration():
    facts = RecordingFacts(
        channel_arn=CHANNEL,
        status="RECORDING_ENDED",
        started_at_ms=1_675_983_341_550,
        ended_at_ms=1_675_983_510_000,
        duration_ms=171_546,
        renditions=[rendition("720p30", 1280, 720), rendition("audio_only")],
        latest_thumbnail=ThumbnailSize(width=640, height=360),
    )
    body = json.loads(layout.event_file(facts))

    assert body["recording_ended_at"] == "2023-02-09T22:58:30Z"
    assert body["recording_status"] == "RECORDING_ENDED"
    assert "recording_status_message" not in body
    assert body["media"]["hls"]["duration_ms"] == 171_546
    assert "thumbnails" not in body["media"]
    assert body["media"]["latest_thumbnail"] == {
        "path": "media/latest_thumbnail/thumb.jpg",
        "resolution_width": 640,
        "resolution_height": 360,
    }
    audio_only = body["media"]["hls"]["renditions"][1]
    assert audio_only == {
        "path": "audio_only",
        "playlist": "playlist.m3u8",
        "byte_range_playlist": "byte-range-variant.m3u8",
    }


def test_a_failed_file_says_what_is_missing_and_why():
    gap = Gap(rendition="720p30", start_ms=1_675_983_350_040, duration_ms=9000, reason="full")
    facts = RecordingFacts(
        channel_arn=CHANNEL,
        status="RECORDING_ENDED_WITH_FAILURE",
        started_at_ms=1_675_983_341_550,
        ended_at_ms=1_675_983_510_000,
        duration_ms=100,
        message="InternalServerException: 9000 ms are missing: full",
        renditions=[rendition("720p30", 1280, 720), rendition("360p30", 640, 360)],
        gaps=[gap],
    )
    body = json.loads(layout.event_file(facts))
    first, second = body["media"]["hls"]["renditions"]

    assert body["recording_status_message"].startswith("InternalServerException")
    assert first["gaps"] == [
        {"start": "2023-02-09T22:55:50.040Z", "duration_ms": 9000, "reason": "full"}
    ]
    assert "gaps" not in second


def test_a_recording_of_thumbnails_only_has_no_video_to_point_at():
    facts = RecordingFacts(
        channel_arn=CHANNEL,
        status="RECORDING_STARTED",
        started_at_ms=0,
        thumbnails=ThumbnailSize(width=640, height=360),
    )

    assert list(json.loads(layout.event_file(facts))["media"]) == ["thumbnails"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("media/hls/master.m3u8", "application/x-mpegURL"),
        ("events/ivs-check", "application/octet-stream"),
        ("media/hls/720p30/0.ts", "video/MP2T"),
    ],
)
def test_objects_have_the_content_type_of_their_ending(key, expected):
    assert layout.content_type(key) == expected
