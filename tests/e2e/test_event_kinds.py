"""Events that take more than a stream's life: each made to happen, and compared whole.

Those of a stream's life, of viewers, of starvation, of a bitrate and of takeovers have their
tests in test_events, test_viewer_sessions, test_health and test_takeover.
"""

import json
import shutil
import subprocess
from datetime import datetime

import pytest

from e2e.harness import FFMPEG, REGION, publishing, running_server, wait_for, wait_until_live
from e2e.recordings import BUCKET, configured
from e2e.test_events import command

ACCOUNT = "000000000000"
MAX_PIXELS = 300_000  # more than the source's 640x360
FLAGS = (
    "--quotas-concurrent-streams", "1",
    "--quotas-ingest-pixels", str(MAX_PIXELS),
    "--recording-give-up-s", "10",
)  # fmt: skip
MEDIA_TAILOR = f"arn:aws:mediatailor:{REGION}:{ACCOUNT}:playbackConfiguration/ads"
RECORDING = "IVS Recording State Change"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("kinds") / "data", flags=FLAGS) as server:
        (server.data_dir / "buckets" / BUCKET).mkdir(parents=True)
        command(server, "rules", "put", "all", "--to", "file:all.jsonl", "--region", REGION)
        yield server


@pytest.fixture(scope="module")
def client(server):
    return server.ivs()


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "large.flv"
    subprocess.run(
        [*FFMPEG, "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=15:duration=4",
         "-c:v", "libx264", "-preset", "ultrafast", "-g", "15", "-pix_fmt", "yuv420p", str(path)],
        check=True,
    )  # fmt: skip
    return path


def told(server, name, stream_id):
    """The one event of that name, of that stream or of none."""
    file = server.data_dir / "events" / "all.jsonl"

    def found():
        events = map(json.loads, file.read_text().splitlines()) if file.exists() else ()
        return [
            event
            for event in events
            if name in event["detail"].values() and event["detail"].get("stream_id") == stream_id
        ]

    (event,) = wait_for(found, 40, name)
    return event


def check(event, kind, arn, detail):
    """All of an event but its id and time, of which the form alone is known."""
    assert len(event.pop("id")) == 36
    assert datetime.strptime(event.pop("time"), "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007
    assert event == {
        "version": "0",
        "detail-type": kind,
        "source": "aws.ivs",
        "account": ACCOUNT,
        "region": REGION,
        "resources": [arn] if arn else [],
        "detail": detail,
    }


def newest_stream(client, arn):
    return client.get_stream_session(channelArn=arn)["streamSession"]["streamId"]


def test_an_ad_break_and_a_stream_too_many_are_told(server, client, source):
    ads = client.create_ad_configuration(
        mediaTailorPlaybackConfigurations=[{"playbackConfigurationArn": MEDIA_TAILOR}]
    )["adConfiguration"]["arn"]
    made = client.create_channel(
        name="ads", insecureIngest=True, adConfigurationArn=ads, containerFormat="TS"
    )
    other = client.create_channel(insecureIngest=True)
    arn = made["channel"]["arn"]
    with publishing(source, server.ingest_url("rtmp", made["streamKey"]["value"]), loop=True):
        stream_id = wait_until_live(client, arn)["streamId"]
        ad_break = client.insert_ad_break(channelArn=arn, durationSeconds=20)
        url = server.ingest_url("rtmp", other["streamKey"]["value"])
        with publishing(source, url) as refused:
            refused.wait(20)
    check(
        told(server, "Ad Break Inserted", stream_id),
        "IVS Ad Break State Change",
        arn,
        {
            "event_name": "Ad Break Inserted",
            "channel_name": "ads",
            "stream_id": stream_id,
            "ad_break_id": ad_break["adBreakId"],
            "duration_seconds": 20,
            "target_start_time": f"{ad_break['targetStartAt']:%Y-%m-%dT%H:%M:%SZ}",
        },
    )
    check(
        told(server, "Concurrent Broadcasts", None),
        "IVS Limit Breach",
        "",
        {
            "limit_name": "Concurrent Broadcasts",
            "limit_value": 1,
            "exceeded_by": 1,
            "limit_unit": "active streams",
        },
    )


def test_a_picture_too_large_is_told(server, client, large):
    made = client.create_channel(name="large", insecureIngest=True)
    arn = made["channel"]["arn"]
    wait_for(lambda: not client.list_streams()["streams"], 20, "the stream before to be over")
    with publishing(large, server.ingest_url("rtmp", made["streamKey"]["value"])) as encoder:
        encoder.wait(30)
    stream_id = newest_stream(client, arn)
    check(
        told(server, "Ingest Resolution", stream_id),
        "IVS Limit Breach",
        arn,
        {
            "limit_name": "Ingest Resolution",
            "limit_value": MAX_PIXELS,
            "exceeded_by": 1280 * 720 - MAX_PIXELS,
            "limit_unit": "total pixels",
            "channel_name": "large",
            "stream_id": stream_id,
        },
    )


def test_how_recordings_go_is_told(server, client, source):
    wait_for(lambda: not client.list_streams()["streams"], 20, "the stream before to be over")
    made = client.create_channel(
        name="kept",
        type="BASIC",
        insecureIngest=True,
        recordingConfigurationArn=configured(client),
    )
    arn, url = made["channel"]["arn"], server.ingest_url("rtmp", made["streamKey"]["value"])

    def recorded(*, during=lambda: None, first="Recording Start"):
        with publishing(source, url, loop=True):
            stream_id = wait_until_live(client, arn)["streamId"]
            event = told(server, first, stream_id)
            during()
        wait_for(lambda: not client.list_streams()["streams"], 20, "the stream to be over")
        return stream_id, event

    def said(event, stream_id, **detail):
        prefix, session_id = (
            event["detail"][field] for field in ("recording_s3_key_prefix", "recording_session_id")
        )
        whole = {
            "channel_name": "kept",
            "stream_id": stream_id,
            "recording_status_reason": "",
            "recording_s3_bucket_name": BUCKET,
            "recording_s3_key_prefix": prefix,
            "recording_duration_ms": 0,
            "recording_session_id": session_id,
        }
        check(event, RECORDING, arn, whole | detail)
        assert len(session_id) == 16
        return prefix, session_id

    stream_id, start = recorded()
    begun = said(start, stream_id, recording_status="Recording Start")
    assert begun[0].startswith(f"ivs/v1/{ACCOUNT}/{arn.rpartition('/')[2]}/")
    end = told(server, "Recording End", stream_id)
    lasted_ms = end["detail"]["recording_duration_ms"]
    assert 0 < lasted_ms < 60_000
    assert begun == said(
        end,
        stream_id,
        recording_status="Recording End",
        recording_duration_ms=lasted_ms,
        recording_session_stream_ids=[stream_id],
    )

    bucket = server.data_dir / "buckets" / BUCKET
    stream_id, start = recorded(during=lambda: shutil.rmtree(bucket))
    begun = said(start, stream_id, recording_status="Recording Start")
    failure = told(server, "Recording End Failure", stream_id)
    assert begun == said(
        failure,
        stream_id,
        recording_status="Recording End Failure",
        recording_status_reason="InternalServerException",
        recording_duration_ms=failure["detail"]["recording_duration_ms"],
    )

    stream_id, failure = recorded(first="Recording Start Failure")
    said(
        failure,
        stream_id,
        recording_status="Recording Start Failure",
        recording_status_reason="ValidationException",
        recording_s3_key_prefix="",
    )
