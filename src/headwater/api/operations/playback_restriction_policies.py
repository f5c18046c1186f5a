"""Playback restriction policies: create, get, list, update, delete.

Source: IVS API reference; IVS user guide, "Service Quotas" (how many countries and origins)
and the Origin header it refers to (RFC 6454 §7.1). Where it is silent: the first label of an
origin's host may be "*"; codes are in capital letters, as ISO 3166-1 has them; a list that
names a thing twice is refused.
"""

from collections.abc import Sequence

from msgspec.structs import asdict, replace

from headwater.api.errors import ValidationError
from headwater.api.operation import Call, operation
from headwater.api.resources import any_of, member
from headwater.api.validation import check_tags, check_unique
from headwater.auth import origins
from headwater.core import ids
from headwater.core.countries import COUNTRIES
from headwater.shapes.playback_restriction_policies import (
    CreatePlaybackRestrictionPolicyRequest,
    CreatePlaybackRestrictionPolicyResponse,
    DeletePlaybackRestrictionPolicyRequest,
    GetPlaybackRestrictionPolicyRequest,
    GetPlaybackRestrictionPolicyResponse,
    ListPlaybackRestrictionPoliciesRequest,
    ListPlaybackRestrictionPoliciesResponse,
    PlaybackRestrictionPolicy,
    PlaybackRestrictionPolicySummary,
    UpdatePlaybackRestrictionPolicyRequest,
    UpdatePlaybackRestrictionPolicyResponse,
)
from headwater.shapes.wire import members_sent, shaped
from headwater.store.records import PlaybackRestrictionPolicyRecord

MAX_COUNTRIES = 200
MAX_ORIGINS = 5


@operation("CreatePlaybackRestrictionPolicy", on=any_of("playback-restriction-policy"), writes=True)
async def create_playback_restriction_policy(
    call: Call, req: CreatePlaybackRestrictionPolicyRequest
) -> CreatePlaybackRestrictionPolicyResponse:
    """Create a policy."""
    check_tags(call.operation, req.tags)
    _check(call.operation, req)
    await call.within_quota(PlaybackRestrictionPolicyRecord)
    record = PlaybackRestrictionPolicyRecord(
        id=ids.resource_id(call.random_bytes),
        region=call.scope.region,
        account=call.scope.account,
        created_at_ms=call.now_ms,
        **asdict(req),
    )
    await call.store.insert(record)
    return CreatePlaybackRestrictionPolicyResponse(
        playback_restriction_policy=shaped(PlaybackRestrictionPolicy, record)
    )


@operation("GetPlaybackRestrictionPolicy", on=member("arn"))
async def get_playback_restriction_policy(
    call: Call, req: GetPlaybackRestrictionPolicyRequest
) -> GetPlaybackRestrictionPolicyResponse:
    """One policy."""
    record = await call.find(PlaybackRestrictionPolicyRecord, req.arn)
    return GetPlaybackRestrictionPolicyResponse(
        playback_restriction_policy=shaped(PlaybackRestrictionPolicy, record)
    )


@operation("ListPlaybackRestrictionPolicies", on=any_of("playback-restriction-policy"))
async def list_playback_restriction_policies(
    call: Call, req: ListPlaybackRestrictionPoliciesRequest
) -> ListPlaybackRestrictionPoliciesResponse:
    """One page of policies, whole."""
    page, next_token = await call.page(
        PlaybackRestrictionPolicyRecord, next_token=req.next_token, max_results=req.max_results
    )
    return ListPlaybackRestrictionPoliciesResponse(
        playback_restriction_policies=[
            shaped(PlaybackRestrictionPolicySummary, record) for record in page
        ],
        next_token=next_token,
    )


@operation("UpdatePlaybackRestrictionPolicy", on=member("arn"), writes=True)
async def update_playback_restriction_policy(
    call: Call, req: UpdatePlaybackRestrictionPolicyRequest
) -> UpdatePlaybackRestrictionPolicyResponse:
    """Change what was sent and keep the rest; also while channels have the policy."""
    _check(call.operation, req)
    before = await call.find(PlaybackRestrictionPolicyRecord, req.arn)
    record = replace(before, **members_sent(req))
    await call.store.update(record)
    return UpdatePlaybackRestrictionPolicyResponse(
        playback_restriction_policy=shaped(PlaybackRestrictionPolicy, record)
    )


@operation("DeletePlaybackRestrictionPolicy", on=member("arn"), writes=True)
async def delete_playback_restriction_policy(
    call: Call, req: DeletePlaybackRestrictionPolicyRequest
) -> None:
    """Delete a policy; refused while a channel has it."""
    record = await call.find(PlaybackRestrictionPolicyRecord, req.arn)
    await call.unattached(record)
    await call.store.delete(PlaybackRestrictionPolicyRecord, call.scope, record.id)


def _check(
    operation_name: str,
    req: CreatePlaybackRestrictionPolicyRequest | UpdatePlaybackRestrictionPolicyRequest,
) -> None:
    """Refuse countries and origins that nobody can come from, and too many of them."""
    countries, allowed_origins = req.allowed_countries or [], req.allowed_origins or []
    name = f"{operation_name}.allowedCountries"
    _check_list(name, countries, MAX_COUNTRIES)
    for index, country in enumerate(countries):
        if country not in COUNTRIES:
            raise ValidationError(
                f"{name}[{index}] must be an ISO 3166-1 alpha-2 code in capital letters"
            )
    name = f"{operation_name}.allowedOrigins"
    _check_list(name, allowed_origins, MAX_ORIGINS)
    for index, origin in enumerate(allowed_origins):
        if not origins.is_pattern(origin):
            raise ValidationError(f"{name}[{index}] must be an origin such as {origins.EXAMPLES}")


def _check_list(name: str, values: Sequence[str], limit: int) -> None:
    if len(values) > limit:
        raise ValidationError(f"{name} must be a list of at most {limit} items")
    check_unique(name, values)
