import stat
import time

import jwt
import pytest
from typer.testing import CliRunner

from headwater.auth.playback_keys import parse_public_key
from headwater.auth.playback_token import verify
from headwater.cli.tokens import token_app
from headwater.core.errors import OperatorError

ARN = "arn:aws:ivs:us-west-2:123456789012:channel/abcdABCDefgh"


def run(*arguments, text=None):
    done = CliRunner().invoke(token_app, list(arguments), input=text)
    if isinstance(done.exception, OperatorError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def files(tmp_path):
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    assert run("keys", "--private-key", str(private), "--public-key", str(public)) == ""
    return private, public


def created(files, *arguments):
    return run("create", "--private-key", str(files[0]), "--channel", ARN, *arguments).strip()


def test_a_pair_is_written_and_the_private_key_is_for_its_owner_alone(files):
    private, public = files
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert parse_public_key(public.read_text())


def test_the_public_key_is_printed_where_no_file_is_named(tmp_path):
    printed = run("keys", "--private-key", str(tmp_path / "private.pem"))
    assert parse_public_key(printed)
    assert "PRIVATE" not in printed


def test_no_key_is_written_over(files):
    before = files[0].read_text()
    with pytest.raises(OperatorError, match="cannot be written: File exists"):
        run("keys", "--private-key", str(files[0]))
    assert files[0].read_text() == before


def test_a_token_opens_the_channel_for_ten_minutes(files):
    token = created(files)
    now_ms = time.time_ns() // 1_000_000
    found = verify(
        token, [parse_public_key(files[1].read_text()).der], channel_arn=ARN, now_ms=now_ms
    )
    assert 590 < found.expires_at_s - now_ms / 1000 <= 600


OPTIONS = [
    ("origins",    ["--origin", "https://a.com", "--origin", "https://*.b.com"], {"aws:access-control-allow-origin": "https://a.com,https://*.b.com"}),
    ("strict",     ["--strict-origins"], {"aws:strict-origin-enforcement": True}),
    ("viewer",     ["--viewer-id", "ana", "--viewer-session-version", "7"], {"aws:viewer-id": "ana", "aws:viewer-session-version": 7}),
    ("resolution", ["--maximum-resolution", "HD"], {"aws:maximum-resolution": "HD"}),
    ("claims",     ["--claim", "aws:ads-opt-out=true", "--claim", 'aws:ads-player-params={"a": "="}'], {"aws:ads-opt-out": True, "aws:ads-player-params": {"a": "="}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "claims"), [row[1:] for row in OPTIONS], ids=[row[0] for row in OPTIONS]
)
def test_every_claim_has_an_option(files, options, claims):
    token = created(files, *options, "--expires-in", "1m")
    found = jwt.decode(token, files[1].read_text(), algorithms=["ES384"])
    assert abs(found.pop("exp") - time.time() - 60) < 10
    assert found == {"aws:channel-arn": ARN} | claims


def test_each_single_use_token_is_another_one(files):
    first, second = (
        jwt.decode(created(files, "--single-use"), files[1].read_text(), algorithms=["ES384"])
        for _ in range(2)
    )
    assert first["aws:single-use-uuid"] != second["aws:single-use-uuid"]


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("http://x/a.m3u8", "http://x/a.m3u8?token=ey"),
        ("http://x/a?b=1", "http://x/a?b=1&token=ey"),
    ],
)
def test_a_playback_url_is_printed_with_the_token(files, url, start):
    assert created(files, "--url", url).startswith(start)


def test_the_private_key_may_come_from_standard_input(files):
    printed = run("create", "--private-key", "-", "--channel", ARN, text=files[0].read_text())
    assert jwt.decode(printed.strip(), files[1].read_text(), algorithms=["ES384"])


WRONG = [
    ("channel",          ["--channel", "abc"], "--channel 'abc': must be the ARN of a channel"),
    ("another resource", ["--channel", ARN.replace("channel", "stream-key")], "must be the ARN of a channel"),
    ("duration",         ["--expires-in", "soon"], "--expires-in 'soon': a number and s, m, h or d"),
    ("no time",          ["--expires-in", "0s"], "no token was made: exp: the token has expired"),
    ("once for an hour", ["--single-use", "--expires-in", "1h"], "exp must be at most 600 seconds ahead"),
    ("resolution",       ["--maximum-resolution", "4K"], "aws:maximum-resolution must be one of SD, HD, FULL_HD"),
    ("origin",           ["--origin", "a.com"], "aws:access-control-allow-origin must be"),
    ("claim",            ["--claim", "aws:ads-opt-out"], "--claim 'aws:ads-opt-out': a name, = and JSON"),
    ("no file",          ["--private-key", "/nowhere/key.pem"], "--private-key '/nowhere/key.pem' cannot be read"),
    ("the public key",   ["--private-key", "public"], "must be the PEM of a private key"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "says"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_what_is_wrong_is_said_by_its_name(files, options, says):
    options = [str(files[1]) if option == "public" else option for option in options]
    with pytest.raises(OperatorError) as caught:
        created(files, *options)
    assert says in str(caught.value)
