"""A command loads what it needs: most are typed by hand, or run by the dozen in scripts."""

import re
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
    (tmp_path / "headwater-data").mkdir()
    (tmp_path / "headwater-data" / "headwater.db").touch()  # an empty file: an empty database
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


@pytest.mark.parametrize(
    "command",
    [
        "key list",
        "key delete AKHW",
        "key create --user ann",
        "user list",
        "user delete ann",
        "policy list",
        "policy attach IVSFullAccess --user ann",
        "events rules list",
        "events rules delete mine",
    ],
)
def test_a_mistyped_data_directory_is_told_and_not_made(tmp_path, command):
    done = subprocess.run(
        [sys.executable, "-m", "headwater.cli", *command.split(), "--server-data-dir", "mistyped"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert done.returncode == 2
    assert "server.data_dir = 'mistyped': there is no headwater.db in it" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_adds_something_may_come_before_the_first_start(tmp_path):
    command = [sys.executable, "-m", "headwater.cli"]
    for arguments in (["user", "create", "ann"], ["key", "create", "--user", "ann"]):
        subprocess.run([*command, *arguments], capture_output=True, check=True, cwd=tmp_path)

    listed = subprocess.run(
        [*command, "key", "list"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "  ann  " in listed.stdout


@pytest.mark.parametrize(
    ("command", "sections"),
    [
        ("key list", {"server", "store"}),
        ("events rules list", {"server", "store", "events"}),
        ("recording list", {"server", "store", "recording"}),
    ],
)
def test_the_help_shows_the_settings_that_matter_and_takes_all(tmp_path, command, sections):
    def done(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "headwater.cli", *command.split(), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )

    shown = set(re.findall(r"Settings: (\w+)", done("--help").stdout))
    assert shown == sections
    assert "rtmp.port = 'x'" in done("--rtmp-port", "x").stderr
