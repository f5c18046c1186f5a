"""Glass to glass: from a frame being drawn by the encoder to being shown by hls.js.

The publisher draws its clock into every frame; the watch page in headless Chromium reads
it back from the picture on screen (both on this machine, so on one clock). Latency mode
LOW, 30 frames a second, key frames each second. In each round the page is open before the
encoder starts: the first frame shown also gives the time from the encoder's first frame
to a picture. Drawing, encoding and decoding in software share the machine's cores.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import rig

from e2e.browser import open_page
from e2e.harness import Server, running_server

FRAMES_PER_S = 30
SETTLE_S = 5
VIDEO_KBPS = {360: 800, 720: 2500}

# From the page's first picture on; only the strip's lines are drawn, which is cheap.
WATCH = """
async (seconds) => {
  const { readStrip } = await import("/static/strip.js");
  const video = document.querySelector("video");
  const samples = [];
  const started = performance.now();
  let end = Infinity;
  await new Promise((resolve) => {
    const look = () => {
      const lines = Math.ceil(video.videoWidth / 40);
      const canvas = new OffscreenCanvas(video.videoWidth, lines);
      const pen = canvas.getContext("2d", { willReadFrequently: true });
      const top = video.videoHeight - lines;
      pen.drawImage(video, 0, top, canvas.width, lines, 0, 0, canvas.width, lines);
      const shownMs = Date.now();
      const read = readStrip(pen.getImageData(0, 0, canvas.width, lines));
      if (read) {
        if (!samples.length) end = performance.now() + seconds * 1000;
        samples.push({ frame: read.frame, madeMs: read.unixMs, shownMs });
      }
      if (performance.now() > Math.min(end, started + 60000 + seconds * 1000)) resolve();
      else setTimeout(() => video.requestVideoFrameCallback(look), samples.length ? 80 : 0);
    };
    video.requestVideoFrameCallback(look);
  });
  return samples;
}
"""


@contextmanager
def publisher(url: str, height: int) -> Iterator[None]:
    """The test picture, until the block ends."""
    options = {"--width": height * 16 // 9, "--height": height, "--video-kbps": VIDEO_KBPS[height]}
    words = [str(word) for option in options.items() for word in option]
    process = subprocess.Popen(
        [sys.executable, "-m", "headwater.publisher", *words],
        env=os.environ | {"HEADWATER_PUBLISH_URL": url},
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def watch(server: Server, container: str, height: int, seconds: float) -> list[dict[str, float]]:
    """Each sample's frame number, and when it was made and shown (Unix ms)."""
    [made] = rig.make_channels(server, 1, container)
    channel_id = made["channel"]["arn"].rpartition("/")[2]
    with open_page() as page:
        page.goto(f"{server.url}/watch/{channel_id}")
        page.wait_for_selector("html[data-state=offline]", timeout=15_000)
        [url] = rig.ingest_urls(server, [made])
        with publisher(url, height):
            samples: list[dict[str, float]] = page.evaluate(WATCH, SETTLE_S + seconds)
        stats: dict[str, Any] = page.evaluate("window.headwater.stats()")
    print(f"{container} {height}p: {len(samples)} samples, {stats['stalls']} stalls", flush=True)
    time.sleep(1)
    return samples


def row(container: str, height: int, samples: list[dict[str, float]]) -> list[str]:
    """A row of the table."""
    first = samples[0]
    began_ms = first["madeMs"] - first["frame"] * 1000 / FRAMES_PER_S
    settled = [each for each in samples if each["shownMs"] > first["shownMs"] + SETTLE_S * 1000]
    delays_s = [(each["shownMs"] - each["madeMs"]) / 1000 for each in settled]
    return [
        container,
        f"{height * 16 // 9}x{height}",
        f"{rig.percentile(delays_s, 0.5):.2f}",
        f"{rig.percentile(delays_s, 0.99):.2f}",
        f"{max(delays_s):.2f}",
        f"{(first['shownMs'] - began_ms) / 1000:.2f}",
        f"{(first['shownMs'] - first['madeMs']) / 1000:.2f}",
    ]


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--heights", type=int, nargs="+", default=list(VIDEO_KBPS), choices=VIDEO_KBPS
    )
    parser.add_argument("--containers", nargs="+", default=["TS", "FRAGMENTED_MP4"])
    options = parser.parse_args()
    rows = []
    with TemporaryDirectory(prefix="headwater-bench-") as made:
        for _ in range(options.rounds):
            for height in options.heights:
                for container in options.containers:
                    data_dir = Path(made) / f"data-{time.monotonic_ns()}"
                    with running_server(data_dir) as server:
                        samples = watch(server, container, height, options.seconds)
                        rows.append(row(container, height, samples))
    header = [
        "container", "picture", "p50, s", "p99, s", "worst, s",
        "first frame after the encoder's, s", "its latency, s",
    ]  # fmt: skip
    rig.print_table("Glass to glass in Chromium", header, rows)


if __name__ == "__main__":
    main()
