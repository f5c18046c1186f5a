"""Real players in a browser."""

import time
from contextlib import contextmanager

import pytest

from e2e.browser import open_page
from e2e.harness import publishing, wait_for, wait_until_live
from e2e.players.site import is_installed, player_site
from e2e.players.streams import FPS, SOURCE_S, live_streams

WATCHED = ("ts low", "fmp4 low", "ts normal")
WATCH_S = 10  # without a stall
WITHIN_S = 45  # the first such stretch comes by then, also on a loaded machine
RECOVERED_S = 3  # of playing is recovery
RECOVER_WITHIN_S = 20
LOW_LATENCY_S = 5  # far above what is usual; a stream without parts is further behind


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with live_streams(tmp_path_factory.mktemp("players"), WATCHED) as site:
        yield site


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


@pytest.fixture(scope="module", params=WATCHED)
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


def test_hls_js_plays_over_a_network_of_one_and_a_half_times_the_bitrate(hls_page, site):
    bytes_per_s = site.source.stat().st_size / SOURCE_S
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


def test_the_watch_page_comes_back_with_the_encoder(site):
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
        with publishing(site.source, ingest):
            before = wait_until_live(site.client, arn)
            page.goto(watch_url(site, arn))
            page.wait_for_selector("html[data-state=playing]", timeout=20_000)
        page.wait_for_timeout(3000)
        with publishing(site.source, ingest):
            wait_for(lambda: watched_again(before), RECOVER_WITHIN_S, "a viewer of the new stream")
            assert_plays_again(page)
