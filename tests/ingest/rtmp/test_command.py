import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import PeerError
from headwater.ingest.rtmp.amf0 import decode_all, encode
from headwater.ingest.rtmp.command import (
    Command,
    connect_result,
    parse_command,
    status,
    text_argument,
)
from headwater.ingest.rtmp.message import Message


def call(body, type_id=20):
    return Message(type_id=type_id, stream_id=0, timestamp_ms=0, body=body)


def command(name, tid=0.0, properties=None, arguments=()):
    return Command(
        name=name,
        transaction_id=tid,
        properties=properties or {},
        arguments=list(arguments),
    )


CONNECT = {"app": "app"}
ECMA = b"\x08\0\0\0\x01" + encode(CONNECT)[1:]

READ = [
    # id,                              body,                                     command
    ("connect",                        encode("connect", 1.0, CONNECT),          command("connect", 1.0, CONNECT)),
    ("R-36 connect with ecma array",   encode("connect", 1.0) + ECMA,            command("connect", 1.0, CONNECT)),
    ("publish",                        encode("publish", 5.0, None, "k", "live"), command("publish", 5.0, None, ["k", "live"])),
    ("R-35 publish without type",      encode("publish", 5.0, None, "k"),        command("publish", 5.0, None, ["k"])),
    ("R-34 without transaction id",    encode("FCPublish", None, "k"),           command("FCPublish", 0.0, None, ["k"])),
    ("nothing but the argument",       encode("FCPublish", "k"),                 command("FCPublish", 0.0, None, ["k"])),
    ("nothing but the name",           encode("createStream"),                   command("createStream")),
    ("no command object",              encode("deleteStream", 3.0),              command("deleteStream", 3.0)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "expected"), [row[1:] for row in READ], ids=[row[0] for row in READ]
)
def test_commands_read_with_or_without_their_optional_parts(body, expected):
    assert parse_command(call(body)) == expected
    assert parse_command(call(b"\0" + body, type_id=17)) == expected
    assert parse_command(call(body, type_id=17)) == expected


@pytest.mark.parametrize("body", [b"", encode(1.0), encode(None)], ids=["empty", "number", "null"])
def test_a_command_has_a_name(body):
    with pytest.raises(PeerError, match="without a name"):
        parse_command(call(body))


def test_only_text_is_a_text_argument():
    publish = command("publish", arguments=["key", 1.0])

    assert [text_argument(publish, index) for index in range(3)] == ["key", "", ""]


def test_connect_gets_the_usual_properties():
    name, transaction_id, server, info = decode_all(connect_result(1.0).body)

    assert (name, transaction_id) == ("_result", 1.0)
    assert server["fmsVer"].startswith("FMS/3,")
    assert info["code"] == "NetConnection.Connect.Success"
    assert info["objectEncoding"] == 0.0


LEVELS = [
    ("NetStream.Publish.Start", "status"),
    ("NetStream.Unpublish.Success", "status"),
    ("NetStream.Publish.Denied", "error"),
]


@pytest.mark.parametrize(("code", "level"), LEVELS, ids=[row[0] for row in LEVELS])
def test_the_level_of_a_status_follows_from_its_code(code, level):
    message = status(code, "Why.")

    assert message.stream_id == 1
    assert decode_all(message.body) == [
        "onStatus",
        0.0,
        None,
        {"level": level, "code": code, "description": "Why."},
    ]


@given(st.binary(max_size=100))
def test_any_bytes_give_a_command_or_a_peer_error(body):
    with contextlib.suppress(PeerError):
        parse_command(call(body))
