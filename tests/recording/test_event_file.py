import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import LimitError, PeerError
from headwater.recording import layout
from headwater.recording.event_file import MAX_EVENT_FILE_BYTES, parse_event_file
from headwater.recording.layout import (
    Gap,
    RecordedRendition,
    RecordingFacts,
    ThumbnailSize,
    event_file,
)

ARN = "arn:aws:ivs:us-east-1:123456789012:channel/aB3dE5gH7jK9"


def rendition(path, width, height):
    return RecordedRendition(
        path=path, codecs="avc1.4D401F,mp4a.40.2", width=width, height=height, frame_rate=30.0,
        container="TS", target_duration_s=12,
    )  # fmt: skip


def facts(status="RECORDING_ENDED", **more):
    return RecordingFacts(
        channel_arn=ARN,
        status=status,
        started_at_ms=1_770_000_000_000,
        ended_at_ms=1_770_000_060_000,
        duration_ms=59_967,
        renditions=[rendition("720p30", 1280, 720), rendition("audio_only", None, None)],
        **more,
    )


@pytest.mark.parametrize("status", layout.EVENT_KEYS)
def test_what_the_recorder_writes_is_read(status):
    gap = Gap(rendition="720p30", start_ms=1_770_000_010_000, duration_ms=2_000, reason="lost")
    size = ThumbnailSize(width=1280, height=720)

    event = parse_event_file(
        event_file(facts(status, gaps=[gap], thumbnails=size, latest_thumbnail=size))
    )

    is_over = status != "RECORDING_STARTED"
    assert event.recording_status == status
    assert event.channel_arn == ARN
    assert event.recording_started_at.timestamp() == 1_770_000_000
    assert (event.recording_ended_at is not None) == is_over
    assert event.media.hls.duration_ms == (59_967 if is_over else None)
    assert [(each.path, each.resolution_width) for each in event.media.hls.renditions] == [
        ("720p30", 1280),
        ("audio_only", None),
    ]
    assert event.media.hls.renditions[0].gaps[0].reason == "lost"
    assert event.media.thumbnails.path == "media/thumbnails"
    assert event.media.latest_thumbnail.path == "media/latest_thumbnail/thumb.jpg"


def test_members_that_are_not_known_are_skipped():
    body = json.loads(event_file(facts()))
    body["media"]["hls"]["more"] = body["more"] = {"of": "it"}

    assert parse_event_file(json.dumps(body).encode()).version == "v1"


PATHS = ["/etc", "..", "../x", ".", "a\\b", "", "a\nb"]


@pytest.mark.parametrize("path", PATHS, ids=map(repr, PATHS))
def test_a_path_does_not_lead_out_of_the_recording(path):
    body = json.loads(event_file(facts()))
    body["media"]["hls"]["path"] = path

    with pytest.raises(PeerError, match="path"):
        parse_event_file(json.dumps(body).encode())


def test_a_file_has_a_bound():
    with pytest.raises(LimitError):
        parse_event_file(b" " * (MAX_EVENT_FILE_BYTES + 1))


@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(PeerError):
        parse_event_file(data)
