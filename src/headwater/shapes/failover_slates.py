"""Failover slates on the wire. Source: IVS API reference, FailoverSlateConfiguration."""

from msgspec import UNSET, UnsetType, field

from headwater.shapes.scalars import (
    FailoverSlateActivationThresholdSeconds,
    FailoverSlateConfigurationArn,
    FailoverSlateConfigurationName,
    FailoverSlateConfigurationState,
    FailoverSlateMaxDisplaySeconds,
    FailoverSlateMinDisplaySeconds,
    MaxFailoverSlateConfigurationResults,
    PaginationToken,
    Tags,
)
from headwater.shapes.wire import Shape


class FailoverSlateConfigurationSummary(Shape, frozen=True, kw_only=True):
    """A failover slate configuration as ListFailoverSlateConfigurations shows it: whole."""

    arn: FailoverSlateConfigurationArn
    name: FailoverSlateConfigurationName
    activation_threshold_seconds: FailoverSlateActivationThresholdSeconds
    min_slate_display_seconds: FailoverSlateMinDisplaySeconds
    max_slate_display_seconds: FailoverSlateMaxDisplaySeconds
    state: FailoverSlateConfigurationState
    tags: Tags


class FailoverSlateConfiguration(FailoverSlateConfigurationSummary, frozen=True, kw_only=True):
    """A failover slate configuration."""


class CreateFailoverSlateConfigurationRequest(Shape, frozen=True, kw_only=True):
    """What the caller wants; the defaults are AWS's documented ones."""

    name: FailoverSlateConfigurationName = ""
    activation_threshold_seconds: FailoverSlateActivationThresholdSeconds = 3
    min_slate_display_seconds: FailoverSlateMinDisplaySeconds = 3
    max_slate_display_seconds: FailoverSlateMaxDisplaySeconds = 60
    tags: Tags = field(default_factory=dict)


class CreateFailoverSlateConfigurationResponse(Shape, frozen=True, kw_only=True):
    """The new failover slate configuration."""

    failover_slate_configuration: FailoverSlateConfiguration


class GetFailoverSlateConfigurationRequest(Shape, frozen=True, kw_only=True):
    """Which failover slate configuration."""

    arn: FailoverSlateConfigurationArn


class GetFailoverSlateConfigurationResponse(Shape, frozen=True, kw_only=True):
    """The failover slate configuration."""

    failover_slate_configuration: FailoverSlateConfiguration


class ListFailoverSlateConfigurationsRequest(Shape, frozen=True, kw_only=True):
    """All of the account in the region."""

    next_token: PaginationToken = ""
    max_results: MaxFailoverSlateConfigurationResults = 100


class ListFailoverSlateConfigurationsResponse(Shape, frozen=True, kw_only=True):
    """One page of failover slate configurations, oldest first."""

    failover_slate_configurations: list[FailoverSlateConfigurationSummary]
    next_token: PaginationToken | UnsetType = UNSET


class UpdateFailoverSlateConfigurationRequest(Shape, frozen=True, kw_only=True):
    """UNSET leaves a member alone; a value replaces it."""

    arn: FailoverSlateConfigurationArn
    name: FailoverSlateConfigurationName | UnsetType = UNSET
    activation_threshold_seconds: FailoverSlateActivationThresholdSeconds | UnsetType = UNSET
    min_slate_display_seconds: FailoverSlateMinDisplaySeconds | UnsetType = UNSET
    max_slate_display_seconds: FailoverSlateMaxDisplaySeconds | UnsetType = UNSET


class UpdateFailoverSlateConfigurationResponse(Shape, frozen=True, kw_only=True):
    """The failover slate configuration as it is now."""

    failover_slate_configuration: FailoverSlateConfiguration


class DeleteFailoverSlateConfigurationRequest(Shape, frozen=True, kw_only=True):
    """Which failover slate configuration."""

    arn: FailoverSlateConfigurationArn
