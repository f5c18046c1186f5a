"""Streams of a real encoder, recorded: files, playlists, frames, events."""

import json
import re
import subprocess
from types import SimpleNamespace

import pytest

from e2e.blocks import blocks_of
from e2e.harness import (
    FFMPEG,
    frame_hashes,
    make_source,
    publishing,
    running_server,
    wait_for,
    wait_until_live,
)
from e2e.recordings import BUCKET, configured, created, events_of, recorded_of

SECONDS = 23
FRAME_MS = 34
PREFIX = r"ivs/v1/000000000000/{channel}/\d{{4}}/[1-9]\d?/[1-9]\d?/\d\d?/\d\d?/[A-Za-z0-9]{{12}}"


def duration_ms(path):
    done = subprocess.run(
        [
            *("ffprobe", "-v", "error", "-show_entries", "stream=codec_type,duration"),
            *("-of", "json", str(path)),
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    (video,) = [s for s in json.loads(done.stdout)["streams"] if s["codec_type"] == "video"]
    return 1000 * float(video["duration"])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return make_source(tmp_path_factory.mktemp("media") / "source.flv", seconds=SECONDS)


@pytest.fixture(scope="module")
def world(tmp_path_factory, source):
    """Two channels, one of each container, recorded from start to end."""
    folder = tmp_path_factory.mktemp("recording")
    with running_server(folder / "data") as server:
        client = server.ivs()
        thumbnails = {"targetIntervalSeconds": 5, "storage": ["SEQUENTIAL", "LATEST"]}
        configuration = configured(client, thumbnailConfiguration=thumbnails)
        ts, ts_key = created(client, configuration)
        mp4, mp4_key = created(client, configuration, containerFormat="FRAGMENTED_MP4")
        urls = [server.ingest_url("rtmp", key) for key in (ts_key, mp4_key)]
        with publishing(source, urls[0]) as one, publishing(source, urls[1]) as two:
            playback = client.get_channel(arn=ts)["channel"]["playbackUrl"]
            wait_until_live(client, ts)
            client.put_metadata(channelArn=ts, metadata="kept-in-recordings")
            viewer = subprocess.Popen(
                [*FFMPEG, "-i", playback, "-map", "0:v", "-f", "framemd5", "-"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            playlist = recorded_of(folder / "data", ts) / "media/hls/360p30/playlist.m3u8"
            wait_for(playlist.exists, 20, "the first recorded segment")
            while_live = playlist.read_text()
            one.wait()
            two.wait()
            watched = viewer.communicate(timeout=30)[0]
        for arn in (ts, mp4):
            wait_for(lambda arn=arn: "Recording End" in events_of(client, arn), 20, "the end")
        yield {
            "data": folder / "data",
            "client": client,
            "ts": ts,
            "mp4": mp4,
            "while_live": while_live,
            "watched": [
                line.rpartition(",")[2].strip()
                for line in watched.splitlines()
                if not line.startswith("#")
            ],
        }


@pytest.fixture(params=["ts", "mp4"])
def recorded(request, world):
    return recorded_of(world["data"], world[request.param])


def test_the_events_come_in_their_order(world):
    for name in ("ts", "mp4"):
        names = events_of(world["client"], world[name])
        order = ["Stream Start", "Recording Start", "Stream End", "Recording End"]
        assert [each for each in names if each in order] == order
        assert names.count("Recording Start") == names.count("Recording End") == 1


def test_keys_are_those_of_ivs(world, recorded):
    bucket = world["data"] / "buckets" / BUCKET
    pattern = PREFIX.format(channel="[A-Za-z0-9]{12}")
    assert re.fullmatch(pattern, str(recorded.relative_to(bucket)))
    keys = {str(each.relative_to(recorded)) for each in recorded.rglob("*") if each.is_file()}
    suffix = "ts" if recorded == recorded_of(world["data"], world["ts"]) else "m4s"
    init = set() if suffix == "ts" else {"media/hls/360p30/init-0.mp4"}
    thumbnails = {key for key in keys if key.startswith("media/thumbnails/")}
    assert keys - thumbnails == init | {
        "events/ivs-check",
        "events/recording-started.json",
        "events/recording-ended.json",
        "media/hls/master.m3u8",
        "media/hls/byte-range-multivariant.m3u8",
        "media/hls/360p30/playlist.m3u8",
        "media/hls/360p30/byte-range-variant.m3u8",
        "media/latest_thumbnail/thumb.jpg",
        *(f"media/hls/360p30/{number}.{suffix}" for number in range(3)),
    }
    assert {"media/thumbnails/thumb0.jpg", "media/thumbnails/thumb4.jpg"} <= thumbnails


def test_the_playlist_of_a_running_recording_may_grow(world):
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in world["while_live"]
    assert "\n0.ts\n" in world["while_live"]
    assert "ENDLIST" not in world["while_live"]


@pytest.mark.parametrize("master", ["master.m3u8", "byte-range-multivariant.m3u8"])
def test_recordings_have_every_frame_once(recorded, source, master):
    file = recorded / "media/hls" / master

    assert frame_hashes(str(file)) == frame_hashes(str(source))
    assert frame_hashes(str(file), stream="a")


def test_recordings_have_what_viewers_saw(world):
    file = recorded_of(world["data"], world["ts"]) / "media/hls/master.m3u8"
    frames, watched = frame_hashes(str(file)), world["watched"]
    start = frames.index(watched[0])

    assert len(watched) > 10 * 30
    assert frames[start : start + len(watched)] == watched


def test_the_duration_is_that_of_the_media(recorded, tmp_path):
    ended = json.loads((recorded / "events/recording-ended.json").read_text())
    whole = tmp_path / "whole.mp4"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(recorded / "media/hls/master.m3u8")]
    subprocess.run([*command, "-map", "0:v", "-c", "copy", str(whole)], check=True)

    told_ms = ended["media"]["hls"]["duration_ms"]
    assert abs(told_ms - duration_ms(whole)) <= FRAME_MS
    assert abs(told_ms - 1000 * SECONDS) <= FRAME_MS


def test_segments_last_ten_to_thirteen_seconds(recorded):
    text = (recorded / "media/hls/360p30/playlist.m3u8").read_text()
    lengths = [float(each) for each in re.findall(r"#EXTINF:([0-9.]+),", text)]

    assert all(10 <= each <= 13 for each in lengths[:-1])
    assert text.endswith("#EXT-X-ENDLIST\n")
    assert text.count("#EXT-X-PROGRAM-DATE-TIME") == len(lengths) == 3


def test_timed_metadata_is_kept(world):
    folder = recorded_of(world["data"], world["ts"]) / "media/hls/360p30"
    media = b"".join((folder / f"{number}.ts").read_bytes() for number in range(3))

    assert b"kept-in-recordings" in media
    assert media.count(b"segmentmetadata") >= SECONDS - 1  # each live segment's own


def test_the_how_to_pages_program_makes_a_channel_that_is_recorded(world):
    (program,) = blocks_of("recording.md", "python")
    names = {"boto3": SimpleNamespace(client=lambda _: world["client"]), "print": lambda _: None}
    exec(program.replace("import boto3", ""), names)  # noqa: S102

    assert names["configuration"]["state"] == "ACTIVE"
    assert names["channel"]["recordingConfigurationArn"] == names["configuration"]["arn"]
