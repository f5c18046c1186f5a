"""HTTP answers of delivery: headers, errors, ranges and compression.

Source: RFC 9110 (ranges §14, conditions §13, negotiation §12.5.3), the Fetch standard
(CORS) and Apple's cache times for low-latency HLS. The errors' body, a JSON array of one
object, is IVS's; unlike IVS's they carry CORS headers, so that a page can see the status.
"""

import re
from collections.abc import AsyncGenerator
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import quote

import msgspec

from headwater.core.http import Request, Response

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
INIT_TYPE = "video/mp4"
MEDIA_TYPES = {"ts": "video/mp2t", "m4s": "video/iso.segment"}

METHODS = ("GET", "HEAD", "OPTIONS")
MEDIA_MAX_AGE_S = 3600  # media URLs are immutable: any age is right, Apple's least is 6 targets
PREFLIGHT_MAX_AGE_S = 86_400

MAX_ACCEPT_ENCODING_CHARS = 256
"""What follows is not looked at; browsers send 30."""
REMEMBERED = 1000
"""Header fields already read or written: nearly all requests are alike. Below 1 kB each."""

_ALLOW = ", ".join(METHODS)
_EXPOSED = "accept-ranges, age, cache-control, content-length, content-range, date, etag"
_CORS = (
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", _EXPOSED),
)
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_QVALUE_ZERO = re.compile(r"q=0(\.0*)?")


class DeliveryError(msgspec.Struct, frozen=True):
    """What IVS's players read of an error."""

    url: str  # path and query as requested
    error: str
    error_code: str
    type: str = "error"


def error(
    request: Request,
    status: HTTPStatus,
    *,
    code: str,
    text: str,
    max_age_s: int | None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """An error as IVS writes it.

    Args:
        request: what was asked for; its path and query are repeated in the body.
        status: 400 or more.
        code: for programs.
        text: for people.
        max_age_s: how long caches may repeat it; None where the next moment may be better.
        headers: more of them.
    """
    query = f"?{request.query}" if request.query else ""
    url = quote(request.path, safe="/:@!$&'()*+,;=", errors="replace") + query
    url = url.encode("utf-8", "replace").decode()
    body = msgspec.json.encode([DeliveryError(url=url, error=text, error_code=code)])
    return _response(status, body, "application/json", max_age_s, *headers)


def preflight() -> Response:
    """The answer to a CORS preflight."""
    headers = [
        *_CORS,
        ("access-control-allow-methods", _ALLOW),
        ("access-control-allow-headers", "*"),
        ("access-control-max-age", str(PREFLIGHT_MAX_AGE_S)),
        ("allow", _ALLOW),
    ]
    return Response(status=HTTPStatus.NO_CONTENT.value, headers=headers)


def method_not_allowed(request: Request) -> Response:
    """The answer to anything but GET, HEAD and OPTIONS."""
    return error(
        request,
        HTTPStatus.METHOD_NOT_ALLOWED,
        code="method_not_allowed",
        text=f"this resource allows {_ALLOW}",
        max_age_s=None,
        headers=(("allow", _ALLOW),),
    )


def playlist(
    body: bytes, *, gzipped: bool, max_age_s: int | None, shared_only: bool = False
) -> Response:
    """A playlist, compressed or not.

    Args:
        body: its bytes.
        gzipped: they are compressed.
        max_age_s: how long caches may repeat it; None: not at all.
        shared_only: the viewer's own cache may not. video.js repeats its last blocking
            request after each segment, and would get the old answer until that expires.
    """
    encoding = [("content-encoding", "gzip")] if gzipped else []
    headers = (("vary", "accept-encoding"), *encoding)
    return _response(
        HTTPStatus.OK, body, PLAYLIST_TYPE, max_age_s, *headers, shared_only=shared_only
    )


def media(request: Request, body: bytes, *, content_type: str, etag: str) -> Response:
    """Immutable media: whole, the part asked for, or "you have it"."""
    headers = (("etag", etag), ("accept-ranges", "bytes"))
    if _matches(request.header("if-none-match"), etag):
        return _response(HTTPStatus.NOT_MODIFIED, b"", None, MEDIA_MAX_AGE_S, *headers)
    wanted = _byte_range(request, len(body), etag)
    if wanted is None:
        return _response(HTTPStatus.OK, body, content_type, MEDIA_MAX_AGE_S, *headers)
    start, end = wanted
    if start >= end:
        return error(
            request,
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            code="range_not_satisfiable",
            text=f"there are {len(body)} bytes",
            max_age_s=None,
            headers=(("content-range", f"bytes */{len(body)}"),),
        )
    content_range = ("content-range", f"bytes {start}-{end - 1}/{len(body)}")
    return _response(
        HTTPStatus.PARTIAL_CONTENT,
        body[start:end],
        content_type,
        MEDIA_MAX_AGE_S,
        *headers,
        content_range,
    )


def growing_media(
    chunks: AsyncGenerator[bytes, None] | None, *, content_type: str, etag: str
) -> Response:
    """Media that is still being made, as it comes; None: the head alone.

    It may be cached as if it were complete: its end is that of the media, never earlier.
    """
    return Response(
        status=HTTPStatus.OK.value,
        headers=[
            ("content-type", content_type),
            ("cache-control", f"max-age={MEDIA_MAX_AGE_S}"),
            ("etag", etag),
            *_CORS,
        ],
        chunks=chunks,
    )


def client_left() -> Response:
    """For the log alone: nobody reads it (nginx's status for it)."""
    return Response(status=499)


def without_body(response: Response) -> Response:
    """The answer to HEAD; its content-length stays that of GET."""
    return Response(status=response.status, headers=response.headers)


def accepts_gzip(request: Request) -> bool:
    """Whether Accept-Encoding allows gzip (RFC 9110 §12.5.3)."""
    accepted = request.header("accept-encoding") or ""
    return _allows_gzip(accepted[:MAX_ACCEPT_ENCODING_CHARS])


@lru_cache(REMEMBERED)
def _allows_gzip(accept_encoding: str) -> bool:
    accepted = {}
    for item in accept_encoding.lower().split(","):
        coding, _, weight = item.partition(";")
        accepted[coding.strip()] = _QVALUE_ZERO.fullmatch(weight.strip()) is None
    return accepted.get("gzip", accepted.get("*", False))


def _matches(condition: str | None, etag: str) -> bool:
    """Whether If-None-Match names the etag (weak comparison)."""
    if condition is None:
        return False
    tags = (tag.strip().removeprefix("W/") for tag in condition.split(","))
    return condition.strip() == "*" or etag in tags


def _byte_range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The half-open range asked for (empty: cannot be satisfied), or None for all.

    Several ranges at once, other units and nonsense are ignored, as RFC 9110 §14.2 allows.
    """
    match = _RANGE.fullmatch(request.header("range") or "")
    if request.method != "GET" or match is None:
        return None
    if request.header("if-range") not in (None, etag):
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    if first:
        return int(first), min(int(last) + 1, size) if last else size
    return (max(0, size - int(last)), size) if last else None


def _response(
    status: HTTPStatus,
    body: bytes,
    content_type: str | None,
    max_age_s: int | None,
    *headers: tuple[str, str],
    shared_only: bool = False,
) -> Response:
    fields = _fields(content_type, len(body), max_age_s, headers, shared_only=shared_only)
    return Response(status=status.value, headers=[*fields], body=body)


@lru_cache(REMEMBERED)
def _fields(
    content_type: str | None,
    size_bytes: int,
    max_age_s: int | None,
    headers: tuple[tuple[str, str], ...],
    *,
    shared_only: bool,
) -> tuple[tuple[str, str], ...]:
    cache = "no-store" if max_age_s is None else f"max-age={max_age_s}"
    if shared_only:
        cache = f"max-age=0, s-maxage={max_age_s}"
    if content_type is None:
        return (("cache-control", cache), *headers, *_CORS)
    entity = (("content-type", content_type), ("content-length", str(size_bytes)))
    return (*entity, ("cache-control", cache), *headers, *_CORS)
