"""A command loads what it needs: most are typed by hand, or run by the dozen in scripts."""

import subprocess
import sys

import pytest

SERVER = {
    "granian",
    "headwater.delivery",
    "headwater.ingest",
    "headwater.media",
    "headwater.node.node",
}
DATABASE = {"sqlalchemy", "headwater.store"}


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ("--version", SERVER | DATABASE),
        ("config check", SERVER | DATABASE),
        ("key list", SERVER),
        ("user list", SERVER),
        ("policy list", SERVER),
        ("events rules list", SERVER | {"nats"}),
        ("token keys --private-key key.pem", SERVER | DATABASE),
    ],
)
def test_a_command_does_not_load_what_it_does_not_need(tmp_path, command, unneeded):
    program = (
        "import sys; from headwater.cli.main import app\n"
        "try: app(sys.argv[1:])\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command.split()],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )

    assert unneeded.isdisjoint(done.stderr.split())


def test_the_help_names_every_command_and_a_misspelt_one_is_guessed():
    def said(*arguments):
        command = [sys.executable, "-m", "headwater.cli", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    help_text = said("--help")
    for name in ("serve", "demo", "doctor", "config", "user", "policy", "key", "events", "token"):
        assert f" {name} " in help_text
    assert "Did you mean 'policy'?" in said("polcy")
