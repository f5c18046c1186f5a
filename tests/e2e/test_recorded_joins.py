"""Recordings of streams whose encoder comes back, or is taken over from, in the middle."""

import re
import subprocess
import time
from contextlib import ExitStack
from itertools import groupby
from types import SimpleNamespace

import pytest

from e2e.browser import open_page
from e2e.harness import (
    frame_hashes,
    headwater,
    publishing,
    running_server,
    wait_for,
    wait_until_live,
)
from e2e.ladders import Playback
from e2e.players.site import player_site
from e2e.recordings import configured, created, events_of, recorded_of, served
from e2e.test_encoders import make
from e2e.test_reconnect import kill, wait_for_more

FPS = 30
FRAME_MS = 1000 / FPS
B_FRAMES = 2
AWAY_S = 3  # viewers see that
RECORDED = 3  # live segments of 2 s before and after the join, at least
END_S = 30
JOINS = {
    # id,                          container,        the other, it
    "other settings, TS":          ("TS",             "other", "takes over"),
    "other settings, fMP4":        ("FRAGMENTED_MP4", "other", "takes over"),
    "the same settings, fMP4":     ("FRAGMENTED_MP4", "same",  "takes over"),
    "back after a while, TS":      ("TS",             "same",  "comes back"),
    "back with others, fMP4":      ("FRAGMENTED_MP4", "other", "comes back"),
}  # fmt: skip
MESSAGE = re.compile(rb"metadata\.live-video\.net\x00(message \d+)")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """No two of them have a picture in common; the other one's encoder reorders pictures."""
    folder = tmp_path_factory.mktemp("sources")
    how = {"size": "640x360", "seconds": 60}
    return {
        "first": make(folder / "first.flv", **how),
        "same": make(folder / "same.flv", **how, vf="negate"),
        "other": make(folder / "other.flv", **how, vf="hue=h=90", b_frames=B_FRAMES),
    }


@pytest.fixture(scope="module")
def pictures(sources):
    """Whose picture each is, and which, by its hash."""
    return {
        hashed: (name, number)
        for name, source in sources.items()
        for number, hashed in enumerate(frame_hashes(str(source)))
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory, sources):
    """Every join, recorded."""
    with running_server(tmp_path_factory.mktemp("joins") / "data") as server:
        client = server.ivs()
        configuration = configured(client)
        joins = [
            SimpleNamespace(
                **dict(zip(("container", "other", "how"), join, strict=True)),
                **dict(zip(("arn", "key"), created_for(client, configuration, join), strict=True)),
            )
            for join in JOINS.values()
        ]
        publish_all(server, joins, sources)
        for join in joins:
            wait_for(lambda arn=join.arn: "Recording End" in events_of(client, arn), END_S, "end")
        yield SimpleNamespace(
            server=server, client=client, joins=dict(zip(JOINS, joins, strict=True))
        )


def publish_all(server, joins, sources):
    """Both encoders of each, one behind the other; all side by side."""
    client = server.ivs()
    with ExitStack() as encoders:
        for join in joins:
            join.url = server.ingest_url("rtmp", join.key)
            join.first = encoders.enter_context(publishing(sources["first"], join.url))
        for join in joins:
            wait_until_live(client, join.arn)
        tell(client, joins, range(3))
        made = [client.get_channel(arn=join.arn)["channel"] for join in joins]
        playbacks = [Playback(server, each) for each in made]
        for playback in playbacks:
            playback.wait_for_segment(RECORDED)
        for join in joins:
            if join.how == "comes back":
                kill(join.first)
        time.sleep(AWAY_S)
        for join in joins:
            url = join.url + ("?priority=1" if join.how == "takes over" else "")
            encoders.enter_context(publishing(sources[join.other], url))
        for playback in playbacks:
            wait_for_more(playback, RECORDED)
        tell(client, joins, range(3, 6))
        for playback in playbacks:
            wait_for_more(playback, 1)


def created_for(client, configuration, join):
    return created(client, configuration, containerFormat=join[0])


def tell(client, joins, numbers):
    for number in numbers:
        for join in joins:
            client.put_metadata(channelArn=join.arn, metadata=f"message {number}")


@pytest.fixture(params=JOINS)
def join(request, world):
    return world.joins[request.param]


@pytest.fixture
def recorded(join, world):
    return recorded_of(world.server.data_dir, join.arn)


def test_there_is_one_recording_of_one_stream(join, world):
    happened = [each for each in events_of(world.client, join.arn) if "Starvation" not in each]

    assert happened == [
        *["Session Created", "Stream Start", "Recording Start"],
        *(["Stream Takeover"] if join.how == "takes over" else []),
        *["Stream End", "Session Ended", "Recording End"],
    ]
    (session,) = world.client.list_stream_sessions(channelArn=join.arn)["streamSessions"]
    assert session["hasErrorEvent"] is False


def test_its_playlists_have_no_discontinuity(join, recorded):
    rendition = recorded / "media/hls/360p30"
    for name in ("playlist.m3u8", "byte-range-variant.m3u8"):
        playlist = (rendition / name).read_text()
        assert "DISCONTINUITY" not in playlist
        assert "GAP" not in playlist
        changes = 2 if join.other == "other" else 1
        assert playlist.count("#EXT-X-MAP:") == (0 if join.container == "TS" else changes)


@pytest.mark.parametrize("master", ["master.m3u8", "byte-range-multivariant.m3u8"])
def test_the_pictures_of_both_encoders_are_there_once_and_in_order(
    join, recorded, pictures, master
):
    file = str(recorded / "media/hls" / master)
    frames = [pictures.get(each, ("unknown", 0)) for each in hashes(file)]

    shown = {name: [n for _, n in rows] for name, rows in groupby(frames, key=lambda row: row[0])}
    assert list(shown) == ["first", join.other]
    for numbers in shown.values():
        whole = numbers[:-B_FRAMES]  # behind it those may lack that an encoder had not sent
        assert whole == list(range(len(whole)))
        assert len(whole) > RECORDED * FPS
    playlist = (recorded / "media/hls/360p30/playlist.m3u8").read_text()
    total_ms = 1000 * sum(map(float, re.findall(r"#EXTINF:([0-9.]+),", playlist)))
    assert abs(total_ms - len(frames) * FRAME_MS) <= 3 * FRAME_MS


def hashes(file):
    """Of each decoded picture; ffmpeg may say that it has read the init segment twice."""
    done = subprocess.run(
        [
            *["ffmpeg", "-nostdin", "-v", "error", "-i", file],
            *["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"],
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=90,
    )
    assert done.stderr == ""
    rows = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return [row.rpartition(",")[2].strip() for row in rows]


def test_messages_of_before_and_after_are_there_once_and_in_order(join, recorded):
    folder = recorded / "media/hls/360p30"
    names = re.findall(r"^(\d+\.\S+)$", (folder / "playlist.m3u8").read_text(), re.MULTILINE)
    media = b"".join((folder / name).read_bytes() for name in names)

    copies = 1 if join.container == "TS" else 2  # an event message for each family of players
    expected = [f"message {number}".encode() for number in range(6) for _ in range(copies)]
    assert MESSAGE.findall(media) == expected


def test_times_and_counters_go_on_over_the_join(world, recorded):
    folder = ("--server-data-dir", str(world.server.data_dir))
    done = headwater("recording", "verify", recorded.name, *folder)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize("name", ["other settings, TS", "other settings, fMP4"])
def test_hls_js_plays_over_the_join_to_the_end(world, name):
    recorded = recorded_of(world.server.data_dir, world.joins[name].arn)
    with served(recorded) as url, player_site() as page_of, open_page() as page:
        page.goto(page_of("hls.js", f"{url}/media/hls/master.m3u8", {}))
        page.wait_for_function("window.stats?.().position_s > 0", timeout=30_000)
        page.wait_for_function("video.ended", timeout=90_000)
        errors = page.evaluate("stats().errors")

    assert [each for each in errors if "Stalled" not in each] == []
