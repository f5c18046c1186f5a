"""R's paws, byte by byte: the requests it was seen to send, written to a socket.

It sends no Content-Type, signs content-length, host and x-amz-date, leaves Accept at curl's
default, and repeats the first of several tag keys.
"""

import json
import socket
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from e2e.harness import REGION


@pytest.fixture
def paws(server):
    """Sends one request as paws does; gives status, headers and the parsed body."""
    host = f"127.0.0.1:{server.ports['http_port']}"
    keys = Credentials(server.access_key_id, server.secret_access_key)

    def call(method, path, body=None, *, step=None):
        text = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        request = AWSRequest(method, f"http://{host}{path}", {"Host": host}, text)
        request.headers["Content-Length"] = str(len(text))
        SigV4Auth(keys, "ivs", REGION).add_auth(request)
        assert "SignedHeaders=content-length;host;x-amz-date," in request.headers["Authorization"]
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {host}",
            "User-Agent: paws/0.7.7 (R4.2.2; linux-gnu; x86_64)",
            "Accept-Encoding: deflate, gzip, br, zstd",
            "Accept: application/json, text/xml, application/xml, */*",
            f"X-Amz-Date: {request.headers['X-Amz-Date']}",
            f"Authorization: {request.headers['Authorization']}",
            f"Content-Length: {len(text)}",
            "Connection: close",
        ]
        sent = "\r\n".join([*lines, "", ""]).encode() + text
        with socket.create_connection(("127.0.0.1", server.ports["http_port"]), 10) as connection:
            for start in range(0, len(sent), step or len(sent)):
                connection.sendall(sent[start : start + (step or len(sent))])
            head, _, answer = connection.makefile("rb").read().partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in rest)
        return int(first.split()[1]), headers, json.loads(answer) if answer else None

    return call


@pytest.mark.parametrize("step", [None, 7, 1])
def test_json_is_read_whatever_its_content_type_and_however_it_arrives(paws, client, step):
    status, headers, answer = paws("POST", "/CreateChannel", {"name": "r-show"}, step=step)

    assert (status, headers["content-type"]) == (200, "application/json")
    arn = answer["channel"]["arn"]
    assert client.get_channel(arn=arn)["channel"] == answer["channel"]
    assert paws("POST", "/DeleteChannel", {"arn": arn})[::2] == (204, None)


def test_a_call_without_arguments_is_an_empty_object_or_nothing_at_all(paws):
    assert paws("POST", "/ListChannels", {})[0] == 200
    assert paws("POST", "/ListChannels")[0] == 200


def test_an_error_is_json_with_code_and_text_in_every_place_that_is_looked_at(paws, channel):
    made, _ = channel()
    status, headers, answer = paws("POST", "/GetStream", {"channelArn": made["arn"]})

    assert (status, headers["content-type"]) == (404, "application/json")
    assert headers["x-amzn-errortype"] == "channelnotbroadcasting"
    assert answer["__type"] == "ChannelNotBroadcasting"
    assert answer["message"] == answer["exceptionMessage"] != ""


def test_even_a_path_that_is_none_is_answered_in_json(paws):
    status, headers, answer = paws("POST", "/NoSuchOperation", {})

    assert (status, headers["content-type"]) == (404, "application/json")
    assert answer["message"]


def test_a_tag_key_sent_twice_is_removed_once(paws, channel):
    made, _ = channel(tags={"a": "1", "b": "2"})
    path = "/tags/" + quote(made["arn"], safe="")

    assert paws("DELETE", f"{path}?tagKeys=a&tagKeys=a")[0] == 200
    assert paws("GET", path)[2] == {"tags": {"b": "2"}}
