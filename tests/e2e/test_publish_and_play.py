import re
import subprocess
import urllib.request

import pytest

from e2e.harness import frame_hashes, publishing, wait_for, wait_until_live

NO_DECODER = r"Unsupported codec with id \d+ for input stream \d+\n"
"""What ffprobe says of timed metadata, IVS's own included."""
PATHS = [
    # id,               scheme,  container,          latency
    ("rtmp ts low",     "rtmp",  "TS",               "LOW"),
    ("rtmps fmp4 low",  "rtmps", "FRAGMENTED_MP4",   "LOW"),
    ("rtmps ts normal", "rtmps", "TS",               "NORMAL"),
    ("rtmp fmp4 normal", "rtmp", "FRAGMENTED_MP4",   "NORMAL"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("scheme", "container", "latency"), [r[1:] for r in PATHS], ids=[r[0] for r in PATHS]
)
def test_viewers_get_the_frames_that_the_encoder_sent(
    server, client, channel, source, scheme, container, latency
):
    made, key = channel(
        insecureIngest=scheme == "rtmp", containerFormat=container, latencyMode=latency
    )
    with publishing(source, server.ingest_url(scheme, key["value"])) as encoder:
        stream = wait_until_live(client, made["arn"])
        assert stream["state"] == "LIVE"
        assert stream["health"] == "HEALTHY"
        assert stream["playbackUrl"] == made["playbackUrl"]
        assert [s["streamId"] for s in client.list_streams()["streams"]] == [stream["streamId"]]

        probe = subprocess.run(
            ["ffprobe", "-v", "warning", "-show_entries", "stream=codec_name,width,height",
             "-of", "csv=p=0", made["playbackUrl"]],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        is_ts = container == "TS"  # whose program map names the stream of timed metadata
        assert re.sub(NO_DECODER, "", probe.stderr) == ""
        shown = {"h264,640,360", "aac", *["timed_id3"] * is_ts}
        assert {line.strip(",") for line in probe.stdout.split()} == shown

        received = frame_hashes(made["playbackUrl"], "-live_start_index", "0")
        assert encoder.wait(30) == 0

    assert received == frame_hashes(str(source))
    wait_for(lambda: client.list_streams()["streams"] == [], 10, "the stream to be over")


def test_an_offline_channel_is_not_found_in_ivs_form(channel):
    made, _ = channel()

    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(made["playbackUrl"], timeout=5)

    assert answer.value.status == 404
    assert answer.value.headers["access-control-allow-origin"] == "*"
    assert answer.value.headers["content-type"] == "application/json"
    assert b'"error_code"' in answer.value.read()
