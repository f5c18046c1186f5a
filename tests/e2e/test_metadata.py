"""PutMetadata, from boto3 to what a viewer's player tells."""

import threading
import time
from pathlib import Path

import pytest

from e2e.browser import open_page
from e2e.harness import wait_until_live
from e2e.players.site import player_site
from e2e.test_watch_page import test_picture

STRIP = Path(__file__).parents[2] / "src/headwater/console/static/strip.js"
MESSAGES = 100
PERIOD_S = 0.2  # five a second: the allowed rate
NEAR_MS = 300
CUES_LOST = 5

# Writes down every message when the player tells it, and the picture that is shown at its time.
COLLECT = """
async () => {
  const { readStrip } = await import("/strip.js");
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const seen = new Set();
  window.arrived = [];
  window.told = [];
  window.pictures = [];
  player.on(Hls.Events.FRAG_PARSING_METADATA, (_name, { samples }) => {
    for (const { data } of samples) {
      const tag = new TextDecoder().decode(data);
      arrived.push(tag.slice(tag.lastIndexOf("\\0") + 1));
    }
  });
  const find = () => {
    for (const track of video.textTracks) {
      if (track.kind !== "metadata") continue;
      for (const cue of track.cues ?? []) {
        if (seen.has(cue) || cue.value?.key !== "PRIV") continue;
        seen.add(cue);
        const message = {
          owner: cue.value.info,
          text: new TextDecoder().decode(cue.value.data),
          start_s: cue.startTime,
          enter_s: null,
        };
        told.push(message);
        cue.addEventListener("enter", () => (message.enter_s = video.currentTime));
      }
    }
  };
  setInterval(find, 20);
  const look = (_now, { mediaTime }) => {
    pen.drawImage(video, 0, 0, canvas.width, canvas.height);
    const read = readStrip(pen.getImageData(0, 0, canvas.width, canvas.height));
    if (read) pictures.push({ at_s: mediaTime, unixMs: read.unixMs });
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
}
"""


def put_all(client, arn, sent):
    """MESSAGES at an even pace; each is its number and the time at which it was asked for."""
    began = time.monotonic()
    for number in range(MESSAGES):
        time.sleep(max(0, began + number * PERIOD_S - time.monotonic()))
        text = f"{number} {time.time_ns() // 1_000_000}"
        client.put_metadata(channelArn=arn, metadata=text)
        sent.append(text)


@pytest.mark.parametrize("container", ["TS", "FRAGMENTED_MP4"])
def test_hls_js_tells_every_message_once_in_order_at_its_picture(
    server, client, channel, container
):
    made, key = channel(insecureIngest=True, containerFormat=container)
    sent = []
    with (
        test_picture(server.ingest_url("rtmp", key["value"])),
        player_site() as page_of,
        open_page() as page,
    ):
        wait_until_live(client, made["arn"])
        page.route("**/strip.js", lambda route: route.fulfill(path=STRIP))
        page.goto(page_of("hls.js", made["playbackUrl"], {"lowLatencyMode": True}))
        page.wait_for_function("window.stats?.().position_s > 2", timeout=30_000)
        page.evaluate(COLLECT)
        sender = threading.Thread(target=put_all, args=(client, made["arn"], sent))
        sender.start()
        while sender.is_alive():
            page.wait_for_timeout(200)
        page.wait_for_timeout(4000)
        arrived, told, pictures = page.evaluate("[arrived, told, pictures]")

    assert arrived == sent
    texts = [one["text"] for one in told]
    # hls.js 1.7.4 may lose cues that it makes while it makes the track for them.
    assert texts == [text for text in sent if text in texts]
    assert len(texts) >= MESSAGES - CUES_LOST
    assert {one["owner"] for one in told} == {"metadata.live-video.net"}
    late_s = sorted(one["enter_s"] - one["start_s"] for one in told)
    assert late_s[len(told) * 9 // 10] < NEAR_MS / 1000
    # A busy machine's encoder is late now and then, and its pictures with it.
    assert sorted(apart_ms(one, pictures) for one in told)[len(told) * 9 // 10] < NEAR_MS


def apart_ms(one, pictures):
    """From asking for a message to when the picture was made that is shown with it."""
    shown = min(pictures, key=lambda each: abs(each["at_s"] - one["start_s"]))
    return abs(shown["unixMs"] - int(one["text"].split()[1]))
