"""Stream keys on the wire. Source: IVS API reference, StreamKey and its five operations."""

from msgspec import UNSET, UnsetType, field

from headwater.core.secret import Secret
from headwater.shapes.batch import BatchError
from headwater.shapes.scalars import (
    ChannelArn,
    MaxStreamKeyResults,
    PaginationToken,
    StreamKeyArn,
    StreamKeyArnList,
    Tags,
)
from headwater.shapes.wire import Shape


class StreamKeySummary(Shape, frozen=True, kw_only=True):
    """A stream key without its value."""

    arn: StreamKeyArn
    channel_arn: ChannelArn
    tags: Tags


class StreamKey(StreamKeySummary, frozen=True, kw_only=True):
    """A publishing secret. `value` is shown on create and get only."""

    value: Secret


class CreateStreamKeyRequest(Shape, frozen=True, kw_only=True):
    """For which channel."""

    channel_arn: ChannelArn
    tags: Tags = field(default_factory=dict)


class CreateStreamKeyResponse(Shape, frozen=True, kw_only=True):
    """The new stream key."""

    stream_key: StreamKey


class GetStreamKeyRequest(Shape, frozen=True, kw_only=True):
    """Which stream key."""

    arn: StreamKeyArn


class GetStreamKeyResponse(Shape, frozen=True, kw_only=True):
    """The stream key."""

    stream_key: StreamKey


class BatchGetStreamKeyRequest(Shape, frozen=True, kw_only=True):
    """Which stream keys."""

    arns: StreamKeyArnList


class BatchGetStreamKeyResponse(Shape, frozen=True, kw_only=True):
    """The stream keys that are there, and the ARNs of those that are not."""

    stream_keys: list[StreamKey]
    errors: list[BatchError] | UnsetType = UNSET


class ListStreamKeysRequest(Shape, frozen=True, kw_only=True):
    """Whose stream keys. AWS's default page holds one."""

    channel_arn: ChannelArn
    next_token: PaginationToken = ""
    max_results: MaxStreamKeyResults = 1


class ListStreamKeysResponse(Shape, frozen=True, kw_only=True):
    """One page of stream keys, oldest first."""

    stream_keys: list[StreamKeySummary]
    next_token: PaginationToken | UnsetType = UNSET


class DeleteStreamKeyRequest(Shape, frozen=True, kw_only=True):
    """Which stream key."""

    arn: StreamKeyArn
