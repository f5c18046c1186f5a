"""Events on their way out: ffmpeg streams, the commands make rules, real receivers listen."""

import json
import re
import subprocess
import urllib.request
import uuid
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace

import pytest

from e2e.blocks import blocks_of
from e2e.browser import open_page
from e2e.harness import (
    HEADWATER,
    REGION,
    headwater,
    publishing,
    running_server,
    wait_for,
    wait_until_live,
)
from e2e.web import web_server

ALLOWED = ("--events-private-webhooks", "on")
PAGE = b"<!doctype html><title>a page of another origin</title>"
LIFE = ["Session Created", "Stream Start", "Stream End", "Session Ended"]


@contextmanager
def receiving(port=0):
    """A web server that webhooks are sent to; gives its port and what it got."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(SimpleNamespace(headers=self.headers, body=body, path=self.path))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with web_server(Handler, port) as bound:
        yield SimpleNamespace(port=bound, got=got)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("events") / "data", flags=ALLOWED) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    return server.ivs()


def command(server, *arguments, data_dir=None):
    folder = ("--server-data-dir", str(data_dir or server.data_dir))
    done = headwater("events", *arguments, *folder, cwd=server.data_dir.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def put_webhook(server, name, port, *more):
    """Make a rule; its secret."""
    to = f"http://127.0.0.1:{port}/{name}"
    said = command(server, "rules", "put", name, "--to", to, "--region", REGION, *more)
    return re.search(r"whsec_\S+", said)[0]


def told(received, arn):
    """The events of a channel."""
    events = [json.loads(one.body) for one in list(received)]
    return [event for event in events if event["resources"] == [arn]]


def names(events):
    return [event["detail"]["event_name"] for event in events]


def stream(server, client, source, arn, key):
    """A short stream, told to its end; the answer of GetStreamSession."""
    with publishing(source, server.ingest_url("rtmp", key)):
        wait_until_live(client, arn)
    return wait_for(lambda: ended(client, arn), 20, "the session to end")


def ended(client, arn):
    session = client.get_stream_session(channelArn=arn)["streamSession"]
    return session if "endTime" in session else None


def verifies(secret, received):
    """What the how-to page's receiver says to a request."""
    names = {}
    (program,) = [block for block in blocks_of("events.md", "python") if "def verify" in block]
    exec(program, names)  # noqa: S102
    return names["verify"](secret, received.headers, received.body)


def test_a_webhook_is_told_the_life_of_a_stream(server, client, channel, source):
    made, key = channel(insecureIngest=True, name="demo")
    arn = made["arn"]
    with receiving() as hook:
        secret = put_webhook(server, "life", hook.port)
        session = stream(server, client, source, arn, key["value"])
        wait_for(lambda: len(told(hook.got, arn)) == 4, 20, "four events")
        events = told(hook.got, arn)
        command(server, "rules", "delete", "life", "--region", REGION)

    assert names(events) == LIFE
    times = [event["eventTime"] for event in session["truncatedEvents"]][::-1]
    for event, time in zip(events, times, strict=True):
        assert str(uuid.UUID(event.pop("id"))) != ""
        assert event == {
            "version": "0",
            "detail-type": "IVS Stream State Change",
            "source": "aws.ivs",
            "account": "000000000000",
            "time": f"{time:%Y-%m-%dT%H:%M:%SZ}",
            "region": REGION,
            "resources": [arn],
            "detail": {
                "event_name": event["detail"]["event_name"],
                "channel_name": "demo",
                "stream_id": session["streamId"],
            },
        }
    one = hook.got[0]
    assert verifies(secret, one)
    altered = SimpleNamespace(headers=one.headers, body=one.body.replace(b"demo", b"d3mo"))
    assert not verifies(secret, altered)
    assert not verifies("whsec_" + "A" * 44, one)
    assert secret not in "".join(server.log)


def test_a_pattern_chooses_and_the_other_commands_see_the_same(server, client, channel, source):
    made, key = channel(insecureIngest=True)
    other, other_key = channel(insecureIngest=True)
    chosen = '{"detail": {"event_name": [{"prefix": "Stream"}]}}'
    tail = subprocess.Popen(
        [HEADWATER, "events", "tail", "--channel", made["arn"], "--since", "1m",
         "--server-data-dir", str(server.data_dir)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        with receiving() as hook:
            put_webhook(server, "chosen", hook.port, "--pattern", chosen)
            put_rule = ("rules", "put", "kept", "--to", "file:kept.jsonl", "--region", REGION)
            command(server, *put_rule)
            stream(server, client, source, made["arn"], key["value"])
            stream(server, client, source, other["arn"], other_key["value"])
            wait_for(lambda: len(hook.got) == 4, 20, "two events of each stream")
            assert names(told(hook.got, made["arn"])) == ["Stream Start", "Stream End"]

            command(server, "redeliver", "chosen", "--region", REGION, "--since", "5m")
            wait_for(lambda: len(hook.got) >= 8, 20, "all of them again")
        ids = [one.headers["webhook-id"] for one in hook.got]
        assert len(ids) > len(set(ids))

        file = server.data_dir / "events" / "kept.jsonl"
        wait_for(lambda: file.exists() and file.read_text().count("\n") == 8, 20, "eight lines")
        kept = [json.loads(line) for line in file.read_text().splitlines()]
        mine = [event for event in kept if event["resources"] == [made["arn"]]]
        followed = [json.loads(tail.stdout.readline()) for _ in range(4)]
        assert names(mine) == LIFE
        assert followed == mine
        listed = command(server, "rules", "list")
        assert re.search(r"chosen +us-west-2 +enabled +webhook http://127.0.0.1:\d+/chosen", listed)
        assert "whsec_" not in listed
    finally:
        tail.terminate()
        tail.wait(10)
        tail.stdout.close()


def test_what_happened_before_a_server_was_killed_is_told_after_it(tmp_path, source):
    with receiving() as away:
        port = away.port
    with running_server(tmp_path / "data", flags=ALLOWED) as first:
        client = first.ivs()
        made = client.create_channel(insecureIngest=True)
        arn, key = made["channel"]["arn"], made["streamKey"]["value"]
        put_webhook(first, "later", port)
        with publishing(source, first.ingest_url("rtmp", key)):
            wait_until_live(client, arn)
            wait_for(lambda: " not delivered" in "".join(first.log), 20, "a failed attempt")
            first.process.kill()
            first.process.wait()
        key = (first.access_key_id, first.secret_access_key)
    with receiving(port) as back, running_server(tmp_path / "data", key, flags=ALLOWED) as second:
        wait_for(lambda: len(told(back.got, arn)) == 4, 30, "four events")
        session = ended(second.ivs(), arn)
        events = told(back.got, arn)
    assert names(events) == LIFE
    assert events[-1]["time"] == f"{session['truncatedEvents'][0]['eventTime']:%Y-%m-%dT%H:%M:%SZ}"


def test_a_webhook_at_a_private_address_is_refused_unless_allowed(tmp_path, source):
    with receiving() as hook, running_server(tmp_path / "data") as server:
        client = server.ivs()
        made = client.create_channel(insecureIngest=True)
        put_webhook(server, "private", hook.port)
        with publishing(source, server.ingest_url("rtmp", made["streamKey"]["value"])):
            wait_for(lambda: "private_webhooks" in "".join(server.log), 20, "a refusal")
        assert hook.got == []
        assert "private network" in command(server, "rules", "list")


def feed_url(server, arn):
    """The address that the how-to page's program makes."""
    names = {}
    (program,) = [block for block in blocks_of("events.md", "python") if "def feed_url" in block]
    exec(program, names)  # noqa: S102
    key = SimpleNamespace(
        access_key=server.access_key_id, secret_key=server.secret_access_key, token=None
    )
    return names["feed_url"](server.url, key, REGION, arn)


def test_a_page_follows_a_stream_and_who_comes_back_misses_nothing(server, client, channel, source):
    made, key = channel(insecureIngest=True)
    arn = made["arn"]
    url = feed_url(server, arn)
    (script,) = blocks_of("events.md", "js")
    with receiving() as site, open_page() as page:
        page.goto(f"http://127.0.0.1:{site.port}/")
        page.evaluate("url => { window.feedUrl = url; window.told = []; }", url)
        told = "window.told.push([message.lastEventId, event.id]); void ("
        page.add_script_tag(content=script.replace("console.log(", told))
        page.wait_for_function("feed.readyState === EventSource.OPEN", timeout=10_000)
        stream(server, client, source, arn, key["value"])
        page.wait_for_function("window.told.length === 4", timeout=20_000)
        told = page.evaluate("window.told")

    _, second, *rest = told
    request = urllib.request.Request(url, headers={"Last-Event-ID": second[0]})
    with urllib.request.urlopen(request, timeout=20) as answer:
        lines = [answer.readline().decode().strip() for _ in range(8)]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [event["id"] for event in data] == [event_id for _, event_id in rest]
    assert names(data) == LIFE[2:]
