"""Targets: where a rule sends its events, as it is kept.

    webhook     an HTTP(S) address that the event is posted to
    nats        a subject of a NATS server
    putevents   an EventBridge-compatible endpoint
    file        a file of JSON lines

Secrets are no part of a target: a rule has at most one, and keeps it beside.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from headwater.core.errors import OperatorError

MAX_URL_LENGTH = 2048
"""More than any browser takes."""
MAX_SUBJECT_LENGTH = 256
SUBJECT = "headwater.{region}.{channel}.{type}"
"""The default subject."""
EVENT_BRIDGE = "eventbridge+"
"""Before the URL of a PutEvents endpoint, which would look like a webhook's."""

_BUS = r"^[A-Za-z0-9._/:-]{1,256}\Z"
_SOURCE = r"^[A-Za-z0-9._/-]{1,256}\Z"
_FILE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"
_REGION = r"^[a-z0-9-]{1,32}\Z"
_KEY_ID = r"^[A-Za-z0-9_]{1,128}\Z"
_SUBJECT_FIELD = re.compile(r"\{([^{}]*)\}")
_SUBJECT_FIELDS = frozenset({"account", "region", "channel", "type", "name"})
_SUBJECT_TEXT = re.compile(r"[!-~]+")
_SWITCH = MappingProxyType({"on": True, "off": False})
_NOT_A_TOKEN = re.compile(r"[^a-z0-9_-]+")
_AWS_HOST = re.compile(r"(?i)(\.amazonaws\.com(\.cn)?|\.api\.aws)\.?")

Url = Annotated[str, Meta(max_length=MAX_URL_LENGTH)]


class _Target(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """Base of all, so that a stored one says what it is."""


class WebhookTarget(_Target, frozen=True, kw_only=True, tag="webhook"):
    """Each event is posted, signed, to one address."""

    url: Url

    @property
    def place(self) -> str:
        """For a list."""
        return self.url


class NatsTarget(_Target, frozen=True, kw_only=True, tag="nats"):
    """Each event is published to a subject, named by a template."""

    url: Url  # without a password
    subject: Annotated[str, Meta(min_length=1, max_length=MAX_SUBJECT_LENGTH)] = SUBJECT
    user: Annotated[str, Meta(max_length=128)] = ""  # "": the secret, if any, is a token
    jetstream: bool = False  # wait until a stream has stored it

    @property
    def place(self) -> str:
        """For a list."""
        return f"{self.url} {self.subject}"


class PutEventsTarget(_Target, frozen=True, kw_only=True, tag="putevents"):
    """Each event becomes an entry of a PutEvents call."""

    url: Url
    region: Annotated[str, Meta(pattern=_REGION)]  # that requests are signed for
    access_key_id: Annotated[str, Meta(pattern=_KEY_ID)]
    bus: Annotated[str, Meta(pattern=_BUS)] = "default"
    source: Annotated[str, Meta(pattern=_SOURCE)] = "aws.ivs"

    @property
    def place(self) -> str:
        """For a list."""
        return f"{self.url} {self.bus}"


class FileTarget(_Target, frozen=True, kw_only=True, tag="file"):
    """Each event is a line of a file in the folder for such files."""

    name: Annotated[str, Meta(pattern=_FILE)]

    @property
    def place(self) -> str:
        """For a list."""
        return self.name


Target = WebhookTarget | NatsTarget | PutEventsTarget | FileTarget


def read_target(stored: Mapping[str, Any]) -> Target:
    """A target as it was kept, or as somebody asks for it.

    Raises:
        OperatorError: what is wrong with it.
    """
    try:
        target: Target = msgspec.convert(dict(stored), Target)
    except msgspec.ValidationError as error:
        raise OperatorError(f"the target is not right: {error}") from None
    match target:
        case WebhookTarget():
            _check_url(target.url, ("https", "http"))
        case NatsTarget():
            _check_url(target.url, ("nats", "tls"))
            _check_subject(target.subject)
        case PutEventsTarget():
            _check_url(target.url, ("https", "http"))
            _check_source(target)
        case FileTarget():
            pass
    return target


def target_of(to: str, options: Mapping[str, str], *, region: str) -> dict[str, Any]:
    """A target as it is kept, from how people write it.

    Args:
        to: `https://...`, `nats://...`, `eventbridge+https://...` or `file:<name>`.
        options: more fields of it, by their names.
        region: of the rule, and of the endpoint where none is given.

    Raises:
        OperatorError: what is wrong with it.
    """
    scheme, _, rest = to.partition(":")
    fields: dict[str, Any]
    if scheme == "file":
        fields = {"kind": "file", "name": rest}
    elif scheme in {"nats", "tls"}:
        fields = {"kind": "nats", "url": to}
    elif scheme.startswith(EVENT_BRIDGE):
        fields = {"kind": "putevents", "url": to.removeprefix(EVENT_BRIDGE), "region": region}
    elif scheme in {"http", "https"}:
        fields = {"kind": "webhook", "url": to}
    else:
        raise OperatorError(
            f"the target {to!r} must begin with https:, http:, nats:, tls:, "
            f"{EVENT_BRIDGE}https: or file:"
        )
    given: dict[str, Any] = {**fields, **options}
    if "jetstream" in options:
        if options["jetstream"] not in _SWITCH:
            raise OperatorError(f"jetstream is on or off, not {options['jetstream']!r}")
        given["jetstream"] = _SWITCH[options["jetstream"]]
    stored: dict[str, Any] = msgspec.to_builtins(read_target(given))
    return stored


def subject_of(template: str, event: Mapping[str, Any]) -> str:
    """The NATS subject of an event; each field of the template becomes one token of it."""
    resources = event["resources"]
    detail = event["detail"]
    name = next(
        (
            detail[field]
            for field in ("event_name", "limit_name", "recording_status")
            if field in detail
        ),
        "",
    )
    fields = {
        "account": event["account"],
        "region": event["region"],
        "channel": resources[0].rpartition("/")[2] if resources else "",
        "type": _token(event["detail-type"]),
        "name": _token(name),
    }
    return _SUBJECT_FIELD.sub(lambda found: fields[found[1]] or "none", template)


def _token(text: str) -> str:
    """Words as one token: "Stream Start" is stream-start."""
    return _NOT_A_TOKEN.sub("-", text.lower()).strip("-")


def _check_url(url: str, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OperatorError("the target's URL cannot be read") from None
    allowed = " or ".join(f"{scheme}://" for scheme in schemes)
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise OperatorError(f"the target's URL must be {allowed}, a host, and a port if it has one")
    if parts.username is not None or parts.password is not None:
        raise OperatorError("the target's URL must not hold a password; give it as the secret")
    if parts.fragment or not url.isascii() or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise OperatorError("the target's URL must be plain ASCII without spaces and fragment")


def _check_subject(template: str) -> None:
    unknown = [each for each in _SUBJECT_FIELD.findall(template) if each not in _SUBJECT_FIELDS]
    if unknown:
        known = ", ".join(f"{{{each}}}" for each in sorted(_SUBJECT_FIELDS))
        raise OperatorError(f"the subject has the unknown field {{{unknown[0]}}}; known: {known}")
    plain = _SUBJECT_FIELD.sub("x", template)
    tokens = plain.split(".")
    if not _SUBJECT_TEXT.fullmatch(plain) or set(plain) & set("*>{}") or "" in tokens:
        raise OperatorError("the subject must be tokens joined by dots, without spaces, * and >")


def _check_source(target: PutEventsTarget) -> None:
    host = urlsplit(target.url).hostname or ""
    if _AWS_HOST.search(host) and target.source.lower().startswith("aws."):
        raise OperatorError(
            f"AWS accepts no event whose source is {target.source}: its own services alone may "
            "say aws.; name another source, and use it in the patterns of your rules there"
        )
