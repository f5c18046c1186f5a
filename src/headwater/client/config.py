"""The client's configuration: a mapping, read once and refused whole where it is wrong.

Source: the configuration of paws' `ivs(config)`, written as a Python mapping. Credentials
are accepted where paws has them (`credentials.creds`), and flat at the top as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from headwater.client.errors import ConfigurationError

DEFAULT_TIMEOUT_S = 60.0
MAX_TIMEOUT_S = 86_400.0
"""Sockets refuse timeouts that are endless or very long; a day is neither."""


class Creds(TypedDict, total=False):
    """What requests are signed with."""

    access_key_id: str
    secret_access_key: str
    session_token: str


class Credentials(TypedDict, total=False):
    """Where the credentials come from; the default is AWS's chain of sources."""

    creds: Creds
    profile: str
    anonymous: bool


class Config(TypedDict, total=False):
    """All that `ivs()` takes; every name may be left out.

    `timeout` is in seconds, for connecting and then for each answer.
    """

    credentials: Credentials
    endpoint: str
    region: str
    close_connection: bool
    timeout: float
    s3_force_path_style: bool
    access_key_id: str
    secret_access_key: str
    session_token: str
    profile: str
    anonymous: bool


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A configuration that has been read; None: AWS's own sources decide."""

    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    anonymous: bool = False
    endpoint: str | None = None
    region: str | None = None
    close_connection: bool = False
    timeout: float = DEFAULT_TIMEOUT_S
    s3_force_path_style: bool = False  # of the S3 client's configuration; nothing here uses it


_TEXT, _SWITCH = "text", "True or False"
_SECONDS = f"a number of seconds above 0, at most {MAX_TIMEOUT_S:.0f}"
_CREDS = {"access_key_id": _TEXT, "secret_access_key": _TEXT, "session_token": _TEXT}
_SOURCE = {"profile": _TEXT, "anonymous": _SWITCH}
_REST = {
    "endpoint": _TEXT,
    "region": _TEXT,
    "close_connection": _SWITCH,
    "timeout": _SECONDS,
    "s3_force_path_style": _SWITCH,
}
_TREE: Mapping[str, object] = {
    "credentials": {"creds": _CREDS, **_SOURCE},
    **_REST,
    **_CREDS,
    **_SOURCE,
}


def read_config(config: Mapping[str, object]) -> Settings:
    """The settings that a configuration says. None and "" are as if left out.

    Raises:
        ConfigurationError: a name that is not known, given twice, or a value of a wrong
            kind. The text never has a value in it: it could be a secret.
    """
    found: dict[str, object] = {}
    for path, name, value in _leaves(config, _TREE, "config"):
        if name in found:
            raise ConfigurationError(f"{path}: {name} is given a second time")
        found[name] = value
    return Settings(**found)  # type: ignore[arg-type]  # _leaves checked each value


def _leaves(
    config: Mapping[str, object], allowed: Mapping[str, object], path: str
) -> Iterator[tuple[str, str, object]]:
    for name, value in config.items():
        here = f"{path}[{name!r}]"
        if name not in allowed:
            raise ConfigurationError(f"{here} is not known; allowed: {', '.join(allowed)}")
        if value is None or value == "":
            continue
        kind = allowed[name]
        if isinstance(kind, Mapping):
            if not isinstance(value, Mapping):
                raise ConfigurationError(f"{here} must be a mapping of {', '.join(kind)}")
            yield from _leaves(value, kind, here)
        elif not _fits(name, value, kind):
            raise ConfigurationError(f"{here} must be {_wanted(name, kind)}")
        else:
            yield here, name, value


def _fits(name: str, value: object, kind: object) -> bool:
    if kind == _SECONDS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return 0 < value <= MAX_TIMEOUT_S
    if kind == _SWITCH:
        return isinstance(value, bool)
    return isinstance(value, str) and (
        name != "endpoint" or value.startswith(("http://", "https://"))
    )


def _wanted(name: str, kind: object) -> str:
    return "an http:// or https:// URL" if name == "endpoint" else str(kind)
