"""Answers for the watch page and its files. No I/O after the start.

    GET /watch/<channel id>              the page, or "no such channel"
    GET /watch/<channel id>/recordings   the channel's recordings
    GET /static/<file>                   styles, scripts, the icon
    GET /favicon.ico                     the icon

Everything is read, hashed and compressed once. The page names its files with their hash
(`?v=...`), so these may be cached for ever; without the right hash they are revalidated
by ETag. Sources: RFC 9110 §8.8.3, §12.5.3, §13.1.2 (ETag, Accept-Encoding, If-None-Match);
W3C Content Security Policy 3.
"""

import gzip
import hashlib
import html
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template

from msgspec import Struct

from headwater.core.http import Request, Response

_WATCH_PATH = re.compile(r"/watch/([^/]{1,128})(/recordings)?/?")  # longer names no channel
_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
_HTML = "text/html; charset=utf-8"
_FOR_EVER = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache"
_MIN_GZIP_BYTES = 512  # below, the answer still fits one network packet
_HLS_JS = "vendor/hls.js/hls.min.js"
_ICON = "icon.svg"
_SHARED = ("stage", "sound", "view")  # pieces of the player that both pages have

# hls.js feeds the video from a blob, runs its demuxer in a worker made from one, and
# gives each text track an empty file.
_POLICY = (
    "default-src 'self'; media-src 'self' blob: data:; worker-src 'self' blob:; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
_SECURITY = [
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),  # a private channel's address may hold a token
]


class _Asset(Struct, frozen=True):
    content_type: str
    body: bytes
    gzipped: bytes | None  # None: not worth it
    tag: str  # hash of the body, for ETag and the version in the address


class Pages:
    """The console's files in memory."""

    def __init__(self) -> None:
        static = files("headwater.console") / "static"
        self._assets = dict(_load(static, ""))
        addresses = {
            "icon_svg": self._address(_ICON),
            "watch_css": self._address("watch.css"),
            "recordings_css": self._address("recordings.css"),
            "watch_js": self._address("watch.js"),
            "recordings_js": self._address("recordings.js"),
            "hls_js": self._address(_HLS_JS),
        }
        shared = {name: _text(static / f"{name}.html") for name in _SHARED}
        self._watch = _page(static / "watch.html", addresses | shared)
        self._recordings = _page(static / "recordings.html", addresses | shared)
        self._missing = _page(static / "missing.html", addresses)

    @staticmethod
    def watch_channel_id(path: str) -> str | None:
        """The channel id in the path of a page of a channel, or None for any other path."""
        match = _WATCH_PATH.fullmatch(path)
        return match.group(1) if match else None

    def respond(
        self, request: Request, playback_path: str | None, recordings_path: str = ""
    ) -> Response | None:
        """The answer to a console request, or None when the path is not the console's.

        Args:
            request: any request.
            playback_path: for a channel's page, the path of its multivariant playlist; None
                when there is no such channel.
            recordings_path: for a channel's page, below which its recordings are; "" when
                they are not shown.
        """
        channel_id = self.watch_channel_id(request.path)
        asset = self._assets.get(_asset_name(request.path))
        if channel_id is None and asset is None:
            return None
        if request.method not in ("GET", "HEAD"):
            return Response(status=405, headers=[("allow", "GET, HEAD"), *_SECURITY])
        if channel_id is not None:
            return self._respond_page(request, channel_id, playback_path, recordings_path)
        assert asset is not None  # noqa: S101 for mypy: one of the two is there
        cache = _FOR_EVER if request.query == f"v={asset.tag}" else _REVALIDATE
        return _respond(request, asset, cache)

    def _respond_page(
        self, request: Request, channel_id: str, playback_path: str | None, recordings_path: str
    ) -> Response:
        is_live_page = not request.path.rstrip("/").endswith("/recordings")
        found = self._watch if is_live_page else self._recordings
        template = self._missing if playback_path is None else found
        text = template.substitute(
            channel_id=html.escape(channel_id),
            playback_path=html.escape(playback_path or ""),
            recordings_path=html.escape(recordings_path),
        )
        response = _respond(request, _asset(_HTML, text.encode()), _REVALIDATE)
        if playback_path is None:
            response.status = 404
        return response

    def _address(self, name: str) -> str:
        return f"/static/{name}?v={self._assets[name].tag}"


def _asset_name(path: str) -> str:
    if path == "/favicon.ico":
        return _ICON
    return path.removeprefix("/static/") if path.startswith("/static/") else ""


def _load(folder: Traversable, prefix: str) -> list[tuple[str, _Asset]]:
    """Every servable file below `folder`, by its path. Pages and notes are left out."""
    found: list[tuple[str, _Asset]] = []
    for entry in folder.iterdir():
        name = prefix + entry.name
        content_type = _TYPES.get(entry.name.rpartition(".")[2])
        if entry.is_dir():
            found.extend(_load(entry, f"{name}/"))
        elif entry.name == "LICENSE":
            found.append((name, _asset(_TYPES["txt"], entry.read_bytes())))
        elif content_type:
            found.append((name, _asset(content_type, entry.read_bytes())))
    return found


def _asset(content_type: str, body: bytes) -> _Asset:
    gzipped = gzip.compress(body, mtime=0) if len(body) >= _MIN_GZIP_BYTES else None
    return _Asset(content_type, body, gzipped, hashlib.sha256(body).hexdigest()[:16])


def _page(source: Traversable, names: dict[str, str]) -> Template:
    return Template(Template(_text(source)).safe_substitute(names))


def _text(source: Traversable) -> str:
    return source.read_text(encoding="utf-8").rstrip("\n")


def _respond(request: Request, asset: _Asset, cache: str) -> Response:
    zipped = asset.gzipped is not None and _accepts_gzip(request.header("accept-encoding") or "")
    etag = f'"{asset.tag}{"-gz" if zipped else ""}"'
    headers = [
        ("content-type", asset.content_type),
        ("cache-control", cache),
        ("etag", etag),
        ("vary", "accept-encoding"),
        *_SECURITY,
    ]
    if _matches(request.header("if-none-match") or "", etag):
        return Response(status=304, headers=headers)
    body = asset.gzipped if zipped and asset.gzipped is not None else asset.body
    headers.append(("content-length", str(len(body))))
    if zipped:
        headers.append(("content-encoding", "gzip"))
    return Response(status=200, headers=headers, body=b"" if request.method == "HEAD" else body)


def _accepts_gzip(header: str) -> bool:
    for item in header.lower().split(","):
        coding, _, weight = item.replace(" ", "").partition(";")
        if coding == "gzip":
            return weight not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _matches(header: str, etag: str) -> bool:
    """Weak comparison, as If-None-Match asks for."""
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or tags == ["*"]
