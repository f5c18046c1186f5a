"""Which web pages may play: origins and patterns of them, without I/O.

    https://example.com            that site, on the scheme's own port
    https://example.com:8443       ... on another port
    https://*.example.com          every site below it, at any depth; not example.com itself
    null                           pages without an origin: files, sandboxed frames
    *                              every page; in playback tokens only

Source: RFC 6454 §6 and §7 (origins, the Origin header); IVS user guide, "Generate and Sign
Playback Tokens" and "Undesired Content and Viewers" (wildcards). Hosts are compared
without regard to case; a scheme's own port is the same as none.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from headwater.core.errors import PeerError

ANY = "*"
EXAMPLES = "https://example.com, https://example.com:8443 or https://*.example.com"
"""For the texts of errors."""
MAX_ORIGIN_CHARS = 300
"""A host name has at most 253 (RFC 1035 §2.3.4); longer headers are not looked at."""
MAX_PORT = 65_535
REMEMBERED = 1000
"""Origins already read: players send theirs with each request. Below 1 kB each."""

_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = rf"(?P<host>(?:\*\.)?{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])"
_ORIGIN = re.compile(rf"(?P<scheme>[a-z][a-z0-9+.-]*)://{_HOST}(?::(?P<port>[0-9]{{1,5}}))?")
_OWN_PORT = {"http": 80, "https": 443}


def parse_patterns(text: str) -> tuple[str, ...]:
    """The origins of a comma-separated list, as `allows` takes them; each once.

    Raises:
        PeerError: one of them is no pattern; the text says what is.
    """
    patterns = [part.strip() for part in text.split(",")]
    for pattern in patterns:
        if pattern != ANY and not is_pattern(pattern):
            raise PeerError(f"must be *, or origins separated by commas, such as {EXAMPLES}")
    return tuple(dict.fromkeys(patterns))


def is_pattern(text: str) -> bool:
    """Whether it is an origin, or one with a wildcard in its host."""
    return _normal(text) is not None


def allows(patterns: Iterable[str], origin: str | None) -> bool:
    """Whether one of the patterns is for that origin.

    Args:
        patterns: that `is_pattern` or `parse_patterns` accepted.
        origin: the Origin header; None, or no origin, is never allowed.
    """
    asking = _normal(origin) if origin else None
    if asking is None or "*" in asking:
        return False
    return any(_matches(pattern, asking) for pattern in patterns)


def _matches(pattern: str, asking: str) -> bool:
    if pattern == ANY:
        return True
    wanted = _normal(pattern)
    if wanted is None or "*" not in wanted:
        return wanted == asking
    scheme, _, suffix = wanted.partition("*")
    # The suffix begins with a dot and ends with the port, if there is one.
    inside = asking[len(scheme) : -len(suffix)]
    return asking.startswith(scheme) and asking.endswith(suffix) and bool(inside)


@lru_cache(REMEMBERED)
def _normal(text: str) -> str | None:
    """The same text for the same origin; None when it is none."""
    if text == "null":
        return text
    match = _ORIGIN.fullmatch(text) if len(text) <= MAX_ORIGIN_CHARS else None
    if match is None or int(match["port"] or 0) > MAX_PORT:
        return None
    scheme, host = match["scheme"], match["host"].lower()
    port = int(match["port"]) if match["port"] else _OWN_PORT.get(scheme)
    return f"{scheme}://{host}" if port == _OWN_PORT.get(scheme) else f"{scheme}://{host}:{port}"
