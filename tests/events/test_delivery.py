"""Each kind of target with its real other side, where there is one."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import boto3
import nats
import pytest
from msgspec import structs

from events.test_details import ENVELOPE
from events.test_put_events import MOTO_SERVER
from headwater.core.errors import PeerError
from headwater.core.secret import Secret
from headwater.events.delivery import Couriers, Order
from headwater.events.signing import new_secret, signed_headers
from headwater.events.targets import FileTarget, NatsTarget, PutEventsTarget, WebhookTarget

EVENT = json.loads(ENVELOPE)
NATS_SERVER = str(Path(sys.executable).with_name("nats-server"))
READY_S = 20


@pytest.fixture
async def couriers(tmp_path):
    couriers = couriers_in(tmp_path)
    yield couriers
    await couriers.close()


def couriers_in(folder, *, private_webhooks=True):
    return Couriers(
        folder=folder,
        file_max_bytes=1_000_000,
        private_webhooks=private_webhooks,
        now_s=lambda: int(time.time()),
    )


def order(target, secret=""):
    return Order(
        rule_id="r",
        target=target,
        secret=Secret(secret),
        event_id=EVENT["id"],
        body=ENVELOPE.encode(),
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def process(port, *command):
    """A server that listens on that port, while the block lasts."""
    running = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(READY_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield running
    finally:
        running.terminate()
        await running.wait()


# Webhooks.


async def test_a_webhook_gets_the_event_signed(couriers, receiver):
    secret = new_secret(bytes)
    await couriers.deliver(order(WebhookTarget(url=receiver.url), secret.reveal()))

    (got,) = receiver.received
    assert got.body == ENVELOPE.encode()
    assert got.path == "/hook"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"] == "Headwater"
    now_s = int(got.headers["webhook-timestamp"])
    expected = signed_headers(secret, EVENT["id"], now_s, got.body)
    assert {name: got.headers[name] for name in expected} == expected
    assert abs(time.time() - now_s) < 60


@pytest.mark.parametrize("status", [199 + 101, 400, 410, 429, 500])
async def test_any_answer_but_2xx_is_a_refusal(couriers, receiver, status):
    receiver.script = [status]
    with pytest.raises(PeerError, match=f"the answer was {status}"):
        await couriers.deliver(order(WebhookTarget(url=receiver.url), new_secret(bytes).reveal()))


async def test_webhooks_at_private_addresses_are_for_who_allows_them(tmp_path, receiver):
    strict = couriers_in(tmp_path, private_webhooks=False)
    with pytest.raises(PeerError, match=r"events\.private_webhooks"):
        await strict.deliver(order(WebhookTarget(url=receiver.url), new_secret(bytes).reveal()))
    assert receiver.connections == 0


# Files.


async def test_a_file_gets_a_line(couriers, tmp_path):
    target = FileTarget(name="a.jsonl")
    await asyncio.gather(*(couriers.deliver(order(target)) for _ in range(5)))

    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [EVENT] * 5


# NATS.


@pytest.fixture
async def server(tmp_path):
    port = free_port()
    flags = ["-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(tmp_path)]
    async with process(port, NATS_SERVER, *flags, "--user", "u", "--pass", "secret"):
        yield f"nats://127.0.0.1:{port}"


@pytest.fixture
async def subscriber(server):
    client = await nats.connect(server, user="u", password="secret")
    yield client
    await client.close()


async def test_a_subscriber_gets_the_event(couriers, server, subscriber):
    got = await subscriber.subscribe("headwater.>")
    await subscriber.flush()
    await couriers.deliver(order(NatsTarget(url=server, user="u"), "secret"))
    message = await got.next_msg(5)

    assert message.subject == "headwater.eu-west-1.Ab12Cd34Ef56.ivs-stream-state-change"
    assert json.loads(message.data) == EVENT


async def test_a_stream_keeps_the_event_once_however_often_it_is_sent(couriers, server, subscriber):
    target = NatsTarget(url=server, user="u", subject="kept.{name}", jetstream=True)
    with pytest.raises(PeerError, match="NATS: "):  # nothing stores it yet
        await couriers.deliver(order(target, "secret"))
    stream = await subscriber.jetstream().add_stream(name="kept", subjects=["kept.>"])
    for _ in range(2):
        await couriers.deliver(order(target, "secret"))

    info = await subscriber.jetstream().stream_info("kept")
    assert (stream.state.messages, info.state.messages) == (0, 1)


async def test_nats_refuses_a_wrong_password_and_the_text_does_not_repeat_it(couriers, server):
    with pytest.raises(PeerError, match="NATS: ") as refusal:
        await couriers.deliver(order(NatsTarget(url=server, user="u"), "wr0ng-password"))
    assert "wr0ng" not in str(refusal.value)


async def test_a_nats_server_that_comes_back_is_connected_to_again(couriers):
    port = free_port()
    target = NatsTarget(url=f"nats://127.0.0.1:{port}")
    command = (NATS_SERVER, "-a", "127.0.0.1", "-p", str(port))
    async with process(port, *command):
        await couriers.deliver(order(target))
    with pytest.raises(PeerError, match="NATS: "):
        await couriers.deliver(order(target))
    async with process(port, *command):
        await couriers.deliver(order(target))
        await couriers.keep_only({"another"})
        await couriers.deliver(order(target))


# PutEvents.


@pytest.mark.skipif(not MOTO_SERVER.exists(), reason="`make bench-tools` installs moto")
async def test_an_event_bus_takes_the_event_and_its_rule_finds_it(couriers):
    port = free_port()
    async with process(port, str(MOTO_SERVER), "-H", "127.0.0.1", "-p", str(port)):
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(make_bus, url)
        target = PutEventsTarget(
            url=url, region="eu-west-1", access_key_id="AKIDEXAMPLE", bus="video", source="my.video"
        )
        await couriers.deliver(order(target, "secret"))
        logged = await asyncio.to_thread(logged_by, url)
        with pytest.raises(PeerError, match=r"the answer was 4\d\d|refused"):
            await couriers.deliver(order(structs.replace(target, url=url + "/nowhere"), "secret"))

    assert logged["detail"] == EVENT["detail"]
    assert logged["detail-type"] == EVENT["detail-type"]
    assert logged["source"] == "my.video"
    assert logged["resources"] == EVENT["resources"]


def aws(service, url):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
    )


def make_bus(url):
    """A bus with a rule that logs what it gets."""
    events, logs = aws("events", url), aws("logs", url)
    logs.create_log_group(logGroupName="/aws/events/video")
    events.create_event_bus(Name="video")
    events.put_rule(
        Name="r",
        EventBusName="video",
        EventPattern=json.dumps(
            {"source": ["my.video"], "detail": {"event_name": ["Stream Start"]}}
        ),
    )
    arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/events/video"
    events.put_targets(Rule="r", EventBusName="video", Targets=[{"Id": "l", "Arn": arn}])


def logged_by(url):
    (event,) = aws("logs", url).filter_log_events(logGroupName="/aws/events/video")["events"]
    return json.loads(event["message"])
