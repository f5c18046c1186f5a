"""Which resources a call acts on: what a policy's `Resource` is compared with.

Source: service authorization reference of Amazon IVS, "Resource types". A call that
names no resource (a create, a list) acts on all of its type: `<type>/*`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from headwater.core.arn import Arn, ResourceType
from headwater.store.records import Scope

Resources = Callable[[Scope, Any], Sequence[str]]
"""From the caller's scope and the request's shape to ARNs."""


def member(name: str) -> Resources:
    """The one whose ARN is in that member."""
    return lambda _scope, request: [getattr(request, name)]


class Items(Struct, frozen=True):
    """Those whose ARNs a batch lists in a member. Each is decided on its own."""

    member: str
    of_each: str = ""  # the member of each item; "": items are ARNs

    def __call__(self, _scope: Scope, request: Any) -> Sequence[str]:  # noqa: ANN401 - any shape
        """The ARNs."""
        items = getattr(request, self.member)
        return [getattr(item, self.of_each) if self.of_each else item for item in items]


def members(name: str, of_each: str = "") -> Resources:
    """Those whose ARNs a batch lists in that member, or in that member of each item of it."""
    return Items(name, of_each)


def any_of(*types: ResourceType) -> Resources:
    """All of these types in the caller's scope."""
    return lambda scope, _request: [
        str(Arn(scope.region, scope.account, type_, "*")) for type_ in types
    ]
