"""Ads on the wire. Source: IVS API reference, AdConfiguration and its operations, InsertAdBreak."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from headwater.shapes.scalars import (
    AdBreakId,
    AdConfigurationArn,
    AdConfigurationName,
    AdDurationSeconds,
    ChannelArn,
    MaxAdConfigurationResults,
    MediaTailorPlaybackConfigurationArn,
    PaginationToken,
    Tags,
    Time,
)
from headwater.shapes.wire import Shape


class MediaTailorPlaybackConfiguration(Shape, frozen=True, kw_only=True):
    """Where ads come from. UNSET only in requests, which are refused then."""

    playback_configuration_arn: MediaTailorPlaybackConfigurationArn | UnsetType = UNSET


MediaTailorPlaybackConfigurationsList = Annotated[
    list[MediaTailorPlaybackConfiguration], Meta(min_length=1, max_length=3)
]


class PostRollConfiguration(Shape, frozen=True, kw_only=True):
    """Ads at the end of a stream."""

    duration_seconds: AdDurationSeconds
    enabled: bool


class AdConfigurationSummary(Shape, frozen=True, kw_only=True):
    """An ad configuration as ListAdConfigurations shows it: whole."""

    arn: AdConfigurationArn
    name: AdConfigurationName
    media_tailor_playback_configurations: MediaTailorPlaybackConfigurationsList
    post_roll_configuration: PostRollConfiguration
    tags: Tags


class AdConfiguration(AdConfigurationSummary, frozen=True, kw_only=True):
    """An ad configuration."""


class CreateAdConfigurationRequest(Shape, frozen=True, kw_only=True):
    """What the caller wants; the first source is the default one."""

    name: AdConfigurationName = ""
    media_tailor_playback_configurations: MediaTailorPlaybackConfigurationsList
    post_roll_configuration: PostRollConfiguration = PostRollConfiguration(
        duration_seconds=15, enabled=False
    )
    tags: Tags = field(default_factory=dict)


class CreateAdConfigurationResponse(Shape, frozen=True, kw_only=True):
    """The new ad configuration."""

    ad_configuration: AdConfiguration


class GetAdConfigurationRequest(Shape, frozen=True, kw_only=True):
    """Which ad configuration."""

    arn: AdConfigurationArn


class GetAdConfigurationResponse(Shape, frozen=True, kw_only=True):
    """The ad configuration."""

    ad_configuration: AdConfiguration


class ListAdConfigurationsRequest(Shape, frozen=True, kw_only=True):
    """All of the account in the region."""

    next_token: PaginationToken = ""
    max_results: MaxAdConfigurationResults = 100


class ListAdConfigurationsResponse(Shape, frozen=True, kw_only=True):
    """One page of ad configurations, oldest first."""

    ad_configurations: list[AdConfigurationSummary]
    next_token: PaginationToken | UnsetType = UNSET


class UpdateAdConfigurationRequest(Shape, frozen=True, kw_only=True):
    """UNSET leaves a member alone; a value replaces it as a whole."""

    arn: AdConfigurationArn
    name: AdConfigurationName | UnsetType = UNSET
    media_tailor_playback_configurations: MediaTailorPlaybackConfigurationsList | UnsetType = UNSET
    post_roll_configuration: PostRollConfiguration | UnsetType = UNSET


class UpdateAdConfigurationResponse(Shape, frozen=True, kw_only=True):
    """The ad configuration as it is now."""

    ad_configuration: AdConfiguration


class DeleteAdConfigurationRequest(Shape, frozen=True, kw_only=True):
    """Which ad configuration."""

    arn: AdConfigurationArn


class InsertAdBreakRequest(Shape, frozen=True, kw_only=True):
    """For which channel, how long, and when."""

    channel_arn: ChannelArn
    duration_seconds: AdDurationSeconds
    ad_break_id: AdBreakId | UnsetType = UNSET
    target_start_at: Time | UnsetType = UNSET


class InsertAdBreakResponse(Shape, frozen=True, kw_only=True):
    """The break that will come."""

    ad_break_id: AdBreakId
    target_start_at: Time
