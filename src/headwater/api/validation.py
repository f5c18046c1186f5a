"""From a request's body to its shape; what is wrong becomes a text for the caller.

The body is JSON whatever its Content-Type says (paws sends none); an empty one is
`{}`. Unknown members are ignored, and so is a member that is null. A name that stands
twice is refused, because two readers would take different values. Texts name the member
and say what is allowed; they never repeat the value, which may be a secret.
"""

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect
from msgspec.structs import replace

from headwater.api.errors import ValidationError
from headwater.core.secret import Secret
from headwater.shapes.wire import Shape

ShapeT = TypeVar("ShapeT", bound=Shape)

RESERVED_TAG_PREFIX = "aws:"
NOTHING: Mapping[str, object] = MappingProxyType({})

# How msgspec ends its texts, e.g. "... - at `$.arns[1]`" or "... - at `key` in `$.tags`".
_AT = re.compile(r" - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`\Z")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_STEP = re.compile(r"\.(?P<member>[A-Za-z0-9]+)|\[(?:[0-9]+|\.\.\.)\]")


class RequestDecoder(Generic[ShapeT]):
    """Decodes the bodies of one operation."""

    def __init__(self, operation: str, shape: type[ShapeT]) -> None:
        self.shape = shape
        self._operation = operation

    def decode(self, body: bytes, elsewhere: Mapping[str, object] = NOTHING) -> ShapeT:
        """The request, every bound checked.

        `elsewhere` holds the members that are not in the body, by the wire's names.

        Raises:
            ValidationError: it names the first member that is wrong.
        """
        try:
            return msgspec.convert(
                _with(_parse(body or b"{}"), elsewhere), self.shape, dec_hook=_hide
            )
        except msgspec.ValidationError as error:
            raise ValidationError(self._explain(str(error))) from None
        except RecursionError:
            raise ValidationError(f"{self._operation}: the JSON is nested too deeply") from None
        except UnicodeDecodeError:
            raise ValidationError(f"{self._operation}: the body must be UTF-8") from None
        # Both parsers: json.JSONDecodeError is a ValueError, so is an endless number.
        except (msgspec.DecodeError, ValueError):
            raise ValidationError(f"{self._operation}: the body must be a JSON object") from None

    def _explain(self, text: str) -> str:
        at = _AT.search(text)
        path = at["path"] if at else ""
        if missing := _MISSING.match(text):
            return f"{self._operation}{path}.{missing['name']} is a required attribute"
        if not path:
            return f"{self._operation}: the body must be a JSON object"
        of_key = at is not None and at["key"] is not None
        name, type_ = _resolve(inspect.type_info(self.shape), path, of_key=of_key)
        return f"{self._operation}{name} must be {allowed(type_)}"


def check_tags(operation: str, tags: dict[str, str]) -> None:
    """Refuse tags that only AWS may set (AWS tagging rules: "aws:" in any case).

    Raises:
        ValidationError: it names the member.
    """
    if any(key.lower().startswith(RESERVED_TAG_PREFIX) for key in tags):
        raise ValidationError(
            f'{operation}.tags must not have keys that start with "{RESERVED_TAG_PREFIX}"'
        )


def check_unique(name: str, values: Sequence[str]) -> None:
    """Refuse a list that says the same twice; `name` is the operation's and the member's.

    Raises:
        ValidationError: it names the member.
    """
    if len(set(values)) < len(values):
        raise ValidationError(f"{name} must not have the same item twice")


def allowed(type_: inspect.Type) -> str:
    """What a member of that type may hold, in words."""
    match type_:
        case inspect.Metadata(type=inner, extra=dict(extra)):
            text = f"{allowed(replace(inner, pattern=None))} made of {extra['allowed']}"
        case inspect.StrType():
            size = _between(type_.min_length, type_.max_length, "characters")
            text = f"a string{size}" + (
                f" matching {_shown(type_.pattern)}" if type_.pattern else ""
            )
        case inspect.CustomType():  # a secret
            text = "a string"
        case inspect.LiteralType():
            text = "one of " + ", ".join(str(value) for value in type_.values)
        case inspect.IntType():
            text = "an integer" + _between(type_.ge, type_.le, "")
        case inspect.DateTimeType():
            text = "an ISO 8601 time with its zone, such as 2030-01-31T12:00:00Z"
        case inspect.BoolType():
            text = "true or false"
        case inspect.ListType():
            text = "a list" + _between(type_.min_length, type_.max_length, "items")
        case inspect.DictType():
            text = "an object" + _between(type_.min_length, type_.max_length, "members")
        case _:
            text = "an object"
    return text


def _parse(body: bytes) -> object:
    tree: object = _READER.decode(body.decode())
    try:
        msgspec.json.decode(body)  # the stricter reader: refuses half a surrogate pair, say
    except msgspec.ValidationError as error:  # 1e999, whose path is not that of a member
        raise ValueError from error
    return tree


def _hide(type_: type, value: object) -> object:
    """A secret, from the text that it is in a request."""
    if type_ is not Secret or not isinstance(value, str):
        raise TypeError
    return Secret(value)


def _with(body: object, elsewhere: Mapping[str, object]) -> object:
    """The body's object with the members from elsewhere; anything else as it is."""
    return {**body, **elsewhere} if isinstance(body, dict) else body


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValidationError("The JSON must not have the same name twice in one object")
    return {name: value for name, value in pairs if value is not None}


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are no JSON; becomes a ValidationError above


# Made once: json.loads() would make one for each body.
_READER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_constant)


def _resolve(type_: inspect.Type, path: str, *, of_key: bool) -> tuple[str, inspect.Type]:
    """How to call what is at `path` below `type_`, and its type."""
    for step in _STEP.finditer(path):
        match type_:
            case inspect.StructType():
                fields = {field.encode_name: field.type for field in type_.fields}
                type_ = fields[step["member"]]
            case inspect.ListType():
                type_ = type_.item_type
            case inspect.DictType():
                type_ = type_.value_type
    name = path.replace("[...]", ": each value")
    if of_key and isinstance(type_, inspect.DictType):
        return f"{name}: each key", type_.key_type
    return name, type_


def _shown(pattern: str) -> str:
    return pattern.removeprefix("^").removesuffix(r"\Z")


def _between(low: int | None, high: int | None, unit: str) -> str:
    """A text such as " of 1 to 128 characters" or " from 1 to 100"; empty without bounds."""
    word, unit = (" of", f" {unit}") if unit else (" from", "")
    match low, high:
        case None, None:
            return ""
        case None, _:
            return f"{word} at most {high}{unit}"
        case _, None:
            return f"{word} at least {low}{unit}"
        case _ if low == high:
            return f"{word} {low}{unit}"
        case _:
            return f"{word} {low} to {high}{unit}"
