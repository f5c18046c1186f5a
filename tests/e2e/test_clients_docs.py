"""What the how-to pages tell people to run is run, in order, page by page.

Terraform's page is run in test_clients_terraform; nothing here runs R.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.clients import SDKS, cli_environment

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(server, client, tmp_path, monkeypatch):
    """A folder beside the server's data, and the variables that the server prints."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in cli_environment(server).items():
        monkeypatch.setenv(name, value)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "headwater-data").symlink_to(server.data_dir)
    yield tmp_path
    for name in ("my-show", "my-new-show"):
        for channel in client.list_channels(filterByName=name)["channels"]:
            client.delete_channel(arn=channel["arn"])


def blocks(page, server):
    """(language, text) of every fenced block, pointed at the running server."""
    text = (PAGES / page).read_text()
    for written, real in (
        ("http://127.0.0.1:8080", server.url),
        ("https://127.0.0.1:8443", f"https://127.0.0.1:{server.ports['https_port']}"),
        ("<access key id>", server.access_key_id),
        ("<secret access key>", server.secret_access_key),
    ):
        text = text.replace(written, real)
    return BLOCK.findall(text)


def shell(text):
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("page", ["python-client.md", "boto3.md"])
def test_the_python_pages(page, server, place):
    program = []
    for language, text in blocks(page, server):
        if language == "ini":
            (place / "config").write_text(text)
        else:
            assert language == "python"
            program.append(text)
    (place / "program.py").write_text("\n".join(program))

    done = subprocess.run(
        [sys.executable, "program.py"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert server.url in done.stdout  # of the playback URL


@pytest.mark.usefixtures("place")
def test_the_command_line_page(server):
    commands = "\n".join(text for _, text in blocks("aws-cli.md", server))

    assert "nobody is live" in shell(commands)


def test_the_javascript_page(server, place):
    if shutil.which("node") is None or not (SDKS / "node_modules").is_dir():
        pytest.skip("node, or the AWS SDK for JavaScript, is missing: `make sdks`")
    [(language, text)] = blocks("javascript.md", server)
    assert language == "js"
    (place / "node_modules").symlink_to(SDKS / "node_modules")
    (place / "program.mjs").write_text(text)

    assert "nobody is live" in shell("node program.mjs")
