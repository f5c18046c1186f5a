"""Texts of policies that hold variables: `${aws:username}`, `${aws:PrincipalTag/team, 'none'}`.

Source: IAM user guide, "IAM policy elements: Variables and tags". `${*}`, `${?}` and `${$}`
stand for the characters themselves. A variable whose key has no value, or several, and
that has no default makes the whole text match nothing. What a variable stands for is
compared as it is, so a `*` in a tag's value is no wildcard.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from headwater.core.errors import PeerError
from headwater.core.glob import Glob, Piece, glob, pieces_of

Context = Mapping[str, Sequence[str]]
"""What is known of a request: lower-case condition key to its values."""

NOTHING: Context = MappingProxyType({})
_VARIABLE = re.compile(
    r"\$\{(?:(?P<literal>[*?$])|(?P<key>[\w:/.=+@ -]+?)(?:, ?'(?P<default>[^']*)')?)\}"
)


class PolicyError(PeerError):
    """A policy document is not one; the text says where and what is allowed."""


class Variable(Struct, frozen=True):
    """The value of a condition key, once there is a request."""

    key: str  # lower case
    default: str | None


class Template(Struct, frozen=True, kw_only=True):
    """A text of a policy."""

    parts: tuple[Piece | Variable, ...]
    fixed: Glob | None  # when there is no variable in it

    def pieces(self, context: Context) -> list[Piece] | None:
        """The text in one request; None when a variable has no value there."""
        pieces: list[Piece] = []
        for part in self.parts:
            if not isinstance(part, Variable):
                pieces.append(part)
                continue
            values = context.get(part.key, ())
            value = values[0] if len(values) == 1 else part.default
            if value is None:
                return None
            pieces.append(value)
        return pieces

    def matches(self, text: str, context: Context) -> bool:
        """Whether it covers all of `text` in one request."""
        if self.fixed is not None:
            return self.fixed.matches(text)
        pieces = self.pieces(context)
        return pieces is not None and glob(pieces).matches(text)


def template(text: str, *, variables: bool, wildcards: bool) -> Template:
    """Read a text of a policy.

    Args:
        text: as written.
        variables: whether `${...}` means anything; in version 2008-10-17 it does not.
        wildcards: whether `*` and `?` mean anything.

    Raises:
        PolicyError: a `${` begins no variable.
    """
    parts: list[Piece | Variable] = []

    def add(plain: str) -> None:
        parts.extend(pieces_of(plain) if wildcards else [plain] if plain else [])

    end = 0
    for match in _VARIABLE.finditer(text) if variables else ():
        add(_plain(text, end, match.start()))
        literal, key, default = match.group("literal", "key", "default")
        parts.append(literal or Variable(key.lower(), default))
        end = match.end()
    add(_plain(text, end, len(text)) if variables else text)
    fixed = [part for part in parts if not isinstance(part, Variable)]
    return Template(parts=tuple(parts), fixed=glob(fixed) if len(fixed) == len(parts) else None)


def _plain(text: str, start: int, end: int) -> str:
    plain = text[start:end]
    if "${" in plain:
        raise PolicyError(
            f"{text!r}: a '${{' must begin a variable, e.g. ${{aws:username}}; "
            "the characters themselves are written ${$}{"
        )
    return plain
