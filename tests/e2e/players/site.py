"""Serves the test page and the players from an origin that is not Headwater's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from e2e.web import web_server

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
MODULES = ROOT / ".players" / "node_modules"
"""Where `make players` installs them."""

HLS_JS = ROOT / "src/headwater/console/static/vendor/hls.js/hls.min.js"


def is_installed(player: str) -> bool:
    """Whether the page can load it: `hls.js`, `video.js` or `shaka`."""
    package = {"hls.js": None, "video.js": "video.js", "shaka": "shaka-player"}[player]
    return package is None or (MODULES / package / "package.json").is_file()


class _Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def translate_path(self, path: str) -> str:
        path = path.partition("?")[0]
        if path == "/hls.min.js":
            return str(HLS_JS)
        if path.startswith("/modules/") and ".." not in path:
            return str(MODULES / path.removeprefix("/modules/"))
        return str(HERE / Path(path).name)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def player_site() -> Iterator[Any]:
    """A function from player, playback URL and settings to the page that shows it."""
    with web_server(_Files) as port:

        def page_of(player: str, playback_url: str, settings: dict[str, Any]) -> str:
            words = {"player": player, "url": playback_url, "settings": json.dumps(settings)}
            return f"http://127.0.0.1:{port}/page.html?{urlencode(words)}"

        yield page_of
