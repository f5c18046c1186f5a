"""Channels: create, get, list, update, delete.

Source: IVS API reference. Where it is silent: a list filter that is "" is no filter,
names match exactly, lists go from oldest to newest, and an ARN of another account or
region is one that does not exist. A recording configuration may be attached while it is
CREATING, so that nobody has to wait for it, and not when that failed.
"""

from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import fields, replace

from headwater.api.endpoints import Endpoints
from headwater.api.errors import (
    ConflictError,
    ResourceNotFoundError,
    ValidationError,
)
from headwater.api.operation import Call, operation
from headwater.api.operations.batch import batch_errors
from headwater.api.operations.stream_keys import new_stream_key, stream_key_shape
from headwater.api.resources import any_of, member, members
from headwater.api.validation import check_tags
from headwater.core import ids
from headwater.shapes.channels import (
    BatchGetChannelRequest,
    BatchGetChannelResponse,
    Channel,
    ChannelSummary,
    CreateChannelRequest,
    CreateChannelResponse,
    DeleteChannelRequest,
    GetChannelRequest,
    GetChannelResponse,
    ListChannelsRequest,
    ListChannelsResponse,
    MultitrackInputConfiguration,
    Srt,
    UpdateChannelRequest,
    UpdateChannelResponse,
)
from headwater.shapes.wire import members_sent, shaped
from headwater.store.records import ChannelRecord, RecordingConfigurationRecord

_ATTACHMENTS = (
    "recording_configuration_arn",
    "playback_restriction_policy_arn",
    "ad_configuration_arn",
    "failover_slate_configuration_arn",
)
_FILTER = "filter_by_"
_ADVANCED = ("ADVANCED_SD", "ADVANCED_HD")
_FAILED = "CREATE_FAILED"
_DEFAULT_PRESET = "HIGHER_BANDWIDTH_DELIVERY"


@operation("CreateChannel", on=any_of("channel", "stream-key"), writes=True)
async def create_channel(call: Call, req: CreateChannelRequest) -> CreateChannelResponse:
    """Create a channel and its first stream key, or neither. The tags are the channel's."""
    check_tags(call.operation, req.tags)
    record = ChannelRecord(
        id=ids.resource_id(call.random_bytes),
        region=call.scope.region,
        account=call.scope.account,
        created_at_ms=call.now_ms,
        srt_passphrase=ids.srt_passphrase(call.random_bytes),
        **_plain(req),
        preset=_preset(call, req.type, req.preset, current=""),
        **_multitrack(call, req.multitrack_input_configuration),
    )
    await _check(call, record, attached=_attached(req))
    await call.within_quota(ChannelRecord)
    key = new_stream_key(call, channel_id=record.id, tags={})
    await call.store.insert(record)
    await call.store.insert(key)
    return CreateChannelResponse(
        channel=channel_shape(record, call.endpoints), stream_key=stream_key_shape(key)
    )


@operation("GetChannel", on=member("arn"))
async def get_channel(call: Call, req: GetChannelRequest) -> GetChannelResponse:
    """One channel."""
    record = await call.find(ChannelRecord, req.arn)
    return GetChannelResponse(channel=channel_shape(record, call.endpoints))


@operation("BatchGetChannel", on=members("arns"))
async def batch_get_channel(call: Call, req: BatchGetChannelRequest) -> BatchGetChannelResponse:
    """Up to 50 channels at once, each once; those that are missing are errors in a 200."""
    allowed = await call.allowed(req.arns)
    records = await call.find_all(ChannelRecord, allowed)
    return BatchGetChannelResponse(
        channels=[channel_shape(record, call.endpoints) for record in records],
        errors=batch_errors(req.arns, allowed=allowed, found=(record.arn for record in records)),
    )


@operation("ListChannels", on=any_of("channel"))
async def list_channels(call: Call, req: ListChannelsRequest) -> ListChannelsResponse:
    """One page of the channels that match the one filter, if any."""
    sent = {
        field.name: (field.encode_name, value)
        for field in fields(req)
        if field.name.startswith(_FILTER) and (value := getattr(req, field.name))
    }
    if len(sent) > 1:
        names = ", ".join(name for name, _ in sent.values())
        raise ConflictError(f"{call.operation} takes one filter at a time, not {names}")
    page, next_token = await call.page(
        ChannelRecord,
        next_token=req.next_token,
        max_results=req.max_results,
        **{name.removeprefix(_FILTER): value for name, (_, value) in sent.items()},
    )
    return ListChannelsResponse(
        channels=[shaped(ChannelSummary, record) for record in page], next_token=next_token
    )


@operation("UpdateChannel", on=member("arn"), writes=True)
async def update_channel(call: Call, req: UpdateChannelRequest) -> UpdateChannelResponse:
    """Change what was sent and keep the rest; refused while an encoder is connected."""
    before = await call.find(ChannelRecord, req.arn)
    type_ = before.type if req.type is UNSET else req.type
    record = replace(
        before,
        **_plain(req),
        preset=_preset(call, type_, req.preset, current=before.preset),
        **_multitrack(call, req.multitrack_input_configuration),
    )
    await _check(call, record, attached=_attached(req))
    if call.control.is_publishing(record.arn):
        raise ConflictError(f"Channel: {record.arn} is live; stop its stream first")
    await call.store.update(record)
    return UpdateChannelResponse(channel=channel_shape(record, call.endpoints))


@operation("DeleteChannel", on=member("arn"), writes=True)
async def delete_channel(call: Call, req: DeleteChannelRequest) -> None:
    """Delete a channel and its stream keys; refused while the channel is live."""
    record = await call.find(ChannelRecord, req.arn)
    if call.control.live_stream(record.arn) is not None:
        raise ConflictError(f"Channel: {record.arn} is live; stop its stream first")
    await call.store.delete(ChannelRecord, call.scope, record.id)
    # An encoder that is connected and not live yet must not go live on no channel.
    call.control.stop_stream(record.arn)


def channel_shape(record: ChannelRecord, endpoints: Endpoints) -> Channel:
    """A channel as the API shows it to its owner."""
    return shaped(
        Channel,
        record,
        ingest_endpoint=endpoints.ingest_host,
        playback_url=endpoints.playback_url(record.id),
        srt=Srt(endpoint=endpoints.srt_host, passphrase=record.srt_passphrase),
        multitrack_input_configuration=shaped(
            MultitrackInputConfiguration,
            record,
            enabled=record.multitrack_enabled,
            policy=record.multitrack_policy,
            maximum_resolution=record.multitrack_maximum_resolution,
        ),
    )


def _plain(req: CreateChannelRequest | UpdateChannelRequest) -> dict[str, Any]:
    """The members that were sent and are stored as they are."""
    return members_sent(req, but=("arn", "preset", "multitrack_input_configuration"))


def _preset(call: Call, type_: str, sent: str | UnsetType, *, current: str) -> str:
    """The preset of a channel of that type; only the ADVANCED types have one.

    A channel that becomes ADVANCED gets the default one, one that no longer is gets
    none. Sending one for another type is refused; "", which answers have for those types
    and CloudFormation takes, says nothing.
    """
    if type_ not in _ADVANCED:
        if sent:
            raise ValidationError(
                f"{call.operation}.preset is allowed only for the types {', '.join(_ADVANCED)}"
            )
        return ""
    return sent or current or _DEFAULT_PRESET


def _multitrack(call: Call, sent: MultitrackInputConfiguration | UnsetType) -> dict[str, Any]:
    """What is stored of the structure, which is replaced as a whole; nothing if not sent."""
    if sent is UNSET:
        return {}
    if sent.enabled and UNSET in {sent.policy, sent.maximum_resolution}:
        raise ValidationError(
            f"{call.operation}.multitrackInputConfiguration: policy and maximumResolution are "
            "required when enabled is true"
        )
    return {
        "multitrack_enabled": sent.enabled,
        "multitrack_policy": "ALLOW" if sent.policy is UNSET else sent.policy,
        "multitrack_maximum_resolution": (
            "FULL_HD" if sent.maximum_resolution is UNSET else sent.maximum_resolution
        ),
    }


def _attached(req: CreateChannelRequest | UpdateChannelRequest) -> list[str]:
    """The ARNs that a request attaches to the channel; "" detaches."""
    sent = (getattr(req, name) for name in _ATTACHMENTS)
    return [arn for arn in sent if arn]


async def _check(call: Call, record: ChannelRecord, *, attached: list[str]) -> None:
    """Refuse members that do not go together, and attached resources that cannot be used."""
    fragmented = record.container_format == "FRAGMENTED_MP4"
    if record.multitrack_enabled and record.type != "STANDARD":
        raise ValidationError(
            f"{call.operation}.multitrackInputConfiguration.enabled may be true only for the "
            "type STANDARD"
        )
    if record.multitrack_enabled and not fragmented:
        raise ValidationError(
            f"{call.operation}.containerFormat must be FRAGMENTED_MP4 when "
            "multitrackInputConfiguration.enabled is true"
        )
    if record.ad_configuration_arn and fragmented:
        raise ValidationError(
            f"{call.operation}.containerFormat must be TS when there is an adConfigurationArn"
        )
    for arn in attached:
        resource = await call.store.resource(call.scope, arn)
        if resource is None:
            raise ResourceNotFoundError(arn=arn)
        if isinstance(resource, RecordingConfigurationRecord) and resource.state == _FAILED:
            raise ValidationError(
                f"{call.operation}.recordingConfigurationArn must not be one whose state is "
                f"{_FAILED}"
            )
