"""Recording configurations on the wire.

Source: IVS API reference, RecordingConfiguration and its four operations.
"""

from msgspec import UNSET, UnsetType, field

from headwater.shapes.scalars import (
    MaxRecordingConfigurationResults,
    PaginationToken,
    RecordingConfigurationArn,
    RecordingConfigurationName,
    RecordingConfigurationState,
    RecordingMode,
    RecordingReconnectWindowSeconds,
    RenditionConfigurationRenditionList,
    RenditionConfigurationRenditionSelection,
    S3DestinationBucketName,
    Tags,
    TargetIntervalSeconds,
    ThumbnailConfigurationResolution,
    ThumbnailConfigurationStorageList,
)
from headwater.shapes.wire import Shape


class S3DestinationConfiguration(Shape, frozen=True, kw_only=True):
    """Which bucket."""

    bucket_name: S3DestinationBucketName


class DestinationConfiguration(Shape, frozen=True, kw_only=True):
    """Where recordings go. UNSET only in requests, which are then refused."""

    s3: S3DestinationConfiguration | UnsetType = UNSET


class ThumbnailConfiguration(Shape, frozen=True, kw_only=True):
    """When pictures are taken of a stream, how large, and what is kept of them."""

    recording_mode: RecordingMode = "INTERVAL"
    target_interval_seconds: TargetIntervalSeconds | UnsetType = UNSET  # only with INTERVAL
    resolution: ThumbnailConfigurationResolution | UnsetType = UNSET  # UNSET: the source's
    storage: ThumbnailConfigurationStorageList | UnsetType = UNSET


class RenditionConfiguration(Shape, frozen=True, kw_only=True):
    """Which renditions are recorded."""

    rendition_selection: RenditionConfigurationRenditionSelection = "ALL"
    renditions: RenditionConfigurationRenditionList | UnsetType = UNSET  # what CUSTOM means


class RecordingConfigurationSummary(Shape, frozen=True, kw_only=True):
    """A recording configuration as ListRecordingConfigurations shows it."""

    arn: RecordingConfigurationArn
    name: RecordingConfigurationName
    destination_configuration: DestinationConfiguration
    state: RecordingConfigurationState
    tags: Tags


class RecordingConfiguration(RecordingConfigurationSummary, frozen=True, kw_only=True):
    """Where and how streams are recorded."""

    thumbnail_configuration: ThumbnailConfiguration
    recording_reconnect_window_seconds: RecordingReconnectWindowSeconds
    rendition_configuration: RenditionConfiguration


class CreateRecordingConfigurationRequest(Shape, frozen=True, kw_only=True):
    """What the caller wants; the defaults are AWS's documented ones."""

    name: RecordingConfigurationName = ""
    destination_configuration: DestinationConfiguration
    tags: Tags = field(default_factory=dict)
    thumbnail_configuration: ThumbnailConfiguration = ThumbnailConfiguration()
    recording_reconnect_window_seconds: RecordingReconnectWindowSeconds = 0
    rendition_configuration: RenditionConfiguration = RenditionConfiguration()


class CreateRecordingConfigurationResponse(Shape, frozen=True, kw_only=True):
    """The new recording configuration."""

    recording_configuration: RecordingConfiguration


class GetRecordingConfigurationRequest(Shape, frozen=True, kw_only=True):
    """Which recording configuration."""

    arn: RecordingConfigurationArn


class GetRecordingConfigurationResponse(Shape, frozen=True, kw_only=True):
    """The recording configuration."""

    recording_configuration: RecordingConfiguration


class ListRecordingConfigurationsRequest(Shape, frozen=True, kw_only=True):
    """Which page."""

    next_token: PaginationToken = ""
    max_results: MaxRecordingConfigurationResults = 100


class ListRecordingConfigurationsResponse(Shape, frozen=True, kw_only=True):
    """One page of recording configurations, oldest first."""

    recording_configurations: list[RecordingConfigurationSummary]
    next_token: PaginationToken | UnsetType = UNSET


class DeleteRecordingConfigurationRequest(Shape, frozen=True, kw_only=True):
    """Which recording configuration."""

    arn: RecordingConfigurationArn
