"""One request, sent to a real socket that answers as a row says."""

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager

import pytest

from headwater.core.errors import PeerError
from headwater.events import post as module
from headwater.events.post import MAX_BODY_BYTES, MAX_HEAD_BYTES, post
from ingest.pki import Authority, pem


def anywhere(_address):
    return True


@asynccontextmanager
async def answering(*chunks, stays=False, context=None):
    """A server that sends these after a request; gives its port and the requests."""
    requests = []
    held = asyncio.Event()

    async def serve(reader, writer):
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        for chunk in chunks:
            writer.write(chunk)
            await asyncio.sleep(0)
        if stays:
            await held.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], requests
    finally:
        held.set()
        server.close()


async def sent(port, path="/", **options):
    options = {"may_connect": anywhere, "reads_body": True, "timeout_s": 5.0} | options
    return await post(f"http://127.0.0.1:{port}{path}", {"X-A": "b"}, b"body", **options)


ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloMORE", 200, b"hello"),
    "no-reason": (b"HTTP/1.1 204\r\n\r\n", 204, b""),
    "until-the-end": (b"HTTP/1.0 500 No\r\nA: b\r\n\r\nhello", 500, b"hello"),
    "redirect": (
        b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n",
        302,
        b"",
    ),
    "informational": (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        200,
        b"x",
    ),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
        200,
        b"abc0123456789",
    ),
}


@pytest.mark.parametrize(("said", "status", "body"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_answer_is_read(said, status, body):
    async with answering(*(said[at : at + 1] for at in range(len(said)))) as (port, requests):
        answer = await sent(port, "/hook?a=b")

    assert (answer.status, answer.body) == (status, body)
    (request,) = requests
    assert request == (
        b"POST /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-A: b\r\n"
        b"Content-Length: 4\r\nConnection: close\r\n\r\n" % port
    )


LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * (MAX_BODY_BYTES + 10)
CHUNK = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n" + b"x" * 2 * MAX_BODY_BYTES
)


@pytest.mark.parametrize("said", [LONG, CHUNK], ids=["length", "chunked"])
async def test_of_a_long_body_the_beginning_is_read(said):
    async with answering(said, stays=True) as (port, _):
        assert len((await sent(port)).body) == MAX_BODY_BYTES


async def test_a_body_that_nobody_asks_for_is_not_waited_for():
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n", stays=True) as (port, _):
        assert (await sent(port, reads_body=False)).status == 200


BAD = {
    "nothing": (b"", "closed before"),
    "half-a-head": (b"HTTP/1.1 200 OK\r\nA: b\r\n", "closed before"),
    "half-a-chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "closed before",
    ),
    "endless-head": (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 2 * MAX_HEAD_BYTES, "not HTTP/1.1"),
    "another-protocol": (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP/1.1"),
    "no-status": (b"HTTP/1.1 abc\r\n\r\n", "not HTTP/1.1"),
    "no-length": (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "not HTTP/1.1"),
    "negative-chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", "not HTTP"),
    "only-hints": (b"HTTP/1.1 103 Hints\r\n\r\n" * 20, "not HTTP/1.1"),
}


@pytest.mark.parametrize(("said", "says"), BAD.values(), ids=BAD.keys())
async def test_what_is_no_answer_is_told(said, says):
    async with answering(said) as (port, _):
        with pytest.raises(PeerError, match=says):
            await sent(port)


async def test_a_server_that_hangs_is_left():
    async with answering(stays=True) as (port, _):
        with pytest.raises(PeerError, match=r"no answer within 0\.05 s"):
            await sent(port, timeout_s=0.05)


async def test_nobody_listens():
    async with answering() as (port, _):
        pass
    with pytest.raises(PeerError, match="cannot connect: Connect"):
        await sent(port)


async def test_an_address_that_may_not_be_reached_is_not_connected_to():
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, requests):
        with pytest.raises(PeerError, match="private network"):
            await sent(port, may_connect=lambda address: address != "127.0.0.1")
        await asyncio.sleep(0)
    assert requests == []


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost"])
async def test_another_way_to_write_an_address_does_not_help(host):
    asked = []
    with pytest.raises(PeerError, match=r"private network|cannot connect"):
        await post(
            f"http://{host}:1/",
            {},
            b"",
            may_connect=lambda address: asked.append(address) or False,
        )
    assert set(asked) <= {"127.0.0.1", "::1"}


async def test_a_name_server_that_changes_its_mind_is_not_asked_again(monkeypatch):
    """DNS rebinding: what was looked at is what is connected to."""
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, requests):
        loop = asyncio.get_running_loop()
        real = loop.getaddrinfo
        names = []

        async def getaddrinfo(host, *arguments, **options):
            if host != "rebind.test":
                return await real(host, *arguments, **options)
            names.append(host)
            address = "127.0.0.1" if len(names) == 1 else "127.0.0.2"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        answer = await post(
            f"http://rebind.test:{port}/",
            {},
            b"",
            may_connect=lambda address: address == "127.0.0.1",
        )
    assert answer.status == 200
    assert names == ["rebind.test"]
    assert b"Host: rebind.test:" in requests[0]


async def test_of_several_addresses_only_those_allowed_are_tried_one_after_another(monkeypatch):
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, _):
        loop = asyncio.get_running_loop()
        opened = []
        real = module._open

        async def getaddrinfo(*_, **__):
            addresses = ["10.0.0.1", "127.0.0.9", "127.0.0.1"]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

        async def remembering(address, *arguments):
            opened.append(address)
            if address == "127.0.0.9":
                raise ConnectionRefusedError
            monkeypatch.undo()
            return await real(address, *arguments)

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(module, "_open", remembering)
        answer = await post(
            f"http://many.test:{port}/",
            {},
            b"",
            may_connect=lambda address: address.startswith("127."),
        )
    assert answer.status == 200
    assert opened == ["127.0.0.9", "127.0.0.1"]


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """A server's context; clients trust its issuer."""
    authority = Authority()
    certificate, key = authority.issue(tmp_path, "leaf")
    root = tmp_path / "root.pem"
    root.write_bytes(pem(authority.root))
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_the_certificate_must_be_the_names(tls):
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with answering(said, context=tls) as (port, requests):
        for host, fails in (("localhost", False), ("127.0.0.1", False), ("127.0.0.2", True)):
            sending = post(f"https://{host}:{port}/", {}, b"", may_connect=anywhere)
            if fails:
                with pytest.raises(PeerError, match=r"TLS failed|cannot connect"):
                    await sending
            else:
                assert (await sending).status == 200
    assert len(requests) == 2


async def test_a_certificate_that_nobody_trusts_is_refused(tls, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    async with answering(context=tls) as (port, requests):
        with pytest.raises(PeerError, match="TLS failed: CERTIFICATE_VERIFY_FAILED"):
            await post(f"https://localhost:{port}/", {}, b"", may_connect=anywhere)
    assert requests == []
