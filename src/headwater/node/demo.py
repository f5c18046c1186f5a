"""The demo's channel: made once through the API's own operations, found again later."""

from msgspec import Struct

from headwater.api.operations import channels, stream_keys
from headwater.core.arn import parse_arn
from headwater.core.secret import Secret
from headwater.node.node import Node
from headwater.node.settings import Settings
from headwater.shapes.channels import (
    Channel,
    CreateChannelRequest,
    CreateChannelResponse,
    GetChannelRequest,
    GetChannelResponse,
    ListChannelsRequest,
)
from headwater.shapes.stream_keys import (
    CreateStreamKeyRequest,
    CreateStreamKeyResponse,
    GetStreamKeyRequest,
    GetStreamKeyResponse,
    ListStreamKeysRequest,
)
from headwater.store.records import AccessKeyRecord, Scope

DEMO_NAME = "demo"


class DemoChannel(Struct, frozen=True, kw_only=True):
    """What the demo shows and publishes to."""

    id: str
    playback_url: str
    stream_key: Secret
    access_key: AccessKeyRecord


async def demo_channel(node: Node, settings: Settings) -> DemoChannel:
    """The channel named "demo" of the settings' account and region; made if missing."""
    scope = Scope(settings.server.account_id, settings.server.region)
    channel = await _channel(node, scope)
    async with node.store.read() as work:
        keys = await work.list_access_keys()
    arn = parse_arn(channel.arn)
    if arn is None:
        raise RuntimeError("the API answered with an ARN that is none")
    return DemoChannel(
        id=arn.id,
        playback_url=channel.playback_url,
        stream_key=await _stream_key(node, scope, channel.arn),
        access_key=keys[0],
    )


async def _channel(node: Node, scope: Scope) -> Channel:
    listed = await node.api.perform(
        channels.list_channels, scope, ListChannelsRequest(filter_by_name=DEMO_NAME)
    )
    for summary in listed.channels:
        if summary.insecure_ingest:
            found: GetChannelResponse = await node.api.perform(
                channels.get_channel, scope, GetChannelRequest(arn=summary.arn)
            )
            return found.channel
    made: CreateChannelResponse = await node.api.perform(
        channels.create_channel, scope, CreateChannelRequest(name=DEMO_NAME, insecure_ingest=True)
    )
    return made.channel


async def _stream_key(node: Node, scope: Scope, channel_arn: str) -> Secret:
    listed = await node.api.perform(
        stream_keys.list_stream_keys, scope, ListStreamKeysRequest(channel_arn=channel_arn)
    )
    if not listed.stream_keys:
        made: CreateStreamKeyResponse = await node.api.perform(
            stream_keys.create_stream_key, scope, CreateStreamKeyRequest(channel_arn=channel_arn)
        )
        return made.stream_key.value
    arn = listed.stream_keys[0].arn
    got: GetStreamKeyResponse = await node.api.perform(
        stream_keys.get_stream_key, scope, GetStreamKeyRequest(arn=arn)
    )
    return got.stream_key.value
