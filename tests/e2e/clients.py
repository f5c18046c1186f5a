"""Real clients behind one call: `call("CreateChannel", name="x")` gives the answer's members.

Each is used as its users do: boto3's methods, the CLI's options, the JavaScript SDK's commands,
our client's methods. A refusal is raised as `Refused`, with what the client shows its user.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from e2e.harness import REGION, Server, environment
from headwater.client import ApiError, ivs

SDKS = Path(__file__).parents[2] / ".sdks"
AWS = str(Path(sys.executable).with_name("aws"))
JAVASCRIPT = Path(__file__).with_name("sdk.mjs")
Call = Callable[..., dict[str, Any]]


class Refused(Exception):  # noqa: N818 - an answer
    """The service said no."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@contextmanager
def boto3_client(server: Server, _: Path) -> Iterator[Call]:
    client = server.ivs()

    def call(operation: str, **members: Any) -> dict[str, Any]:
        try:
            answer = getattr(client, xform_name(operation))(**members)
        except ClientError as error:
            raise Refused(
                error.response["Error"]["Code"], error.response["Error"]["Message"]
            ) from None
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    yield call
    client.close()


@contextmanager
def our_client(server: Server, _: Path) -> Iterator[Call]:
    keys = {
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
    }
    config = {"credentials": {"creds": keys}, "endpoint": server.url, "region": REGION}
    with ivs(config=config) as svc:

        def call(operation: str, **members: Any) -> dict[str, Any]:
            given = {xform_name(name): value for name, value in members.items()}
            try:
                return getattr(svc, xform_name(operation))(**given) or {}
            except ApiError as error:
                raise Refused(error.code, error.message) from None

        yield call


def cli_environment(server: Server) -> dict[str, str]:
    """The lines that the server prints, to paste."""
    return {
        **environment(),
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL_IVS": server.url,
    }


@contextmanager
def command_line(server: Server, folder: Path) -> Iterator[Call]:
    environment = cli_environment(server)

    def call(operation: str, **members: Any) -> dict[str, Any]:
        options = [part for name, value in members.items() for part in option(name, value, folder)]
        done = subprocess.run(
            [AWS, "ivs", xform_name(operation, "-"), "--output", "json", *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=environment,
        )
        if refused := re.search(
            r"An error occurred \((\w+)\) when calling \S+ \S+ (.*)", done.stderr
        ):
            raise Refused(refused[1], refused[2].removeprefix("operation: "))
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout or "{}")

    yield call


def option(name: str, value: Any, folder: Path) -> list[str]:
    """A member as its option of the command."""
    flag = "--" + xform_name(name, "-")
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [flag, *value]
    if isinstance(value, str) and "\n" in value:
        (folder / "value").write_text(value)
        return [flag, f"file://{folder / 'value'}"]
    return [flag, value if isinstance(value, str) else json.dumps(value)]


@contextmanager
def javascript(server: Server, _: Path) -> Iterator[Call]:
    if shutil.which("node") is None:
        pytest.skip("node is missing")
    if not (SDKS / "node_modules" / "@aws-sdk" / "client-ivs").is_dir():
        pytest.skip("the AWS SDK for JavaScript is missing: `make sdks`")
    process = subprocess.Popen(
        ["node", str(JAVASCRIPT), str(SDKS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=cli_environment(server),
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def call(operation: str, **members: Any) -> dict[str, Any]:
        process.stdin.write(json.dumps({"operation": operation, "members": members}) + "\n")
        process.stdin.flush()
        said = json.loads(process.stdout.readline())
        if "refused" in said:
            raise Refused(**said["refused"])
        return said["answer"]

    try:
        yield call
        process.stdin.close()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


CLIENTS = {
    "boto3": boto3_client,
    "aws-cli": command_line,
    "javascript": javascript,
    "headwater": our_client,
}
