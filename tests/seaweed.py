"""A real S3 service: SeaweedFS from its wheel."""

import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

KEY, SECRET = "AKTESTTESTTESTTEST00", "secret-of-the-test-service"
WEED = str(Path(sys.executable).with_name("weed"))
START_S = 60


@dataclass
class Service:
    """Where it is, and a client of it."""

    url: str

    def client(self):
        config = Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=5)
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=config,
        )

    def keys(self, bucket):
        found = self.client().list_objects_v2(Bucket=bucket).get("Contents", [])
        return [each["Key"] for each in found]

    def get(self, bucket, key):
        return self.client().get_object(Bucket=bucket, Key=key)["Body"].read()


@contextmanager
def running_service(folder, *buckets, volume_mb=64):
    """Start it on free ports, with these buckets; 20 volumes hold all that is stored."""
    identity = {"name": "test", "credentials": [{"accessKey": KEY, "secretKey": SECRET}]}
    access = {"identities": [identity | {"actions": ["Admin", "Read", "Write", "List"]}]}
    (folder / "s3.json").write_text(json.dumps(access))
    names = ("master", "volume", "filer", "s3")
    ports = _free_ports(2 * len(names))
    command = [WEED, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-filer", "-s3", f"-s3.config={folder / 's3.json'}"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false"]
    command += [f"-master.volumeSizeLimitMB={volume_mb}", "-volume.max=20"]
    for name in names:
        command += [f"-{name}.port={ports.pop()}", f"-{name}.port.grpc={ports.pop()}"]
    s3_port = next(each.partition("=")[2] for each in command if each.startswith("-s3.port="))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    service = Service(f"http://127.0.0.1:{s3_port}")
    try:
        _wait(service, process, buckets, folder / "log")
        yield service
    finally:
        process.kill()  # it takes half a minute to end by itself
        process.wait()


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait(service, process, buckets, log):
    deadline, client = time.monotonic() + START_S, service.client()
    made = set()
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            for bucket in buckets:
                if bucket not in made:
                    client.create_bucket(Bucket=bucket)
                    made.add(bucket)
                client.put_object(Bucket=bucket, Key="ready", Body=b"")
                client.delete_object(Bucket=bucket, Key="ready")
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
        else:
            return
    raise AssertionError("it does not start: " + log.read_text()[-2000:])
