"""Which resources a call acts on: what a policy's `Resource` is compared with.

Source: service authorization reference of Amazon IVS, "Resource types". A call that
names no resource (a create, a list) acts on all of its type: `<type>/*`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from headwater.core.arn import Arn, ResourceType
from headwater.store.records import Scope

Resources = Callable[[Scope, Any], Sequence[str]]
"""From the caller's scope and the request's shape to ARNs."""


def member(name: str) -> Resources:
    """The one whose ARN is in that member."""
    return lambda _scope, request: [getattr(request, name)]


def members(name: str) -> Resources:
    """Those whose ARNs are listed in that member."""
    return lambda _scope, request: list(getattr(request, name))


def any_of(*types: ResourceType) -> Resources:
    """All of these types in the caller's scope."""
    return lambda scope, _request: [
        str(Arn(scope.region, scope.account, type_, "*")) for type_ in types
    ]
