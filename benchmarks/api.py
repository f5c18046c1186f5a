"""GetChannel and CreateChannel a second, beside moto's server doing the same.

Requests are signed ahead, each another one, with the headers that boto3 sends. Headwater
verifies them, writes a log line for each, and has a new channel on the disk before it
answers (SQLite, its default); moto verifies nothing and keeps all in memory. The server
under test runs on one core, the load on another; rounds alternate, and the ratio is that
within a round. Requests for each second of processor time that the server used are what
other work on the machine disturbs least.

Then GetChannel at a steady rate, in rounds of their own.
"""

import argparse
import os
import re
import subprocess
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

from e2e.harness import HEADWATER, REGION, wait_for

SERVER_CORE, LOAD_CORE = 0, 1
CONNECTIONS = (1, 50)
CHANNELS = 100
"""There for GetChannel; moto looks at one after another."""
DISTINCT = 3000
"""Requests signed for each case."""
OPEN_PER_S = 500
MOTO_SERVER = Path(__file__).parents[1] / ".venv-bench/bin/moto_server"
START_S = 20.0
_KEY = r"AWS_ACCESS_KEY_ID=(\S+).*?AWS_SECRET_ACCESS_KEY=(\S+)\n"


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
    """The server of moto as it comes, with channels."""
    (port,) = rig.free_ports(1)
    if not MOTO_SERVER.exists():
        raise SystemExit("moto is missing: make bench-tools")
    with (directory / "moto.log").open("w") as log:
        process = subprocess.Popen([MOTO_SERVER, "-p", str(port)], stdout=log, stderr=log)
    try:
        rig.wait_until_listening(port)
        yield _with_channels(port, process.pid, Credentials("AKIDEXAMPLE", "moto-takes-any"))
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def running_headwater(directory: Path) -> Iterator[Target]:
    """Headwater with its defaults, and channels; its log goes to a file, as moto's does."""
    (port,) = rig.free_ports(1)
    command = [HEADWATER, "serve", "--http-port", str(port), "--server-data-dir", "data"]
    for flag in ("--http-tls-port", "--rtmp-port", "--rtmp-tls-port"):
        command += [flag, "0"]
    command += ["--server-log-format", "json", "--transcode-mode", "off"]
    out = directory / "headwater.out"
    with out.open("w") as printed, (directory / "headwater.log").open("w") as log:
        process = subprocess.Popen(command, stdout=printed, stderr=log, cwd=directory)
    try:
        key = wait_for(lambda: re.search(_KEY, out.read_text(), re.DOTALL), START_S, "the key")
        rig.wait_until_listening(port)
        yield _with_channels(port, process.pid, Credentials(key[1], key[2]))
    finally:
        process.terminate()
        process.wait(10)


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


def steady(pool: ProcessPoolExecutor, target: Target, operation: str, seconds: float) -> Result:
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


def rows_of(seen: dict[tuple[str, int], list[list[Result]]]) -> Iterator[list[str]]:
    """The table's rows; each case has its rounds, each round moto's and Headwater's result."""
    for (operation, connections), rounds in seen.items():
        yield [
            operation,
            str(connections),
            rig.spread([moto.per_s for moto, _ in rounds], 0),
            rig.spread([ours.per_s for _, ours in rounds], 0),
            rig.spread([ours.per_s / moto.per_s for moto, ours in rounds], 1),
            rig.spread([moto.per_cpu_s for moto, _ in rounds], 0),
            rig.spread([ours.per_cpu_s for _, ours in rounds], 0),
            rig.spread([ours.per_cpu_s / moto.per_cpu_s for moto, ours in rounds], 1),
            rig.spread([ours.busy for _, ours in rounds]),
        ]


def main() -> None:
    """Run the rounds and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4, help="of load in each run")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    seconds = options.seconds
    cases = [(name, count) for name in ("GetChannel", "CreateChannel") for count in CONNECTIONS]
    seen: dict[tuple[str, int], list[list[Result]]] = {case: [] for case in cases}
    with (
        TemporaryDirectory(prefix="headwater-bench-") as made,
        load.load_process(LOAD_CORE) as pool,
        running_moto(Path(made)) as moto,
        running_headwater(Path(made)) as ours,
    ):
        os.sched_setaffinity(0, {LOAD_CORE})
        for target in (moto, ours):  # what is done once is done
            under_load(pool, target, "GetChannel", CONNECTIONS[-1], 1)
        at_rate = [steady(pool, ours, "GetChannel", seconds) for _ in range(options.rounds)]
        # GetChannel first: moto would look through all that CreateChannel makes.
        for case in cases:
            for _ in range(options.rounds):
                seen[case].append([under_load(pool, it, *case, seconds) for it in (moto, ours)])
    header = [
        "operation", "connections", "moto, a second", "Headwater, a second", "times moto",
        "moto, per CPU second", "Headwater, per CPU second", "times moto", "our core busy",
    ]  # fmt: skip
    rig.print_table("The API on one core", header, list(rows_of(seen)))
    header = ["a second", "p50, ms", "p99, ms", "our core busy"]
    row = [
        rig.spread([one.per_s for one in at_rate], 0),
        rig.spread([one.p50_ms for one in at_rate]),
        rig.spread([one.p99_ms for one in at_rate]),
        rig.spread([one.busy for one in at_rate]),
    ]
    rig.print_table(f"GetChannel, {OPEN_PER_S} a second", header, [row])


if __name__ == "__main__":
    main()
