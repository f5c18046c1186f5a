"""R-45b: one encoder takes a stream over from another by its priority, with ffmpeg and boto3."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from e2e.blocks import blocks_of
from e2e.harness import make_source, publishing, running_server, wait_for, wait_until_live
from e2e.ladders import FLAGS, Playback, make_picture
from e2e.test_encoders import make
from e2e.test_reconnect import breaks, wait_for_more, watching
from e2e.test_sessions import names, session_when
from e2e.test_transcoder_failures import transcoders

MOST = 2  # takeovers of a stream
OVER_S = 15


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    flags = ["--quotas-takeovers-per-stream", str(MOST)]
    with running_server(tmp_path_factory.mktemp("takeover") / "data", flags=flags) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    return server.ivs()


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """By what is different about them."""
    folder = tmp_path_factory.mktemp("sources")
    return {
        "nothing": make_picture(folder / "same.flv", "640x360"),
        "settings": make_source(folder / "settings.flv", seconds=16),  # frame rate and bitrate
        "resolution": make(folder / "small.flv", size="320x180", seconds=10),
        "no sound": make(folder / "silent.flv", size="640x360", sound=False, seconds=10),
    }


def happened(client, arn, name):
    """GetStreamSession's answer once that event is in it."""
    return session_when(client, arn, lambda session: name in names(session))


OTHERS = [
    # id,                 source,      discontinuities
    ("the same settings", "nothing",   0),
    ("other settings",    "settings",  1),
]  # fmt: skip


@pytest.mark.parametrize(("other", "seams"), [r[1:] for r in OTHERS], ids=[r[0] for r in OTHERS])
def test_a_higher_priority_takes_the_stream_over(
    server, client, channel, sources, tmp_path, other, seams
):
    made, key = channel(insecureIngest=True)
    arn, url = made["arn"], server.ingest_url("rtmp", key["value"])
    with publishing(sources["nothing"], url, loop=True) as first:
        before = wait_until_live(client, arn)
        playback = Playback(server, made)
        pictures = tmp_path / "pictures"
        with watching(made["playbackUrl"], pictures) as viewer:
            with publishing(sources[other], f"{url}?priority=1", loop=True) as second:
                session = happened(client, arn, "Stream Takeover")
                assert first.wait(OVER_S) != 0
                wait_for_more(playback, 3)
                assert second.poll() is None
                assert wait_until_live(client, arn)["streamId"] == before["streamId"]
                assert set(breaks(playback)) == {seams}
            _, said = viewer.communicate(timeout=30)
            assert (viewer.returncode, seams or said) == (0, seams or "")

    assert session["streamId"] == before["streamId"]
    over = happened(client, arn, "Session Ended")
    assert [name for name in names(over) if not name.startswith("Starvation")] == [
        "Session Ended",
        "Stream End",
        "Stream Takeover",
        "Stream Start",
        "Session Created",
    ]
    rate = over["ingestConfiguration"]["video"]["targetFramerate"]
    assert rate == {"nothing": 10, "settings": 30}[other]
    (summary,) = client.list_stream_sessions(channelArn=arn)["streamSessions"]
    assert summary["hasErrorEvent"] is False


def test_what_the_how_to_page_says_works(server, client, channel, sources):
    made, key = channel(insecureIngest=True)
    arn, url = made["arn"], server.ingest_url("rtmp", key["value"])
    (command,) = blocks_of("reconnect-and-takeover.md", "sh")
    (program,) = blocks_of("reconnect-and-takeover.md", "python")
    values = {
        "SOURCE": str(sources["nothing"]),
        "SERVER": server.ingest_url("rtmp", "").rstrip("/"),
        "STREAM_KEY": key["value"],
    }
    with publishing(sources["nothing"], url, loop=True) as first:
        wait_until_live(client, arn)
        second = subprocess.Popen(
            ["sh", "-c", f"exec {command.strip()} -nostdin -loglevel error"],
            env=os.environ | values,
        )
        try:
            happened(client, arn, "Stream Takeover")
            assert first.wait(OVER_S) != 0
        finally:
            second.terminate()
            second.wait()

    printed = []
    fake = SimpleNamespace(client=lambda _: client)
    program = program.replace("import boto3", "")
    exec(program, {"channel_arn": arn, "boto3": fake, "print": lambda *w: printed.append(w)})  # noqa: S102
    assert printed == [("Stream Takeover", "")]


FAILURES = [
    # id,                  priority,      source,        code
    ("the same priority",  "5",           "nothing",     "StreamTakeoverInvalidPriority"),
    ("a lower one",        "4",           "nothing",     "StreamTakeoverInvalidPriority"),
    ("out of range",       "2147483648",  "nothing",     "StreamTakeoverInvalidPriority"),
    ("a smaller picture",  "6",           "resolution",  "StreamTakeoverMediaMismatch"),
    ("no sound",           "6",           "no sound",    "StreamTakeoverMediaMismatch"),
]  # fmt: skip


def test_a_takeover_that_fails_is_told_and_the_stream_goes_on(server, client, channel, sources):
    made, key = channel(insecureIngest=True)
    arn, url = made["arn"], server.ingest_url("rtmp", key["value"])
    with publishing(sources["nothing"], f"{url}?priority=5", loop=True) as first:
        before = wait_until_live(client, arn)
        for _, priority, source, _ in FAILURES:
            with publishing(sources[source], f"{url}?priority={priority}") as refused:
                _, said = refused.communicate(timeout=OVER_S)
            assert refused.returncode != 0, said
        playback = Playback(server, made)
        wait_for_more(playback, 2)
        assert first.poll() is None
        assert set(breaks(playback)) == {0}
        codes = wait_for(lambda: failures(client, arn, len(FAILURES)), OVER_S, "the events")

    assert codes == [row[-1] for row in FAILURES]
    (summary,) = client.list_stream_sessions(channelArn=arn)["streamSessions"]
    assert summary["hasErrorEvent"] is True
    assert summary["streamId"] == before["streamId"]


def failures(client, arn, count):
    """The codes of the takeovers that failed, oldest first, once there are so many."""
    events = client.get_stream_session(channelArn=arn)["streamSession"]["truncatedEvents"]
    found = [each["code"] for each in events if each["name"] == "Stream Takeover Failure"]
    return found[::-1] if len(found) == count else None


def test_a_stream_is_taken_over_so_often_and_no_more(server, client, channel, sources):
    made, key = channel(insecureIngest=True)
    arn, url = made["arn"], server.ingest_url("rtmp", key["value"])
    with publishing(sources["nothing"], url, loop=True):
        wait_until_live(client, arn)
        for priority in range(1, MOST + 2):
            with publishing(sources["nothing"], f"{url}?priority={priority}", loop=True) as encoder:
                if priority > MOST:
                    _, said = encoder.communicate(timeout=OVER_S)
                    assert f"The stream was taken over {MOST} times" in said
                else:
                    session_when(
                        client,
                        arn,
                        lambda session, times=priority: (
                            names(session).count("Stream Takeover") == times
                        ),
                    )
                    encoder.kill()  # its place is kept for it
        codes = wait_for(lambda: failures(client, arn, 1), OVER_S, "the event")
        assert codes == ["StreamTakeoverLimitBreached"]
        client.stop_stream(channelArn=arn)


def test_a_transcoder_goes_on_when_its_stream_is_taken_over(tmp_path, sources):
    with running_server(tmp_path / "data", flags=[*FLAGS, "20"], transcode="on") as server:
        client = server.ivs()
        made = client.create_channel(insecureIngest=True)
        arn, url = made["channel"]["arn"], server.ingest_url("rtmp", made["streamKey"]["value"])
        with publishing(sources["nothing"], url, loop=True) as first:
            wait_until_live(client, arn)
            playback = Playback(server, made["channel"])
            process = transcoders(server)
            with publishing(sources["nothing"], f"{url}?priority=1", loop=True):
                happened(client, arn, "Stream Takeover")
                assert first.wait(OVER_S) != 0
                wait_for_more(playback, 4)
                assert set(breaks(playback)) == {0}
                assert transcoders(server) == process
                assert "GAP" not in playback.playlist(playback.renditions[-1])
        assert not any("transcoder lost" in line for line in server.log)
