import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headwater.cli.main import app
from headwater.core.errors import OperatorError
from recording.made import CHANNEL, make_recording

pytestmark = pytest.mark.e2e  # made by ffmpeg
ID = "rec0123456AB"
PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "recordings-page.md").read_text()
COMMANDS = re.findall(r"^    headwater recording (.+)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data directory with two recordings in two buckets."""
    folder = tmp_path_factory.mktemp("data")
    make_recording(folder / "buckets" / "one", folder / "work" / "1", seconds=2)
    make_recording(
        folder / "buckets" / "two", folder / "work" / "2", seconds=1, recording_id="second",
        status="RECORDING_ENDED_WITH_FAILURE",
    )  # fmt: skip
    return folder


@pytest.fixture
def run(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(app, ["recording", *arguments, "--server-data-dir", str(data)])

    return run


def test_recordings_of_all_buckets_are_listed(run):
    rows = [line.split() for line in run("list").output.splitlines()]

    assert rows[0] == ["started", "duration", "status", "channel", "recording", "bucket"]
    assert sorted(row[2:] for row in rows[1:]) == [
        ["0:00:01.0", "failed", CHANNEL, "second", "two"],
        ["0:00:02.0", "complete", CHANNEL, ID, "one"],
    ]
    assert len(run("list", "--bucket", "two").output.splitlines()) == 2
    assert len(run("list", "--channel", "other").output.splitlines()) == 1
    assert len(run("list", "--limit", "1").output.splitlines()) == 2
    arn = f"arn:aws:ivs:us-east-1:123456789012:channel/{CHANNEL}"
    assert len(run("list", "--channel", arn).output.splitlines()) == 3


def test_one_is_shown_by_its_id_or_its_prefix(run):
    by_id = run("show", ID)
    prefix = f"ivs/v1/123456789012/{CHANNEL}/2026/3/4/5/6/{ID}"

    assert by_id.exit_code == 0
    assert f"prefix      {prefix}\n" in by_id.output
    assert "rendition   360p30  640x360\n" in by_id.output
    assert "thumbnails  media/thumbnails  640x360\n" in by_id.output
    assert run("show", prefix).output == by_id.output


def test_verify_tells_what_is_wrong_by_its_exit_status(run, data):
    whole = run("verify", ID)
    assert whole.exit_code == 0
    assert ": ok (" in whole.output

    segment = next(data.glob("buckets/two/**/360p30/0.ts"))
    body = segment.read_bytes()
    segment.write_bytes(body[:-188])
    try:
        broken = run("verify", "--all")
    finally:
        segment.write_bytes(body)
    assert broken.exit_code == 1
    assert "FAULT  media/hls/360p30/0.ts: " in broken.output
    assert "2 recordings, 1 with faults" in broken.output


def test_export_writes_a_file_and_never_over_another(run, tmp_path):
    first = run("export", ID)
    assert first.exit_code == 0
    assert (tmp_path / f"{ID}.mp4").read_bytes()[4:8] == b"ftyp"
    assert "Timed metadata is not in it" in first.output

    again = run("export", ID)
    assert isinstance(again.exception, OperatorError)
    assert "--overwrite" in str(again.exception)
    assert run("export", ID, "--overwrite", "--rendition", "160p30").exit_code == 0
    assert run("export", ID, "-o", "other.mp4").exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {f"{ID}.mp4", "other.mp4"}


MISTAKES = [
    # id,              arguments,                           says
    ("no recording",   ["show", "nope"],                    "there is no recording 'nope'"),
    ("no bucket",      ["list", "--bucket", "nope"],        "bucket nope"),
    ("no such name",   ["list", "--bucket", "../../etc"],   "no bucket has such a name"),
    ("neither",        ["verify"],                          "name a recording, or give --all"),
    ("both",           ["verify", ID, "--all"],             "name a recording, or give --all"),
    ("a folder",       ["export", ID, "-o", "."],           "is a folder"),
    ("no folder",      ["export", ID, "-o", "no/o.mp4"],    "there is no folder no"),
    ("no rendition",   ["export", ID, "--rendition", "4K"], "the recording has 360p30, 160p30"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES]
)
def test_a_mistake_is_said_plainly(run, arguments, says):
    result = run(*arguments)

    assert isinstance(result.exception, OperatorError)
    assert says in str(result.exception)


def test_a_mistyped_data_directory_is_named(tmp_path):
    place = ["--server-data-dir", str(tmp_path / "nowhere")]
    result = CliRunner().invoke(app, ["recording", "list", *place])

    assert isinstance(result.exception, OperatorError)
    assert "nowhere': there is no such folder" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_how_to_page_do_what_they_say(run, command):
    result = run(*command.split())

    assert result.exception is None, result.output
