"""Users, policies and keys: the commands beside a running server, asked by boto3 and the AWS CLI."""

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from e2e.harness import REGION, headwater, make_source, publishing, running_server, wait_for
from e2e.harness import wait_until_live as live

CONFIG = Config(retries={"max_attempts": 1})
SEEN_S = 5  # far above a second, for slow machines
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "users-and-policies.md"
LIVE_TEAM = PAGE.read_text().partition("```json\n")[2].partition("```")[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("identities") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def run(server):
    """Run a command on the server's data directory; its standard output."""

    def run(*arguments, fails=None, text=None):
        folder = ("--server-data-dir", str(server.data_dir))
        done = headwater(*arguments, *folder, cwd=server.data_dir.parent, text=text)
        assert "Traceback" not in done.stderr
        if fails is None:
            assert done.returncode == 0, done.stderr
            return done.stdout
        assert done.returncode == 2, done.stdout
        assert fails in done.stderr
        return done.stderr

    return run


def pasted(output):
    """What the lines to paste set."""
    return dict(line.removeprefix("export ").split("=", 1) for line in output.splitlines())


def client(server, lines, service="ivs"):
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=lines["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=lines["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=lines.get("AWS_SESSION_TOKEN"),
        config=CONFIG,
    )


def code(call, **arguments):
    """The error's code; "" when there is none."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def becomes(expected, call, **arguments):
    assert wait_for(lambda: code(call, **arguments) == expected, SEEN_S, f"it to be {expected!r}")


def test_a_users_life(server, run):
    account = client(server, root(server), "sts").get_caller_identity()["Account"]
    arn = f"arn:aws:iam::{account}:user/ana"
    assert run("user", "create", "ana") == f"created {arn}\n"
    made = run("key", "create", "--user", "ana", "--description", "laptop")
    ana = client(server, pasted(made))
    assert code(ana.list_channels) == "AccessDeniedException"

    assert run("policy", "attach", "IVSReadOnlyAccess", "--user", "ana")
    becomes("", ana.list_channels)
    with pytest.raises(ana.exceptions.AccessDeniedException) as caught:
        ana.create_channel(name="x")
    assert caught.value.response["Error"]["Message"] == (
        f"User: {arn} is not authorized to perform: ivs:CreateChannel "
        f"on resource: arn:aws:ivs:{REGION}:{account}:channel/*"
    )

    run("policy", "attach", "IVSFullAccess", "--user", "ana")
    becomes("", ana.create_channel)
    listed = run("user", "list")
    assert "IVSFullAccess, IVSReadOnlyAccess" in listed
    run("policy", "detach", "IVSFullAccess", "--user", "ana")
    becomes("AccessDeniedException", ana.create_channel)

    keys = run("key", "list", "--user", "ana")
    key_id = pasted(made)["AWS_ACCESS_KEY_ID"]
    assert key_id in keys
    assert "laptop" in keys
    assert pasted(made)["AWS_SECRET_ACCESS_KEY"] not in keys
    assert server.access_key_id not in keys
    run("key", "delete", key_id)
    becomes("UnrecognizedClientException", ana.list_channels)

    again = client(server, pasted(run("key", "create", "--user", "ana")))
    assert code(again.list_channels) == ""
    run("user", "delete", "ana")
    becomes("UnrecognizedClientException", again.list_channels)
    assert "ana" not in run("user", "list")


def root(server):
    return {
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
    }


def test_the_policy_of_the_documentation_keeps_a_team_to_its_tag(server, run, tmp_path):
    file = tmp_path / "live.json"
    file.write_text(LIVE_TEAM)
    run("policy", "create", "live-team", "--file", str(file), "--description", "the live team")
    assert json.loads(run("policy", "show", "live-team")) == json.loads(LIVE_TEAM)
    run("user", "create", "tagger")
    run("policy", "attach", "live-team", "--user", "tagger")
    tagger = client(server, pasted(run("key", "create", "--user", "tagger")))

    assert code(tagger.create_channel) == "AccessDeniedException"
    assert code(tagger.create_channel, tags={"team": "other"}) == "AccessDeniedException"
    assert code(tagger.create_channel, tags={"team": "live", "x": "1"}) == "AccessDeniedException"
    arn = tagger.create_channel(tags={"team": "live", "show": "1"})["channel"]["arn"]
    other = server.ivs().create_channel(tags={"team": "other"})["channel"]["arn"]
    assert tagger.get_channel(arn=arn)["channel"]["tags"]["show"] == "1"
    assert code(tagger.get_channel, arn=other) == "AccessDeniedException"
    assert code(tagger.stop_stream, channelArn=arn) == "ChannelNotBroadcasting"
    taking = {"resourceArn": other, "tags": {"team": "live"}}
    assert code(tagger.tag_resource, **taking) == "AccessDeniedException"
    assert code(tagger.tag_resource, resourceArn=arn, tags={"show": "2"}) == ""

    assert "live-team" in run("policy", "list")
    run("policy", "delete", "live-team", fails="attached to tagger; detach it first")
    run("policy", "detach", "live-team", "--user", "tagger")
    run("policy", "delete", "live-team")
    assert "live-team" not in run("policy", "list")


def test_temporary_credentials_end(server, run):
    lines = pasted(run("key", "create", "--expires", "3s"))
    temporary = client(server, lines)
    assert code(temporary.list_channels) == ""
    without = client(server, lines | {"AWS_SESSION_TOKEN": None})
    assert code(without.list_channels) == "UnrecognizedClientException"
    wrong = client(server, lines | {"AWS_SESSION_TOKEN": "wrong"})
    assert code(wrong.list_channels) == "UnrecognizedClientException"

    becomes("ExpiredTokenException", temporary.list_channels)
    assert code(client(server, lines, "sts").get_caller_identity) == "ExpiredToken"


def test_sts_says_who_one_is(server, run):
    account = client(server, root(server), "sts").get_caller_identity()["Account"]
    run("user", "create", "who")
    user = pasted(run("key", "create", "--user", "who"))
    temporary = pasted(run("key", "create", "--user", "who", "--expires", "1h"))

    def arn(lines):
        return client(server, lines, "sts").get_caller_identity()["Arn"]

    assert arn(root(server)) == f"arn:aws:iam::{account}:root"
    assert arn(user) == arn(temporary) == f"arn:aws:iam::{account}:user/who"
    session = client(server, user, "sts").get_session_token()["Credentials"]
    lines = {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }
    assert arn(lines) == f"arn:aws:iam::{account}:user/who"
    assert code(client(server, lines).list_channels) == "AccessDeniedException"

    done = subprocess.run(
        [sys.executable, "-m", "awscli", "sts", "get-caller-identity", "--endpoint-url", server.url],
        capture_output=True, text=True, check=True, timeout=60,
        env=os.environ | lines | {"AWS_DEFAULT_REGION": REGION},
    )  # fmt: skip
    assert json.loads(done.stdout)["Arn"] == f"arn:aws:iam::{account}:user/who"


def test_a_presigned_url_works_without_a_client(server):
    ivs = server.ivs()
    arn = ivs.create_channel(tags={"a": "b c"})["channel"]["arn"]
    url = ivs.generate_presigned_url("list_tags_for_resource", {"resourceArn": arn}, ExpiresIn=60)
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert json.load(answer) == {"tags": {"a": "b c"}}

    sts = client(server, root(server), "sts")
    who = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    with urllib.request.urlopen(who, timeout=10) as answer:
        assert b":root</Arn>" in answer.read()

    with pytest.raises(urllib.request.HTTPError) as caught:
        urllib.request.urlopen(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), timeout=10)
    assert caught.value.code == 403
    assert caught.value.headers["x-amzn-ErrorType"] == "InvalidSignatureException"
    caught.value.close()


def raw(server, path, *, signed_path="/ListChannels", more=()):
    """The status of a request whose path and headers are sent as they are."""
    request = AWSRequest("POST", server.url + signed_path, {}, b"{}")
    key = Credentials(server.access_key_id, server.secret_access_key)
    SigV4Auth(key, "ivs", REGION).add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["http_port"], timeout=10)
    connection.putrequest("POST", path, skip_accept_encoding=True)
    for name, value in [*request.headers.items(), ("Content-Length", "2"), *more]:
        connection.putheader(name, value)
    connection.endheaders(b"{}")
    try:
        return connection.getresponse().status
    finally:
        connection.close()


RAW = [
    # id,                    path,                more headers,                        status
    ("as signed",            "/ListChannels",     [],                                  200),
    ("encoded twice",        "/%254CistChannels", [],                                  403),
    ("dots",                 "/x/../ListChannels", [],                                 403),
    ("slashes",              "//ListChannels",    [],                                  403),
    ("query",                "/ListChannels?a",   [],                                  403),
    ("unsigned header",      "/ListChannels",     [("Via", "1.1 proxy")],              200),
    ("unsigned x-amz",       "/ListChannels",     [("X-Amz-Target", "x")],             403),
    ("unsigned token",       "/ListChannels",     [("X-Amz-Security-Token", "x")],     403),
    ("second date",          "/ListChannels",     [("X-Amz-Date", "20300101T000000Z")], 403),
    ("second date, in capitals", "/ListChannels", [("X-AMZ-DATE", "20300101T000000Z")], 403),
    ("second authorization", "/ListChannels",     [("Authorization", "x")],            403),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "more", "status"), [row[1:] for row in RAW], ids=[row[0] for row in RAW]
)
def test_what_a_client_did_not_sign_is_refused_on_the_wire(server, path, more, status):
    assert raw(server, path, more=more) == status


BAD = [
    # id, arguments, says
    ("user name",          ["user", "create", "a b"],                         "user 'a b': 1 to 64"),
    ("no user to delete",  ["user", "delete", "nobody"],                      "there is no user 'nobody'"),
    ("account",            ["user", "create", "x", "--account", "12"],        "account '12': must be 12 digits"),
    ("key of nobody",      ["key", "create", "--user", "nobody"],             "there is no user 'nobody'"),
    ("expires",            ["key", "create", "--expires", "soon"],            "a number and s, m, h or d"),
    ("expires too late",   ["key", "create", "--expires", "37h"],             "1 second to 36 hours"),
    ("expires at once",    ["key", "create", "--expires", "0s"],              "1 second to 36 hours"),
    ("no key",             ["key", "delete", "AKHWX"],                        "there is no access key 'AKHWX'"),
    ("no policy",          ["policy", "show", "nothing"],                     "there is no policy 'nothing'"),
    ("managed",            ["policy", "delete", "IVSFullAccess"],             "is built in and stays"),
    ("policy name",        ["policy", "create", "a b", "--file", "-"],        "policy 'a b': 1 to 128"),
    ("managed name",       ["policy", "create", "IVSFullAccess", "--file", "-"], "already"),
    ("no file",            ["policy", "create", "x", "--file", "nowhere.json"], "'nowhere.json' cannot be read"),
    ("attach to nobody",   ["policy", "attach", "IVSFullAccess", "--user", "nobody"], "there is no user"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_a_mistake_is_one_clear_line(run, arguments, says):
    good = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})

    assert run(*arguments, fails=says, text=good).count("\n") == 1


def test_a_bad_document_is_refused_by_its_place(run):
    bad = json.dumps({"Statement": [{"Effect": "Allow", "Action": "GetChannel", "Resource": "*"}]})

    run("policy", "create", "x", "--file", "-", text=bad, fails="Statement[0].Action: 'GetChannel'")


def test_what_is_there_already_is_not_made_again(run):
    run("user", "create", "twice")
    run("user", "create", "twice", fails="there is a user 'twice' already")
    run("user", "create", "TWICE", fails="there is a user 'twice' already")
    run("policy", "attach", "IVSFullAccess", "--user", "twice")
    run("policy", "attach", "IVSFullAccess", "--user", "twice", fails="already")
    run("policy", "detach", "IVSReadOnlyAccess", "--user", "twice", fails="does not have policy")
    nothing = json.dumps({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})
    run("policy", "create", "mine", "--file", "-", text=nothing)
    run("policy", "create", "Mine", "--file", "-", text=nothing, fails="policy 'mine' already")


def test_no_secret_is_ever_logged(tmp_path):
    """Everything a server says at its most talkative, over calls that go well and badly."""
    with running_server(tmp_path / "data", flags=["--server-log-level", "debug"]) as server:
        folder = ["--server-data-dir", str(server.data_dir)]
        commands = [
            ["user", "create", "ana"],
            ["policy", "attach", "IVSFullAccess", "--user", "ana"],
            ["key", "create", "--user", "ana", "--expires", "1h"],
        ]
        done = [headwater(*command, *folder, cwd=tmp_path) for command in commands]
        assert [each.returncode for each in done] == [0] * len(commands)
        lines = pasted(done[-1].stdout)
        ana = client(server, lines)
        session = client(server, root(server), "sts").get_session_token()["Credentials"]
        answer = ana.create_channel(insecureIngest=True)
        channel, key = answer["channel"], answer["streamKey"]
        assert code(ana.get_channel, arn=channel["arn"]) == ""
        assert code(ana.get_stream_key, arn=key["arn"]) == ""
        assert code(ana.batch_get_stream_key, arns=[key["arn"]]) == ""
        assert code(ana.get_channel, arn=key["value"]) == "ValidationException"
        wrong = lines | {"AWS_SECRET_ACCESS_KEY": "wrong-secret-access-key"}
        assert code(client(server, wrong).list_channels) == "InvalidSignatureException"
        wrong = lines | {"AWS_SESSION_TOKEN": "wrong-session-token"}
        assert code(client(server, wrong).list_channels) == "UnrecognizedClientException"
        url = server.ivs().generate_presigned_url(
            "list_tags_for_resource", {"resourceArn": channel["arn"]}
        )
        urllib.request.urlopen(url, timeout=10).close()
        source = make_source(tmp_path / "source.flv", seconds=8)
        with publishing(source, server.ingest_url("rtmp", key["value"])):
            live(ana, channel["arn"])
        time.sleep(1)  # the end of the stream is logged too
        assert server.stop() == 0
        said = "".join(server.log)

    assert "api request" in said
    signature = url.rpartition("X-Amz-Signature=")[2].partition("&")[0]
    for secret in (
        server.secret_access_key,
        lines["AWS_SECRET_ACCESS_KEY"],
        lines["AWS_SESSION_TOKEN"],
        session["SecretAccessKey"],
        session["SessionToken"],
        "wrong-session-token",
        signature,
        key["value"],
        channel["srt"]["passphrase"],
    ):
        assert secret
        assert secret not in said
