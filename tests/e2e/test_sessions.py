"""Stream sessions, with ffmpeg, boto3 and a server that is killed."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from e2e.blocks import blocks_of
from e2e.harness import publishing, running_server, wait_for, wait_until_live


def session_when(client, arn, is_so):
    """GetStreamSession's answer once that is so of it."""

    def found():
        try:
            session = client.get_stream_session(channelArn=arn)["streamSession"]
        except client.exceptions.ResourceNotFoundException:
            return None
        return session if is_so(session) else None

    return wait_for(found, 20, "the stream session")


def names(session):
    return [event["name"] for event in session["truncatedEvents"]]


def test_a_session_tells_the_life_of_a_stream(server, client, channel, source):
    slate = client.create_failover_slate_configuration(name="s")["failoverSlateConfiguration"]
    made, key = channel(insecureIngest=True, failoverSlateConfigurationArn=slate["arn"])
    arn = made["arn"]
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_stream_session(channelArn=arn)

    with publishing(source, server.ingest_url("rtmp", key["value"])) as encoder:
        stream = wait_until_live(client, arn)
        live = session_when(client, arn, lambda session: "Stream Start" in names(session))
        assert live["streamId"] == stream["streamId"]
        assert live["startTime"] == stream["startTime"]
        assert "endTime" not in live
        assert live["channel"] == {name: made[name] for name in made if name != "srt"}
        assert live["failoverSlateConfiguration"] == slate
        video = live["ingestConfiguration"]["video"]
        assert (video["videoWidth"], video["videoHeight"]) == (640, 360)
        assert video["targetFramerate"] == 30
        assert 700_000 < video["targetBitrate"] < 900_000
        assert video["encoder"].startswith("Lavf")
        assert video["codec"].startswith("avc1.")
        assert video["profile"] == video["avcProfile"] != ""
        audio = live["ingestConfigurations"]["audioConfigurations"][0]
        assert (audio["codec"], audio["sampleRate"], audio["channels"]) == ("mp4a.40.2", 48_000, 2)
        encoder.wait(30)

    over = session_when(client, arn, lambda session: "endTime" in session)
    assert names(over) == ["Session Ended", "Stream End", "Stream Start", "Session Created"]
    times = [event["eventTime"] for event in over["truncatedEvents"]]
    assert times == sorted(times, reverse=True)
    (summary,) = client.list_stream_sessions(channelArn=arn)["streamSessions"]
    assert summary["hasErrorEvent"] is False
    assert summary["endTime"] == over["endTime"]

    told = page_said(client, arn)
    assert [line.split("+00:00 ")[1] for line in told[1:5]] == names(over)[::-1]
    assert told[0].split()[1:3] == ["640", "360"]
    assert told[5].split()[0] == over["streamId"]


def page_said(client, arn):
    """The lines that the how-to page's programs print."""
    printed = []
    fake = SimpleNamespace(client=lambda _: client)
    names = {"channel_arn": arn, "print": lambda *words: printed.append(" ".join(map(str, words)))}
    for block in blocks_of("stream-sessions.md", "python"):
        exec(block.replace("import boto3", ""), names | {"boto3": fake, "ivs": client})  # noqa: S102
    return printed


def test_sessions_of_a_killed_server_end_at_the_next_start(tmp_path, source):
    with running_server(tmp_path / "data") as first:
        client = first.ivs()
        made = client.create_channel(insecureIngest=True)
        arn, value = made["channel"]["arn"], made["streamKey"]["value"]
        with publishing(source, first.ingest_url("rtmp", value)):
            wait_until_live(client, arn)
            session_when(client, arn, lambda session: "Stream Start" in names(session))
            first.process.kill()
            first.process.wait()
        killed_at = datetime.now(UTC)
        key = (first.access_key_id, first.secret_access_key)
    with running_server(tmp_path / "data", key) as second:
        session = second.ivs().get_stream_session(channelArn=arn)["streamSession"]

    assert names(session) == ["Session Ended", "Stream End", "Stream Start", "Session Created"]
    assert session["startTime"] <= session["endTime"] <= killed_at
