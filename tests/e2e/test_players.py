"""Real players of each kind: in a browser, on a television box, on the command line."""

import os
import re
import shutil
import statistics
import subprocess
import time
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from types import SimpleNamespace

import pytest

from e2e.browser import open_page
from e2e.harness import (
    RELOAD_NOISE,
    make_source,
    publishing,
    running_server,
    wait_for,
    wait_until_live,
)
from e2e.players.site import is_installed, player_site

STREAMS = {
    # id,          container,         latency
    "ts low":      ("TS",             "LOW"),
    "fmp4 low":    ("FRAGMENTED_MP4", "LOW"),
    "ts normal":   ("TS",             "NORMAL"),
    "fmp4 normal": ("FRAGMENTED_MP4", "NORMAL"),
}  # fmt: skip
SOURCE_S = 32  # a whole number of AAC frames, so that it can be sent in a loop
FPS = 30
WATCH_S = 10  # without a stall
WITHIN_S = 45  # the first such stretch comes by then, also on a loaded machine
RECOVERED_S = 3  # of playing is recovery
RECOVER_WITHIN_S = 20
LOW_LATENCY_S = 5  # far above what is usual; a stream without parts is further behind
NATIVE_FRAMES = 120


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("players") / "source.flv"
    return make_source(path, seconds=SOURCE_S, fps=FPS)


@pytest.fixture(scope="module")
def site(tmp_path_factory, source):
    """A server with the four streams live; `arns` and `urls` by id."""
    with running_server(tmp_path_factory.mktemp("players") / "data") as server, ExitStack() as live:
        client, arns, urls = server.ivs(), {}, {}
        for name, (container, latency) in STREAMS.items():
            made = client.create_channel(
                insecureIngest=True, containerFormat=container, latencyMode=latency
            )
            ingest = server.ingest_url("rtmp", made["streamKey"]["value"])
            live.enter_context(publishing(source, ingest, loop=True))
            arns[name] = made["channel"]["arn"]
            urls[name] = made["channel"]["playbackUrl"]
        for arn in arns.values():
            wait_until_live(client, arn)
        yield SimpleNamespace(server=server, client=client, arns=arns, urls=urls)


# Players in a browser.

# A part of a transport stream that has no key frame is more than two players can use:
# video.js 8.24.1 appends an init segment after each reload of the playlist, and its mux.js puts
# the part before in front; Shaka 5.2.12 sets the time offset anew. Each makes the browser drop
# frames up to the next key frame. Shaka has a mode without offsets; video.js takes segments.
BROWSER_PLAYERS = [
    # stream,      player,     settings
    ("ts low",     "hls.js",   {"lowLatencyMode": True}),
    ("ts low",     "video.js", {"llhls": False}),
    ("ts low",     "shaka",    {"manifest": {"hls": {"sequenceMode": True}}}),
    ("fmp4 low",   "hls.js",   {"lowLatencyMode": True}),
    ("fmp4 low",   "video.js", {}),
    ("fmp4 low",   "shaka",    {}),
    ("ts normal",  "hls.js",   {}),
    ("ts normal",  "video.js", {}),
    ("ts normal",  "shaka",    {}),
]  # fmt: skip


@contextmanager
def players(urls, rows):
    """Pages that play, one each row, side by side."""
    with player_site() as page_of, open_page() as first:
        browser, pages = first.context.browser, []
        for stream, player, settings in rows:
            page = browser.new_page() if pages else first
            page.goto(page_of(player, urls[stream], settings))
            pages.append(page)
        yield pages


def played_s(page):
    stretch = page.evaluate("stats()")["stretch"]
    return stretch["wall_s"] if stretch else 0


def wait_until_played(page, seconds, within_s, what):
    """The player's figures once it has played for so long without a stall."""
    try:
        wait_for(lambda: played_s(page) >= seconds, within_s, what)
    except AssertionError as late:
        raise AssertionError(f"{late}: {page.evaluate('stats()')}") from None
    return page.evaluate("stats()")


@pytest.fixture(scope="module", params=["ts low", "fmp4 low", "ts normal"])
def watched(request, site):
    """What each player showed of one stream, all at the same time."""
    rows = [row for row in BROWSER_PLAYERS if row[0] == request.param and is_installed(row[1])]
    with players(site.urls, rows) as pages:
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline and min(map(played_s, pages)) < WATCH_S:
            pages[0].wait_for_timeout(250)
        stats = [page.evaluate("stats()") for page in pages]
    return {row[1]: shown for row, shown in zip(rows, stats, strict=True)}


@pytest.mark.parametrize("player", ["hls.js", "video.js", "shaka"])
def test_a_player_in_a_browser_plays_without_a_stall(watched, player):
    if player not in watched:
        pytest.skip(f"{player} is not installed: `make players` does that, with npm")
    stats = watched[player]

    assert [error for error in stats["errors"] if "fatal" in error] == []
    stretch = stats["stretch"]
    assert stretch is not None, stats
    assert stretch["wall_s"] >= WATCH_S, stats
    assert 0.85 <= stretch["media_s"] / stretch["wall_s"] <= 1.2, stats
    assert stretch["dropped"] < stretch["wall_s"] * FPS / 4, stats
    assert stats["frames"] > WATCH_S * FPS / 2, stats


@pytest.fixture
def hls_page(site):
    row = ("ts low", "hls.js", {"lowLatencyMode": True})
    with players(site.urls, [row]) as (page,):
        wait_until_played(page, RECOVERED_S, WITHIN_S, "hls.js to play")
        yield page


def assert_live_again(page, what):
    """It plays again by itself."""
    page.evaluate("restartCount()")
    stats = wait_until_played(page, RECOVERED_S, RECOVER_WITHIN_S, what)
    assert [error for error in stats["errors"] if "fatal" in error] == []
    return stats


def test_hls_js_goes_on_after_a_pause_and_a_seek_in_the_window(hls_page):
    page = hls_page
    page.evaluate("video.pause()")
    page.wait_for_timeout(5000)
    page.evaluate("void video.play()")  # not waited for: it may never come
    assert_live_again(page, "playing after a pause")

    page.wait_for_function("video.currentTime - video.seekable.start(0) > 11", timeout=20_000)
    before_s = page.evaluate("video.currentTime")
    page.evaluate("video.currentTime -= 10")
    behind = assert_live_again(page, "playing 10 s back")
    assert behind["position_s"] < before_s
    assert behind["latency_s"] > 9

    page.evaluate("video.currentTime = player.liveSyncPosition")
    assert_live_again(page, "playing live again")
    # Not by all of the way: hls.js 1.7.4 stops for 5 s where it goes over from a segment that it
    # loaded whole to parts, until that segment's parts have left the playlist.
    wait_for(
        lambda: page.evaluate("stats()")["latency_s"] < behind["latency_s"] - 5,
        RECOVER_WITHIN_S,
        "a smaller latency",
    )


@contextmanager
def network_of(page, **conditions):
    """The page's network is so within the block."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    usual = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    network.send("Network.emulateNetworkConditions", usual | conditions)
    yield
    network.send("Network.emulateNetworkConditions", usual)


def test_hls_js_plays_over_a_network_of_one_and_a_half_times_the_bitrate(hls_page, source):
    bytes_per_s = source.stat().st_size / SOURCE_S
    throughput = int(bytes_per_s * 1.5)
    with network_of(hls_page, latency=20, downloadThroughput=throughput):
        hls_page.evaluate("restartCount()")
        wait_until_played(hls_page, WATCH_S, WITHIN_S, "playing over a slow network")


def test_hls_js_comes_back_after_a_lost_connection(hls_page):
    with network_of(hls_page, offline=True):
        hls_page.wait_for_timeout(3000)
    assert_live_again(hls_page, "playing after a lost connection")


STATE = "document.documentElement.dataset.state"
FRAMES = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"


def watch_url(site, channel_arn):
    return f"{site.server.url}/watch/{channel_arn.rpartition('/')[2]}"


def assert_plays_again(page):
    wait_for(lambda: page.evaluate(STATE) == "playing", RECOVER_WITHIN_S, "the page to play")
    shown = page.evaluate(FRAMES)
    wait_for(lambda: page.evaluate(FRAMES) > shown + FPS, RECOVER_WITHIN_S, "a moving picture")


def test_the_watch_page_comes_back_after_a_lost_connection(site):
    with open_page() as page:
        page.goto(watch_url(site, site.arns["ts low"]))
        assert_plays_again(page)
        with network_of(page, offline=True):
            page.wait_for_timeout(3000)

        assert_plays_again(page)
        wait_for(
            lambda: 0 < page.evaluate("window.headwater.stats().latency_s") < LOW_LATENCY_S,
            RECOVER_WITHIN_S,
            "low latency",
        )


def test_the_watch_page_comes_back_with_the_encoder(site, source):
    made = site.client.create_channel(insecureIngest=True)
    arn = made["channel"]["arn"]
    ingest = site.server.ingest_url("rtmp", made["streamKey"]["value"])

    def watched_again(before):
        try:
            stream = site.client.get_stream(channelArn=arn)["stream"]
        except site.client.exceptions.ChannelNotBroadcasting:
            return False
        return stream["streamId"] != before["streamId"] and stream["viewerCount"] == 1

    with open_page() as page:
        with publishing(source, ingest):
            before = wait_until_live(site.client, arn)
            page.goto(watch_url(site, arn))
            page.wait_for_selector("html[data-state=playing]", timeout=20_000)
        page.wait_for_timeout(3000)
        with publishing(source, ingest):
            wait_for(lambda: watched_again(before), RECOVER_WITHIN_S, "a viewer of the new stream")
            assert_plays_again(page)


# Players outside of browsers.


def ffmpeg(url):
    seconds = str(NATIVE_FRAMES / FPS)
    return ["ffmpeg", "-hide_banner", "-nostdin", "-v", "warning", "-xerror", "-i", url,
            "-t", seconds, "-map", "0:v", "-map", "0:a", "-f", "framemd5", "-"]  # fmt: skip


def vlc(url):
    """VLC's own reading, not decoded: a transport stream on standard output."""
    return ["cvlc", "--intf", "dummy", "--no-plugins-cache",
            "--sout", "#std{access=file,mux=ts,dst=-}", url, "vlc://quit"]  # fmt: skip


def gstreamer(url):
    sink = "fakesink sync=true"
    return ["gst-launch-1.0", "-v", "playbin3", f"uri={url}",
            f"video-sink={sink} silent=false num-buffers={NATIVE_FRAMES} name=picture",
            f"audio-sink={sink} num-buffers={NATIVE_FRAMES}"]  # fmt: skip


NATIVE_PLAYERS = {"ffmpeg": ffmpeg, "cvlc": vlc, "gst-launch-1.0": gstreamer}


def is_usable(program):
    if program == "gst-launch-1.0" and shutil.which("gst-inspect-1.0"):
        needed = ("playbin3", "hlsdemux2", "souphttpsrc", "tsdemux", "qtdemux", "avdec_h264")
        asked = [["gst-inspect-1.0", "--exists", element] for element in needed]
        return all(subprocess.run(ask, check=False).returncode == 0 for ask in asked)
    return shutil.which(program) is not None


@pytest.fixture(scope="module", params=list(STREAMS))
def read(request, site, source, tmp_path_factory):
    """Exit status, output and words of each native player, all at the same time."""
    folder, started = tmp_path_factory.mktemp("native"), {}
    for program, command in NATIVE_PLAYERS.items():
        if not is_usable(program):
            continue
        # VLC refuses to be run by root.
        user = "nobody" if program == "cvlc" and os.geteuid() == 0 else None
        with (folder / program).open("wb") as out, (folder / f"{program}.err").open("wb") as err:
            started[program] = subprocess.Popen(
                command(site.urls[request.param]), stdout=out, stderr=err, user=user
            )
    enough_bytes = 1.3 * NATIVE_FRAMES / FPS * source.stat().st_size / SOURCE_S
    deadline = time.monotonic() + WITHIN_S
    while any(process.poll() is None for process in started.values()):
        time.sleep(0.2)
        if "cvlc" in started and (folder / "cvlc").stat().st_size > enough_bytes:
            started["cvlc"].terminate()  # it would go on for as long as the stream does
        if time.monotonic() > deadline:
            for process in started.values():
                process.kill()
    return {
        program: (process.returncode, folder / program, (folder / f"{program}.err").read_text())
        for program, process in started.items()
    }


def what_was_read(read, program):
    if program not in read:
        pytest.skip(f"{program} is not installed, or lacks plugins: `make system-tools` does that")
    status, output, words = read[program]
    assert status == 0, words[-2000:]
    return output, words


def assert_smooth(times_s):
    """Frames in order at their pace, but for where the source begins again."""
    steps = [after - before for before, after in pairwise(times_s)]
    assert len(times_s) >= NATIVE_FRAMES * 0.9
    assert statistics.median(steps) == pytest.approx(1 / FPS, abs=0.004)
    assert min(steps) > 0
    assert max(steps) < 4 / FPS


def test_ffmpeg_reads_it_without_a_word(read):
    output, words = what_was_read(read, "ffmpeg")

    assert [line for line in words.splitlines() if not line.endswith(RELOAD_NOISE)] == []
    rows = [line for line in output.read_text().splitlines() if line.startswith("0,")]
    assert_smooth([int(row.split(",")[2]) / FPS for row in rows])


def test_vlc_reads_it(read):
    output, _ = what_was_read(read, "cvlc")

    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time",
         "-of", "csv=p=0", str(output)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert_smooth([float(line.strip(",")) for line in probe.stdout.split()])


def test_gstreamer_reads_it(read):
    output, words = what_was_read(read, "gst-launch-1.0")

    assert "ERROR" not in words
    shown = re.findall(r"chain .*? pts: 0:(\d\d):([\d.]+),", output.read_text())
    assert_smooth([int(minutes) * 60 + float(seconds) for minutes, seconds in shown])
