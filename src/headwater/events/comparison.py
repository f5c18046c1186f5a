"""What a pattern says of one field's value: `{"prefix": "st-"}`, `{"numeric": [">", 5]}`. Pure.

Source: EventBridge user guide, "Comparison operators for use in event patterns"; what that
leaves open is as in event-ruler, the matcher that Amazon has published. Text is compared as
it is written, unless equals-ignore-case is asked for (Unicode's case folding). Numbers are
compared as numbers: 300, 300.0 and 3.0e2 are the same one; true and false are none.
"""

import math
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from operator import ge, gt, le, lt
from typing import TypeGuard

from headwater.core.errors import PeerError
from headwater.core.glob import Glob, Piece, Wildcard, glob

Test = Callable[[object], bool]
"""Whether a value that is text, a number, true, false or null is meant."""

MAX_NUMBER = 5_000_000_000  # as EventBridge documents for numeric; below zero likewise
MAX_QUOTED = 40  # characters of somebody's text in an error

_OPERATORS = "prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, exists and cidr"
_NEGATABLE = "prefix, suffix, equals-ignore-case and wildcard"
_BELOW = {"<": lt, "<=": le}
_ABOVE = {">": gt, ">=": ge}


def parse_comparison(where: str, value: dict[str, object]) -> Test | None:
    """One object of a field's list.

    Args:
        where: the path of it, for errors.
        value: the object.

    Returns:
        The test; None for `{"exists": false}`, which no value passes.

    Raises:
        PeerError: it is none that EventBridge knows.
    """
    name, wanted = _only_member(where, value, f"one of {_OPERATORS}")
    where = f"{where}.{name}"
    if name == "exists":
        if not isinstance(wanted, bool):
            raise PeerError(f"{where} must be true or false, not {quoted(wanted)}")
        return _anything if wanted else None
    if name == "anything-but":
        return _anything_but(where, wanted)
    if name == "numeric":
        return _numeric(where, wanted)
    if name == "cidr":
        return _cidr(where, wanted)
    if name in _FOLDED_TESTS and isinstance(wanted, dict):
        inner, text = _only_member(where, wanted, "equals-ignore-case")
        if inner != "equals-ignore-case":
            raise PeerError(f"{where} takes text or equals-ignore-case, not {quoted(inner)}")
        return _text_test(f"{where}.{inner}", _FOLDED_TESTS[name], text)
    if name in _TEXT_TESTS:
        return _text_test(where, _TEXT_TESTS[name], wanted)
    raise PeerError(f"{where} is no comparison; there are {_OPERATORS}")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def quoted(value: object) -> str:
    """Somebody's value in an error, cut to MAX_QUOTED characters."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    names = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return names[value]
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


def _only_member(where: str, value: dict[str, object], allowed: str) -> tuple[str, object]:
    if len(value) != 1:
        raise PeerError(f"{where} has {len(value)} members; it takes exactly one: {allowed}")
    [(name, wanted)] = value.items()
    return name, wanted


def _anything(_: object) -> bool:
    return True


# Text.


def _prefix(text: str) -> Test:
    return lambda value: isinstance(value, str) and value.startswith(text)


def _suffix(text: str) -> Test:
    return lambda value: isinstance(value, str) and value.endswith(text)


def _equals_folded(text: str) -> Test:
    folded = text.casefold()
    return lambda value: isinstance(value, str) and value.casefold() == folded


def _prefix_folded(text: str) -> Test:
    folded = text.casefold()
    return lambda value: isinstance(value, str) and value.casefold().startswith(folded)


def _suffix_folded(text: str) -> Test:
    folded = text.casefold()
    return lambda value: isinstance(value, str) and value.casefold().endswith(folded)


def _wildcard(text: str) -> Test:
    compiled = _glob_of(text)
    return lambda value: isinstance(value, str) and compiled.matches(value)


def _glob_of(text: str) -> Glob:
    r"""`*` is any run of characters, `\*` and `\\` are the characters themselves."""
    pieces: list[Piece] = []
    characters = iter(text)
    for one in characters:
        if one == "\\":
            escaped = next(characters, "")
            if escaped not in {"*", "\\"}:
                raise PeerError("a backslash must be followed by * or by another backslash")
            pieces.append(escaped)
        elif one != "*":
            pieces.append(one)
        elif pieces and pieces[-1] is Wildcard.RUN:
            raise PeerError("two wildcards in a row are not allowed")
        else:
            pieces.append(Wildcard.RUN)
    return glob(pieces)


_TEXT_TESTS: dict[str, Callable[[str], Test]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_folded,
    "wildcard": _wildcard,
}
_FOLDED_TESTS = {"prefix": _prefix_folded, "suffix": _suffix_folded}


def _text_test(where: str, make: Callable[[str], Test], wanted: object) -> Test:
    if not isinstance(wanted, str):
        raise PeerError(f"{where} must be text, not {quoted(wanted)}")
    try:
        return make(wanted)
    except PeerError as error:
        raise PeerError(f"{where}: {error}") from None


# Anything but.


def _anything_but(where: str, wanted: object) -> Test:
    if isinstance(wanted, dict):
        return _anything_but_tests(where, wanted)
    values = wanted if isinstance(wanted, list) else [wanted]
    if not values:
        raise PeerError(f"{where} must not be empty")
    is_text = all(isinstance(value, str) for value in values)
    if not is_text and not all(map(_is_number, values)):
        raise PeerError(
            f"{where} must be text, a number, or a list of only texts or only numbers; "
            f"or an object with one of {_NEGATABLE}"
        )
    unwanted = frozenset(values)
    comparable = (lambda value: isinstance(value, str)) if is_text else _is_number
    return lambda value: not (comparable(value) and value in unwanted)


def _anything_but_tests(where: str, value: dict[str, object]) -> Test:
    name, wanted = _only_member(where, value, f"one of {_NEGATABLE}")
    if name not in _TEXT_TESTS:
        raise PeerError(f"{where} takes {_NEGATABLE}, not {quoted(name)}")
    where = f"{where}.{name}"
    texts = wanted if isinstance(wanted, list) else [wanted]
    if not texts:
        raise PeerError(f"{where} must not be empty")
    if "" in texts and name in _FOLDED_TESTS:
        raise PeerError(f"{where} must not be empty text: nothing would match")
    tests = [_text_test(where, _TEXT_TESTS[name], text) for text in texts]
    return lambda each: not any(test(each) for test in tests)


# Numbers and addresses.


def _numeric(where: str, wanted: object) -> Test:
    terms = wanted if isinstance(wanted, list) else []
    match terms:
        case ["=", number]:
            exact = _number(where, number)
            return lambda value: _is_number(value) and value == exact
        case [str() as sign, number] if sign in _BELOW or sign in _ABOVE:
            return _numeric_test(where, [(sign, number)])
        case [str() as low, bottom, str() as high, top] if low in _ABOVE and high in _BELOW:
            if _number(where, bottom) >= _number(where, top):
                raise PeerError(f"{where}: the lower bound must be below the upper")
            return _numeric_test(where, [(low, bottom), (high, top)])
    raise PeerError(
        f'{where} must be a list of =, <, <=, > or >= and a number, e.g. [">", 5], '
        'or of two that make a range, e.g. [">=", 0, "<", 5]'
    )


def _numeric_test(where: str, terms: list[tuple[str, object]]) -> Test:
    signs = {**_BELOW, **_ABOVE}
    bounds = [(signs[sign], _number(where, number)) for sign, number in terms]
    return lambda value: _is_number(value) and all(holds(value, bound) for holds, bound in bounds)


def _number(where: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise PeerError(f"{where}: {quoted(value)} is no number")
    if math.isnan(value) or not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise PeerError(
            f"{where}: {quoted(value)} is not between -{MAX_NUMBER:,} and {MAX_NUMBER:,}"
        )
    return value


def _cidr(where: str, wanted: object) -> Test:
    try:
        if not isinstance(wanted, str) or "/" not in wanted:
            raise ValueError(wanted)  # noqa: TRY301 - said once, below
        network = ip_network(wanted, strict=False)
    except ValueError:
        raise PeerError(
            f"{where} must be a range of addresses such as 10.0.0.0/24 or 2001:db8::/32, "
            f"not {quoted(wanted)}"
        ) from None

    def test(value: object) -> bool:
        if not isinstance(value, str):
            return False
        try:
            return ip_address(value) in network
        except ValueError:
            return False  # no address

    return test
