"""The feed of events, read as a client would; a browser reads it in tests/e2e."""

import asyncio
import json
import time

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from api.people import ACCOUNT, add_key, add_user, statement
from headwater.api import event_feed
from headwater.core.http import Request
from headwater.store.events import EventRecord

REGION = "eu-west-1"
CHANNEL = f"arn:aws:ivs:{REGION}:{ACCOUNT}:channel/abcdABCDefgh"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(event_feed, "LOOK_S", 0.01)


def presigned(key, query="", *, last_id=None, region=REGION):
    url = "http://127.0.0.1:8080/events" + (f"?{query}" if query else "")
    request = AWSRequest("GET", url)
    credentials = Credentials(key.id, key.secret.reveal())
    SigV4QueryAuth(credentials, "ivs", region, expires=60).add_auth(request)
    headers = [("host", "127.0.0.1:8080")]
    if last_id is not None:
        headers.append(("last-event-id", last_id))
    query = request.url.partition("?")[2]
    return Request(method="GET", path="/events", query=query, headers=headers)


@pytest.fixture
def root(service):
    return service.runner.run(add_key(service.store))


async def tell(store, *told):
    records = [
        EventRecord(
            id=f"{channel}-{number}-{time.monotonic_ns()}",
            account=ACCOUNT,
            region=region,
            channel_id=channel,
            written_at_ms=1,
            body=json.dumps({"channel": channel, "number": number}),
        )
        for channel, number, region in told
    ]
    async with store.write() as work:
        await work.events.append(records)


def messages(text):
    """(id, data) of each whole message."""
    found = []
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in fields:
            found.append((fields["id"], json.loads(fields["data"])))
    return found


async def read(chunks, count):
    text = b""
    async with asyncio.timeout(10):
        while len(messages(text)) < count:
            text += await anext(chunks)
    return messages(text)


def test_a_client_is_told_what_happens_from_now_on_in_its_scope(service, root):
    async def play():
        await tell(service.store, ("old", 1, REGION))
        response = await service.api.respond(presigned(root))
        assert response.status == 200
        headers = {name.lower(): value for name, value in response.headers}
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["access-control-allow-origin"] == "*"
        assert "no-cache" in headers["cache-control"]
        assert await anext(response.chunks) == b"retry: 2000\n\n"
        await tell(service.store, ("a", 1, "mars-1"), ("a", 2, REGION), ("b", 3, REGION))
        got = await read(response.chunks, 2)
        await response.chunks.aclose()
        return got

    got = service.runner.run(play())
    assert [data for _, data in got] == [
        {"channel": "a", "number": 2},
        {"channel": "b", "number": 3},
    ]
    assert [id_ for id_, _ in got] == ["3", "4"]


@pytest.mark.parametrize("channel", ["abcdABCDefgh", CHANNEL], ids=["id", "arn"])
def test_a_client_that_comes_back_misses_nothing(service, root, channel, monkeypatch):
    monkeypatch.setattr(event_feed, "READ_AT_ONCE", 2)

    async def play():
        told = [("abcdABCDefgh", number, REGION) for number in range(1, 6)]
        await tell(service.store, *told, ("other", 9, REGION))
        query = "channel=" + channel.replace(":", "%3A").replace("/", "%2F")
        response = await service.api.respond(presigned(root, query, last_id="2"))
        got = await read(response.chunks, 3)
        await response.chunks.aclose()
        return got

    got = service.runner.run(play())
    assert [(id_, data["number"]) for id_, data in got] == [("3", 3), ("4", 4), ("5", 5)]


@pytest.mark.parametrize("last_id", ["", "x", "-1", "9" * 30, "999", "٣"])
def test_an_id_that_is_none_begins_with_what_is_new(service, root, last_id):
    async def play():
        await tell(service.store, ("a", 1, REGION))
        response = await service.api.respond(presigned(root, last_id=last_id))
        await anext(response.chunks)
        await tell(service.store, ("a", 2, REGION))
        got = await read(response.chunks, 1)
        await response.chunks.aclose()
        return got

    assert [data["number"] for _, data in service.runner.run(play())] == [2]


def test_silence_is_told_and_a_feed_ends_in_time(service, root, monkeypatch):
    monkeypatch.setattr(event_feed, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(event_feed, "LASTS_S", 0.3)

    async def play():
        response = await service.api.respond(presigned(root))
        async with asyncio.timeout(10):
            return [chunk async for chunk in response.chunks]

    said = service.runner.run(play())
    assert said[0] == b"retry: 2000\n\n"
    assert set(said[1:]) == {b": still here\n\n"}


def test_clients_are_bounded_and_one_that_leaves_makes_room(service, root, monkeypatch):
    monkeypatch.setattr(event_feed, "MAX_CLIENTS", 1)

    async def play():
        gone = asyncio.Event()
        request = presigned(root)
        request = Request(
            method="GET",
            path=request.path,
            query=request.query,
            headers=request.headers,
            disconnected=gone.wait,
        )
        first = await service.api.respond(request)
        await anext(first.chunks)
        refused = await service.api.respond(presigned(root))
        gone.set()
        async with asyncio.timeout(10):
            rest = [chunk async for chunk in first.chunks]
        again = await service.api.respond(presigned(root))
        return refused.status, rest, again.status

    assert service.runner.run(play()) == (503, [], 200)


def respond(service, request):
    return service.runner.run(service.api.respond(request))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("channel=not%20one", "ARN or id"),
        ("channel=", "ARN or id"),
        (f"channel=arn%3Aaws%3Aivs%3Amars-1%3A{ACCOUNT}%3Achannel%2Fabc", "signed for"),
        (f"channel=arn%3Aaws%3Aivs%3A{REGION}%3A{ACCOUNT}%3Astream-key%2Fabc", "ARN or id"),
    ],
)
def test_what_is_no_channel_is_refused(service, root, query, says):
    answer = respond(service, presigned(root, query))

    assert answer.status == 400
    assert says in json.loads(answer.body)["message"]


def test_the_signature_may_stand_in_a_header_and_one_channel_is_asked_for(service):
    statuses = [
        service.send("GET", "/events", query=query).status
        for query in ("channel=a", "channel=a&channel=b")
    ]
    assert statuses == [200, 400]


def test_nobody_is_told_without_a_signature(service, root):
    good = presigned(root, "channel=abcdABCDefgh")
    altered = Request(
        method="GET",
        path="/events",
        query=good.query.replace("abcdABCDefgh", "abcdABCDefgx"),
        headers=good.headers,
    )
    unsigned = Request(method="GET", path="/events", query="", headers=good.headers)

    assert [respond(service, one).status for one in (altered, unsigned)] == [403, 403]


def test_whoever_may_get_the_sessions_of_a_channel_may_follow_it(service):
    async def key_of(name, resource):
        user = await add_user(service.store, name, statement("ivs:GetStreamSession", resource))
        return await add_key(service.store, user.id)

    one = service.runner.run(key_of("one", CHANNEL))
    all_ = service.runner.run(key_of("all", f"arn:aws:ivs:{REGION}:{ACCOUNT}:channel/*"))
    statuses = {
        (key.id == one.id, query): respond(service, presigned(key, query)).status
        for key in (one, all_)
        for query in ("channel=abcdABCDefgh", "channel=other", "")
    }
    assert statuses == {
        (True, "channel=abcdABCDefgh"): 200,
        (True, "channel=other"): 403,
        (True, ""): 403,
        (False, "channel=abcdABCDefgh"): 200,
        (False, "channel=other"): 200,
        (False, ""): 200,
    }
