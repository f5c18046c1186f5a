"""Routes: the method and path of an operation, and what path and query say besides.

Source: botocore's model. Nearly all operations are `POST /<name>` with everything in the
body; those on tags have the ARN behind `/tags/` and lists in the query.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar
from urllib.parse import parse_qsl

from msgspec import Struct

from headwater.core.http import Request

RoutedT = TypeVar("RoutedT", bound="Routed")


class Route(Struct, frozen=True):
    """A method and a path, which ends with "/" when the rest of it is a member."""

    method: str
    path: str
    path_member: str = ""  # the wire's name of the member that the rest of the path is
    query_list: str = ""  # the wire's name of the member that the query lists

    def members(self, request: Request) -> dict[str, object]:
        """What path and query hold, by the wire's names."""
        found: dict[str, object] = {}
        if self.path_member:
            found[self.path_member] = request.path.removeprefix(self.path)
        if self.query_list:
            # A "+" is a plus, as it is in what was signed.
            pairs = parse_qsl(request.query.replace("+", "%2B"), keep_blank_values=True)
            found[self.query_list] = [value for name, value in pairs if name == self.query_list]
        return found


class Routed(Struct, frozen=True, kw_only=True):
    """What can be found by a route."""

    route: Route


class RouteTable(Generic[RoutedT]):
    """Finds what belongs to a request's method and path."""

    def __init__(self, routed: Iterable[RoutedT]) -> None:
        self._routed = {(one.route.method, one.route.path): one for one in routed}

    def find(self, request: Request) -> RoutedT | None:
        """The one of the whole path, else the one of its first step and what is behind."""
        first = request.path[: request.path.find("/", 1) + 1]
        by_path = self._routed.get((request.method, request.path))
        return by_path or self._routed.get((request.method, first))
