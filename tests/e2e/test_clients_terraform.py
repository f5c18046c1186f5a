"""HashiCorp's AWS provider, unchanged: every ivs resource made, changed, imported and destroyed.

It starts from the how-to page's configuration and runs the page's commands. One test, since every
command loads the provider, which takes many seconds of processor time.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from e2e.clients import cli_environment
from e2e.terraform import terraform_environment

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "terraform.md").read_text()
CONFIGURATION, COMMANDS = re.findall(r"^```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PROVIDER = CONFIGURATION.partition("\nresource")[0]
MORE = """
resource "aws_ivs_channel" "bare" {}

resource "aws_ivs_playback_key_pair" "viewers" {
  name       = "viewers"
  public_key = file("${path.module}/public.pem")
  tags       = { team = "sport" }
}

resource "aws_ivs_recording_configuration" "archive" {
  name                               = "archive"
  recording_reconnect_window_seconds = 45
  destination_configuration {
    s3 { bucket_name = "my-recordings" }
  }
  thumbnail_configuration {
    recording_mode          = "INTERVAL"
    target_interval_seconds = 30
  }
}
"""
CHANGED = """
resource "aws_ivs_channel" "show" {
  name                        = "my-new-show"
  authorized                  = true
  latency_mode                = "NORMAL"
  type                        = "BASIC"
  recording_configuration_arn = aws_ivs_recording_configuration.archive.arn
  tags                        = { stage = "test", team = "sport" }
}
"""
TAGGED = CHANGED.replace('stage = "test", team = "sport"', 'team = "news"')
IMPORT = """
import {{
  to = aws_ivs_channel.show
  id = "{arn}"
}}
"""


@pytest.fixture
def terraform(server, tmp_path, public_key_pem):
    """Writes a configuration, and runs commands on it in a folder of its own."""
    environment = cli_environment(server) | terraform_environment(tmp_path)
    (tmp_path / "public.pem").write_text(public_key_pem)

    def run(commands, configuration=None):
        if configuration:
            text = configuration.replace("http://127.0.0.1:8080", server.url)
            (tmp_path / "main.tf").write_text(text)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=environment,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def known(folder):
    """The resources as terraform's state file has them, by name."""
    state = json.loads((folder / "terraform.tfstate").read_text())["resources"]
    return {
        resource["name"]: resource["instances"][0]["attributes"]
        for resource in state
        if resource["mode"] == "managed"
    }


def test_terraform_makes_changes_imports_and_destroys_every_ivs_resource(
    terraform, tmp_path, client
):
    *commands, destroy = COMMANDS.splitlines()
    said = terraform("\n".join(commands), CONFIGURATION + MORE)
    made = known(tmp_path)
    arn = made["show"]["arn"]
    assert "sk_us-west-2_" in said
    assert "No changes." in said
    assert (made["bare"]["name"], made["bare"]["type"]) == ("", "STANDARD")
    assert made["archive"]["state"] == "ACTIVE"
    assert len(made["viewers"]["fingerprint"]) == 47

    client.delete_playback_key_pair(arn=made["viewers"]["arn"])
    said = terraform("terraform apply -auto-approve", PROVIDER + CHANGED + MORE)
    assert "1 added, 1 changed, 0 destroyed" in said  # what others deleted is made again
    channel = client.get_channel(arn=arn)["channel"]
    assert (channel["name"], channel["authorized"]) == ("my-new-show", True)
    assert (channel["latencyMode"], channel["type"]) == ("NORMAL", "BASIC")
    assert channel["recordingConfigurationArn"] == made["archive"]["arn"]
    assert channel["tags"] == {"stage": "test", "team": "sport"}

    said = terraform(
        "terraform state rm aws_ivs_channel.show; terraform apply -auto-approve",
        PROVIDER + TAGGED + MORE + IMPORT.format(arn=arn),
    )
    assert "1 imported, 0 added, 1 changed, 0 destroyed" in said
    assert client.get_channel(arn=arn)["channel"]["tags"] == {"team": "news"}

    assert "Destroy complete! Resources: 4 destroyed." in terraform(destroy)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_channel(arn=arn)
