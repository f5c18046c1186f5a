import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager

import boto3

from e2e.browser import open_page
from e2e.harness import HEADWATER, environment, wait_for

STOP_S = 2


@contextmanager
def running_demo(folder):
    """The process, what it says by name, and a boto3 client made from the lines to paste."""
    command = [HEADWATER, "demo"]
    for flag in ("--http-port", "--http-tls-port", "--rtmp-port", "--rtmp-tls-port"):
        command += [flag, "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        env=environment(),
    )  # fmt: skip
    try:
        printed = read_until_blank_lines(process.stdout, 2)
        facts = dict(line.split(": ", 1) for line in printed if ": " in line)
        keys = dict(line.removeprefix("export ").split("=", 1) for line in printed if "=" in line)
        client = boto3.client(
            "ivs",
            endpoint_url=keys["AWS_ENDPOINT_URL_IVS"],
            region_name=keys["AWS_DEFAULT_REGION"],
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )
        yield process, {name: value.strip() for name, value in facts.items()}, client
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def read_until_blank_lines(pipe, count):
    lines = []
    while lines.count("") < count:
        line = pipe.readline()
        assert line, f"the demo ended early: {lines}"
        lines.append(line.rstrip("\n"))
    return lines


def test_the_demo_shows_a_moving_picture_and_ends_cleanly(tmp_path):
    with running_demo(tmp_path) as (process, facts, client):
        with open_page() as page:
            page.goto(facts["Watch"])
            page.wait_for_selector("html[data-state=playing]", timeout=20_000)

            def position_s():
                return page.evaluate("document.querySelector('video').currentTime")

            first_s = position_s()
            wait_for(lambda: position_s() > first_s + 1, 10, "the picture to move")

        [stream] = client.list_streams()["streams"]
        assert client.get_channel(arn=stream["channelArn"])["channel"]["name"] == "demo"
        with urllib.request.urlopen(facts["Playback URL"], timeout=5) as answer:
            assert answer.read().startswith(b"#EXTM3U")

        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert time.monotonic() - started < STOP_S
        assert process.stderr.read() == ""


def test_the_demo_records_its_stream_and_says_where(tmp_path):
    with running_demo(tmp_path) as (_, facts, client), open_page() as page:
        wait_for(lambda: client.list_streams()["streams"], 20, "the demo's stream")
        page.goto(facts["Recordings"])
        page.wait_for_selector(".card")

        assert page.inner_text(".chip") == "Recording"
        assert list((tmp_path / "headwater-data" / "buckets").iterdir()) != []


def test_the_encoder_comes_back_after_stop_stream_as_obs_does(tmp_path):
    with running_demo(tmp_path) as (_, _, client):
        [first] = wait_for(lambda: client.list_streams()["streams"], 20, "the demo's stream")

        client.stop_stream(channelArn=first["channelArn"])

        def another():
            return [
                stream
                for stream in client.list_streams()["streams"]
                if stream["streamId"] != first["streamId"]
            ]

        [second] = wait_for(another, 20, "the stream to be back")
        assert second["channelArn"] == first["channelArn"]
