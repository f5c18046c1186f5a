import json

import msgspec
import pytest

from events.test_details import ENVELOPE, event
from headwater.core.errors import OperatorError
from headwater.events.targets import (
    FileTarget,
    NatsTarget,
    PutEventsTarget,
    WebhookTarget,
    read_target,
    subject_of,
    target_of,
)

AWS = "eventbridge+https://events.eu-west-1.amazonaws.com"
WRITTEN = [
    ("https://example.com/hook?a=b", {}, WebhookTarget(url="https://example.com/hook?a=b")),
    ("http://[::1]:8080/", {}, WebhookTarget(url="http://[::1]:8080/")),
    ("nats://h:4222", {}, NatsTarget(url="nats://h:4222")),
    (
        "tls://h",
        {"subject": "a.{channel}", "user": "u", "jetstream": "on"},
        NatsTarget(url="tls://h", subject="a.{channel}", user="u", jetstream=True),
    ),
    ("nats://h", {"jetstream": "off"}, NatsTarget(url="nats://h")),
    (
        AWS,
        {"access_key_id": "AKIA", "source": "my.video", "bus": "b"},
        PutEventsTarget(
            url="https://events.eu-west-1.amazonaws.com",
            region="mars-1",
            access_key_id="AKIA",
            source="my.video",
            bus="b",
        ),
    ),
    (
        "eventbridge+http://localhost:4566",
        {"access_key_id": "a", "region": "venus-1"},
        PutEventsTarget(url="http://localhost:4566", region="venus-1", access_key_id="a"),
    ),
    ("file:a.jsonl", {}, FileTarget(name="a.jsonl")),
]


@pytest.mark.parametrize(("to", "options", "target"), WRITTEN, ids=[row[0] for row in WRITTEN])
def test_what_people_write_is_kept_and_read_again(to, options, target):
    stored = target_of(to, options, region="mars-1")

    assert read_target(json.loads(json.dumps(stored))) == target
    assert stored == msgspec.to_builtins(target)
    assert target.place


REFUSED = [
    ("ftp://x", {}, "must begin with"),
    ("", {}, "must begin with"),
    ("https://", {}, "a host"),
    ("https:///path", {}, "a host"),
    ("https://u:p@example.com", {}, "password"),
    ("https://example.com/#x", {}, "fragment"),
    ("https://exa mple.com/", {}, "without spaces"),
    ("https://example.com/\r\nX: y", {}, "without spaces"),
    ("https://exämple.com/", {}, "ASCII"),
    ("https://example.com:x/", {}, "cannot be read"),
    ("https://example.com:0/", {}, "a port"),
    ("https://example.com/" + "a" * 2048, {}, "length <= 2048"),
    ("https://example.com", {"user": "x"}, "unknown field `user`"),
    ("nats://u@h", {}, "password"),
    ("nats://h", {"subject": "a b"}, "tokens"),
    ("nats://h", {"subject": "a..b"}, "tokens"),
    ("nats://h", {"subject": "a.>"}, "tokens"),
    ("nats://h", {"subject": "a.*"}, "tokens"),
    ("nats://h", {"subject": "a.{secret}"}, "unknown field {secret}"),
    ("nats://h", {"subject": "a.{channel"}, "tokens"),
    ("nats://h", {"subject": ""}, "length >= 1"),
    ("nats://h", {"jetstream": "true"}, "on or off, not 'true'"),
    ("nats://h", {"jetstream": ""}, "on or off"),
    ("https://h", {"jetstream": "on"}, "unknown field `jetstream`"),
    (AWS, {"access_key_id": "AKIA"}, "names? another source"),
    (AWS, {"source": "my.video"}, "access_key_id"),
    ("eventbridge+ftp://x", {"access_key_id": "a"}, "must be https:// or http://"),
    ("file:", {}, "regex"),
    ("file:../x", {}, "regex"),
    ("file:a/b", {}, "regex"),
    ("file:.hidden", {}, "regex"),
    ("file:a\n", {}, "regex"),
]


@pytest.mark.parametrize(
    ("to", "options", "says"), REFUSED, ids=[f"{row[0][:40]}-{row[2]}" for row in REFUSED]
)
def test_a_target_that_is_none_is_refused_in_words(to, options, says):
    with pytest.raises(OperatorError, match=says) as refusal:
        target_of(to, options, region="mars-1")
    assert ":p@" not in str(refusal.value)


def test_a_subject_has_a_token_for_each_field():
    template = "x.{account}.{region}.{channel}.{type}.{name}"

    assert subject_of(template, json.loads(ENVELOPE)) == (
        "x.111122223333.eu-west-1.Ab12Cd34Ef56.ivs-stream-state-change.stream-start"
    )


def test_what_an_event_lacks_is_none():
    assert subject_of("{channel}.{name}", event(channel_id="") | {"detail": {}}) == "none.none"
