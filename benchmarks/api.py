"""GetChannel and CreateChannel a second, beside moto's server doing the same.

Requests are signed ahead, each another one, with the headers that boto3 sends. Headwater
verifies them, writes a log line for each, and has a new channel on the disk before it
answers (SQLite, its default); moto verifies nothing and keeps all in memory. The server
under test runs on one core, the load on another; rounds alternate, and the ratio is that
within a round. Requests for each second of processor time that the server used are what
other work on the machine disturbs least.

Then GetChannel at a steady rate, and (with --channels) what a million channels change:
pages of ListChannels, its filters, and CreateChannel.
"""

import argparse
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3
import load
import rig
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from e2e.harness import REGION, running_server, wait_for

SERVER_CORE, LOAD_CORE = 0, 1
MOTO = Path(sys.executable).resolve
CONNECTIONS = (1, 50)
CHANNELS = 100
"""There for GetChannel; moto looks at one after another."""
DISTINCT = 3000
"""Requests signed for each case."""
OPEN_PER_S = 500
MOTO_SERVER = Path(".venv-bench/bin/moto_server")
START_S = 20.0


@dataclass(frozen=True)
class Target:
    """A server under test, with some channels."""

    port: int
    pid: int
    credentials: Credentials
    arns: list[str]

    def signed(self, operation: str, bodies: Sequence[str]) -> list[bytes]:
        """A request for each body, signed now: good for five minutes."""
        return [self._signed(operation, body) for body in bodies]

    def _signed(self, operation: str, body: str) -> bytes:
        host = f"{load.HOST}:{self.port}"
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux md/arch#x86_64 "
            "lang/python#3.11.7 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.44.5",
            "amz-sdk-invocation-id": str(uuid.uuid4()),
            "amz-sdk-request": "attempt=1",
        }
        request = AWSRequest("POST", f"http://{host}/{operation}", data=body, headers=headers)
        SigV4Auth(self.credentials, "ivs", REGION).add_auth(request)
        lines = [f"POST /{operation} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@dataclass(frozen=True)
class Result:
    """What one run of load saw."""

    per_s: float
    per_cpu_s: float
    p50_ms: float
    p99_ms: float
    busy: float  # the server's share of its core


@contextmanager
def running_moto(directory: Path) -> Iterator[Target]:
    """moto's server as it comes, with channels."""
    (port,) = rig.free_ports(1)
    if not MOTO_SERVER.exists():
        raise SystemExit("moto is missing: make bench-tools")
    with (directory / "moto.log").open("w") as log:
        process = subprocess.Popen([MOTO_SERVER, "-p", str(port)], stdout=log, stderr=log)
    try:
        wait_for(lambda: rig.answers(port), START_S, "moto to listen")
        yield _with_channels(port, process.pid, Credentials("AKIDEXAMPLE", "moto-takes-any"))
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def running_headwater(data_dir: Path) -> Iterator[Target]:
    """Headwater with its defaults, and channels."""
    with running_server(data_dir) as server:
        credentials = Credentials(server.access_key_id, server.secret_access_key)
        yield _with_channels(server.ports["http_port"], server.process.pid, credentials)


def _with_channels(port: int, pid: int, credentials: Credentials) -> Target:
    ivs = boto3.client(
        "ivs",
        endpoint_url=f"http://{load.HOST}:{port}",
        region_name=REGION,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
    )
    arns = [ivs.create_channel(name=f"c{n}")["channel"]["arn"] for n in range(CHANNELS)]
    rig.pin(pid, SERVER_CORE)
    return Target(port, pid, credentials, arns)


def bodies(operation: str, target: Target) -> list[str]:
    """The bodies of the requests, each another one."""
    if operation == "GetChannel":
        return [f'{{"arn": "{target.arns[n % CHANNELS]}"}}' for n in range(DISTINCT)]
    return [f'{{"name": "made-{n}", "latencyMode": "LOW"}}' for n in range(DISTINCT)]


def under_load(
    pool: ProcessPoolExecutor, target: Target, operation: str, connections: int, seconds: float
) -> Result:
    """One operation, as fast as it goes."""
    requests = target.signed(operation, bodies(operation, target))
    before_s = rig.cpu_s(target.pid)
    seen = pool.submit(
        load.closed, target.port, requests, connections=connections, seconds=seconds
    ).result()
    return result(seen, rig.cpu_s(target.pid) - before_s)


def steady(
    pool: ProcessPoolExecutor, target: Target, operation: str, seconds: float
) -> Result:
    """One operation, so many times a second."""
    requests = target.signed(operation, bodies(operation, target))
    before_s = rig.cpu_s(target.pid)
    seen = pool.submit(
        load.opened, target.port, requests, per_s=OPEN_PER_S, seconds=seconds
    ).result()
    return result(seen, rig.cpu_s(target.pid) - before_s)


def result(seen: load.Answers, used_s: float) -> Result:
    """The figures of a run."""
    count = len(seen.took_ms)
    return Result(
        per_s=count / seen.wall_s,
        per_cpu_s=count / used_s,
        p50_ms=rig.percentile(seen.took_ms, 0.5),
        p99_ms=rig.percentile(seen.took_ms, 0.99),
        busy=used_s / seen.wall_s,
    )
