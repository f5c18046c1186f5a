"""Health, metrics and CloudWatch of real encoders: ffmpeg, boto3, a scrape of /metrics."""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from e2e.blocks import blocks_of
from e2e.harness import (
    FFMPEG,
    REGION,
    headwater,
    publishing,
    running_server,
    wait_for,
    wait_until_live,
)


def names(client, arn):
    session = client.get_stream_session(channelArn=arn)["streamSession"]
    return [event["name"] for event in reversed(session["truncatedEvents"])]


def listed(client, arn, health):
    streams = client.list_streams(filterBy={"health": health})["streams"]
    return [each["health"] for each in streams if each["channelArn"] == arn]


def scraped(server, **headers):
    request = urllib.request.Request(server.url + "/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


def samples(cloudwatch, channel, name):
    """Of the last minutes: how many there are, their mean, the largest."""
    end = datetime.now(UTC)
    points = cloudwatch.get_metric_statistics(
        Namespace="AWS/IVS",
        MetricName=name,
        Dimensions=[{"Name": "Channel", "Value": channel}],
        StartTime=end - timedelta(minutes=10),
        EndTime=end,
        Period=60,
        Statistics=["SampleCount", "Sum", "Maximum"],
    )["Datapoints"]
    count = sum(point["SampleCount"] for point in points)
    mean = sum(point["Sum"] for point in points) / max(1, count)
    return count, mean, max((point["Maximum"] for point in points), default=0)


def page_said(client, cloudwatch, arn):
    """The lines that the how-to page's programs print."""
    printed = []
    clients = {"ivs": client, "cloudwatch": cloudwatch}
    fake = SimpleNamespace(client=clients.__getitem__)
    given = {"channel_arn": arn, "print": lambda *words: printed.append(" ".join(map(str, words)))}
    for block in blocks_of("health-and-metrics.md", "python"):
        exec(block.replace("import boto3", ""), given | {"boto3": fake})  # noqa: S102
    return printed


def aws_said(server, *words):
    """What the AWS CLI's answer is."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("aws")), "cloudwatch", *words, "--output", "json"],
        env={
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": server.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": server.access_key_id,
            "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {metric["MetricName"] for metric in json.loads(done.stdout)["Metrics"]}


@pytest.fixture(scope="module")
def rates(source):
    """What ffprobe says of the source: bits a second of pictures, of sound."""
    found = []
    for kind in "va":
        done = subprocess.run(
            ["ffprobe", "-v", "error", "-select_streams", kind, "-show_entries",
             "packet=size", "-of", "csv=p=0", str(source)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        sizes = [int(size) for size in re.findall(r"\d+", done.stdout)]
        found.append(8 * sum(sizes) / 10)  # the source lasts ten seconds
    return found


def test_an_encoder_in_real_time_is_healthy_and_measured(server, client, channel, source, rates):
    made, key = channel(insecureIngest=True)
    cloudwatch = server.client("cloudwatch")
    channel_id = made["arn"].rpartition("/")[2]
    with publishing(source, server.ingest_url("rtmp", key["value"]), loop=True):
        assert wait_until_live(client, made["arn"])["health"] == "HEALTHY"
        wait_for(
            lambda: samples(cloudwatch, channel_id, "IngestFramerate")[0] > 11,
            25,
            "ten seconds to be measured",
        )
        assert listed(client, made["arn"], "HEALTHY") == ["HEALTHY"]
        assert listed(client, made["arn"], "STARVING") == []
        figures = scraped(server)
        told = page_said(client, cloudwatch, made["arn"])
        names_listed = aws_said(server, "list-metrics", "--namespace", "AWS/IVS")

    video_bps, audio_bps = rates
    # The first second is a part of one; of more than eleven that is less than a tenth.
    for name, expected in (
        ("IngestVideoBitrate", video_bps),
        ("IngestAudioBitrate", audio_bps),
        ("IngestBitrate", video_bps + audio_bps),
        ("IngestFramerate", 30),
        ("KeyframeInterval", 1),
        ("LiveInputTime", 1),
    ):
        _, mean, _ = samples(cloudwatch, channel_id, name)
        assert mean == pytest.approx(expected, rel=0.1), name
    assert samples(cloudwatch, channel_id, "ConcurrentViews")[1:] == (0, 0)

    assert figures["ivs_ingest_video_bitrate_bps", channel_id] == pytest.approx(video_bps, rel=0.2)
    assert figures["ivs_ingest_audio_bitrate_bps", channel_id] == pytest.approx(audio_bps, rel=0.2)
    assert figures["ivs_ingest_framerate", channel_id] == pytest.approx(30, rel=0.1)
    assert figures["ivs_keyframe_interval_seconds", channel_id] == pytest.approx(1, rel=0.1)
    assert figures["ivs_live_input_seconds_total", channel_id] >= 5
    assert figures["ivs_concurrent_views", channel_id] == 0
    assert figures["ivs_concurrent_streams", "HEALTHY"] >= 1
    assert figures["process_resident_memory_bytes",] > 0
    assert told[0] == "HEALTHY 0"
    assert [line.split()[0] for line in told[-3:]] == [
        "ingestvideobitrate",
        "ingestaudiobitrate",
        "ingestframerate",
    ]
    frame_rates = json.loads(told[-1].partition(" ")[2])[1:]  # the first has a part of a second
    assert statistics.mean(frame_rates) == pytest.approx(30, rel=0.1)
    assert names_listed >= {"IngestFramerate", "KeyframeInterval", "LiveInputTime"}


def test_an_encoder_that_stops_for_a_while_starves_for_a_while(server, client, channel, source):
    made, key = channel(insecureIngest=True)
    arn = made["arn"]
    with publishing(source, server.ingest_url("rtmp", key["value"]), loop=True) as encoder:
        stream = wait_until_live(client, arn)
        encoder.send_signal(signal.SIGSTOP)
        wait_for(lambda: listed(client, arn, "STARVING"), 15, "the health to be STARVING")
        wait_for(lambda: "Starvation Start" in names(client, arn), 10, "the event")
        assert scraped(server)["ivs_concurrent_streams", "STARVING"] >= 1
        encoder.send_signal(signal.SIGCONT)
        wait_for(lambda: listed(client, arn, "HEALTHY"), 25, "the health to be HEALTHY again")
        wait_for(lambda: "Starvation End" in names(client, arn), 10, "the event")
        assert client.get_stream(channelArn=arn)["stream"]["streamId"] == stream["streamId"]

    assert names(client, arn)[:4] == [
        "Session Created",
        "Stream Start",
        "Starvation Start",
        "Starvation End",
    ]


def test_an_encoder_at_half_the_speed_starves(server, client, channel, source):
    made, key = channel(insecureIngest=True)
    url = server.ingest_url("rtmp", key["value"])
    encoder = subprocess.Popen(
        [*FFMPEG, "-readrate", "0.5", "-stream_loop", "-1", "-i", str(source), "-c", "copy",
         "-f", "flv", url],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until_live(client, made["arn"])
        wait_for(lambda: listed(client, made["arn"], "STARVING"), 20, "the health to be STARVING")
        wait_for(lambda: "Starvation Start" in names(client, made["arn"]), 10, "the event")
        assert "Starvation End" not in names(client, made["arn"])
    finally:
        encoder.kill()
        encoder.wait()


def test_a_restart_keeps_the_charts(tmp_path, source):
    with running_server(tmp_path / "data") as first:
        client, key = first.ivs(), (first.access_key_id, first.secret_access_key)
        made = client.create_channel(insecureIngest=True)
        channel_id = made["channel"]["arn"].rpartition("/")[2]
        with publishing(source, first.ingest_url("rtmp", made["streamKey"]["value"]), loop=True):
            wait_until_live(client, made["channel"]["arn"])
            cloudwatch = first.client("cloudwatch")
            wait_for(
                lambda: samples(cloudwatch, channel_id, "IngestFramerate")[0] >= 3, 20, "3 seconds"
            )
        wait_for(lambda: not client.list_streams()["streams"], 20, "the stream to be over")
        before = samples(cloudwatch, channel_id, "IngestVideoBitrate")
        assert first.stop() == 0
    with running_server(tmp_path / "data", key) as second:
        assert samples(second.client("cloudwatch"), channel_id, "IngestVideoBitrate") == before
        listed = second.client("cloudwatch").list_metrics(Namespace="AWS/IVS")["Metrics"]
        assert "LiveInputTime" in {each["MetricName"] for each in listed}


TOKEN = "0123456789abcdef"
LIMIT_BPS = 600_000  # the source has more


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A server with a token for its metrics, and a low limit on what comes in."""
    flags = ["--metrics-secret-token", TOKEN, "--quotas-ingest-bitrate-bps", str(LIMIT_BPS)]
    with running_server(tmp_path_factory.mktemp("strict") / "data", flags=flags) as other:
        yield other


def test_metrics_are_for_who_may_read_them(server, strict):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        scraped(server, **{"X-Forwarded-For": "192.0.2.1"})
    assert ("headwater_waiting_requests",) in scraped(server)

    with pytest.raises(urllib.error.HTTPError, match="401"):
        scraped(strict)
    assert ("headwater_waiting_requests",) in scraped(strict, Authorization=f"Bearer {TOKEN}")
    shown = headwater("config", "show", "--metrics-secret-token", TOKEN)
    assert "metrics.secret_token" in shown.stdout
    assert TOKEN not in shown.stdout


def test_an_input_of_too_many_bits_is_ended_and_the_session_says_why(strict, source):
    client = strict.ivs()
    made = client.create_channel(insecureIngest=True)
    arn, key = made["channel"]["arn"], made["streamKey"]["value"]
    with publishing(source, strict.ingest_url("rtmp", key), loop=True) as encoder:
        wait_until_live(client, arn)
        encoder.wait(30)

    wait_for(lambda: names(client, arn)[-1] == "Session Ended", 10, "the session to be over")
    assert names(client, arn) == [
        "Session Created",
        "Stream Start",
        "Ingest Bitrate",
        "Stream End",
        "Session Ended",
    ]
    (summary,) = client.list_stream_sessions(channelArn=arn)["streamSessions"]
    assert summary["hasErrorEvent"] is True
