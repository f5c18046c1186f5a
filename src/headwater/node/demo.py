"""The demo's channel: made once through the API's own operations, found again later."""

from msgspec import Struct

from headwater.api.authentication import Caller, root_caller
from headwater.api.operations import channels, recording_configurations, stream_keys
from headwater.core.arn import parse_arn
from headwater.core.secret import Secret
from headwater.node.keys import root_key
from headwater.node.node import Node
from headwater.node.settings import Settings
from headwater.shapes.channels import (
    Channel,
    CreateChannelRequest,
    CreateChannelResponse,
    GetChannelRequest,
    GetChannelResponse,
    ListChannelsRequest,
    UpdateChannelRequest,
)
from headwater.shapes.recording_configurations import (
    CreateRecordingConfigurationRequest,
    CreateRecordingConfigurationResponse,
    DestinationConfiguration,
    S3DestinationConfiguration,
    ThumbnailConfiguration,
)
from headwater.shapes.stream_keys import (
    CreateStreamKeyRequest,
    CreateStreamKeyResponse,
    GetStreamKeyRequest,
    GetStreamKeyResponse,
    ListStreamKeysRequest,
)
from headwater.store.identities import AccessKeyRecord
from headwater.store.records import Scope

DEMO_NAME = "demo"
DEMO_BUCKET = "demo-recordings"
DEMO_THUMBNAIL_S = 5


class DemoChannel(Struct, frozen=True, kw_only=True):
    """What the demo shows and publishes to."""

    id: str
    playback_url: str
    stream_key: Secret
    access_key: AccessKeyRecord


async def demo_channel(node: Node, settings: Settings) -> DemoChannel:
    """The channel named "demo" of the settings' account and region; made if missing."""
    scope = Scope(settings.server.account_id, settings.server.region)
    owner = root_caller(scope)
    channel = await _channel(node, owner)
    if not settings.recording.endpoint_url:  # nothing is made in somebody's S3
        await _recorded(node, owner, channel)
    arn = parse_arn(channel.arn)
    if arn is None:
        raise RuntimeError("the API answered with an ARN that is none")
    return DemoChannel(
        id=arn.id,
        playback_url=channel.playback_url,
        stream_key=await _stream_key(node, owner, channel.arn),
        access_key=await root_key(node.store, scope.account),
    )


async def _channel(node: Node, owner: Caller) -> Channel:
    listed = await node.api.perform(
        channels.list_channels, owner, ListChannelsRequest(filter_by_name=DEMO_NAME)
    )
    for summary in listed.channels:
        if summary.insecure_ingest:
            found: GetChannelResponse = await node.api.perform(
                channels.get_channel, owner, GetChannelRequest(arn=summary.arn)
            )
            return found.channel
    # BASIC: on one machine nobody needs a smaller picture, and passing through is the quickest.
    made: CreateChannelResponse = await node.api.perform(
        channels.create_channel,
        owner,
        CreateChannelRequest(name=DEMO_NAME, type="BASIC", insecure_ingest=True),
    )
    return made.channel


async def _recorded(node: Node, owner: Caller, channel: Channel) -> None:
    """Have the channel recorded, if it is not yet: the page of recordings has something then."""
    if channel.recording_configuration_arn:
        return
    made: CreateRecordingConfigurationResponse = await node.api.perform(
        recording_configurations.create_recording_configuration,
        owner,
        CreateRecordingConfigurationRequest(
            name=DEMO_NAME,
            destination_configuration=DestinationConfiguration(
                s3=S3DestinationConfiguration(bucket_name=DEMO_BUCKET)
            ),
            thumbnail_configuration=ThumbnailConfiguration(
                target_interval_seconds=DEMO_THUMBNAIL_S, storage=["SEQUENTIAL", "LATEST"]
            ),
        ),
    )
    await node.api.perform(
        channels.update_channel,
        owner,
        UpdateChannelRequest(
            arn=channel.arn, recording_configuration_arn=made.recording_configuration.arn
        ),
    )


async def _stream_key(node: Node, owner: Caller, channel_arn: str) -> Secret:
    listed = await node.api.perform(
        stream_keys.list_stream_keys, owner, ListStreamKeysRequest(channel_arn=channel_arn)
    )
    if not listed.stream_keys:
        made: CreateStreamKeyResponse = await node.api.perform(
            stream_keys.create_stream_key, owner, CreateStreamKeyRequest(channel_arn=channel_arn)
        )
        return made.stream_key.value
    arn = listed.stream_keys[0].arn
    got: GetStreamKeyResponse = await node.api.perform(
        stream_keys.get_stream_key, owner, GetStreamKeyRequest(arn=arn)
    )
    return got.stream_key.value
