"""R-47: encoders that are killed and come back; ffmpeg, and hls.js in Chromium, are watching."""

import subprocess
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import pytest

from e2e.conftest import delete_channel
from e2e.harness import FFMPEG, publishing, running_server, wait_for, wait_until_live
from e2e.ladders import FLAGS, FPS, Playback, make_picture
from e2e.test_players import assert_live_again, players, wait_until_played
from e2e.test_sessions import names, session_when
from e2e.test_transcoder_failures import transcoders

CONTAINERS = ["TS", "FRAGMENTED_MP4"]
GRACE_S = 30
AWAY_S = 3  # longer than a pause that nobody would notice
AT_ONCE_S = 5  # an end that waits for nothing
WITHIN_S = 45


@pytest.fixture(scope="module")
def looped(tmp_path_factory):
    """A source that can be sent in a loop."""
    return make_picture(tmp_path_factory.mktemp("looped") / "looped.flv", "640x360")


def kill(encoder):
    """As a crash does: without a word."""
    encoder.kill()
    encoder.wait()


@contextmanager
def watching(url, file):
    """ffmpeg plays all that there is, to the end."""
    process = subprocess.Popen(
        [
            *[*FFMPEG, "-live_start_index", "0", "-i", url],
            *["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", str(file)],
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def breaks(playback):
    """How many discontinuities each rendition has."""
    rows = {name: playback.segments(name).values() for name in playback.renditions}
    return [[row[0] for row in each].count(True) for each in rows.values()]


def wait_for_more(playback, segments):
    newest = max(max(playback.segments(name)) for name in playback.renditions)
    playback.wait_for_segment(newest + segments)


@pytest.fixture(scope="module", autouse=True)
def abandoned(server, client, looped):
    """A channel whose encoder was killed before the first test, and when."""
    made = client.create_channel(insecureIngest=True)
    arn, url = made["channel"]["arn"], server.ingest_url("rtmp", made["streamKey"]["value"])
    with publishing(looped, url, loop=True) as lost:
        stream = wait_until_live(client, arn)
        kill(lost)
    yield arn, stream["streamId"], datetime.now(UTC)
    delete_channel(client, arn)


class Channel:
    """A channel, its encoders, and who watches it."""

    def __init__(self, server, made, key, tmp_path):
        self.made = made
        self.arn = made["arn"]
        self.url = made["playbackUrl"]
        self.ingest_url = server.ingest_url("rtmp", key["value"])
        self.pictures = tmp_path / self.arn.rpartition("/")[2]

    def shown(self):
        """How many pictures ffmpeg has shown."""
        lines = self.pictures.read_text().splitlines()
        return len([line for line in lines if not line.startswith("#")])


def test_viewers_stay_with_the_stream_of_an_encoder_that_was_killed(
    server, client, channel, looped, tmp_path
):
    made = {c: channel(insecureIngest=True, containerFormat=c) for c in CONTAINERS}
    channels = {c: Channel(server, *both, tmp_path) for c, both in made.items()}
    with ExitStack() as block:
        lost = [
            block.enter_context(publishing(looped, each.ingest_url, loop=True))
            for each in channels.values()
        ]
        before = [wait_until_live(client, each.arn)["streamId"] for each in channels.values()]
        playbacks = [Playback(server, each.made) for each in channels.values()]
        urls = {c: each.url for c, each in channels.items()}
        rows = [(c, "hls.js", {"lowLatencyMode": True}) for c in channels]
        pages = block.enter_context(players(urls, rows))
        for page in pages:
            wait_until_played(page, 3, WITHIN_S, "hls.js to play")
        viewers = [
            block.enter_context(watching(each.url, each.pictures)) for each in channels.values()
        ]
        for encoder in lost:
            kill(encoder)
        time.sleep(AWAY_S)
        for each, playback in zip(channels.values(), playbacks, strict=True):
            assert client.get_stream(channelArn=each.arn)["stream"]["state"] == "LIVE"
            assert "ENDLIST" not in playback.playlist(playback.renditions[0])
        with ExitStack() as back:
            for each in channels.values():
                back.enter_context(publishing(looped, each.ingest_url, loop=True))
            for page, playback in zip(pages, playbacks, strict=True):
                assert_live_again(page, "hls.js to go on")
                wait_for_more(playback, 3)
                assert set(breaks(playback)) == {1}
            after = [wait_until_live(client, each.arn)["streamId"] for each in channels.values()]
            assert after == before
        assert [viewer.wait(30) for viewer in viewers] == [0, 0]

    for each, playback in zip(channels.values(), playbacks, strict=True):
        assert playback.playlist(playback.renditions[0]).endswith("#EXT-X-ENDLIST\n")
        listed = playback.segments(playback.renditions[0]).values()
        assert each.shown() >= 0.95 * FPS * sum(row[2] for row in listed)
        session = session_when(client, each.arn, lambda session: "endTime" in session)
        states = [name for name in names(session) if not name.startswith("Starvation")]
        assert states == ["Session Ended", "Stream End", "Stream Start", "Session Created"]


def test_an_encoder_that_says_that_it_stops_ends_its_stream_at_once(
    server, client, channel, looped
):
    made, key = channel(insecureIngest=True)
    with publishing(looped, server.ingest_url("rtmp", key["value"]), loop=True) as encoder:
        wait_until_live(client, made["arn"])
        encoder.terminate()
        encoder.wait()
        wait_for(
            lambda: client.list_stream_sessions(channelArn=made["arn"])["streamSessions"][0].get(
                "endTime"
            ),
            AT_ONCE_S,
            "the session's end",
        )
    with pytest.raises(client.exceptions.ChannelNotBroadcasting):
        client.get_stream(channelArn=made["arn"])
    assert any("the encoder sent FCUnpublish" in line for line in server.log)


def test_a_second_encoder_is_refused_and_the_first_goes_on(server, client, channel, looped):
    made, key = channel(insecureIngest=True)
    url = server.ingest_url("rtmp", key["value"])
    with publishing(looped, url, loop=True) as first:
        stream = wait_until_live(client, made["arn"])
        with publishing(looped, url, loop=True) as second:
            _, said = second.communicate(timeout=15)
        assert second.returncode != 0
        assert "The channel is live from another encoder." in said
        playback = Playback(server, made)
        wait_for_more(playback, 2)
        assert first.poll() is None
        assert wait_until_live(client, made["arn"])["streamId"] == stream["streamId"]
        assert set(breaks(playback)) == {0}


def test_a_stream_that_waits_for_its_encoder_is_a_live_one_to_the_api(
    server, client, channel, looped
):
    made, key = channel(insecureIngest=True)
    with publishing(looped, server.ingest_url("rtmp", key["value"]), loop=True) as lost:
        wait_until_live(client, made["arn"])
        kill(lost)
    wait_for(
        lambda: any("stream waits for its encoder" in line for line in server.log),
        AT_ONCE_S,
        "the connection's end",
    )
    for refused in (client.update_channel, client.delete_channel):
        with pytest.raises(client.exceptions.ConflictException):
            refused(arn=made["arn"])
    assert made["arn"] in [each["channelArn"] for each in client.list_streams()["streams"]]

    client.stop_stream(channelArn=made["arn"])

    with pytest.raises(client.exceptions.ChannelNotBroadcasting):
        client.stop_stream(channelArn=made["arn"])
    client.delete_channel(arn=made["arn"])


def test_a_transcoder_waits_with_its_stream(tmp_path, looped):
    flags = [*FLAGS, "20"]
    with running_server(tmp_path / "data", flags=flags, transcode="on") as server:
        client = server.ivs()
        made = client.create_channel(insecureIngest=True)
        arn, url = made["channel"]["arn"], server.ingest_url("rtmp", made["streamKey"]["value"])
        with publishing(looped, url, loop=True) as lost:
            before = wait_until_live(client, arn)
            playback = Playback(server, made["channel"])
            playback.wait_for_segment(1)
            kill(lost)
        process = transcoders(server)
        time.sleep(2 * AWAY_S)  # also longer than a transcoder may hang
        with publishing(looped, url, loop=True):
            wait_for_more(playback, 3)
            assert wait_until_live(client, arn)["streamId"] == before["streamId"]
            assert set(breaks(playback)) == {1}
            assert transcoders(server) == process
            assert "GAP" not in playback.playlist(playback.renditions[-1])
        assert not any("transcoder lost" in line for line in server.log)


def test_a_stream_whose_encoder_stays_away_is_over_after_half_a_minute(client, abandoned):
    arn, stream_id, killed_at = abandoned
    session = wait_for(
        lambda: (
            (found := client.get_stream_session(channelArn=arn)["streamSession"])
            and "endTime" in found
            and found
        ),
        GRACE_S + AT_ONCE_S,
        "the session's end",
    )

    assert session["streamId"] == stream_id
    assert names(session)[:2] == ["Session Ended", "Stream End"]
    waited_s = (session["endTime"] - killed_at).total_seconds()
    assert GRACE_S - 2 <= waited_s <= GRACE_S + 2
    with pytest.raises(client.exceptions.ChannelNotBroadcasting):
        client.get_stream(channelArn=arn)
