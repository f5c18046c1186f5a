"""Event patterns: which events a rule wants. Pure.

Source: EventBridge user guide, "Event patterns"; what that leaves open is as in
event-ruler, the matcher that Amazon has published.

    {"source": ["aws.ivs"], "detail": {"event_name": ["Stream Start", {"prefix": "Session"}]}}

All fields of a pattern must match, and of a field's list one is enough; fields that a
pattern doesn't name don't matter. Of a list in an event one value is enough. Where that
list holds objects, one of them has to match all that the pattern says of it; a field is
absent if no object of the list has it, or if the one that matches otherwise doesn't.
An object or an empty list is no value: where one stands, a value is absent.
"""

import json
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, Self

import msgspec
from msgspec import Struct

from headwater.core.errors import LimitError, PeerError
from headwater.events.comparison import Test, parse_comparison, quoted

MAX_PATTERN_CHARACTERS = 2048  # EventBridge's quota; also bounds what a match costs
MAX_DEPTH = 32  # levels of objects: far beyond any event, and nowhere near Python's stack
MAX_COMBINATIONS = 1000  # EventBridge's, of the alternatives of all $or

_OR = "$or"
_RESERVED = frozenset({
    "anything-but", "cidr", "equals-ignore-case", "exactly", "exists", "numeric", "prefix",
    "suffix", "wildcard", "=", "<", "<=", ">", ">=",
})  # fmt: skip
"""Comparisons that stand beside fields by mistake."""


class _Match(IntEnum):
    NO = 0
    BY_ABSENCE = 1
    BY_VALUE = 2


class _Leaf(Struct, frozen=True):
    """One of these values, or one of these tests, or no value at all."""

    texts: frozenset[str]
    numbers: frozenset[float]
    constants: tuple[bool | None, ...]
    tests: tuple[Test, ...]
    or_absent: bool

    def match(self, value: object) -> _Match:
        is_absent = True
        for each in _values(value):
            if self._takes(each):
                return _Match.BY_VALUE
            is_absent = False
        return _Match.BY_ABSENCE if is_absent and self.or_absent else _Match.NO

    def _takes(self, value: object) -> bool:
        if isinstance(value, str):
            found = value in self.texts
        elif value is None or isinstance(value, bool):
            found = any(value is each for each in self.constants)
        else:
            found = value in self.numbers
        return found or any(test(value) for test in self.tests)


class _Branch(Struct, frozen=True):
    """All of these fields; of each list of alternatives one."""

    fields: "tuple[tuple[str, _Leaf | _Branch], ...]"
    alternatives: "tuple[tuple[_Branch, ...], ...]"

    def match(self, value: object) -> _Match:
        found = [self.match_object(each) for each in _objects(value)]
        if not found:
            return self.match_object({})
        if _Match.BY_VALUE in found:
            return _Match.BY_VALUE
        return min(found)  # what is absent is absent in all

    def match_object(self, value: Mapping[str, Any]) -> _Match:
        best = _Match.BY_ABSENCE
        for name, node in self.fields:
            found = node.match(value.get(name, ()))
            if not found:
                return found
            best = max(best, found)
        for branches in self.alternatives:
            found = max(branch.match_object(value) for branch in branches)
            if not found:
                return found
            best = max(best, found)
        return best


class Pattern(Struct, frozen=True):
    """A pattern, ready to match."""

    root: _Branch

    @classmethod
    def parse(cls, value: dict[str, Any] | str) -> Self:
        """A pattern, or the JSON text of one.

        Raises:
            PeerError: it is none; the text names the field and what is allowed there.
        """
        pattern = _decoded(value)
        root, combinations = _branch("", pattern, MAX_DEPTH)
        if combinations > MAX_COMBINATIONS:
            raise LimitError(
                f"the alternatives of {_OR} make {combinations} combinations, "
                f"more than the {MAX_COMBINATIONS} allowed"
            )
        return cls(root)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether the event is one that the pattern wants."""
        return bool(self.root.match_object(event))


# Parsing.


def _decoded(value: object) -> dict[str, object]:
    """Of the text's size at most, whichever way it came, and an object."""
    text = value if isinstance(value, str) else _written(value)
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise LimitError(
            f"an event pattern has at most {MAX_PATTERN_CHARACTERS} characters, not {len(text)}"
        )
    try:
        decoded = msgspec.json.decode(text)
    except UnicodeError:
        raise PeerError("an event pattern must be JSON: it holds half a character") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise PeerError(f"an event pattern must be JSON: {error}") from None
    if not isinstance(decoded, dict):
        raise PeerError(f"an event pattern must be an object, not {quoted(decoded)}")
    return decoded


def _written(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise PeerError("an event pattern must be JSON") from None


def _branch(where: str, value: dict[str, object], depth: int) -> tuple[_Branch, int]:
    """The node, and how many combinations of alternatives are in it."""
    if not value:
        raise PeerError(f"{where or 'an event pattern'} must name a field: {{}} matches nothing")
    if not depth:
        raise LimitError(f"{where}: an event pattern has at most {MAX_DEPTH} levels")
    fields: list[tuple[str, _Leaf | _Branch]] = []
    alternatives = []
    combinations = 1
    for name, member in value.items():
        path = f"{where}.{name}" if where else name
        if name == _OR:
            branches, count = _alternatives(path, member, depth - 1)
            alternatives.append(branches)
            combinations *= count
        elif isinstance(member, dict):
            branch, count = _branch(path, member, depth - 1)
            fields.append((name, branch))
            combinations *= count
        elif isinstance(member, list):
            fields.append((name, _leaf(path, member)))
        else:
            raise PeerError(
                f"{path} must be a list of values, or an object of fields, not {quoted(member)}"
            )
    return _Branch(tuple(fields), tuple(alternatives)), combinations


def _alternatives(where: str, value: object, depth: int) -> tuple[tuple[_Branch, ...], int]:
    if not isinstance(value, list) or len(value) < 2:  # noqa: PLR2004 - one is no choice
        raise PeerError(f"{where} must be a list of at least two objects")
    branches = []
    combinations = 0
    for number, each in enumerate(value):
        path = f"{where}[{number}]"
        if not isinstance(each, dict):
            raise PeerError(f"{path} must be an object of fields, not {quoted(each)}")
        if wrong := sorted(_RESERVED & each.keys()):
            raise PeerError(f"{path} must name fields; {wrong[0]} is a comparison")
        branch, count = _branch(path, each, depth)
        branches.append(branch)
        combinations += count
    return tuple(branches), combinations


def _leaf(where: str, values: list[object]) -> _Leaf:
    if not values:
        raise PeerError(f'{where} must not be an empty list; empty text is written [""]')
    texts, numbers, constants, tests = set(), set(), [], []
    or_absent = False
    for number, value in enumerate(values):
        path = f"{where}[{number}]"
        if isinstance(value, str):
            texts.add(value)
        elif value is None or isinstance(value, bool):
            constants.append(value)
        elif isinstance(value, int | float):
            numbers.add(value)
        elif isinstance(value, dict):
            test = parse_comparison(path, value)
            or_absent = or_absent or test is None
            tests += [test] if test else []
        else:
            raise PeerError(f"{path} must be text, a number, true, false, null or an object")
    return _Leaf(
        texts=frozenset(texts),
        numbers=frozenset(numbers),
        constants=tuple(constants),
        tests=tuple(tests),
        or_absent=or_absent,
    )


# Events.


def _values(value: object) -> Iterator[object]:
    """What is no object in a value, or in lists of lists of them."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list | tuple):
            waiting += each
        elif not isinstance(each, Mapping):
            yield each


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list | tuple):
            waiting += each
        elif isinstance(each, Mapping):
            yield each
