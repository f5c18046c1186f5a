"""Playback key pairs: import, get, list, delete. There is no update.

Source: IVS API reference; IVS user guide, "Setting Up Private Channels". Where it is silent:
a key that the scope has already is a ConflictException, whatever it is called, and a text
that holds no P-384 public key a ValidationException.
"""

from headwater.api.errors import ConflictError, ValidationError
from headwater.api.operation import Call, operation
from headwater.api.resources import any_of, member
from headwater.api.validation import check_tags
from headwater.auth.playback_keys import parse_public_key
from headwater.core import ids
from headwater.core.errors import PeerError
from headwater.shapes.playback_key_pairs import (
    DeletePlaybackKeyPairRequest,
    DeletePlaybackKeyPairResponse,
    GetPlaybackKeyPairRequest,
    GetPlaybackKeyPairResponse,
    ImportPlaybackKeyPairRequest,
    ImportPlaybackKeyPairResponse,
    ListPlaybackKeyPairsRequest,
    ListPlaybackKeyPairsResponse,
    PlaybackKeyPair,
    PlaybackKeyPairSummary,
)
from headwater.shapes.wire import shaped
from headwater.store.records import PlaybackKeyPairRecord


@operation("ImportPlaybackKeyPair", on=any_of("playback-key"), writes=True)
async def import_playback_key_pair(
    call: Call, req: ImportPlaybackKeyPairRequest
) -> ImportPlaybackKeyPairResponse:
    """Keep a public key that playback tokens may be signed for."""
    check_tags(call.operation, req.tags)
    try:
        key = parse_public_key(req.public_key_material)
    except PeerError as error:
        raise ValidationError(f"{call.operation}.publicKeyMaterial {error}") from None
    if await call.store.count(PlaybackKeyPairRecord, call.scope, fingerprint=key.fingerprint):
        raise ConflictError(f"A playback key pair of the fingerprint {key.fingerprint} exists")
    await call.within_quota(PlaybackKeyPairRecord)
    record = PlaybackKeyPairRecord(
        id=ids.resource_id(call.random_bytes),
        region=call.scope.region,
        account=call.scope.account,
        created_at_ms=call.now_ms,
        tags=req.tags,
        name=req.name,
        public_key=key.der,
        fingerprint=key.fingerprint,
    )
    await call.store.insert(record)
    return ImportPlaybackKeyPairResponse(key_pair=shaped(PlaybackKeyPair, record))


@operation("GetPlaybackKeyPair", on=member("arn"))
async def get_playback_key_pair(
    call: Call, req: GetPlaybackKeyPairRequest
) -> GetPlaybackKeyPairResponse:
    """One key by its fingerprint; the key itself is never shown."""
    record = await call.find(PlaybackKeyPairRecord, req.arn)
    return GetPlaybackKeyPairResponse(key_pair=shaped(PlaybackKeyPair, record))


@operation("ListPlaybackKeyPairs", on=any_of("playback-key"))
async def list_playback_key_pairs(
    call: Call, req: ListPlaybackKeyPairsRequest
) -> ListPlaybackKeyPairsResponse:
    """One page of playback key pairs, without fingerprints."""
    page, next_token = await call.page(
        PlaybackKeyPairRecord, next_token=req.next_token, max_results=req.max_results
    )
    return ListPlaybackKeyPairsResponse(
        key_pairs=[shaped(PlaybackKeyPairSummary, record) for record in page],
        next_token=next_token,
    )


@operation("DeletePlaybackKeyPair", on=member("arn"), writes=True)
async def delete_playback_key_pair(
    call: Call, req: DeletePlaybackKeyPairRequest
) -> DeletePlaybackKeyPairResponse:
    """Forget a key: tokens that it signed open no playback any more."""
    record = await call.find(PlaybackKeyPairRecord, req.arn)
    await call.store.delete(PlaybackKeyPairRecord, call.scope, record.id)
    return DeletePlaybackKeyPairResponse()
