"""Live streams: get, list, stop. What is live is asked of `Control`, never stored here.

Source: IVS API reference. A channel that is not live has no stream: the answer is
ChannelNotBroadcasting, and the state OFFLINE is never shown.
"""

from msgspec import UNSET

from headwater.api.errors import ChannelNotBroadcastingError
from headwater.api.operation import Call, LiveStream, operation
from headwater.api.pagination import cut
from headwater.api.resources import any_of, member
from headwater.shapes.streams import (
    GetStreamRequest,
    GetStreamResponse,
    ListStreamsRequest,
    ListStreamsResponse,
    StopStreamRequest,
    StopStreamResponse,
    Stream,
    StreamSummary,
)
from headwater.shapes.wire import shaped, time_of
from headwater.store.records import ChannelRecord, Position


@operation("GetStream", on=member("channel_arn"))
async def get_stream(call: Call, req: GetStreamRequest) -> GetStreamResponse:
    """A channel's live stream."""
    channel = await call.find(ChannelRecord, req.channel_arn)
    live = call.control.live_stream(channel.arn)
    if live is None:
        raise ChannelNotBroadcastingError(channel_arn=channel.arn)
    return GetStreamResponse(
        stream=shaped(
            Stream,
            live,
            state="LIVE",
            start_time=time_of(live.started_at_ms),
            playback_url=call.endpoints.playback_url(channel.id),
        )
    )


@operation("ListStreams", on=any_of("channel"))
async def list_streams(call: Call, req: ListStreamsRequest) -> ListStreamsResponse:
    """One page of the account's live streams in the region, oldest first."""
    health = req.filter_by.health
    list_id = call.list_id("" if health is UNSET else health)
    after = call.tokens.read(req.next_token, list_id)
    streams = [
        live
        for live in sorted(
            call.control.live_streams(call.scope.account, call.scope.region), key=_order
        )
        if (health is UNSET or live.health == health)
        and (after is None or _order(live) > (after.created_at_ms, after.id))
    ]
    page, last = cut(streams, req.max_results, lambda live: Position(*_order(live)))
    return ListStreamsResponse(
        streams=[
            shaped(StreamSummary, live, state="LIVE", start_time=time_of(live.started_at_ms))
            for live in page
        ],
        next_token=call.tokens.write(last, list_id) if last else UNSET,
    )


@operation("StopStream", on=member("channel_arn"))
async def stop_stream(call: Call, req: StopStreamRequest) -> StopStreamResponse:
    """Disconnect whoever publishes on the channel, also one that is not playable yet."""
    channel = await call.find(ChannelRecord, req.channel_arn)
    if not call.control.stop_stream(channel.arn):
        raise ChannelNotBroadcastingError(channel_arn=channel.arn)
    return StopStreamResponse()


def _order(live: LiveStream) -> tuple[int, str]:
    return live.started_at_ms, live.stream_id
