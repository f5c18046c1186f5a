"""The page of a channel's recordings, and going back in a running stream, in Chromium."""

import json
import re
import time
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from e2e.browser import open_page
from e2e.harness import headwater, running_server, wait_for, wait_until_live
from e2e.test_watch_page import test_picture
from recording.made import make_recording

BUCKET = "page-bucket"
STATS = "window.headwater.stats()"
BACK_AFTER_S = 22  # recorded by then: a segment of 10 s, and live viewers are past it
READ_STRIP = """
async () => {
  const { readStrip } = await import("/static/strip.js");
  const video = document.querySelector("video");
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const pen = canvas.getContext("2d");
  pen.drawImage(video, 0, 0);
  return readStrip(pen.getImageData(0, 0, canvas.width, canvas.height));
}
"""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("recorded") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def configuration(recorder):
    client = recorder.ivs()
    made = client.create_recording_configuration(
        destinationConfiguration={"s3": {"bucketName": BUCKET}},
        thumbnailConfiguration={"recordingMode": "INTERVAL", "targetIntervalSeconds": 1},
    )["recordingConfiguration"]

    def state():
        return client.get_recording_configuration(arn=made["arn"])["recordingConfiguration"][
            "state"
        ]

    wait_for(lambda: state() == "ACTIVE", 10, "the bucket to be looked at")
    return made["arn"]


def recorded_channel(server, configuration, **wishes):
    made = server.ivs().create_channel(
        insecureIngest=True, recordingConfigurationArn=configuration, **wishes
    )
    return made["channel"]["arn"], made["streamKey"]["value"]


def put_recording(server, work, channel_arn, **wishes):
    account, channel = channel_arn.split(":")[4], channel_arn.rpartition("/")[2]
    return make_recording(
        server.data_dir / "buckets" / BUCKET, work, account=account, channel=channel, **wishes
    )


@contextmanager
def watched(url, **size):
    """A page whose errors fail the test."""
    with open_page(**size) as page:
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(url)
        yield page
        assert problems == []


SECONDS_AT = """
async ([path, times]) => {
  const { createTimeline } = await import("/static/timeline.js");
  const timeline = createTimeline(path, 0);
  await timeline.refresh();
  return times.map((time) => timeline.secondsAt(timeline.began() + 1000 * time));
}
"""


def texts(page, selector):
    return [each.inner_text() for each in page.query_selector_all(selector)]


def middle_of(box):
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_recordings_are_listed_played_and_searched_by_their_pictures(
    recorder, configuration, tmp_path
):
    arn, _ = recorded_channel(recorder, configuration)
    channel_id = arn.rpartition("/")[2]
    for day, container in ((3, "TS"), (12, "FRAGMENTED_MP4"), (5, "TS")):
        put_recording(
            recorder, tmp_path / str(day), arn, container=container, seconds=4, thumbnails=4,
            start=datetime(2026, 3, day, 9, 8, 7, tzinfo=UTC), recording_id=f"recording{day:03}",
        )  # fmt: skip
    with watched(f"{recorder.url}/watch/{channel_id}") as page:
        page.click("#to-recordings")
        page.wait_for_selector(".card")
        hrefs = [card.get_attribute("href") for card in page.query_selector_all(".card")]
        assert hrefs == [f"#2026/3/{day}/9/8/recording{day:03}" for day in (12, 5, 3)]
        assert texts(page, ".chip") == ["0:04", "0:04", "0:04"]
        assert "2026" in texts(page, ".when")[0]
        wait_for(
            lambda: page.evaluate(
                "[...document.querySelectorAll('.poster img')].every((image) => image.naturalWidth)"
            ),
            10,
            "the posters",
        )
        for number in (0, 1):  # fragmented MP4, then MPEG-TS
            play_to_the_end(page, number)
        page.screenshot(path=tmp_path / "recordings.png")


def play_to_the_end(page, number):
    page.click(f".cards li:nth-child({number + 1}) .card")
    page.wait_for_selector("html[data-state=playing]", timeout=15_000)
    stats = page.evaluate(STATS)
    assert stats["length_s"] == pytest.approx(4, abs=0.1)
    assert page.evaluate("document.querySelector('video').currentTime") < 2

    bar = page.query_selector("#scrubber").bounding_box()
    x, y = middle_of(bar)
    page.mouse.move(x, y)
    page.wait_for_selector("#scrubber .preview img", state="visible")
    assert page.get_attribute("#scrubber .preview img", "src").endswith("/thumb2.jpg")
    assert page.inner_text("#scrubber .preview") == "0:02"

    page.mouse.click(bar["x"] + 0.75 * bar["width"], y)
    wait_for(lambda: page.evaluate(STATS)["at_s"] >= 2.9, 10, "the seek")
    page.wait_for_selector("html[data-state=ended]", timeout=15_000)
    assert page.evaluate(STATS)["at_s"] == pytest.approx(4, abs=0.15)
    page.focus("#scrubber")
    page.keyboard.press("Home")
    wait_for(lambda: page.evaluate(STATS)["at_s"] < 2, 10, "the key to go to the start")
    page.wait_for_selector("html[data-state=playing]", timeout=10_000)


def test_the_page_fits_a_phone_and_a_link_opens_a_recording(recorder, configuration, tmp_path):
    arn, _ = recorded_channel(recorder, configuration)
    put_recording(recorder, tmp_path, arn, seconds=2)
    url = f"{recorder.url}/watch/{arn.rpartition('/')[2]}/recordings"
    with watched(f"{url}#2026/3/4/5/6/rec0123456AB", width=360, height=740) as page:
        page.wait_for_selector(".card[aria-current]")
        wait_for(lambda: page.evaluate(STATS)["at_s"] > 0.5, 15, "the picture to move")
        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_time_of_day_is_found_though_the_encoder_was_away(recorder, configuration, tmp_path):
    arn, _ = recorded_channel(recorder, configuration)
    made = put_recording(recorder, tmp_path, arn, seconds=4, runs=2)
    for playlist in made.folder.glob("media/hls/*/playlist.m3u8"):
        first, mark, second = playlist.read_text().partition("#EXT-X-DISCONTINUITY")
        playlist.write_text(first + mark + second.replace("T05:06:", "T05:46:"))
    channel_id = arn.rpartition("/")[2]
    path = f"/recordings/{made.prefix.removeprefix('ivs/v1/')}/"
    with watched(f"{recorder.url}/watch/{channel_id}") as page:
        away = 40 * 60
        times = [0, 3, 4, away, 4 + away, 7.5 + away]
        assert page.evaluate(SECONDS_AT, [path, times]) == [0, 3, 4, 4, 4, 7.5]


@pytest.mark.parametrize("state", ["thumbnails only", "nothing was stored"])
def test_what_cannot_be_played_is_no_link(recorder, configuration, tmp_path, state):
    arn, _ = recorded_channel(recorder, configuration)
    made = put_recording(recorder, tmp_path, arn, seconds=1)
    event = made.event()
    del event["media"]["hls"]
    if state == "nothing was stored":
        del event["media"]["thumbnails"]
    made.put_event(event)
    with watched(f"{recorder.url}/watch/{arn.rpartition('/')[2]}/recordings") as page:
        page.wait_for_selector(".card")
        assert texts(page, ".what") == [state]
        assert page.query_selector_all("a.card, .chip") == []


@pytest.mark.parametrize("wishes", [{}, {"authorized": True}], ids=["nothing recorded", "private"])
def test_a_page_without_recordings_says_why(recorder, configuration, tmp_path, wishes):
    arn, _ = recorded_channel(recorder, configuration, **wishes)
    if wishes:
        put_recording(recorder, tmp_path, arn, seconds=1)
    with watched(f"{recorder.url}/watch/{arn.rpartition('/')[2]}/recordings") as page:
        says = "not shown here" if wishes else "Nothing has been recorded"
        wait_for(lambda: says in page.inner_text("#notice"), 10, says)
        assert page.query_selector_all(".card") == []


def test_a_viewer_goes_back_to_the_start_of_the_stream_and_returns_to_live(
    recorder, configuration, tmp_path
):
    arn, key = recorded_channel(recorder, configuration)
    began_s = time.monotonic()
    with test_picture(recorder.ingest_url("rtmp", key)):
        wait_until_live(recorder.ivs(), arn)
        wait_for(lambda: "recording" in states_of(recorder, arn), 15, "the recording to begin")
        with watched(f"{recorder.url}/watch/{arn.rpartition('/')[2]}") as page:
            page.wait_for_selector("html[data-state=playing]", timeout=20_000)
            page.wait_for_selector("#dvr", state="visible", timeout=15_000)
            wait_for(
                lambda: time.monotonic() - began_s > BACK_AFTER_S, 30, "something to go back to"
            )
            bar = page.query_selector("#dvr").bounding_box()
            x, y = middle_of(bar)
            page.mouse.move(x, y)
            page.wait_for_selector("#dvr .preview img", state="visible", timeout=10_000)
            page.screenshot(path=tmp_path / "dvr.png")

            page.mouse.click(bar["x"] + 2, y)
            page.wait_for_selector("html[data-mode=recorded][data-state=playing]", timeout=15_000)
            shown = page.evaluate(READ_STRIP)
            stats = page.evaluate(STATS)
            assert shown is not None, "a picture of the publisher's"
            assert shown["frame"] < 30 * 6, "near the start of the stream"
            assert stats["edge_ms"] - stats["wall_clock_ms"] > 12_000
            assert page.inner_text("#behind")[1:3] == "0:"
            assert page.inner_text("#badge").lower() == "replay"
            assert stats["latency_s"] == pytest.approx(stats["clock_latency_s"])
            wait_for(
                lambda: (page.evaluate(READ_STRIP) or shown)["frame"] > shown["frame"] + 15,
                10,
                "the recording to play",
            )

            page.click("#live")
            page.wait_for_selector("html[data-mode=live][data-state=playing]", timeout=15_000)
            back = page.evaluate(READ_STRIP)
            assert time.time() - back["unixMs"] / 1000 < 6
            assert not page.is_visible("#behind")
            assert page.inner_text("#badge").lower() == "live"
    assert_recorded_without_faults(recorder, arn)


def states_of(server, channel_arn):
    account, channel = channel_arn.split(":")[4], channel_arn.rpartition("/")[2]
    with urllib.request.urlopen(
        f"{server.url}/recordings/{account}/{channel}/index.json"
    ) as answer:
        return [each["state"] for each in json.load(answer)["recordings"] if each["playlist"]]


def assert_recorded_without_faults(server, channel_arn):
    """What the page played, with its thumbnails, is whole when the stream is over."""

    def recording(*arguments):
        return headwater("recording", *arguments, "--server-data-dir", str(server.data_dir))

    def row():
        rows = recording("list", "--channel", channel_arn).stdout.splitlines()[1:]
        return rows[0].split() if rows and " complete " in rows[0] else None

    recorded = wait_for(row, 20, "the recording to be complete")[-2]
    verified = recording("verify", recorded)
    assert verified.returncode == 0, verified.stdout
    assert int(re.search(r"([0-9]+) thumbnails", verified.stdout)[1]) >= BACK_AFTER_S / 2
