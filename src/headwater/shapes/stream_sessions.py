"""Stream sessions on the wire. Source: IVS API reference, StreamSession and its operations."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from headwater.shapes.channels import Channel
from headwater.shapes.failover_slates import FailoverSlateConfiguration
from headwater.shapes.recording_configurations import RecordingConfiguration
from headwater.shapes.scalars import (
    ChannelArn,
    MaxStreamResults,
    PaginationToken,
    StreamId,
    Time,
)
from headwater.shapes.wire import Shape


class VideoConfiguration(Shape, frozen=True, kw_only=True):
    """A video track as the encoder sends it; "" and 0 are what it does not say."""

    avc_profile: str = ""  # as `profile`, in the deprecated IngestConfiguration only
    avc_level: str = ""
    codec: str = ""  # RFC 6381, e.g. "avc1.42C028"
    encoder: str = ""
    target_bitrate: int = 0  # bits per second
    target_framerate: int = 0
    video_height: int = 0
    video_width: int = 0
    level: str = ""
    track: str = ""
    profile: str = ""


class AudioConfiguration(Shape, frozen=True, kw_only=True):
    """An audio track as the encoder sends it; "" and 0 are what it does not say."""

    codec: str = ""  # RFC 6381, e.g. "mp4a.40.2"
    target_bitrate: int = 0  # bits per second
    sample_rate: int = 0  # Hz
    channels: int = 0
    track: str = ""


class IngestConfiguration(Shape, frozen=True, kw_only=True):
    """The first track of each kind."""

    video: VideoConfiguration | UnsetType = UNSET
    audio: AudioConfiguration | UnsetType = UNSET


class IngestConfigurations(Shape, frozen=True, kw_only=True):
    """All tracks."""

    video_configurations: list[VideoConfiguration]
    audio_configurations: list[AudioConfiguration]


class StreamEvent(Shape, frozen=True, kw_only=True):
    """Something that happened."""

    name: str  # e.g. "Stream Start"
    type: str  # EventBridge's detail-type, e.g. "IVS Stream State Change"
    event_time: Time
    code: str | UnsetType = UNSET


StreamEvents = Annotated[list[StreamEvent], Meta(min_length=0, max_length=500)]


class StreamSessionSummary(Shape, frozen=True, kw_only=True):
    """A session as ListStreamSessions shows it."""

    stream_id: StreamId
    start_time: Time
    end_time: Time | UnsetType = UNSET  # not while it goes on
    has_error_event: bool


class StreamSession(Shape, frozen=True, kw_only=True):
    """A session: what there was at its start, what the encoder sent, what happened."""

    stream_id: StreamId
    start_time: Time
    end_time: Time | UnsetType = UNSET  # not while it goes on
    channel: Channel
    ingest_configuration: IngestConfiguration | UnsetType = UNSET
    ingest_configurations: IngestConfigurations | UnsetType = UNSET
    recording_configuration: RecordingConfiguration | UnsetType = UNSET
    truncated_events: StreamEvents  # newest first
    failover_slate_configuration: FailoverSlateConfiguration | UnsetType = UNSET


class GetStreamSessionRequest(Shape, frozen=True, kw_only=True):
    """Which session of which channel; without an id the latest."""

    channel_arn: ChannelArn
    stream_id: StreamId | UnsetType = UNSET


class GetStreamSessionResponse(Shape, frozen=True, kw_only=True):
    """The session."""

    stream_session: StreamSession


class ListStreamSessionsRequest(Shape, frozen=True, kw_only=True):
    """Of which channel."""

    channel_arn: ChannelArn
    next_token: PaginationToken = ""
    max_results: MaxStreamResults = 100


class ListStreamSessionsResponse(Shape, frozen=True, kw_only=True):
    """One page of sessions, newest first."""

    stream_sessions: list[StreamSessionSummary]
    next_token: PaginationToken | UnsetType = UNSET
