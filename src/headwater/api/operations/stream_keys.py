"""Stream keys: create, get, list, delete.

Source: IVS API reference. A channel has one at most, and that is no setting of AWS's
customers; to change it, delete it and create another. Deleting the key of a live
stream does not end the stream (StopStream does); it cannot be published with again.
"""

from msgspec import UNSET

from headwater.api.errors import QuotaExceededError, ResourceNotFoundError
from headwater.api.operation import Call, operation
from headwater.api.operations.batch import batch_errors
from headwater.api.pagination import cut
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
from headwater.store.records import Position, StreamKeyRecord


@operation("CreateStreamKey", writes=True)
async def create_stream_key(call: Call, req: CreateStreamKeyRequest) -> CreateStreamKeyResponse:
    """Create a stream key for a channel that has none."""
    check_tags(call.operation, req.tags)
    channel = await call.channel(req.channel_arn)
    limit = call.settings.stream_keys_per_channel
    if await call.store.count_stream_keys(call.scope, channel.id) >= limit:
        raise QuotaExceededError(kind="stream keys per channel", limit=limit)

    key = new_stream_key(call, channel_id=channel.id, tags=req.tags)
    await call.store.insert_stream_key(key)
    return CreateStreamKeyResponse(stream_key=stream_key_shape(key))


@operation("GetStreamKey")
async def get_stream_key(call: Call, req: GetStreamKeyRequest) -> GetStreamKeyResponse:
    """One stream key with its value."""
    return GetStreamKeyResponse(stream_key=stream_key_shape(await _stream_key(call, req.arn)))


@operation("BatchGetStreamKey")
async def batch_get_stream_key(
    call: Call, req: BatchGetStreamKeyRequest
) -> BatchGetStreamKeyResponse:
    """Up to 50 stream keys at once, each once; those that are missing are errors in a 200."""
    records = await call.store.stream_keys(call.scope, call.own_ids(req.arns))
    return BatchGetStreamKeyResponse(
        stream_keys=[stream_key_shape(record) for record in records],
        errors=batch_errors(req.arns, (record.arn for record in records)),
    )


@operation("ListStreamKeys")
async def list_stream_keys(call: Call, req: ListStreamKeysRequest) -> ListStreamKeysResponse:
    """One page of a channel's stream keys, without their values."""
    channel = await call.channel(req.channel_arn)
    list_id = call.list_id(req.channel_arn)
    records = await call.store.list_stream_keys(
        call.scope,
        channel.id,
        limit=req.max_results + 1,
        after=call.tokens.read(req.next_token, list_id),
    )
    page, last = cut(records, req.max_results, lambda one: Position(one.created_at_ms, one.id))
    return ListStreamKeysResponse(
        stream_keys=[shaped(StreamKeySummary, record) for record in page],
        next_token=call.tokens.write(last, list_id) if last else UNSET,
    )


@operation("DeleteStreamKey", writes=True)
async def delete_stream_key(call: Call, req: DeleteStreamKeyRequest) -> None:
    """Delete a stream key; nobody can publish with it any more."""
    record = await _stream_key(call, req.arn)
    await call.store.delete_stream_key(call.scope, record.id)


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


async def _stream_key(call: Call, arn: str) -> StreamKeyRecord:
    id_ = call.own_id(arn)
    record = None if id_ is None else await call.store.stream_key(call.scope, id_)
    if record is None:
        raise ResourceNotFoundError(arn=arn)
    return record
