"""Ladders, from a real encoder to real players."""

import re
from contextlib import contextmanager
from itertools import pairwise

import pytest

from e2e.browser import open_page
from e2e.harness import running_server, wait_for
from e2e.ladders import FLAGS, FPS, SETTLE_S, live, make_picture, probe
from e2e.players.site import player_site


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    """720p live on a STANDARD channel, a few segments old."""
    folder = tmp_path_factory.mktemp("ladder")
    source = make_picture(folder / "source.flv", "1280x720")
    with (
        running_server(folder / "data", flags=[*FLAGS, "20"], transcode="on") as server,
        live(server, source) as playback,
    ):
        playback.wait_for_segment(3)
        yield playback


SIZES = [
    # name,     width, height
    ("720p30",  1280,  720),
    ("480p30",  852,   480),
    ("360p30",  640,   360),
    ("160p30",  284,   160),
]  # fmt: skip


def test_the_multivariant_playlist_is_ivs_ladder(ladder):
    lines = ladder.multivariant().splitlines()
    infos = [line for line in lines if line.startswith("#EXT-X-STREAM-INF")]

    assert ladder.renditions == [row[0] for row in SIZES]
    for (name, width, height), info in zip(SIZES, infos, strict=True):
        assert f"RESOLUTION={width}x{height},FRAME-RATE={FPS}.000" in info
        assert f'VIDEO="{name}"' in info
    rates = [int(re.search(r":BANDWIDTH=(\d+)", info)[1]) for info in infos]
    assert rates == sorted(rates, reverse=True)
    assert not any("audio_only" in line for line in lines)
    asked = ladder.multivariant("?allow_audio_only=true").splitlines()
    assert asked[-1].endswith("/audio_only/playlist.m3u8")
    assert asked[-3].endswith('NAME="audio_only",AUTOSELECT=NO,DEFAULT=NO')


@pytest.mark.parametrize(("name", "width", "height"), SIZES)
def test_a_rendition_is_what_its_playlist_says(ladder, tmp_path, name, width, height):
    number, (_, _, lasts_s, _) = max(ladder.segments(name).items())
    found = probe(ladder.media(name, f"{number}.ts"), tmp_path, "-show_streams", "-count_frames")

    by_type = {each["codec_type"]: each for each in found["streams"]}
    video, audio = by_type["video"], by_type["audio"]
    assert (video["width"], video["height"]) == (width, height)
    codecs = f'CODECS="avc1.4D40{video["level"]:02X},mp4a.40.2",RESOLUTION={width}x{height}'
    assert codecs in ladder.multivariant()
    assert (video["profile"], video["has_b_frames"]) == ("Main", 0)
    assert video["avg_frame_rate"] == f"{FPS}/1"
    assert int(video["nb_read_frames"]) == round(FPS * lasts_s)
    assert (audio["codec_name"], audio["sample_rate"]) == ("aac", "48000")


def test_all_renditions_are_cut_at_the_same_times(ladder, tmp_path):
    rows = {name: ladder.segments(name) for name in ladder.renditions}
    common = set.intersection(*map(set, rows.values()))

    assert len(common) >= 3
    for number in common:
        assert len({rows[name][number] for name in rows}) == 1
    starts = set()
    for name in rows:
        options = ["-show_packets", "-select_streams", "v", "-read_intervals", "%+#1"]
        [packet] = probe(ladder.media(name, f"{max(common)}.ts"), tmp_path, *options)["packets"]
        assert packet["flags"].startswith("K")
        starts.add(packet["pts"])
    assert len(starts) == 1


def test_renditions_report_each_other_truly(ladder):
    for name in ladder.renditions:
        reports = re.findall(
            r'#EXT-X-RENDITION-REPORT:URI="\.\./(\w+)/playlist.m3u8",LAST-MSN=(\d+),LAST-PART=(\d+)',
            ladder.playlist(name),
        )
        assert {row[0] for row in reports} == {*ladder.renditions, "audio_only"} - {name}
        for other, msn, part in reports:
            assert ladder.media(other, f"{msn}.{part}.ts")
        ends = [int(msn) + int(part) / 100 for _, msn, part in reports]
        assert max(ends) - min(ends) <= 1


# Players.

WATCH = """
(() => {
  window.shown = [];
  const note = (_now, { mediaTime }) => {
    shown.push(mediaTime);
    video.requestVideoFrameCallback(note);
  };
  video.requestVideoFrameCallback(note);
})()
"""


@contextmanager
def hls_js(playback, **settings):
    with player_site() as page_of, open_page() as page:
        page.goto(page_of("hls.js", playback.url, {"lowLatencyMode": True, **settings}))
        wait_for(
            lambda: (page.evaluate("stats().stretch?.wall_s") or 0) > 2,
            2 * SETTLE_S,
            "hls.js to play",
        )
        yield page


def test_hls_js_goes_through_all_renditions_without_a_glitch(ladder):
    # Far enough from the live edge that a busy machine's delays are not taken for glitches.
    with hls_js(ladder, liveSyncDuration=4) as page:
        levels = page.evaluate("player.levels.length")
        assert levels == len(SIZES)
        page.evaluate("player.loadLevel = 0")
        wait_for(lambda: page.evaluate("player.currentLevel") == 0, SETTLE_S, "the lowest level")
        page.evaluate("restartCount()")
        page.evaluate(WATCH)
        for level in [1, 2, 3, 2, 1, 0, 3]:
            page.evaluate(f"player.loadLevel = {level}")
            wait_for(
                lambda wanted=level: page.evaluate("player.currentLevel") == wanted,
                2 * SETTLE_S,
                f"level {level}",
            )
        stats, shown = page.evaluate("stats()"), page.evaluate("shown")
        ranges = page.evaluate("video.buffered.length")

    assert stats["errors"] == []
    assert stats["stalls"] == 0
    assert ranges == 1  # of sound and pictures both
    steps = [after - before for before, after in pairwise(shown)]
    assert min(steps) > 0
    assert max(steps) < 4 / FPS


def test_the_watch_page_lets_viewers_choose(ladder):
    state, level = "document.documentElement.dataset.state", "window.headwater.stats().level"
    with open_page() as page:
        page.goto(ladder.watch_url)
        wait_for(lambda: page.evaluate(state) == "playing", 2 * SETTLE_S, "the page to play")
        names = page.locator("#quality option").all_text_contents()
        page.select_option("#quality", label="160p30")
        wait_for(lambda: page.evaluate(level) == "160p30", 2 * SETTLE_S, "the smallest picture")

    assert names == ["Auto", *(row[0] for row in SIZES)]


def test_hls_js_goes_down_on_a_slow_network_and_up_again(ladder):
    with hls_js(ladder) as page:
        top = len(SIZES) - 1
        wait_for(lambda: page.evaluate("player.currentLevel") == top, 2 * SETTLE_S, "the top level")
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")

        def limit(bytes_per_s):
            network.send(
                "Network.emulateNetworkConditions",
                {"offline": False, "latency": 20, "downloadThroughput": bytes_per_s,
                 "uploadThroughput": -1},
            )  # fmt: skip

        limit(90_000)
        wait_for(lambda: page.evaluate("player.currentLevel") < top, 2 * SETTLE_S, "a lower level")
        limit(-1)
        wait_for(lambda: page.evaluate("player.currentLevel") == top, 3 * SETTLE_S, "the top again")
        page.evaluate("restartCount()")
        wait_for(
            lambda: (page.evaluate("stats().stretch?.wall_s") or 0) > 2, SETTLE_S, "playing on"
        )
        errors = page.evaluate("stats().errors")

    assert [error for error in errors if "fatal" in error] == []
