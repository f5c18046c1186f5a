"""Recording configurations: create, get, list, delete. There is no update.

Source: IVS API reference. Where it is silent: an interval together with DISABLED is refused,
as it would mean nothing; so is a list that names a thing twice. What was not sent is shown
with AWS's documented default, if there is one. A list without thumbnail storage is the default.
"""

from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from headwater.api.errors import ValidationError
from headwater.api.operation import Call, operation
from headwater.api.resources import any_of, member
from headwater.api.validation import check_tags, check_unique
from headwater.core import ids
from headwater.shapes.recording_configurations import (
    CreateRecordingConfigurationRequest,
    CreateRecordingConfigurationResponse,
    DeleteRecordingConfigurationRequest,
    DestinationConfiguration,
    GetRecordingConfigurationRequest,
    GetRecordingConfigurationResponse,
    ListRecordingConfigurationsRequest,
    ListRecordingConfigurationsResponse,
    RecordingConfiguration,
    RecordingConfigurationSummary,
    RenditionConfiguration,
    S3DestinationConfiguration,
    ThumbnailConfiguration,
)
from headwater.shapes.wire import shaped
from headwater.store.records import RecordingConfigurationRecord

_DEFAULT_INTERVAL_S = 60
_DEFAULT_STORAGE = "SEQUENTIAL"


@operation("CreateRecordingConfiguration", on=any_of("recording-configuration"), writes=True)
async def create_recording_configuration(
    call: Call, req: CreateRecordingConfigurationRequest
) -> CreateRecordingConfigurationResponse:
    """Create a recording configuration, which is ACTIVE when its bucket was looked at."""
    check_tags(call.operation, req.tags)
    s3 = req.destination_configuration.s3
    if s3 is UNSET:
        raise ValidationError(
            f"{call.operation}.destinationConfiguration.s3 is a required attribute"
        )
    record = RecordingConfigurationRecord(
        id=ids.resource_id(call.random_bytes),
        region=call.scope.region,
        account=call.scope.account,
        created_at_ms=call.now_ms,
        tags=req.tags,
        name=req.name,
        bucket_name=s3.bucket_name,
        state="CREATING",
        recording_reconnect_window_seconds=req.recording_reconnect_window_seconds,
        thumbnail_configuration=_thumbnails(call.operation, req.thumbnail_configuration),
        rendition_configuration=_renditions(call.operation, req.rendition_configuration),
    )
    await call.within_quota(RecordingConfigurationRecord)
    await call.store.insert(record)
    return CreateRecordingConfigurationResponse(recording_configuration=_shape(call, record))


@operation("GetRecordingConfiguration", on=member("arn"))
async def get_recording_configuration(
    call: Call, req: GetRecordingConfigurationRequest
) -> GetRecordingConfigurationResponse:
    """One recording configuration. Whether its bucket is still there is not asked."""
    record = await call.find(RecordingConfigurationRecord, req.arn)
    return GetRecordingConfigurationResponse(recording_configuration=_shape(call, record))


@operation("ListRecordingConfigurations", on=any_of("recording-configuration"))
async def list_recording_configurations(
    call: Call, req: ListRecordingConfigurationsRequest
) -> ListRecordingConfigurationsResponse:
    """One page of recording configurations."""
    page, next_token = await call.page(
        RecordingConfigurationRecord, next_token=req.next_token, max_results=req.max_results
    )
    return ListRecordingConfigurationsResponse(
        recording_configurations=[_summary(call, record) for record in page],
        next_token=next_token,
    )


@operation("DeleteRecordingConfiguration", on=member("arn"), writes=True)
async def delete_recording_configuration(
    call: Call, req: DeleteRecordingConfigurationRequest
) -> None:
    """Delete a recording configuration; refused while a channel has it."""
    record = await call.find(RecordingConfigurationRecord, req.arn)
    await call.unattached(record)
    await call.store.delete(RecordingConfigurationRecord, call.scope, record.id)


def _summary(call: Call, record: RecordingConfigurationRecord) -> RecordingConfigurationSummary:
    """What a list shows."""
    _settle(call, record)
    return shaped(
        RecordingConfigurationSummary, record, destination_configuration=_destination(record)
    )


def _shape(call: Call, record: RecordingConfigurationRecord) -> RecordingConfiguration:
    """What its owner sees."""
    _settle(call, record)
    return recording_configuration_shape(record)


def recording_configuration_shape(record: RecordingConfigurationRecord) -> RecordingConfiguration:
    """The whole of it."""
    return shaped(
        RecordingConfiguration,
        record,
        destination_configuration=_destination(record),
        thumbnail_configuration=msgspec.convert(
            record.thumbnail_configuration, ThumbnailConfiguration
        ),
        rendition_configuration=msgspec.convert(
            record.rendition_configuration, RenditionConfiguration
        ),
    )


def _settle(call: Call, record: RecordingConfigurationRecord) -> None:
    """Have the bucket of a new one looked at; of an old one too, if a server stopped before."""
    if record.state == "CREATING":
        call.destinations.check(record)


def _destination(record: RecordingConfigurationRecord) -> DestinationConfiguration:
    return DestinationConfiguration(s3=S3DestinationConfiguration(bucket_name=record.bucket_name))


def _thumbnails(operation_name: str, sent: ThumbnailConfiguration) -> dict[str, Any]:
    """What is stored: as sent, with the defaults that INTERVAL has."""
    name = f"{operation_name}.thumbnailConfiguration"
    check_unique(f"{name}.storage", sent.storage or [])
    if sent.recording_mode == "DISABLED":
        if sent.target_interval_seconds is not UNSET:
            raise ValidationError(
                f"{name}.targetIntervalSeconds is allowed only with the recordingMode INTERVAL"
            )
        return _wire(sent)
    interval_s = sent.target_interval_seconds
    return _wire(
        replace(
            sent,
            target_interval_seconds=_DEFAULT_INTERVAL_S if interval_s is UNSET else interval_s,
            storage=sent.storage or [_DEFAULT_STORAGE],
        )
    )


def _renditions(operation_name: str, sent: RenditionConfiguration) -> dict[str, Any]:
    """What is stored: as sent. Renditions mean nothing without CUSTOM, and are kept."""
    name = f"{operation_name}.renditionConfiguration.renditions"
    check_unique(name, sent.renditions or [])
    if sent.rendition_selection == "CUSTOM" and not sent.renditions:
        raise ValidationError(f"{name} is required with the renditionSelection CUSTOM")
    return _wire(sent)


def _wire(shape: ThumbnailConfiguration | RenditionConfiguration) -> dict[str, Any]:
    stored: dict[str, Any] = msgspec.to_builtins(shape)
    return stored
