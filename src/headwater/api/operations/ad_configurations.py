"""Ad configurations: create, get, list, update, delete; and InsertAdBreak.

Source: IVS API reference. Where it is silent: a break is asked for no more than an hour
ahead, and by default 10 s ahead, as in AWS's sample event; until it is over no other one
can be asked for, and the same one asked for again is answered as it was.
"""

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from headwater.api.errors import ChannelNotBroadcastingError, ConflictError, ValidationError
from headwater.api.operation import Call, operation
from headwater.api.resources import any_of, member
from headwater.api.validation import check_tags, check_unique
from headwater.core import ids
from headwater.shapes.ads import (
    AdConfiguration,
    AdConfigurationSummary,
    CreateAdConfigurationRequest,
    CreateAdConfigurationResponse,
    DeleteAdConfigurationRequest,
    GetAdConfigurationRequest,
    GetAdConfigurationResponse,
    InsertAdBreakRequest,
    InsertAdBreakResponse,
    ListAdConfigurationsRequest,
    ListAdConfigurationsResponse,
    MediaTailorPlaybackConfiguration,
    PostRollConfiguration,
    UpdateAdConfigurationRequest,
    UpdateAdConfigurationResponse,
)
from headwater.shapes.wire import shaped, time_of
from headwater.store.records import AdBreakRecord, AdConfigurationRecord, ChannelRecord

DEFAULT_LEAD_MS = 10_000
"""From the call to the break: players are told before they reach it."""
MAX_LEAD_MS = 3_600_000
"""Further ahead it is more likely a mistake than a plan, and it keeps other breaks away."""
MAX_PAST_MS = 5_000
"""SDKs cut times to whole seconds, and clocks differ: "now" is never quite now."""


@operation("CreateAdConfiguration", on=any_of("ad-configuration"), writes=True)
async def create_ad_configuration(
    call: Call, req: CreateAdConfigurationRequest
) -> CreateAdConfigurationResponse:
    """Create an ad configuration. Nothing is asked of the sources that it names."""
    check_tags(call.operation, req.tags)
    sources = _sources(call.operation, req.media_tailor_playback_configurations)
    await call.within_quota(AdConfigurationRecord)
    record = AdConfigurationRecord(
        id=ids.resource_id(call.random_bytes),
        region=call.scope.region,
        account=call.scope.account,
        created_at_ms=call.now_ms,
        name=req.name,
        tags=req.tags,
        media_tailor_playback_configuration_arns=sources,
        **_post_roll(req.post_roll_configuration),
    )
    await call.store.insert(record)
    return CreateAdConfigurationResponse(ad_configuration=_shape(AdConfiguration, record))


@operation("GetAdConfiguration", on=member("arn"))
async def get_ad_configuration(
    call: Call, req: GetAdConfigurationRequest
) -> GetAdConfigurationResponse:
    """One ad configuration."""
    record = await call.find(AdConfigurationRecord, req.arn)
    return GetAdConfigurationResponse(ad_configuration=_shape(AdConfiguration, record))


@operation("ListAdConfigurations", on=any_of("ad-configuration"))
async def list_ad_configurations(
    call: Call, req: ListAdConfigurationsRequest
) -> ListAdConfigurationsResponse:
    """One page of ad configurations."""
    page, next_token = await call.page(
        AdConfigurationRecord, next_token=req.next_token, max_results=req.max_results
    )
    return ListAdConfigurationsResponse(
        ad_configurations=[_shape(AdConfigurationSummary, record) for record in page],
        next_token=next_token,
    )


@operation("UpdateAdConfiguration", on=member("arn"), writes=True)
async def update_ad_configuration(
    call: Call, req: UpdateAdConfigurationRequest
) -> UpdateAdConfigurationResponse:
    """Change what was sent and keep the rest."""
    changes: dict[str, Any] = _post_roll(req.post_roll_configuration)
    if req.name is not UNSET:
        changes["name"] = req.name
    if req.media_tailor_playback_configurations is not UNSET:
        sources = _sources(call.operation, req.media_tailor_playback_configurations)
        changes["media_tailor_playback_configuration_arns"] = sources
    record = replace(await call.find(AdConfigurationRecord, req.arn), **changes)
    await call.store.update(record)
    return UpdateAdConfigurationResponse(ad_configuration=_shape(AdConfiguration, record))


@operation("DeleteAdConfiguration", on=member("arn"), writes=True)
async def delete_ad_configuration(call: Call, req: DeleteAdConfigurationRequest) -> None:
    """Delete an ad configuration; refused while a channel has it."""
    record = await call.find(AdConfigurationRecord, req.arn)
    await call.unattached(record)
    await call.store.delete(AdConfigurationRecord, call.scope, record.id)


@operation("InsertAdBreak", on=member("channel_arn"), writes=True)
async def insert_ad_break(call: Call, req: InsertAdBreakRequest) -> InsertAdBreakResponse:
    """Ask for a break in a live stream."""
    channel = await call.find(ChannelRecord, req.channel_arn)
    start_ms = _start_ms(call, req.target_start_at)
    if not channel.ad_configuration_arn:
        raise ValidationError(
            f"{call.operation}.channelArn must be that of a channel with an adConfigurationArn"
        )
    live = call.control.live_stream(channel.arn)
    if live is None:
        raise ChannelNotBroadcastingError(channel_arn=channel.arn)
    ad_break = AdBreakRecord(
        channel_id=channel.id,
        stream_id=live.stream_id,
        id=ids.resource_id(call.random_bytes) if req.ad_break_id is UNSET else req.ad_break_id,
        target_start_ms=start_ms,
        duration_seconds=req.duration_seconds,
    )
    before = await call.store.ad_break(channel.id)
    if before is None or before.stream_id != live.stream_id or _end_ms(before) <= call.now_ms:
        await call.store.put_ad_break(ad_break)
        call.control.tell_ad_break(ad_break)
    elif (before.id, before.duration_seconds) == (ad_break.id, ad_break.duration_seconds):
        ad_break = before
    else:
        raise ConflictError(f"Channel: {channel.arn} has an ad break already; wait until it ends")
    return InsertAdBreakResponse(
        ad_break_id=ad_break.id, target_start_at=time_of(ad_break.target_start_ms)
    )


def _shape(shape: type[AdConfigurationSummary], record: AdConfigurationRecord) -> Any:  # noqa: ANN401 - that shape
    return shaped(
        shape,
        record,
        media_tailor_playback_configurations=[
            MediaTailorPlaybackConfiguration(playback_configuration_arn=arn)
            for arn in record.media_tailor_playback_configuration_arns
        ],
        post_roll_configuration=PostRollConfiguration(
            duration_seconds=record.post_roll_duration_seconds, enabled=record.post_roll_enabled
        ),
    )


def _sources(name: str, sent: list[MediaTailorPlaybackConfiguration]) -> list[str]:
    """The ARNs, the default one first."""
    name = f"{name}.mediaTailorPlaybackConfigurations"
    arns: list[str] = []
    for index, source in enumerate(sent):
        if source.playback_configuration_arn is UNSET:
            raise ValidationError(
                f"{name}[{index}].playbackConfigurationArn is a required attribute"
            )
        arns.append(source.playback_configuration_arn)
    check_unique(name, arns)
    return arns


def _post_roll(sent: PostRollConfiguration | UnsetType) -> dict[str, Any]:
    """What is stored of the structure; nothing if not sent."""
    if sent is UNSET:
        return {}
    return {
        "post_roll_enabled": sent.enabled,
        "post_roll_duration_seconds": sent.duration_seconds,
    }


def _start_ms(call: Call, sent: datetime | UnsetType) -> int:
    if sent is UNSET:
        return call.now_ms + DEFAULT_LEAD_MS
    start_ms = int(sent.timestamp() * 1000)
    if not -MAX_PAST_MS <= start_ms - call.now_ms <= MAX_LEAD_MS:
        raise ValidationError(
            f"{call.operation}.targetStartAt must be a time from now to an hour ahead"
        )
    return start_ms


def _end_ms(ad_break: AdBreakRecord) -> int:
    return ad_break.target_start_ms + ad_break.duration_seconds * 1000
