"""Playback restriction policies on the wire.

Source: IVS API reference, PlaybackRestrictionPolicy and its five operations.
"""

from msgspec import UNSET, UnsetType, field

from headwater.shapes.scalars import (
    MaxPlaybackRestrictionPolicyResults,
    PaginationToken,
    PlaybackRestrictionPolicyAllowedCountryList,
    PlaybackRestrictionPolicyAllowedOriginList,
    PlaybackRestrictionPolicyArn,
    PlaybackRestrictionPolicyName,
    Tags,
)
from headwater.shapes.wire import Shape


class PlaybackRestrictionPolicySummary(Shape, frozen=True, kw_only=True):
    """A policy as ListPlaybackRestrictionPolicies shows it: the whole of it."""

    arn: PlaybackRestrictionPolicyArn
    allowed_countries: PlaybackRestrictionPolicyAllowedCountryList  # none: all
    allowed_origins: PlaybackRestrictionPolicyAllowedOriginList  # none: all
    enable_strict_origin_enforcement: bool
    name: PlaybackRestrictionPolicyName
    tags: Tags


class PlaybackRestrictionPolicy(PlaybackRestrictionPolicySummary, frozen=True, kw_only=True):
    """Who may watch: from which countries and which pages."""


class CreatePlaybackRestrictionPolicyRequest(Shape, frozen=True, kw_only=True):
    """What the caller wants; nothing sent restricts nothing."""

    allowed_countries: PlaybackRestrictionPolicyAllowedCountryList = field(default_factory=list)
    allowed_origins: PlaybackRestrictionPolicyAllowedOriginList = field(default_factory=list)
    enable_strict_origin_enforcement: bool = False
    name: PlaybackRestrictionPolicyName = ""
    tags: Tags = field(default_factory=dict)


class CreatePlaybackRestrictionPolicyResponse(Shape, frozen=True, kw_only=True):
    """The new policy."""

    playback_restriction_policy: PlaybackRestrictionPolicy


class GetPlaybackRestrictionPolicyRequest(Shape, frozen=True, kw_only=True):
    """Which policy."""

    arn: PlaybackRestrictionPolicyArn


class GetPlaybackRestrictionPolicyResponse(Shape, frozen=True, kw_only=True):
    """The policy."""

    playback_restriction_policy: PlaybackRestrictionPolicy


class ListPlaybackRestrictionPoliciesRequest(Shape, frozen=True, kw_only=True):
    """Which page. AWS's default page holds one."""

    next_token: PaginationToken = ""
    max_results: MaxPlaybackRestrictionPolicyResults = 1


class ListPlaybackRestrictionPoliciesResponse(Shape, frozen=True, kw_only=True):
    """One page of policies, oldest first."""

    playback_restriction_policies: list[PlaybackRestrictionPolicySummary]
    next_token: PaginationToken | UnsetType = UNSET


class UpdatePlaybackRestrictionPolicyRequest(Shape, frozen=True, kw_only=True):
    """UNSET leaves a member alone; a value (even an empty one) replaces it."""

    arn: PlaybackRestrictionPolicyArn
    allowed_countries: PlaybackRestrictionPolicyAllowedCountryList | UnsetType = UNSET
    allowed_origins: PlaybackRestrictionPolicyAllowedOriginList | UnsetType = UNSET
    enable_strict_origin_enforcement: bool | UnsetType = UNSET
    name: PlaybackRestrictionPolicyName | UnsetType = UNSET


class UpdatePlaybackRestrictionPolicyResponse(Shape, frozen=True, kw_only=True):
    """The policy as it is now."""

    playback_restriction_policy: PlaybackRestrictionPolicy


class DeletePlaybackRestrictionPolicyRequest(Shape, frozen=True, kw_only=True):
    """Which policy."""

    arn: PlaybackRestrictionPolicyArn
