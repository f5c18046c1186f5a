import os
import signal
import statistics
import subprocess
import sys
from contextlib import contextmanager

import pytest

from e2e.browser import open_page
from e2e.harness import wait_for, wait_until_live

WATCH_S = 20
GLASS_TO_GLASS_S = 2.0
STATS = "window.headwater.stats()"

# Reads the strip that the publisher draws into every frame, as often as frames are shown.
SAMPLE = """
async (seconds) => {
  const { readStrip } = await import("/static/strip.js");
  const video = document.querySelector("video");
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const samples = [];
  const end = performance.now() + seconds * 1000;
  await new Promise((resolve) => {
    setTimeout(resolve, (seconds + 5) * 1000);  // where no more frames come
    const look = () => {
      pen.drawImage(video, 0, 0);
      const read = readStrip(pen.getImageData(0, 0, canvas.width, canvas.height));
      if (read) samples.push({ frame: read.frame, latency_s: (Date.now() - read.unixMs) / 1000 });
      if (performance.now() > end) resolve();
      else setTimeout(() => video.requestVideoFrameCallback(look), 200);
    };
    video.requestVideoFrameCallback(look);
  });
  return samples;
}
"""


@contextmanager
def test_picture(url, *options):
    process = subprocess.Popen(
        [sys.executable, "-m", "headwater.publisher",
         "--width", "640", "--height", "360", "--video-kbps", "800", *options],
        env=os.environ | {"HEADWATER_PUBLISH_URL": url},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


test_picture.__test__ = False  # a helper, whatever its name


@pytest.mark.parametrize("container", ["TS", "FRAGMENTED_MP4"])
def test_the_page_starts_by_itself_and_plays_with_low_latency(
    server, client, channel, tmp_path, container
):
    made, key = channel(insecureIngest=True, containerFormat=container)
    channel_id = made["arn"].rpartition("/")[2]
    with open_page() as page:
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{server.url}/watch/{channel_id}")
        page.wait_for_selector("html[data-state=offline]", timeout=15_000)
        assert "offline" in page.inner_text("#headline")

        with test_picture(server.ingest_url("rtmp", key["value"])):
            page.wait_for_selector("html[data-state=playing]", timeout=20_000)
            wait_for(lambda: page.evaluate(STATS)["latency_s"], 10, "the player's own latency")
            before = page.evaluate(STATS)
            samples = page.evaluate(SAMPLE, WATCH_S)
            after = page.evaluate(STATS)
            page.screenshot(path=tmp_path / "playing.png")
            assert client.get_stream(channelArn=made["arn"])["stream"]["viewerCount"] == 1

            assert after["state"] == "playing"
            assert after["stalls"] == before["stalls"]
            assert after["level"] == "360p30"
            assert after["bitrate_bps"] > 0
            frames = [sample["frame"] for sample in samples]
            assert len(frames) > WATCH_S
            assert frames == sorted(frames)
            latency_s = statistics.median(sample["latency_s"] for sample in samples)
            assert latency_s <= GLASS_TO_GLASS_S

        page.wait_for_selector("html[data-state=offline]", timeout=20_000)
        assert problems == []


def test_the_page_fits_a_phone(server, client, channel):
    made, key = channel(insecureIngest=True)
    channel_id = made["arn"].rpartition("/")[2]
    with (
        test_picture(server.ingest_url("rtmp", key["value"])),
        open_page(width=360, height=740) as page,
    ):
        wait_until_live(client, made["arn"])
        page.goto(f"{server.url}/watch/{channel_id}")
        page.wait_for_selector("html[data-state=playing]", timeout=20_000)

        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_channel_that_is_not_there_is_said_to_be(server):
    with open_page() as page:
        answer = page.goto(f"{server.url}/watch/nosuchchan12")

        assert answer.status == 404
        assert "no such channel" in page.inner_text("body").lower()
