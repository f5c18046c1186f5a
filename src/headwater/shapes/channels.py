"""Channels on the wire. Source: IVS API reference, Channel and its six operations."""

from typing import Literal

from msgspec import UNSET, UnsetType, field

from headwater.core.secret import Secret
from headwater.shapes.batch import BatchError
from headwater.shapes.scalars import (
    ChannelAdConfigurationArn,
    ChannelArn,
    ChannelArnList,
    ChannelFailoverSlateConfigurationArn,
    ChannelLatencyMode,
    ChannelName,
    ChannelPlaybackRestrictionPolicyArn,
    ChannelRecordingConfigurationArn,
    ChannelType,
    ContainerFormat,
    MaxChannelResults,
    MultitrackMaximumResolution,
    MultitrackPolicy,
    PaginationToken,
    Tags,
    TranscodePreset,
)
from headwater.shapes.stream_keys import StreamKey
from headwater.shapes.wire import Shape


class MultitrackInputConfiguration(Shape, frozen=True, kw_only=True):
    """Whether an encoder may send several video tracks. UNSET only in requests."""

    enabled: bool = False
    policy: MultitrackPolicy | UnsetType = UNSET
    maximum_resolution: MultitrackMaximumResolution | UnsetType = UNSET


class Srt(Shape, frozen=True, kw_only=True):
    """Where to send SRT."""

    endpoint: str  # a bare host
    passphrase: Secret


class ChannelSummary(Shape, frozen=True, kw_only=True):
    """A channel as ListChannels shows it."""

    arn: ChannelArn
    name: ChannelName
    latency_mode: ChannelLatencyMode
    authorized: bool
    recording_configuration_arn: ChannelRecordingConfigurationArn
    tags: Tags
    insecure_ingest: bool
    type: ChannelType
    preset: Literal[TranscodePreset, ""]  # "" for the types that have none
    playback_restriction_policy_arn: ChannelPlaybackRestrictionPolicyArn
    ad_configuration_arn: ChannelAdConfigurationArn
    failover_slate_configuration_arn: ChannelFailoverSlateConfigurationArn


class Channel(ChannelSummary, frozen=True, kw_only=True):
    """A channel with its endpoints."""

    ingest_endpoint: str  # a bare host
    playback_url: str
    srt: Srt | UnsetType  # UNSET in what a stream session shows
    multitrack_input_configuration: MultitrackInputConfiguration
    container_format: ContainerFormat


class CreateChannelRequest(Shape, frozen=True, kw_only=True):
    """What the caller wants; the defaults are AWS's documented ones."""

    name: ChannelName = ""
    latency_mode: ChannelLatencyMode = "LOW"
    type: ChannelType = "STANDARD"
    authorized: bool = False  # viewers need a signed playback token
    recording_configuration_arn: ChannelRecordingConfigurationArn = ""
    tags: Tags = field(default_factory=dict)
    insecure_ingest: bool = False  # accept rtmp:// as well as rtmps://
    preset: Literal[TranscodePreset, ""] | UnsetType = UNSET  # "" as if it were not sent
    playback_restriction_policy_arn: ChannelPlaybackRestrictionPolicyArn = ""
    multitrack_input_configuration: MultitrackInputConfiguration = MultitrackInputConfiguration()
    container_format: ContainerFormat = "TS"
    ad_configuration_arn: ChannelAdConfigurationArn = ""
    failover_slate_configuration_arn: ChannelFailoverSlateConfigurationArn = ""


class CreateChannelResponse(Shape, frozen=True, kw_only=True):
    """The channel, and the one stream key it comes with."""

    channel: Channel
    stream_key: StreamKey


class GetChannelRequest(Shape, frozen=True, kw_only=True):
    """Which channel."""

    arn: ChannelArn


class GetChannelResponse(Shape, frozen=True, kw_only=True):
    """The channel."""

    channel: Channel


class BatchGetChannelRequest(Shape, frozen=True, kw_only=True):
    """Which channels."""

    arns: ChannelArnList


class BatchGetChannelResponse(Shape, frozen=True, kw_only=True):
    """The channels that are there, and the ARNs of those that are not."""

    channels: list[Channel]
    errors: list[BatchError] | UnsetType = UNSET


class ListChannelsRequest(Shape, frozen=True, kw_only=True):
    """At most one filter; an empty text is no filter."""

    filter_by_name: ChannelName = ""
    filter_by_recording_configuration_arn: ChannelRecordingConfigurationArn = ""
    filter_by_playback_restriction_policy_arn: ChannelPlaybackRestrictionPolicyArn = ""
    filter_by_ad_configuration_arn: ChannelAdConfigurationArn = ""
    filter_by_failover_slate_configuration_arn: ChannelFailoverSlateConfigurationArn = ""
    next_token: PaginationToken = ""
    max_results: MaxChannelResults = 100


class ListChannelsResponse(Shape, frozen=True, kw_only=True):
    """One page of channels, oldest first."""

    channels: list[ChannelSummary]
    next_token: PaginationToken | UnsetType = UNSET


class UpdateChannelRequest(Shape, frozen=True, kw_only=True):
    """UNSET leaves a member alone; a value (even "") replaces it."""

    arn: ChannelArn
    name: ChannelName | UnsetType = UNSET
    latency_mode: ChannelLatencyMode | UnsetType = UNSET
    type: ChannelType | UnsetType = UNSET
    authorized: bool | UnsetType = UNSET
    recording_configuration_arn: ChannelRecordingConfigurationArn | UnsetType = UNSET
    insecure_ingest: bool | UnsetType = UNSET
    preset: Literal[TranscodePreset, ""] | UnsetType = UNSET  # "" as if it were not sent
    playback_restriction_policy_arn: ChannelPlaybackRestrictionPolicyArn | UnsetType = UNSET
    multitrack_input_configuration: MultitrackInputConfiguration | UnsetType = UNSET
    container_format: ContainerFormat | UnsetType = UNSET
    ad_configuration_arn: ChannelAdConfigurationArn | UnsetType = UNSET
    failover_slate_configuration_arn: ChannelFailoverSlateConfigurationArn | UnsetType = UNSET


class UpdateChannelResponse(Shape, frozen=True, kw_only=True):
    """The channel as it is now."""

    channel: Channel


class DeleteChannelRequest(Shape, frozen=True, kw_only=True):
    """Which channel."""

    arn: ChannelArn
