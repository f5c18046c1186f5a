"""The real IVS player, black box, from npm.

It is no part of this project and its licence lets nobody hand it on, so it is looked for where
the environment variable says: a node_modules folder with
`npm install amazon-ivs-player@1.56.1 bowser lodash events`.
"""

import os
import signal
import statistics
from pathlib import Path

import pytest

from e2e.browser import open_page
from e2e.harness import running_server, wait_for, wait_until_live
from e2e.ivs_player import player_page
from e2e.test_watch_page import SAMPLE, test_picture

VARIABLE = "HEADWATER_TEST_IVS_PLAYER"
MODULES = Path(os.environ.get(VARIABLE, "/nonexistent"))
STRIP = Path(__file__).parents[2] / "src/headwater/console/static/strip.js"

pytestmark = pytest.mark.skipif(
    not (MODULES / "amazon-ivs-player").is_dir(),
    reason=f"{VARIABLE} names no node_modules folder with amazon-ivs-player",
)

WATCH_S = 15
PLAYS = [
    # id,        container,        latency,  low latency, true latency (s), the figure is right within
    ("ts",       "TS",             "LOW",    True,        3.0,              0.3),
    ("fmp4",     "FRAGMENTED_MP4", "LOW",    True,        3.3,              0.5),
    ("normal",   "TS",             "NORMAL", False,       12.0,             0.5),
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Set up for this player: short segments, and the tag that it takes its latency from."""
    flags = ("--packaging-low-latency-segment-target-ms", "1000", "--packaging-segment-tags", "on")
    with running_server(tmp_path_factory.mktemp("ivs") / "data", flags=flags) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    return server.ivs()


@pytest.fixture
def page():
    with player_page(MODULES) as url, open_page() as page:
        page.route("**/static/strip.js", lambda route: route.fulfill(path=STRIP))
        page.goto(url)
        yield page


def stats(page):
    return page.evaluate("stats()")


@pytest.mark.parametrize(
    ("container", "latency_mode", "low_latency", "latency_s", "tolerance_s"),
    [row[1:] for row in PLAYS],
    ids=[row[0] for row in PLAYS],
)
def test_it_plays_with_the_latency_it_shows(
    server, client, channel, page, container, latency_mode, low_latency, latency_s, tolerance_s
):
    made, key = channel(insecureIngest=True, containerFormat=container, latencyMode=latency_mode)
    with test_picture(server.ingest_url("rtmp", key["value"])):
        wait_until_live(client, made["arn"])
        page.evaluate("url => play(url)", made["playbackUrl"])
        wait_for(lambda: stats(page)["position_s"] > 2, 20, "the player to play")
        figures = []
        before = stats(page)
        samples = page.evaluate(SAMPLE, WATCH_S)
        for _ in range(5):
            figures.append(stats(page)["latency_s"])
            page.wait_for_timeout(300)
        after = stats(page)

    assert after["errors"] == []
    assert after["state"] == "Playing"
    assert after["rebuffers"] == before["rebuffers"]
    assert after["lowLatency"] is low_latency
    assert after["quality"]["name"] == after["quality"]["group"] == "360p30"
    assert len(after["cues"]) >= WATCH_S / 2
    assert {cue["description"] for cue in after["cues"]} == {"segmentmetadata"}
    true_s = statistics.median(sample["latency_s"] for sample in samples)
    assert true_s < latency_s
    assert statistics.median(figures) == pytest.approx(true_s, abs=tolerance_s)


@pytest.mark.parametrize(
    ("way", "most_rebuffers"),
    # A stream waits half a minute for an encoder that is gone without a word.
    [(signal.SIGTERM, 0), (signal.SIGKILL, 1)],
    ids=["goodbye", "killed"],
)
@pytest.mark.parametrize("container", ["TS", "FRAGMENTED_MP4"])
def test_it_notices_the_end(server, client, channel, page, container, way, most_rebuffers):
    made, key = channel(insecureIngest=True, containerFormat=container)
    with test_picture(server.ingest_url("rtmp", key["value"])) as encoder:
        wait_until_live(client, made["arn"])
        page.evaluate("url => play(url)", made["playbackUrl"])
        wait_for(lambda: stats(page)["position_s"] > 2, 20, "the player to play")
        encoder.send_signal(way)
        wait_for(lambda: stats(page)["state"] == "Ended", 60, "the player to stop")

    seen = stats(page)
    assert seen["errors"] == []
    assert seen["rebuffers"] <= most_rebuffers


@pytest.mark.parametrize("container", ["TS", "FRAGMENTED_MP4"])
def test_it_tells_each_message_once_as_ivss_own(server, client, channel, page, container):
    made, key = channel(insecureIngest=True, containerFormat=container)
    texts = [f"message {number}: ü" for number in range(10)]
    with test_picture(server.ingest_url("rtmp", key["value"])):
        wait_until_live(client, made["arn"])
        page.evaluate("url => play(url)", made["playbackUrl"])
        wait_for(lambda: stats(page)["position_s"] > 2, 20, "the player to play")
        for text in texts:
            client.put_metadata(channelArn=made["arn"], metadata=text)
            page.wait_for_timeout(300)
        page.wait_for_timeout(6000)
        seen = stats(page)

    told = [cue for cue in seen["cues"] if cue["description"] != "segmentmetadata"]
    assert [cue["text"] for cue in told] == texts
    assert {(cue["type"], cue["owner"]) for cue in told} == {
        ("TextMetadataCue", "metadata.live-video.net")
    }
    assert all(cue["startTime"] == cue["endTime"] for cue in told)
    assert seen["errors"] == []
