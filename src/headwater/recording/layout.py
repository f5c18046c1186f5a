"""The layout of a recording: its keys, and what its event files say.

Source: Amazon IVS user guide, "Auto-Record to Amazon S3"; spelling and order of members as
seen in a real recording. Below a recording's prefix:

    events/recording-started.json, then recording-ended.json or recording-failed.json
    events/ivs-check                  empty: the first object, shows that the bucket takes some
    media/hls/master.m3u8, byte-range-multivariant.m3u8
    media/hls/<rendition>/playlist.m3u8, byte-range-variant.m3u8
    media/hls/<rendition>/<N>.ts      N from 0
    media/thumbnails/thumb<N>.jpg     N from 0
    media/latest_thumbnail/thumb.jpg  overwritten

Recordings of fragmented MP4, whose layout IVS documents nowhere, have `<N>.m4s` in place of
`<N>.ts`, and `init-<K>.mp4` beside them, K from 0.

Every function here is pure; keys given without a prefix are relative to it.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import Struct

from headwater.core.segment import Container

STARTED_KEY = "events/recording-started.json"
ENDED_KEY = "events/recording-ended.json"
FAILED_KEY = "events/recording-failed.json"
CHECK_KEY = "events/ivs-check"
HLS_PATH = "media/hls"
MASTER_NAME = "master.m3u8"
BYTE_RANGE_MASTER_NAME = "byte-range-multivariant.m3u8"
PLAYLIST_NAME = "playlist.m3u8"
BYTE_RANGE_PLAYLIST_NAME = "byte-range-variant.m3u8"
THUMBNAILS_PATH = "media/thumbnails"
LATEST_THUMBNAIL_KEY = "media/latest_thumbnail/thumb.jpg"

Status = Literal["RECORDING_STARTED", "RECORDING_ENDED", "RECORDING_ENDED_WITH_FAILURE"]
EVENT_KEYS: Mapping[Status, str] = {
    "RECORDING_STARTED": STARTED_KEY,
    "RECORDING_ENDED": ENDED_KEY,
    "RECORDING_ENDED_WITH_FAILURE": FAILED_KEY,
}

CONTENT_TYPES = {
    "json": "application/json",
    "m3u8": "application/x-mpegURL",
    "ts": "video/MP2T",
    "m4s": "video/iso.segment",
    "mp4": "video/mp4",
    "jpg": "image/jpeg",
}
"""By the ending of the key, as players and browsers want them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RecordedRendition(Struct, frozen=True, kw_only=True):
    """A rendition of a recording, as its playlists and event files name it."""

    path: str  # "720p30": its folder in media/hls, and its GROUP-ID
    codecs: str  # RFC 6381 list
    width: int | None  # pixels; None: sound only
    height: int | None
    frame_rate: float | None  # frames per second
    container: Container
    target_duration_s: int  # EXT-X-TARGETDURATION of its recorded playlists


class ThumbnailSize(Struct, frozen=True, kw_only=True):
    """Pixels of all thumbnails of a recording."""

    width: int
    height: int


class Gap(Struct, frozen=True, kw_only=True):
    """Media of one rendition that is missing from a recording."""

    rendition: str
    start_ms: int  # wall clock (Unix ms) of what is missing
    duration_ms: int
    reason: str  # for people


class RecordingFacts(Struct, frozen=True, kw_only=True):
    """What an event file is made of."""

    channel_arn: str
    status: Status
    started_at_ms: int  # Unix
    ended_at_ms: int = 0  # Unix; unused in recording-started.json
    duration_ms: int = 0  # unused in recording-started.json
    message: str = ""  # recording_status_message; "" leaves it out
    renditions: Sequence[RecordedRendition] = ()  # best first; none: no video is recorded
    gaps: Sequence[Gap] = ()
    thumbnails: ThumbnailSize | None = None  # None: no SEQUENTIAL ones
    latest_thumbnail: ThumbnailSize | None = None  # None: no LATEST one


def prefix(account: str, channel_id: str, started_at_ms: int, recording_id: str) -> str:
    """Where a recording's objects are, without a slash at the end. UTC, no zero padding."""
    at = utc(started_at_ms)
    when = f"{at.year}/{at.month}/{at.day}/{at.hour}/{at.minute}"
    return f"ivs/v1/{account}/{channel_id}/{when}/{recording_id}"


def segment_name(container: Container, number: int) -> str:
    """A recorded segment, relative to its playlist."""
    return f"{number}.ts" if container == "TS" else f"{number}.m4s"


def init_name(number: int) -> str:
    """An init segment (fragmented MP4), relative to its playlist."""
    return f"init-{number}.mp4"


def media_key(rendition: str, name: str) -> str:
    """A playlist or segment of a rendition."""
    return f"{HLS_PATH}/{rendition}/{name}"


def hls_key(name: str) -> str:
    """A multivariant playlist."""
    return f"{HLS_PATH}/{name}"


def thumbnail_key(number: int) -> str:
    """A SEQUENTIAL thumbnail."""
    return f"{THUMBNAILS_PATH}/thumb{number}.jpg"


def content_type(key: str) -> str:
    """What an object is served as."""
    return CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream")


def event_file(facts: RecordingFacts) -> bytes:
    """recording-started.json, recording-ended.json or recording-failed.json, by the status."""
    is_over = facts.status != "RECORDING_STARTED"
    body: dict[str, Any] = {
        "version": "v1",
        "recording_started_at": iso_second(facts.started_at_ms),
    }
    if is_over:
        body["recording_ended_at"] = iso_second(facts.ended_at_ms)
    body["channel_arn"] = facts.channel_arn
    body["recording_status"] = facts.status
    if facts.message:
        body["recording_status_message"] = facts.message
    media: dict[str, Any] = {}
    if facts.renditions or facts.thumbnails is facts.latest_thumbnail is None:
        media["hls"] = _hls(facts, is_over=is_over)
    if facts.thumbnails is not None:
        media["thumbnails"] = _thumbnails(THUMBNAILS_PATH, facts.thumbnails)
    if facts.latest_thumbnail is not None:
        media["latest_thumbnail"] = _thumbnails(LATEST_THUMBNAIL_KEY, facts.latest_thumbnail)
    return json.dumps({**body, "media": media}, separators=(",", ":")).encode()


def _hls(facts: RecordingFacts, *, is_over: bool) -> dict[str, Any]:
    duration = {"duration_ms": facts.duration_ms} if is_over else {}
    return {
        **duration,
        "path": HLS_PATH,
        "playlist": MASTER_NAME,
        "byte_range_playlist": BYTE_RANGE_MASTER_NAME,
        "renditions": [_rendition(each, facts.gaps) for each in facts.renditions],
    }


def _rendition(rendition: RecordedRendition, gaps: Sequence[Gap]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "path": rendition.path,
        "playlist": PLAYLIST_NAME,
        "byte_range_playlist": BYTE_RANGE_PLAYLIST_NAME,
    }
    if rendition.width is not None and rendition.height is not None:
        fields["resolution_width"] = rendition.width
        fields["resolution_height"] = rendition.height
    own = [each for each in gaps if each.rendition == rendition.path]
    if own:  # beyond IVS's members, and only where something is missing
        fields["gaps"] = [
            {
                "start": iso_millisecond(each.start_ms),
                "duration_ms": each.duration_ms,
                "reason": each.reason,
            }
            for each in own
        ]
    return fields


def _thumbnails(path: str, size: ThumbnailSize) -> dict[str, Any]:
    return {"path": path, "resolution_width": size.width, "resolution_height": size.height}


def utc(at_ms: int) -> datetime:
    """Unix milliseconds as UTC, exactly."""
    return _EPOCH + timedelta(milliseconds=at_ms)


def iso_second(at_ms: int) -> str:
    """`2026-10-01T12:00:07Z`."""
    return utc(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_millisecond(at_ms: int) -> str:
    """`2026-10-01T12:00:07.040Z`."""
    return f"{utc(at_ms).strftime('%Y-%m-%dT%H:%M:%S')}.{at_ms % 1000:03d}Z"
