"""The commands and the page's paths with recordings in an S3 service."""

import asyncio
import json
import urllib.error
import urllib.request

import obstore
import pytest

from e2e.harness import headwater, running_server, wait_for
from headwater.core.secret import Secret
from headwater.recording.objects import Buckets, S3Endpoint
from recording.made import make_recording
from seaweed import KEY, SECRET, running_service

BUCKET = "vod"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running_service(tmp_path_factory.mktemp("seaweed"), BUCKET) as service:
        yield service


@pytest.fixture(scope="module")
def flags(service):
    return [
        "--recording-endpoint-url", service.url,
        "--recording-access-key-id", KEY,
        "--recording-secret-access-key", SECRET,
    ]  # fmt: skip


def put_all(service, folder):
    endpoint = S3Endpoint(
        url=service.url, region="us-east-1", access_key_id=KEY, secret_access_key=Secret(SECRET),
        force_path_style=True,
    )  # fmt: skip
    store = Buckets(folder, endpoint).open(BUCKET).store

    async def put():
        for path in folder.rglob("*"):
            if path.is_file():
                await obstore.put_async(store, str(path.relative_to(folder)), path.read_bytes())

    asyncio.run(put())


def test_recordings_in_s3_are_listed_checked_exported_and_served(service, flags, tmp_path):
    data = tmp_path / "data"
    with running_server(data, flags=flags) as server:
        client = server.ivs()
        arn = client.create_recording_configuration(
            destinationConfiguration={"s3": {"bucketName": BUCKET}}
        )["recordingConfiguration"]["arn"]
        wait_for(
            lambda: (
                client.get_recording_configuration(arn=arn)["recordingConfiguration"]["state"]
                == "ACTIVE"
            ),
            20,
            "the bucket to be looked at",
        )
        channel = client.create_channel(recordingConfigurationArn=arn)["channel"]["arn"]
        account, channel_id = channel.split(":")[4], channel.rpartition("/")[2]
        made = make_recording(
            tmp_path / "made", tmp_path / "work", seconds=2, account=account, channel=channel_id
        )
        put_all(service, made.root)

        base = f"{server.url}/recordings/{account}/{channel_id}/"
        with urllib.request.urlopen(f"{base}index.json") as answer:
            [shown] = json.load(answer)["recordings"]
        with urllib.request.urlopen(f"{server.url}{shown['path']}thumbnails.json") as answer:
            assert json.load(answer)["count"] == 2
        segment = f"{server.url}{shown['path']}media/hls/360p30/0.ts"
        with urllib.request.urlopen(segment) as answer:
            assert answer.read() == made.path("media/hls/360p30/0.ts").read_bytes()
        part = urllib.request.Request(segment, headers={"Range": "bytes=188-375"})
        with urllib.request.urlopen(part) as answer:
            assert answer.status == 206
            assert answer.read() == made.path("media/hls/360p30/0.ts").read_bytes()[188:376]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(segment.replace("0.ts", "9.ts"))

        def recording(*arguments):
            folder = ("--server-data-dir", str(data))
            return headwater("recording", *arguments, *folder, *flags, cwd=tmp_path)

        assert made.place.id in recording("list").stdout
        verified = recording("verify", made.place.id)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        exported = recording("export", made.place.prefix, "-o", "show.mp4", "--bucket", BUCKET)
        assert exported.returncode == 0, exported.stderr
        assert (tmp_path / "show.mp4").read_bytes()[4:8] == b"ftyp"
