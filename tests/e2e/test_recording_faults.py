"""Recordings of servers that are killed, and of storage that is away."""

import json
import signal
import time

import pytest

from e2e.harness import (
    frame_hashes,
    make_source,
    publishing,
    running_server,
    wait_for,
    wait_until_live,
)
from e2e.recordings import BUCKET, configured, created, events_of, recorded_of
from recording.faulty import door_to
from seaweed import KEY, SECRET, running_service

FRAME_MS = 34


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return make_source(tmp_path_factory.mktemp("media") / "source.flv", seconds=15)


def test_a_killed_server_loses_no_second(tmp_path, source):
    with running_server(tmp_path / "data") as server:
        key = (server.access_key_id, server.secret_access_key)
        client = server.ivs()
        arn, stream_key = created(client, configured(client))
        with publishing(source, server.ingest_url("rtmp", stream_key)):
            wait_until_live(client, arn)
            wait_for(lambda: "Recording Start" in events_of(client, arn), 10, "its start")
            began_s = time.monotonic()
            spool = tmp_path / "data" / "spool"
            wait_for(lambda: list(spool.glob("*/360p30/1.ts")), 30, "the second segment")
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            lasted_s = time.monotonic() - began_s
    assert list(spool.iterdir())

    with running_server(tmp_path / "data", key) as server:
        client = server.ivs()
        wait_for(lambda: "Recording End" in events_of(client, arn), 20, "its end")
        names = events_of(client, arn)
        wait_for(lambda: not list(spool.iterdir()), 20, "the spool to be empty")
    assert names.count("Recording End") == names.count("Recording Start") == 1

    recorded = recorded_of(tmp_path / "data", arn)
    ended = json.loads((recorded / "events/recording-ended.json").read_text())
    frames = frame_hashes(str(recorded / "media/hls/master.m3u8"))
    assert frames == frame_hashes(str(source))[: len(frames)]
    assert abs(ended["media"]["hls"]["duration_ms"] - len(frames) * 1000 / 30) <= FRAME_MS
    assert len(frames) / 30 >= lasted_s - 1


def test_an_outage_of_s3_delays_the_recording_and_not_the_stream(tmp_path, source):
    (tmp_path / "s3").mkdir()
    with running_service(tmp_path / "s3", BUCKET) as service, door_to(service.url) as door:
        flags = ["--recording-endpoint-url", door.url, "--recording-access-key-id", KEY]
        flags += ["--recording-secret-access-key", SECRET]
        with running_server(tmp_path / "data", flags=flags) as server:
            client = server.ivs()
            arn, stream_key = created(client, configured(client))
            with publishing(source, server.ingest_url("rtmp", stream_key)) as encoder:
                wait_until_live(client, arn)
                wait_for(lambda: "Recording Start" in events_of(client, arn), 10, "its start")
                door.set("shut")
                encoder.wait()
            assert encoder.returncode == 0
            wait_for(lambda: "Stream End" in events_of(client, arn), 10, "the stream's end")
            assert "Recording End" not in events_of(client, arn)
            door.set("open")
            wait_for(lambda: "Recording End" in events_of(client, arn), 40, "its end")
        folder = tmp_path / "fetched"
        for key in service.keys(BUCKET):
            file = folder / key.split("/", 10)[-1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(service.get(BUCKET, key))
    assert frame_hashes(str(folder / "media/hls/master.m3u8")) == frame_hashes(str(source))
