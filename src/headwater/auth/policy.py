"""IAM policies: what a document says, and what that means for one request.

Source: IAM user guide, "Grammar of the IAM JSON policy language" and "Policy evaluation
logic": a deny wins over every allow, and what nothing allows is denied. Only policies of
identities are known, which have no Principal.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from msgspec import Struct

from headwater.auth.conditions import Condition, Presence, condition
from headwater.auth.template import Context, PolicyError, Template, template
from headwater.core.glob import Glob, glob, pieces_of

MAX_DOCUMENT_CHARACTERS = 131_072  # as IAM's API takes; bounds what is read as JSON
MAX_POLICY_CHARACTERS = 6144  # IAM's quota, white space not counted; bounds the work it makes
CURRENT_VERSION = "2012-10-17"
VERSIONS = (CURRENT_VERSION, "2008-10-17")  # the older one, also if none is given: no variables

_POLICY_KEYS = ("Version", "Id", "Statement")
_STATEMENT_KEYS = (
    "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition",
)  # fmt: skip
_EFFECTS = ("Allow", "Deny")
_SID = re.compile(r"[A-Za-z0-9]*")
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_RESOURCE = re.compile(r"\*|arn:[^:]+:[^:]+:.+", re.DOTALL)
_CONDITION_KEY = re.compile(r"[A-Za-z0-9-]+:.+", re.DOTALL)


class Decision(Enum):
    """What policies say of a request. Only ALLOWED lets it pass."""

    ALLOWED = "allowed"
    DENIED = "denied"  # by a statement
    NOT_ALLOWED = "not allowed"  # by any statement


class Statement(Struct, frozen=True, kw_only=True):
    """One statement; it applies to a request when all three parts fit."""

    sid: str
    allows: bool
    actions: tuple[Glob, ...]  # lower case
    actions_negated: bool
    resources: tuple[Template, ...]
    resources_negated: bool
    conditions: tuple[Condition | Presence, ...]

    def applies(self, action: str, resource: str, context: Context) -> bool:
        """Whether it speaks of that action (lower case) on that resource."""
        return (
            any(one.matches(action) for one in self.actions) != self.actions_negated
            and any(one.matches(resource, context) for one in self.resources)
            != self.resources_negated
            and all(one.holds(context) for one in self.conditions)
        )


class Policy(Struct, frozen=True, kw_only=True):
    """A policy document, read."""

    version: str
    statements: tuple[Statement, ...]


def decide(policies: Iterable[Policy], action: str, resource: str, context: Context) -> Decision:
    """What these policies together say.

    Args:
        policies: all that are attached to who asks.
        action: e.g. "ivs:CreateChannel"; its case does not matter.
        resource: an ARN.
        context: what else is known of the request.
    """
    decision = Decision.NOT_ALLOWED
    lower = action.lower()
    for policy in policies:
        for statement in policy.statements:
            if statement.applies(lower, resource, context):
                if not statement.allows:
                    return Decision.DENIED
                decision = Decision.ALLOWED
    return decision


def parse_policy(text: str) -> Policy:
    """Read a policy document.

    Raises:
        PolicyError: which part of it is wrong, and what is allowed there.
    """
    document = _mapping(_json(text), "the policy", _POLICY_KEYS)
    version = document.get("Version", "2008-10-17")
    if version not in VERSIONS:
        raise PolicyError(f"Version must be {CURRENT_VERSION!r} or '2008-10-17'")
    found = document.get("Statement")
    written = found if isinstance(found, list) else [found]
    if not found:
        raise PolicyError("Statement is missing: the policy must have at least one")
    statements = tuple(
        _statement(one, f"Statement[{i}]", variables=version == CURRENT_VERSION)
        for i, one in enumerate(written)
    )
    sids = [one.sid for one in statements if one.sid]
    if len(set(sids)) < len(sids):
        raise PolicyError("each Sid must be another one")
    return Policy(version=version, statements=statements)


def _json(text: str) -> object:
    if len(text) > MAX_DOCUMENT_CHARACTERS:
        raise PolicyError(f"the policy has {len(text)} characters, at most 131072 are allowed")
    size = len("".join(text.split()))
    if size > MAX_POLICY_CHARACTERS:
        raise PolicyError(
            f"the policy has {size} characters without white space, at most "
            f"{MAX_POLICY_CHARACTERS} are allowed; divide it into several"
        )
    try:
        # Numbers stay as they were written: values of conditions are texts.
        return json.loads(text, object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except RecursionError:
        raise PolicyError("the policy is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise PolicyError(
            f"the policy is no JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise PolicyError(f"{twice!r} stands twice in one object")
    return found


def _mapping(value: object, where: str, allowed: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise PolicyError(f"{where} must be an object")
    if "Principal" in value or "NotPrincipal" in value:
        raise PolicyError(f"{where}: a policy of users has no Principal")
    for name in value:
        if name not in allowed:
            raise PolicyError(f"{where}: {name!r} is unknown; allowed are {', '.join(allowed)}")
    return value


def _statement(value: object, where: str, *, variables: bool) -> Statement:
    written = _mapping(value, where, _STATEMENT_KEYS)
    sid = written.get("Sid", "")
    if not (isinstance(sid, str) and _SID.fullmatch(sid)):
        raise PolicyError(f"{where}.Sid must be letters and digits")
    effect = written.get("Effect")
    if effect not in _EFFECTS:
        raise PolicyError(f"{where}.Effect must be 'Allow' or 'Deny'")
    action = _one_of(written, where, "Action", "NotAction")
    resource = _one_of(written, where, "Resource", "NotResource")
    try:
        conditions = _conditions(written.get("Condition", {}), variables=variables)
        resources = tuple(
            template(text, variables=variables, wildcards=True)
            for text in _texts(written[resource], _RESOURCE, "'*' or an ARN")
        )
    except PolicyError as error:
        raise PolicyError(f"{where}: {error}") from None
    return Statement(
        sid=sid,
        allows=effect == "Allow",
        actions=tuple(glob(pieces_of(text.lower())) for text in _actions(written, where, action)),
        actions_negated=action == "NotAction",
        resources=resources,
        resources_negated=resource == "NotResource",
        conditions=conditions,
    )


def _actions(written: Mapping[str, Any], where: str, name: str) -> list[str]:
    try:
        return _texts(written[name], _ACTION, "'*' or <service>:<action>, e.g. 'ivs:Get*'")
    except PolicyError as error:
        raise PolicyError(f"{where}.{name}: {error}") from None


def _one_of(written: Mapping[str, Any], where: str, *names: str) -> str:
    given = [name for name in names if name in written]
    if len(given) != 1:
        raise PolicyError(f"{where} must have either {' or '.join(names)}")
    return given[0]


def _texts(value: object, form: re.Pattern[str], allowed: str) -> list[str]:
    texts: list[Any] = value if isinstance(value, list) else [value]
    if not texts:
        raise PolicyError(f"the list is empty; it must hold {allowed}")
    for text in texts:
        if not (isinstance(text, str) and form.fullmatch(text)):
            raise PolicyError(f"{text!r} must be {allowed}")
    return texts


def _conditions(value: object, *, variables: bool) -> tuple[Condition | Presence, ...]:
    if not isinstance(value, dict) or not all(isinstance(keys, dict) for keys in value.values()):
        raise PolicyError("Condition must be {operator: {key: value or values}}")
    return tuple(
        _condition(operator, key, values, variables=variables)
        for operator, keys in value.items()
        for key, values in keys.items()
    )


def _condition(operator: str, key: str, value: object, *, variables: bool) -> Condition | Presence:
    where = f"Condition.{operator}.{key}"
    if not _CONDITION_KEY.fullmatch(key):
        raise PolicyError(f"{where}: a condition key has a prefix, e.g. aws:SourceIp")
    values: list[Any] = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, str | bool) for one in values):
        raise PolicyError(f"{where} must be a text, number or boolean, or a list of some")
    texts = [str(one).lower() if isinstance(one, bool) else one for one in values]
    try:
        return condition(operator, key, texts, variables=variables)
    except PolicyError as error:
        raise PolicyError(f"{where}: {error}") from None
