"""The commands on a data directory of their own; tests/e2e has them beside a server."""

import json
import re
import shlex
import sqlite3
import sys
import time

import pytest

from e2e.blocks import blocks_of
from headwater.cli.events import events_app
from headwater.core.errors import OperatorError
from headwater.node import event_rules

ACCOUNT = "000000000000"
AWS = "eventbridge+https://events.us-east-1.amazonaws.com"


@pytest.fixture(autouse=True)
def _data_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADWATER_SERVER_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "headwater.db").touch()  # an empty file: an empty database


@pytest.fixture
def run(capsys):
    def run(*arguments):
        events_app(arguments, standalone_mode=False)
        return capsys.readouterr().out

    return run


def put(run, name="one", to="https://example.com/hook", *more):
    return run("rules", "put", name, "--to", to, *more)


def listed(run):
    """The rows of the list, by name."""
    return {line.split()[0]: line for line in run("rules", "list").splitlines()[1:]}


def stored(tmp_path, column="secret", name="one"):
    with sqlite3.connect(tmp_path / "data" / "headwater.db") as database:
        query = f"SELECT {column} FROM event_rules WHERE name = ?"  # noqa: S608
        rows = database.execute(query, [name]).fetchall()
    database.close()
    return rows[0][0]


def write_events(tmp_path, *told):
    """Events of a channel and some minutes ago, as a server would have written them."""
    now_ms = time.time_ns() // 1_000_000
    with sqlite3.connect(tmp_path / "data" / "headwater.db") as database:
        database.executemany(
            "INSERT INTO events VALUES (?, ?, ?, 'us-east-1', ?, ?, ?)",
            [
                (
                    seq,
                    f"id-{seq}",
                    ACCOUNT,
                    channel,
                    now_ms - minutes * 60_000,
                    json.dumps({"source": "aws.ivs", "n": seq}),
                )
                for seq, (channel, minutes) in enumerate(told, 1)
            ],
        )
    database.close()


def test_the_commands_of_the_how_to_page_work_as_they_stand(run, tmp_path):
    (tmp_path / "secret.txt").write_text("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    blocks = blocks_of("events.md", "sh")
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    # Others have the tail, and an event that is there.
    commands = [line[2:] for line in lines if not {"tail", "--event"} & set(line)]
    for command in commands:
        run(*command)

    assert len(commands) == 9
    assert {name: row.split()[3] for name, row in listed(run).items()} == {
        "log": "file",
        "bus": "nats",
        "aws": "putevents",
    }


def test_a_webhooks_secret_is_shown_once_and_kept_when_the_rule_changes(run, tmp_path):
    said = put(run)
    secret = re.fullmatch(
        rf"put one: events of account {ACCOUNT} in us-east-1\n"
        r"secret \(shown this once\): (whsec_\S+)\n",
        said,
    )[1]
    again = put(run, "one", "https://example.com/other", "--disabled")

    assert "whsec_" not in again
    assert stored(tmp_path) == secret
    row = listed(run)["one"]
    assert re.search(r"us-east-1 +disabled +webhook https://example.com/other +0 +0 ", row)
    assert secret not in row


def test_a_secret_of_ones_own_replaces_the_old_one(run, tmp_path):
    put(run)
    own = "whsec_" + "A" * 44
    (tmp_path / "secret").write_text(own + "\n")
    said = put(run, "one", "https://example.com", "--secret-file", "secret")

    assert "whsec_" not in said
    assert stored(tmp_path) == own


def test_a_secret_is_not_taken_over_by_a_target_of_another_kind(run, tmp_path):
    put(run)
    put(run, "one", "nats://127.0.0.1:4222")

    assert stored(tmp_path) == ""


def test_rules_of_other_regions_and_accounts_are_others(run):
    put(run, "one", "file:a.jsonl")
    put(run, "one", "file:b.jsonl", "--region", "eu-west-1")
    put(run, "one", "file:c.jsonl", "--account", "123456789012")
    run("rules", "delete", "one")

    assert listed(run)["one"].split()[1:4] == ["eu-west-1", "enabled", "file"]
    assert "file c.jsonl" in run("rules", "list", "--account", "123456789012")


def test_a_pattern_may_stand_in_a_file(run, tmp_path):
    pattern = '{"detail": {"event_name": ["Stream Start"]}}'
    (tmp_path / "pattern.json").write_text(pattern)
    put(run, "one", "file:a.jsonl", "--pattern", "@pattern.json")

    assert stored(tmp_path, "pattern") == pattern


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("a b", "file:a"), "1 to 64 letters", id="name"),
        pytest.param(("n", "ftp://x"), "must begin with", id="target"),
        pytest.param(("n", "file:a", "--pattern", "{"), "the pattern is not right", id="pattern"),
        pytest.param(("n", "file:a", "--pattern", "@none"), "cannot be read", id="no-file"),
        pytest.param(("n", "file:a", "--with", "x"), "NAME=VALUE", id="option"),
        pytest.param(("n", "file:a", "--region", "EU"), "region 'EU'", id="region"),
        pytest.param(("n", "file:a", "--account", "1"), "12 digits", id="account"),
        pytest.param(
            ("n", "file:a", "--secret-file", "s"), "a file has no secret", id="file-secret"
        ),
        pytest.param(("n", "https://x.y", "--secret-file", "s"), "24 to 64 bytes", id="short"),
        pytest.param(("n", "nats://h", "--with", "user=u"), "password is missing", id="nats-user"),
        pytest.param(
            ("n", AWS, "--with", "access_key_id=A", "--with", "source=s"),
            "secret of the access key",
            id="no-secret",
        ),
    ],
)
def test_a_mistake_is_told_and_no_rule_is_made(run, tmp_path, arguments, says):
    (tmp_path / "s").write_text("s3cr3t")
    with pytest.raises(OperatorError, match=says) as refusal:
        put(run, *arguments)

    assert "s3cr3t" not in str(refusal.value)
    assert listed(run) == {}


def test_rules_are_bounded(run, monkeypatch):
    monkeypatch.setattr(event_rules, "MAX_RULES", 1)
    put(run, "one", "file:a")
    put(run, "one", "file:b")
    with pytest.raises(OperatorError, match="1 rules in us-east-1 already"):
        put(run, "two", "file:a")


@pytest.mark.parametrize("command", [("rules", "delete", "x"), ("redeliver", "x")])
def test_a_rule_that_is_not_there_is_named(run, command):
    with pytest.raises(OperatorError, match="there is no rule 'x' in us-east-1"):
        run(*command)


@pytest.mark.parametrize(
    ("url", "noted"),
    [
        ("http://127.0.0.1:9/", True),
        ("http://localhost/", True),
        ("http://localhost./", True),
        ("http://hooks.localhost/", True),
        ("http://[::1]/", True),
        ("http://10.0.0.1/", True),
        ("https://8.8.8.8/", False),
        ("https://example.com/", False),
    ],
)
def test_a_private_address_is_noted_at_once(capsys, url, noted):
    events_app(["rules", "put", "one", "--to", url], standalone_mode=False)

    assert ("events.private_webhooks = on" in capsys.readouterr().err) == noted


def test_what_was_delivered_is_delivered_again_by_its_time(run, tmp_path, monkeypatch):
    monkeypatch.setattr(event_rules, "READ_AT_ONCE", 2)
    put(run, "one", "file:a", "--pattern", '{"n": [1, 2, 3, 5]}')
    write_events(tmp_path, ("a", 90), ("a", 50), ("b", 40), ("a", 30), ("a", 5))

    assert run("redeliver", "one") == "0 events on their way to one\n"
    assert run("redeliver", "one", "--since", "1h", "--until", "10m") == (
        "2 events on their way to one\n"
    )
    assert run("redeliver", "one", "--since", "1h") == "3 events on their way to one\n"
    assert re.search(r" 3 +0 +\{", listed(run)["one"])


def test_an_event_is_delivered_again_by_its_id_whatever_the_pattern(run, tmp_path):
    put(run, "one", "file:a", "--pattern", '{"n": [1]}')
    put(run, "two", "file:a", "--region", "eu-west-1")
    write_events(tmp_path, ("a", 90), ("b", 40), ("b", 30))

    said = run("redeliver", "one", "--event", "id-2", "--event", "id-3")
    assert said == "2 events on their way to one\n"
    assert run("redeliver", "one", "--event", "id-2") == "2 events on their way to one\n"
    with pytest.raises(OperatorError, match="no event 'id-9' in us-east-1"):
        run("redeliver", "one", "--event", "id-1", "--event", "id-9")
    assert run("redeliver", "one") == "2 events on their way to one\n"
    with pytest.raises(OperatorError, match="no event 'id-1' in eu-west-1"):
        run("redeliver", "two", "--event", "id-1", "--region", "eu-west-1")


@pytest.mark.parametrize(
    "times",
    [
        ("--until", "1h"),
        ("--since", "yesterday"),
        ("--since", "1h", "--until", "5"),
        ("--since", "0001-01-01"),
        ("--since", "1h", "--until", "2h"),
        ("--since", "9000-01-01T00:00:00Z"),
    ],
    ids=["only until", "words", "no unit", "before all", "backwards", "to come"],
)
def test_a_time_that_is_none_is_refused(run, times):
    put(run, "one", "file:a")
    with pytest.raises(OperatorError, match=r"--(until|since)"):
        run("redeliver", "one", *times)


@pytest.mark.parametrize(
    "channel", ["", "not one", f"arn:aws:ivs:us-east-1:{ACCOUNT}:stream-key/b", "arn:aws:ivs:x"]
)
def test_a_tail_of_what_is_no_channel_is_refused(run, channel):
    with pytest.raises(OperatorError, match=r"--channel .*: a channel's ARN or id"):
        run("tail", "--channel", channel)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), [1, 2, 3]),
        (("--channel", "b"), [2]),
        (("--channel", f"arn:aws:ivs:us-east-1:{ACCOUNT}:channel/b"), [2]),
        (("--pattern", '{"n": [{"numeric": [">", 1]}]}'), [2, 3]),
    ],
)
def test_the_tail_tells_what_is_kept_and_then_what_comes(
    run, tmp_path, capsys, monkeypatch, options, expected
):
    run("rules", "list")  # makes the tables
    write_events(tmp_path, ("a", 50), ("b", 40), ("c", 2))
    lines = []

    def write(text):
        lines.append(json.loads(text))
        if len(lines) == len(expected):
            raise BrokenPipeError

    with capsys.disabled(), monkeypatch.context() as patched:
        patched.setattr(sys.stdout, "write", write)
        patched.setattr("os.dup2", lambda *_: None)
        events_app(["tail", "--since", "1h", *options], standalone_mode=False)

    assert [line["n"] for line in lines] == expected
