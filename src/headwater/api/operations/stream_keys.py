"""Stream keys: create, get, list, delete.

Source: IVS API reference. A channel has one at most, and that is no setting of AWS's
customers; to change it, delete it and create another. Deleting the key of a live
stream does not end the stream (StopStream does); it cannot be published with again.
"""

from headwater.api.operation import Call, operation
from headwater.api.operations.batch import batch_errors
from headwater.api.resources import any_of, member, members
from headwater.api.validation import check_tags
from headwater.core import ids
from headwater.shapes.stream_keys import (
    BatchGetStreamKeyRequest,
    BatchGetStreamKeyResponse,
    CreateStreamKeyRequest,
    CreateStreamKeyResponse,
    DeleteStreamKeyRequest,
    GetStreamKeyRequest,
    GetStreamKeyResponse,
    ListStreamKeysRequest,
    ListStreamKeysResponse,
    StreamKey,
    StreamKeySummary,
)
from headwater.shapes.wire import shaped
from headwater.store.records import ChannelRecord, StreamKeyRecord


@operation("CreateStreamKey", on=any_of("stream-key"), writes=True)
async def create_stream_key(call: Call, req: CreateStreamKeyRequest) -> CreateStreamKeyResponse:
    """Create a stream key for a channel that has none."""
    check_tags(call.operation, req.tags)
    channel = await call.find(ChannelRecord, req.channel_arn)
    await call.within_quota(StreamKeyRecord, channel_id=channel.id)
    key = new_stream_key(call, channel_id=channel.id, tags=req.tags)
    await call.store.insert(key)
    return CreateStreamKeyResponse(stream_key=stream_key_shape(key))


@operation("GetStreamKey", on=member("arn"))
async def get_stream_key(call: Call, req: GetStreamKeyRequest) -> GetStreamKeyResponse:
    """One stream key with its value."""
    return GetStreamKeyResponse(
        stream_key=stream_key_shape(await call.find(StreamKeyRecord, req.arn))
    )


@operation("BatchGetStreamKey", on=members("arns"))
async def batch_get_stream_key(
    call: Call, req: BatchGetStreamKeyRequest
) -> BatchGetStreamKeyResponse:
    """Up to 50 stream keys at once, each once; those that are missing are errors in a 200."""
    allowed = await call.allowed(req.arns)
    records = await call.find_all(StreamKeyRecord, allowed)
    return BatchGetStreamKeyResponse(
        stream_keys=[stream_key_shape(record) for record in records],
        errors=batch_errors(req.arns, allowed=allowed, found=(record.arn for record in records)),
    )


@operation("ListStreamKeys", on=member("channel_arn"))
async def list_stream_keys(call: Call, req: ListStreamKeysRequest) -> ListStreamKeysResponse:
    """One page of a channel's stream keys, without their values."""
    channel = await call.find(ChannelRecord, req.channel_arn)
    page, next_token = await call.page(
        StreamKeyRecord,
        next_token=req.next_token,
        max_results=req.max_results,
        channel_id=channel.id,
    )
    return ListStreamKeysResponse(
        stream_keys=[shaped(StreamKeySummary, record) for record in page], next_token=next_token
    )


@operation("DeleteStreamKey", on=member("arn"), writes=True)
async def delete_stream_key(call: Call, req: DeleteStreamKeyRequest) -> None:
    """Delete a stream key; nobody can publish with it any more."""
    record = await call.find(StreamKeyRecord, req.arn)
    await call.store.delete(StreamKeyRecord, call.scope, record.id)


def new_stream_key(call: Call, *, channel_id: str, tags: dict[str, str]) -> StreamKeyRecord:
    """A stream key that is not stored yet."""
    return StreamKeyRecord(
        id=ids.resource_id(call.random_bytes),
        region=call.scope.region,
        account=call.scope.account,
        channel_id=channel_id,
        value=ids.stream_key_value(call.scope.region, call.random_bytes),
        tags=tags,
        created_at_ms=call.now_ms,
    )


def stream_key_shape(record: StreamKeyRecord) -> StreamKey:
    """A stream key as the API shows it to its owner, with its value."""
    return shaped(StreamKey, record)
