"""Recordings in players of others: hls.js and VLC, from start to end and from frame to frame."""

import json
from contextlib import ExitStack
from itertools import pairwise
from types import SimpleNamespace

import pytest

from e2e import vlc
from e2e.browser import open_page
from e2e.harness import frame_hashes, make_source, publishing, running_server, wait_for
from e2e.players.site import player_site
from e2e.recordings import configured, created, events_of, recorded_of

SECONDS, FPS = 23, 30
FRAMES = SECONDS * FPS
FRAME_S = 1 / FPS
SIZE = (640, 360)
FAST = 4  # times as fast as it was, so that it takes less long
SLOW_DECODER = "bufferStalledError"
"""So fast, a busy machine cannot decode what is buffered: hls.js notices, and nothing is lost."""
TARGETS = (605, 13, 300, 301, 299, 689)  # pictures: in other segments, and neighbours
MASTERS = ("master.m3u8", "byte-range-multivariant.m3u8")

# The picture at a moment, as small as its hash: what the browser shows is compared with itself.
SHOW = """
async (seconds) => {
  const video = document.querySelector("video");
  const sought = new Promise((done) => video.addEventListener("seeked", done, { once: true }));
  const shown = new Promise((done) => {
    const look = (_now, { mediaTime }) =>
      Math.abs(mediaTime - seconds) < 0.05 ? done() : video.requestVideoFrameCallback(look);
    video.requestVideoFrameCallback(look);
  });
  video.pause();
  video.currentTime = seconds;
  await sought;  // may come before the picture, and that only if it is another one
  await Promise.race([shown, new Promise((done) => setTimeout(done, 1000))]);
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(video, 0, 0);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  const hash = await crypto.subtle.digest("SHA-256", data);
  return Array.from(new Uint8Array(hash)).join();
}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A server with a recording of each container, and the addresses of their playlists."""
    folder = tmp_path_factory.mktemp("recorded")
    source = make_source(folder / "source.flv", seconds=SECONDS)
    with running_server(folder / "data") as server, ExitStack() as live:
        client = server.ivs()
        configuration = configured(client)
        arns = {}
        for container in ("TS", "FRAGMENTED_MP4"):
            arns[container], key = created(client, configuration, containerFormat=container)
            live.enter_context(publishing(source, server.ingest_url("rtmp", key)))
        for arn in arns.values():
            wait_for(lambda arn=arn: "Recording End" in events_of(client, arn), 60, "the end")
        bucket = server.data_dir / "buckets" / "my-recordings" / "ivs/v1"
        places = {name: recorded_of(server.data_dir, arn) for name, arn in arns.items()}
        yield SimpleNamespace(
            places=places,
            frames=frame_hashes(str(source)),
            urls={
                name: f"{server.url}/recordings/{place.relative_to(bucket)}/media/hls"
                for name, place in places.items()
            },
        )


@pytest.fixture(scope="module")
def page_of():
    with player_site() as page_of:
        yield page_of


def duration_s(world, container):
    ended = json.loads((world.places[container] / "events/recording-ended.json").read_text())
    return ended["media"]["hls"]["duration_ms"] / 1000


@pytest.mark.parametrize("master", MASTERS)
@pytest.mark.parametrize("container", ["TS", "FRAGMENTED_MP4"])
def test_hls_js_plays_it_to_the_end_and_seeks_to_the_frame(world, page_of, container, master):
    with open_page() as page:
        page.goto(page_of("hls.js", f"{world.urls[container]}/{master}", {}))
        page.evaluate(f"document.querySelector('video').playbackRate = {FAST}")
        ended = "document.querySelector('video').ended"
        wait_for(lambda: page.evaluate(ended), 60, "the end")
        stats = page.evaluate("window.stats()")
        length_s = page.evaluate("document.querySelector('video').duration")
        assert [each for each in stats["errors"] if SLOW_DECODER not in each] == []
        assert stats["position_s"] == pytest.approx(duration_s(world, container), abs=FRAME_S)
        assert length_s == pytest.approx(duration_s(world, container), abs=FRAME_S)

        start_s = page.evaluate("document.querySelector('video').buffered.start(0)")
        shown = {
            number: page.evaluate(SHOW, start_s + (number + 0.5) * FRAME_S) for number in TARGETS
        }
        again = {
            number: page.evaluate(SHOW, start_s + (number + 0.1) * FRAME_S)
            for number in reversed(TARGETS)
        }
        assert again == shown  # the same picture, from wherever it is sought
        assert len(set(shown.values())) == len(TARGETS)  # and neighbours have their own


@pytest.mark.skipif(not vlc.is_installed(), reason="libVLC is not installed")
@pytest.mark.parametrize("master", MASTERS)
@pytest.mark.parametrize("container", ["TS", "FRAGMENTED_MP4"])
def test_vlc_plays_it_from_start_to_end(world, container, master):
    watched = vlc.watched(f"{world.urls[container]}/{master}", *SIZE)

    assert watched.state == vlc.ENDED
    assert watched.length_ms == pytest.approx(1000 * duration_s(world, container), abs=34)
    order = [world.frames.index(each) for each in watched.shown]  # none is another picture
    assert all(before <= after for before, after in pairwise(order))
    assert len(set(order)) >= 0.98 * FRAMES  # it may be late for one on a loaded machine
    assert order[-1] >= FRAMES - 2


@pytest.mark.skipif(not vlc.is_installed(), reason="libVLC is not installed")
@pytest.mark.parametrize("container", ["TS", "FRAGMENTED_MP4"])
def test_vlc_seeks_to_the_frame(world, container):
    target = 15 * FPS + 15
    watched = vlc.watched(
        f"{world.urls[container]}/master.m3u8", *SIZE, seek_ms=1000 * target // FPS
    )

    order = [world.frames.index(each) for each in watched.shown]
    # Some pictures are on their way to the screen while it seeks.
    first = next(number for number in order[watched.before_seek :] if number > 2 * FPS)
    assert abs(first - target) <= 1
