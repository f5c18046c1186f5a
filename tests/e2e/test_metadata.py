"""PutMetadata, from boto3 to what a viewer's player tells."""

import re
import statistics
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

import pytest

from e2e.blocks import blocks_of
from e2e.browser import open_page
from e2e.harness import publishing, running_server, wait_until_live
from e2e.ladders import FLAGS
from e2e.players.site import player_site
from e2e.test_watch_page import test_picture
from media.readers import ts_packets

PES = re.compile(
    rb"\xff\x00\x00\x01\xbd..\x84\x80\x05(.{5})ID3.*?metadata\.live-video\.net\x00([^\xff]*)",
    re.DOTALL,
)
"""A tag's packet behind a mark of ours: its time, and the message."""
STRIP = Path(__file__).parents[2] / "src/headwater/console/static/strip.js"
PARSE, WATCH = blocks_of("timed-metadata.md", "javascript")  # call onMetadata and onCue
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
  window.onMetadata = ({ text }) => arrived.push(text);
  window.cued = new Set();
  window.onCue = ({ text }) => cued.add(text);
  window.told = [];
  window.pictures = [];
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
    """MESSAGES at the allowed pace; each is its number and the time at which it was asked for."""
    for number in range(MESSAGES):
        text = f"{number} {time.time_ns() // 1_000_000}"
        client.put_metadata(channelArn=arn, metadata=text)
        sent.append(text)
        time.sleep(PERIOD_S)


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
        page.evaluate(f"() => {{ {PARSE} {WATCH} }}")
        sender = threading.Thread(target=put_all, args=(client, made["arn"], sent))
        sender.start()
        while sender.is_alive():
            page.wait_for_timeout(200)
        page.wait_for_timeout(4000)
        arrived, told, pictures, cued = page.evaluate("[arrived, told, pictures, [...cued]]")

    assert arrived == sent
    texts = [one["text"] for one in told]
    # hls.js 1.7.4 may lose cues that it makes while it makes the track for them.
    assert texts == [text for text in sent if text in texts]
    assert len(texts) >= MESSAGES - CUES_LOST
    assert len(cued) > MESSAGES / 2  # those between two looks of the browser are passed over
    assert {one["owner"] for one in told} == {"metadata.live-video.net"}
    # A cue that is found a moment late has been entered already.
    late_s = sorted(one["enter_s"] - one["start_s"] for one in told if one["enter_s"] is not None)
    assert len(late_s) > MESSAGES * 0.9
    assert late_s[len(late_s) * 9 // 10] < NEAR_MS / 1000
    # Half of them: on a busy machine the encoder is late now and then, and its pictures with it.
    assert statistics.median(apart_ms(one, pictures) for one in told) < NEAR_MS


def apart_ms(one, pictures):
    """From asking for a message to when the picture was made that is shown with it."""
    shown = min(pictures, key=lambda each: abs(each["at_s"] - one["start_s"]))
    return abs(shown["unixMs"] - int(one["text"].split()[1]))


def tags_of(playlist_url):
    """(message, PTS) of each tag in the segments of a rendition that are there now."""
    with urllib.request.urlopen(playlist_url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = []
    for line in lines:
        if line and not line.startswith("#"):
            with urllib.request.urlopen(urljoin(playlist_url, line), timeout=10) as answer:
                rows = ts_packets(answer.read())
            packets = b"".join(
                (b"\xff" if row[1] else b"") + row[4] for row in rows if row[0] == 0x102
            )
            found += PES.findall(packets)
    return [(message.decode(), pts.hex()) for pts, message in found]


def test_every_rendition_has_each_message_at_the_same_time(tmp_path, source):
    flags = [*FLAGS, "20"]
    with running_server(tmp_path / "data", flags=flags, transcode="on") as server:
        client = server.ivs()
        made = client.create_channel(insecureIngest=True, type="STANDARD")
        channel, key = made["channel"], made["streamKey"]
        with publishing(source, server.ingest_url("rtmp", key["value"])):
            wait_until_live(client, channel["arn"])
            for number in range(5):
                client.put_metadata(channelArn=channel["arn"], metadata=f"message {number}")
                time.sleep(PERIOD_S)
            time.sleep(5)
            with urllib.request.urlopen(channel["playbackUrl"], timeout=10) as answer:
                lines = answer.read().decode().splitlines()
            uris = [line for line in lines if line and not line.startswith("#")]
            found = [tags_of(urljoin(channel["playbackUrl"], uri)) for uri in uris]

    assert len(found) > 1
    assert [message for message, _ in found[0]] == [f"message {number}" for number in range(5)]
    assert all(each == found[0] for each in found)
