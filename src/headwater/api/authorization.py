"""Authorisation: may the caller do this to that resource?

Source: service authorization reference of Amazon IVS: an action is `ivs:` and the
operation's name, its resources are ARNs, and the condition keys are aws:RequestTag,
aws:ResourceTag, aws:TagKeys and the global ones ("AWS global condition context keys").
A call that makes something with tags also needs ivs:TagResource.

What a batch lists is not decided as a whole: its handler asks for each item.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address
from typing import Protocol

from msgspec import Struct

from headwater.api.authentication import Caller
from headwater.api.errors import AccessDeniedError
from headwater.api.resources import Items, Resources
from headwater.auth.policy import Decision, decide
from headwater.auth.template import Context
from headwater.core.http import Request
from headwater.shapes.wire import Shape
from headwater.store.records import ResourceRecord, Scope

PREFIX = "ivs:"
TAGGING = "TagResource"
MAX_TEXT_LENGTH = 1024
"""Of a header that conditions see: matching takes time for each character."""


class Rows(Protocol):
    """Where the resources are whose tags count."""

    async def resource(self, scope: Scope, arn: str, /) -> ResourceRecord | None:
        """The resource of that ARN, of whatever kind, if it is in the scope."""


class Access(Struct, frozen=True, kw_only=True):
    """What one caller may do in one call."""

    caller: Caller
    context: Context  # what is known of the request, whatever the resource
    rows: Rows

    async def may(self, operation: str, arn: str) -> bool:
        """Whether policies allow that operation on that resource."""
        principal = self.caller.principal
        if principal.is_root:
            return True
        context = {**self.context, **await self._about(arn)}
        decision = decide(principal.policies, PREFIX + operation, arn, context)
        return decision is Decision.ALLOWED

    async def require(self, operation: str, arn: str) -> None:
        """Refuse what policies do not allow.

        Raises:
            AccessDeniedError: who may not do what.
        """
        if not await self.may(operation, arn):
            raise AccessDeniedError(
                user_arn=self.caller.principal.arn, action=PREFIX + operation, resource=arn
            )

    async def _about(self, arn: str) -> dict[str, Sequence[str]]:
        # All six parts are there: the request's shape demands it.
        about: dict[str, Sequence[str]] = {"aws:resourceaccount": [arn.split(":")[4]]}
        record = await self.rows.resource(self.caller.scope, arn)
        return about | (_tags("aws:resourcetag/", record.tags) if record else {})


async def authorize(access: Access, operation: str, resources: Resources, arguments: Shape) -> None:
    """Refuse a call that policies do not allow.

    Raises:
        AccessDeniedError: who may not do what.
    """
    if access.caller.principal.is_root or isinstance(resources, Items):
        return
    arns = resources(access.caller.scope, arguments)
    for arn in arns:
        await access.require(operation, arn)
    if operation != TAGGING and sent_tags(arguments):
        await access.require(TAGGING, arns[0])  # what is made comes first


def facts_of_request(caller: Caller, request: Request, now_ms: int) -> dict[str, Sequence[str]]:
    """The global condition keys that are known of a request."""
    principal = caller.principal
    now = datetime.fromtimestamp(now_ms // 1000, UTC)
    known = {
        "aws:currenttime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:epochtime": str(now_ms // 1000),
        "aws:principalaccount": principal.account,
        "aws:principalarn": principal.arn,
        "aws:principalisawsservice": "false",
        "aws:principaltype": "Account" if principal.is_root else "User",
        "aws:referer": request.header("referer"),
        "aws:requestedregion": caller.scope.region,
        "aws:securetransport": str(request.scheme == "https").lower(),
        "aws:sourceip": _address(request.client_address),
        "aws:useragent": request.header("user-agent"),
        "aws:userid": principal.user_id,
        "aws:username": principal.name or None,
        "aws:viaawsservice": "false",
    }
    if caller.temporary:
        issued = datetime.fromtimestamp(caller.key_created_at_ms // 1000, UTC)
        known["aws:tokenissuetime"] = issued.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {key: [value[:MAX_TEXT_LENGTH]] for key, value in known.items() if value is not None}


def facts_of_arguments(arguments: Shape) -> dict[str, Sequence[str]]:
    """The condition keys of the tags that a request sets or removes."""
    tags = sent_tags(arguments)
    keys = [*tags, *(getattr(arguments, "tag_keys", ()))]
    facts = _tags("aws:requesttag/", tags)
    return facts | {"aws:tagkeys": keys} if keys else facts


def sent_tags(arguments: Shape) -> Mapping[str, str]:
    """The tags that a request sets."""
    tags = getattr(arguments, "tags", None)
    return tags if isinstance(tags, dict) else {}


def _tags(prefix: str, tags: Mapping[str, str]) -> dict[str, Sequence[str]]:
    """Condition keys know no case, so tags that differ only in it are values of one key."""
    facts: dict[str, list[str]] = {}
    for name, value in tags.items():
        facts.setdefault(prefix + name.lower(), []).append(value)
    return dict(facts)


def _address(text: str) -> str:
    """An IPv4 address in the clothes of IPv6 is an IPv4 address."""
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return text
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
