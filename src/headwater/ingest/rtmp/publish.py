"""What a publish asks for: app, stream key and parameters, out of what users paste.

Seen on real encoders: the key in the publish name, in the app (`app/KEY`), or a whole URL
pasted into the key field; a query string on either; percent-escapes and trailing slashes.
"""

from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from headwater.core.errors import LimitError, PeerError
from headwater.core.secret import Secret

MAX_NAME_CHARS = 8192
"""Of app, URL or publish name; multitrack keys carry JSON and reach about 2000."""
MAX_PARAMETERS = 32

_LOGIN_MARK = "authmod"
_LOGIN = frozenset(
    (_LOGIN_MARK, "user", "challenge", "response", "opaque", "salt", "nonce", "cnonce", "nc")
)
"""What encoders with a user name add for Adobe's and Limelight's log-in (authmod). The stream
key is all we ask for, so none of it is a parameter of the stream."""


class PublishRequested(Struct, frozen=True, kw_only=True):
    """The encoder wants to publish and waits for the answer."""

    app: str
    stream_key: Secret
    parameters: dict[str, str]  # of the query strings, decoded; the key's win over the app's


def publish_request(*, app: str, tc_url: str, name: str) -> PublishRequested:
    """Clean what connect (`app`, `tc_url`) and publish (`name`) said.

    Raises:
        PeerError: no key in any of them, or a broken URL.
        LimitError: longer than MAX_NAME_CHARS, or more than MAX_PARAMETERS parameters.
    """
    if max(len(app), len(tc_url), len(name)) > MAX_NAME_CHARS:
        raise LimitError(f"app or stream key is longer than {MAX_NAME_CHARS} characters")
    app_path, app_query = _split(app or tc_url)
    name_path, name_query = _split(name)
    app_segments = _segments(app_path)
    name_segments = _segments(name_path)
    if not name_segments and len(app_segments) > 1:
        name_segments = [app_segments.pop()]
    if not name_segments:
        raise PeerError("no stream key: it belongs after the last slash of the URL")
    key = name_segments[-1]
    if len(app_segments) > 1 and app_segments[-1] == key:
        app_segments.pop()  # typed into both fields: the app is no secret
    parameters = _parameters(app_query) | _parameters(name_query)
    if _LOGIN_MARK in parameters:
        parameters = {name: text for name, text in parameters.items() if name not in _LOGIN}
    return PublishRequested(
        app="/".join(app_segments), stream_key=Secret(key), parameters=parameters
    )


def _split(text: str) -> tuple[str, str]:
    """Path and query of what was typed: a name, a path, or a whole URL."""
    text = text.strip(" \t\r\n\"'")
    path, _, query = text.partition("?")
    return _url_path(path), query


def _url_path(text: str) -> str:
    """The path of a URL; any other text as it is."""
    if "://" not in text:
        return text
    try:
        return urlsplit(text).path
    except ValueError:
        raise PeerError("the stream URL cannot be read") from None


def _segments(path: str) -> list[str]:
    return [unquote(segment) for segment in path.split("/") if segment.strip()]


def _parameters(query: str) -> dict[str, str]:
    pairs = parse_qsl(query.replace("?", "&"), keep_blank_values=True)
    if len(pairs) > MAX_PARAMETERS:
        raise LimitError(f"more than {MAX_PARAMETERS} parameters on the stream key")
    return dict(pairs)
