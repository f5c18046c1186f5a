"""The reference page's examples, run as one program against a server with a live stream."""

import os
import re
from pathlib import Path

import pytest

from e2e.harness import publishing, wait_until_live

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "python-client.md").read_text()
SETUP = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
EXAMPLES = dict(
    re.findall(r"^### (\w+)\n.*?^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
)
LIVE = [
    "get_stream",
    "list_streams",
    "list_stream_sessions",
    "get_stream_session",
    "put_metadata",
    "insert_ad_break",
    "stop_stream",
]
LAST = [name for name in EXAMPLES if name.startswith("delete_") and name != "delete_stream_key"]
FIRST = [name for name in EXAMPLES if name not in {*LIVE, *LAST}]


@pytest.fixture
def program(server, tmp_path, monkeypatch, public_key_pem):
    """Runs examples by name, all in the same namespace."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_access_key)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "playback-public-key.pem").write_text(public_key_pem)
    names = {}
    exec(SETUP.replace("http://127.0.0.1:8080", server.url), names)  # noqa: S102 - the page's own

    def run(examples):
        for name in examples:
            exec(compile(EXAMPLES[name], name, "exec"), names)  # noqa: S102 - the same
        return names

    yield run
    names["svc"].close()


def test_every_example_runs(program, server, client, source):
    names = program(FIRST)
    arn = names["channel_arn"]
    client.update_channel(arn=arn, adConfigurationArn=names["ads"]["arn"])
    with publishing(source, server.ingest_url("rtmp", names["value"]), loop=True):
        wait_until_live(client, arn)
        program(LIVE)
    program(LAST)

    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_channel(arn=arn)
