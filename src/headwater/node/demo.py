"""The demo's channel: made once through the API's own operations, found again later."""

from msgspec import Struct

from headwater.api.authentication import Caller, root_caller
from headwater.api.operations import channels, stream_keys
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
