"""HTTP answers of delivery: headers, errors, ranges and compression.

Source: RFC 9110 (ranges §14, conditions §13, negotiation §12.5.3), the Fetch standard
(CORS) and Apple's cache times for low-latency HLS. The errors' body, a JSON array of one
object, is IVS's; unlike IVS's they carry CORS headers, so that a page can see the status.
"""

import re
from collections.abc import AsyncGenerator
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from headwater.core.http import Request, Response
from headwater.delivery.admission import Denied

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

_OK = HTTPStatus.OK.value
_ALLOW = ", ".join(METHODS)
_EXPOSED = "accept-ranges, age, cache-control, content-length, content-range, date, etag"
_EXPOSE = ("access-control-expose-headers", _EXPOSED)
_GZIPPED = (("content-encoding", "gzip"),)
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_QVALUE_ZERO = re.compile(r"q=0(\.0*)?")


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """Who may see an answer, apart from who asked for it."""

    allow_origin: str = "*"  # pages of this origin
    is_one_viewer: bool = False  # no cache that others ask too may keep it


EVERYONE = Audience()


class _Ages(NamedTuple):
    """How long caches may repeat an answer."""

    own_s: int | None  # the viewer's own; None: none may
    shared_s: int | None = None  # those of several viewers, where it differs


_MEDIA_AGES = _Ages(MEDIA_MAX_AGE_S)


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
    fields = _fields("application/json", len(body), headers, EVERYONE, _Ages(max_age_s))
    return _response(status.value, body, fields)


def denied(request: Request, reason: Denied, *, max_age_s: int | None = None) -> Response:
    """The answer to a viewer who is not let in, or not any more."""
    return error(request, reason.status, code=reason.code, text=reason.text, max_age_s=max_age_s)


def preflight() -> Response:
    """The answer to a CORS preflight.

    Any origin may ask: what it may see is decided with the answer to the request itself.
    """
    headers = [
        ("access-control-allow-origin", "*"),
        _EXPOSE,
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
    body: bytes,
    *,
    gzipped: bool,
    max_age_s: int | None,
    audience: Audience = EVERYONE,
    is_blocking: bool = False,
) -> Response:
    """A playlist, compressed or not.

    Args:
        body: its bytes.
        gzipped: they are compressed.
        max_age_s: how long caches may repeat it; None: not at all.
        audience: who may see it.
        is_blocking: the viewer's own cache may not keep it. video.js repeats its last blocking
            request after each segment, and would get the old answer until that expires.
    """
    ages = _Ages(0, max_age_s) if is_blocking else _Ages(max_age_s)
    headers = _GZIPPED if gzipped else ()
    return _response(_OK, body, _fields(PLAYLIST_TYPE, len(body), headers, audience, ages))


def document(body: bytes, *, max_age_s: int | None) -> Response:
    """Something for programs, as JSON."""
    fields = _fields("application/json", len(body), (), EVERYONE, _Ages(max_age_s))
    return _response(_OK, body, fields)


def media(
    request: Request,
    body: bytes,
    *,
    content_type: str,
    etag: str,
    audience: Audience = EVERYONE,
) -> Response:
    """Immutable media: whole, the part asked for, or "you have it"."""
    answer, start, end = media_without_body(
        request, len(body), content_type=content_type, etag=etag, audience=audience
    )
    if start < end:
        answer.body = body[start:end]
    return answer


def media_without_body(
    request: Request,
    size_bytes: int,
    *,
    content_type: str,
    etag: str,
    audience: Audience = EVERYONE,
) -> tuple[Response, int, int]:
    """The answer to a request for immutable media, and which of its bytes are to be the body.

    Where there are none (a half-open range that is empty), the answer is complete as it is.
    """
    headers = (("etag", etag), ("accept-ranges", "bytes"))
    if _matches(request.header("if-none-match"), etag):
        fields = _fields(None, None, headers, audience, _MEDIA_AGES)
        return _response(HTTPStatus.NOT_MODIFIED.value, b"", fields), 0, 0
    wanted = _byte_range(request, size_bytes, etag)
    if wanted is None:
        fields = _fields(content_type, size_bytes, headers, audience, _MEDIA_AGES)
        return _response(_OK, b"", fields), 0, size_bytes
    start, end = wanted
    if start >= end:
        refusal = error(
            request,
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            code="range_not_satisfiable",
            text=f"there are {size_bytes} bytes",
            max_age_s=None,
            headers=(("content-range", f"bytes */{size_bytes}"),),
        )
        return refusal, 0, 0
    content_range = ("content-range", f"bytes {start}-{end - 1}/{size_bytes}")
    fields = _fields(content_type, end - start, (*headers, content_range), audience, _MEDIA_AGES)
    return _response(HTTPStatus.PARTIAL_CONTENT.value, b"", fields), start, end


def growing_media(
    chunks: AsyncGenerator[bytes, None] | None,
    *,
    content_type: str,
    etag: str,
    audience: Audience = EVERYONE,
) -> Response:
    """Media that is still being made, as it comes; None: the head alone.

    It may be cached as if it were complete: its end is that of the media, never earlier.
    """
    fields = _fields(content_type, None, (("etag", etag),), audience, _MEDIA_AGES)
    return Response(status=_OK, headers=[*fields], chunks=chunks)


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
    wanted = request.header("range")
    if wanted is None or request.method != "GET":
        return None
    match = _RANGE.fullmatch(wanted)
    if match is None:
        return None
    if request.header("if-range") not in (None, etag):
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    if first:
        return int(first), min(int(last) + 1, size) if last else size
    return (max(0, size - int(last)), size) if last else None


def _response(status: int, body: bytes, fields: tuple[tuple[str, str], ...]) -> Response:
    return Response(status=status, headers=[*fields], body=body)


@lru_cache(REMEMBERED)
def _fields(
    content_type: str | None,
    size_bytes: int | None,
    headers: tuple[tuple[str, str], ...],
    audience: Audience,
    ages: _Ages,
) -> tuple[tuple[str, str], ...]:
    """All header fields.

    Args:
        content_type: None: there is no content.
        size_bytes: None: not known.
        headers: more of them.
        audience: who may see the answer.
        ages: until when caches may repeat it.
    """
    fields = []
    if content_type is not None:
        fields.append(("content-type", content_type))
        if size_bytes is not None:
            fields.append(("content-length", str(size_bytes)))
    fields.append(("cache-control", _cache_control(ages, audience)))
    vary = ["accept-encoding"] if content_type == PLAYLIST_TYPE else []
    if audience.allow_origin != "*":
        vary.append("origin")
    if vary:
        fields.append(("vary", ", ".join(vary)))
    fields.extend(headers)
    return (*fields, ("access-control-allow-origin", audience.allow_origin), _EXPOSE)


def _cache_control(ages: _Ages, audience: Audience) -> str:
    if ages.own_s is None or (ages.shared_s is not None and audience.is_one_viewer):
        return "no-store"
    if ages.shared_s is not None:
        return f"max-age={ages.own_s}, s-maxage={ages.shared_s}"
    return f"private, max-age={ages.own_s}" if audience.is_one_viewer else f"max-age={ages.own_s}"
