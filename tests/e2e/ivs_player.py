"""The real IVS player in a page, from a folder where npm installed it; nothing of it is here."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from e2e.web import web_server

# The package is CommonJS: `require` as Node.js does it, by synchronous requests.
PAGE = b"""<!doctype html><title>IVS player</title>
<video playsinline muted style="width: 640px"></video>
<script>
const modules = {};
const NATIVE = { process: { env: { NODE_ENV: "production" } }, global: window };
function read(path) {
  const request = new XMLHttpRequest();
  request.open("GET", path, false);
  request.send();
  return request.status === 200 ? request.responseText : null;
}
function find(path) {
  if (/\\.(js|json)$/.test(path)) return path;
  const about = read(path + "/package.json");
  const main = about && (JSON.parse(about).main || "index.js");
  if (main) return new URL(main, location.origin + path + "/").pathname.replace(/(\\.js)?$/, ".js");
  return read(path + ".js") === null ? path + "/index.js" : path + ".js";
}
function load(path) {
  if (modules[path]) return modules[path].exports;
  const module = (modules[path] = { exports: {} });
  const folder = location.origin + path.replace(/[^/]*$/, "");
  const require = (name) =>
    load(find(/^[.]/.test(name) ? new URL(name, folder).pathname : "/modules/" + name));
  const code = new Function("module", "exports", "require", ...Object.keys(NATIVE), read(path));
  code.call(module.exports, module, module.exports, require, ...Object.values(NATIVE));
  return module.exports;
}
const IVS = load(find("/modules/amazon-ivs-player"));
const seen = { states: [], errors: [], rebuffers: 0, ids: [], cues: [] };
function play(url) {
  const assets = location.origin + "/modules/amazon-ivs-player/dist/assets/amazon-ivs-";
  const player = (window.player = IVS.create({
    wasmWorker: assets + "wasmworker.min.js",
    wasmBinary: assets + "wasmworker.min.wasm",
  }));
  player.attachHTMLVideoElement(document.querySelector("video"));
  for (const state of Object.values(IVS.PlayerState))
    player.addEventListener(state, () => seen.states.push(state));
  const on = (name, react) => player.addEventListener(IVS.PlayerEventType[name], react);
  on("ERROR", (error) => seen.errors.push(error.type + " " + error.code + " " + error.message));
  on("REBUFFERING", () => (seen.rebuffers += 1));
  on("TEXT_METADATA_CUE", (cue) => seen.cues.push(cue));
  player.setMuted(true);
  player.setAutoplay(true);
  player.load(url);
}
function stats() {
  return {
    state: player.getState(),
    lowLatency: player.isLiveLowLatency(),
    latency_s: player.getLiveLatency(),
    buffer_s: player.getBufferDuration(),
    quality: player.getQuality(),
    position_s: player.getPosition(),
    dropped: player.getDroppedFrames(),
    version: player.getVersion(),
    ...seen,
  };
}
</script>
"""


class _Files(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".wasm": "application/wasm"}

    def do_GET(self):
        if self.path == "/":
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)
            return
        self.path = self.path.removeprefix("/modules")
        super().do_GET()

    def log_message(self, *_):
        pass


@contextmanager
def player_page(modules: Path) -> Iterator[str]:
    """The URL of a page with `play(url)` and `stats()`; `modules` is a node_modules folder."""
    with web_server(partial(_Files, directory=modules)) as port:
        yield f"http://127.0.0.1:{port}/"
