"""Conditions of policy statements: one operator, one condition key, values.

Source: IAM user guide, "IAM JSON policy elements: Condition operators" and "Set operators
for multivalued context keys":

    key missing     a negated operator (StringNotEquals, NotIpAddress ...) holds, others do
                    not, unless the operator ends with IfExists
    ForAllValues:   each value of the request fits; holds when there is none
    ForAnyValue:    one value of the request fits; does not hold when there is none
    several values in the policy: one of them fits, or, if negated, none of them does
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address, ip_network
from operator import eq, ge, gt, le, lt
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from headwater.auth.template import Context, PolicyError, template
from headwater.core.glob import glob, split_pieces

Matcher = Callable[[str, Context], bool]
"""Does this value of the request fit that value of the policy?"""
Prepare = Callable[..., Matcher]
"""From a value of the policy to its matcher; `variables` says whether `${...}` counts."""

ARN_PARTS = 6  # arn:partition:service:region:account:resource
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?")
_EPOCH = re.compile(r"[0-9]{5,11}")
_DATE = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}"
    r"(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
_DAY = len("YYYY-MM-DD")
_QUANTIFIERS = ("ForAllValues", "ForAnyValue")


class Operator(Struct, frozen=True):
    """How one value of the policy is compared."""

    prepare: Prepare
    negated: bool = False


class Condition(Struct, frozen=True, kw_only=True):
    """One line of a statement's Condition."""

    key: str  # lower case
    matchers: tuple[Matcher, ...]
    negated: bool
    quantifier: str  # "" or one of _QUANTIFIERS
    if_exists: bool

    def holds(self, context: Context) -> bool:
        """Whether the request fits."""
        values = context.get(self.key)
        if values is None and self.if_exists:
            return True
        if self.quantifier == "ForAllValues":
            return all(self._fits(value, context) for value in values or ())
        if self.quantifier == "ForAnyValue":
            return any(self._fits(value, context) for value in values or ())
        if values is None:
            return self.negated
        matched = any(self._matches(value, context) for value in values)
        return matched != self.negated

    def _fits(self, value: str, context: Context) -> bool:
        return self._matches(value, context) != self.negated

    def _matches(self, value: str, context: Context) -> bool:
        return any(matcher(value, context) for matcher in self.matchers)


class Presence(Struct, frozen=True):
    """The operator Null: is the key there at all?"""

    key: str  # lower case
    missing: bool

    def holds(self, context: Context) -> bool:
        """Whether the request fits."""
        return (not context.get(self.key)) == self.missing


def condition(
    operator: str, key: str, values: Sequence[str], *, variables: bool
) -> Condition | Presence:
    """Read one condition.

    Args:
        operator: as written, e.g. "ForAllValues:StringEqualsIfExists".
        key: as written; its case does not matter.
        values: at least one.
        variables: whether `${...}` counts in the operators that allow it.

    Raises:
        PolicyError: there is no such operator, or a value is none of its kind.
    """
    if operator == "Null":
        return Presence(key.lower(), _only_bool(values))
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if name not in OPERATORS or (quantifier and quantifier not in _QUANTIFIERS):
        raise PolicyError(
            f"{operator!r} is no condition operator; there are Null, {', '.join(OPERATORS)}, each "
            "also with IfExists behind it and ForAllValues: or ForAnyValue: before it"
        )
    chosen = OPERATORS[name]
    return Condition(
        key=key.lower(),
        matchers=tuple(chosen.prepare(value, variables=variables) for value in values),
        negated=chosen.negated,
        quantifier=quantifier,
        if_exists=rest != name,
    )


def _string(value: str, *, variables: bool) -> Matcher:
    return template(value, variables=variables, wildcards=False).matches


def _string_ignore_case(value: str, *, variables: bool) -> Matcher:
    wanted = template(value, variables=variables, wildcards=False)

    def matches(text: str, context: Context) -> bool:
        pieces = wanted.pieces(context)
        return pieces is not None and "".join(map(str, pieces)).lower() == text.lower()

    return matches


def _string_like(value: str, *, variables: bool) -> Matcher:
    return template(value, variables=variables, wildcards=True).matches


def _arn(value: str, *, variables: bool) -> Matcher:
    """Each of the six parts on its own: no `*` runs over a colon but in the last."""
    wanted = template(value, variables=variables, wildcards=True)

    def matches(text: str, context: Context) -> bool:
        pieces = wanted.pieces(context)
        if pieces is None:
            return False
        patterns = split_pieces(pieces, ":", ARN_PARTS)
        parts = text.split(":", ARN_PARTS - 1)
        return len(patterns) == len(parts) == ARN_PARTS and all(
            glob(pattern).matches(part) for pattern, part in zip(patterns, parts, strict=True)
        )

    return matches


def _bool(value: str, *, variables: bool) -> Matcher:
    _ = variables
    wanted = _only_bool([value])
    return lambda text, _context: text.lower() == str(wanted).lower()


def _binary(value: str, *, variables: bool) -> Matcher:
    _ = variables
    try:
        wanted = b64decode(value, validate=True)
    except (Base64Error, ValueError):
        raise PolicyError(f"{value!r} must be base64") from None
    return lambda text, _context: text.encode("utf-8", "surrogatepass") == wanted


def _ip(value: str, *, variables: bool) -> Matcher:
    _ = variables
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        raise PolicyError(
            f"{value!r} must be an IPv4 or IPv6 address or range, e.g. 203.0.113.0/24"
        ) from None

    def matches(text: str, _context: Context) -> bool:
        try:
            return ip_address(text) in network
        except ValueError:
            return False

    return matches


def _compared(
    read: Callable[[str], Any], compare: Callable[[Any, Any], bool], allowed: str
) -> Prepare:
    """An operator that reads both values and compares them, the request's first."""

    def prepare(value: str, *, variables: bool) -> Matcher:
        _ = variables
        wanted = read(value)
        if wanted is None:
            raise PolicyError(f"{value!r} must be {allowed}")

        def matches(text: str, _context: Context) -> bool:
            found = read(text)
            return found is not None and compare(found, wanted)

        return matches

    return prepare


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _date(text: str) -> datetime | None:
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        if not _DATE.fullmatch(text):
            return None
        full = text if len(text) >= _DAY else (text + "-01-01")[:_DAY]
        read = datetime.fromisoformat(full)
        return read if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _only_bool(values: Sequence[str]) -> bool:
    if len(values) != 1 or values[0].lower() not in {"true", "false"}:
        raise PolicyError("the value must be true or false")
    return values[0].lower() == "true"


def _ordered(name: str, read: Callable[[str], Any], allowed: str) -> dict[str, Operator]:
    return {
        f"{name}Equals": Operator(_compared(read, eq, allowed)),
        f"{name}NotEquals": Operator(_compared(read, eq, allowed), negated=True),
        f"{name}LessThan": Operator(_compared(read, lt, allowed)),
        f"{name}LessThanEquals": Operator(_compared(read, le, allowed)),
        f"{name}GreaterThan": Operator(_compared(read, gt, allowed)),
        f"{name}GreaterThanEquals": Operator(_compared(read, ge, allowed)),
    }


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "StringEquals": Operator(_string),
        "StringNotEquals": Operator(_string, negated=True),
        "StringEqualsIgnoreCase": Operator(_string_ignore_case),
        "StringNotEqualsIgnoreCase": Operator(_string_ignore_case, negated=True),
        "StringLike": Operator(_string_like),
        "StringNotLike": Operator(_string_like, negated=True),
        "ArnEquals": Operator(_arn),
        "ArnLike": Operator(_arn),
        "ArnNotEquals": Operator(_arn, negated=True),
        "ArnNotLike": Operator(_arn, negated=True),
        "Bool": Operator(_bool),
        "BinaryEquals": Operator(_binary),
        "IpAddress": Operator(_ip),
        "NotIpAddress": Operator(_ip, negated=True),
        **_ordered("Numeric", _number, "a number"),
        **_ordered("Date", _date, "a date such as 2030-12-31T23:59:59Z, or Unix seconds"),
    }
)
"""Every operator but Null, without IfExists and quantifiers."""
