"""Shape: the base of every wire structure, and how one becomes JSON."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from msgspec import UNSET, Struct, json

from headwater.core.secret import Secret


class Shape(Struct, frozen=True, kw_only=True, rename="camel"):
    """Immutable; its members are snake_case here and camelCase on the wire.

    Members with a default may be left out of a request. UNSET members are left out
    of an answer. Unknown members of a request are ignored, because newer clients
    send newer members.
    """


ShapeT = TypeVar("ShapeT", bound=Shape)


def shaped(shape: type[ShapeT], source: object, **derived: object) -> ShapeT:
    """A `shape` that takes each member from the attribute of that name of `source`.

    `derived` gives the members that the source does not have (or not so).
    """
    names, values_of = _taken(shape, frozenset(derived))
    return shape(**dict(zip(names, values_of(source), strict=True)), **derived)


@cache  # a shape is always made with the same members derived
def _taken(
    shape: type[Shape], derived: frozenset[str]
) -> tuple[tuple[str, ...], Callable[[object], tuple[object, ...]]]:
    """The members that are taken as they are, and what takes them."""
    names = tuple(name for name in shape.__struct_fields__ if name not in derived)
    if len(names) > 1:
        return names, attrgetter(*names)
    return names, lambda source: tuple(getattr(source, name) for name in names)


def members_sent(request: Shape, *, but: Sequence[str] = ("arn",)) -> dict[str, Any]:
    """The members that a request came with, without those in `but`."""
    return {
        name: value
        for name in request.__struct_fields__
        if name not in but and (value := getattr(request, name)) is not UNSET
    }


def time_of(unix_ms: int) -> datetime:
    """A time as AWS's answers show it: in whole seconds."""
    return datetime.fromtimestamp(unix_ms // 1000, UTC)


def encode(shape: Shape) -> bytes:
    """The JSON of a shape. Secrets are revealed: it goes to their owner."""
    return _ENCODER.encode(shape)


def _reveal(value: Any) -> str:  # noqa: ANN401 - whatever msgspec cannot encode
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


_ENCODER = json.Encoder(enc_hook=_reveal)
