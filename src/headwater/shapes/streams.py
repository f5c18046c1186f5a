"""Live streams on the wire. Source: IVS API reference, Stream and its three operations."""

from msgspec import UNSET, UnsetType

from headwater.shapes.scalars import (
    ChannelArn,
    MaxStreamResults,
    PaginationToken,
    StreamHealth,
    StreamId,
    StreamState,
    Time,
)
from headwater.shapes.wire import Shape


class StreamSummary(Shape, frozen=True, kw_only=True):
    """A live stream as ListStreams shows it."""

    channel_arn: ChannelArn
    stream_id: StreamId
    state: StreamState
    health: StreamHealth
    viewer_count: int
    start_time: Time


class Stream(StreamSummary, frozen=True, kw_only=True):
    """A live stream."""

    playback_url: str


class StreamFilters(Shape, frozen=True, kw_only=True):
    """Which streams ListStreams shows."""

    health: StreamHealth | UnsetType = UNSET


class GetStreamRequest(Shape, frozen=True, kw_only=True):
    """Of which channel."""

    channel_arn: ChannelArn


class GetStreamResponse(Shape, frozen=True, kw_only=True):
    """The live stream."""

    stream: Stream


class ListStreamsRequest(Shape, frozen=True, kw_only=True):
    """All live streams of the account in the region, or those of one health."""

    filter_by: StreamFilters = StreamFilters()
    next_token: PaginationToken = ""
    max_results: MaxStreamResults = 100


class ListStreamsResponse(Shape, frozen=True, kw_only=True):
    """One page of live streams, oldest first."""

    streams: list[StreamSummary]
    next_token: PaginationToken | UnsetType = UNSET


class StopStreamRequest(Shape, frozen=True, kw_only=True):
    """Of which channel."""

    channel_arn: ChannelArn


class StopStreamResponse(Shape, frozen=True, kw_only=True):
    """Stopped; there is nothing more to say."""
