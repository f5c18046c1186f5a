"""Answers whose body comes piece by piece, over real connections."""

import asyncio
import contextlib
import json
import shutil

import pytest

from headwater.core.http import Response
from headwater.node import http_server
from headwater.node.http_server import HttpServer
from headwater.node.listen import listen, port_of
from headwater.node.proxies import Proxies

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Source:
    """Chunks that are let through one by one, and what became of those who asked."""

    def __init__(self):
        self.gate = asyncio.Queue()
        self.ended = asyncio.Event()

    async def respond(self, request):
        return Response(status=200, headers=[("x-kind", "live")], chunks=self._chunks(request))

    async def _chunks(self, request):
        gone = asyncio.ensure_future(_wait(request.disconnected))
        try:
            while True:
                chunk = asyncio.ensure_future(self.gate.get())
                await asyncio.wait([chunk, gone], return_when=asyncio.FIRST_COMPLETED)
                if not chunk.done():
                    chunk.cancel()
                    return
                if chunk.result() is None:
                    return
                yield chunk.result()
        finally:
            gone.cancel()
            self.ended.set()


async def _wait(disconnected):
    await disconnected()


def said(answer):
    """The code and the text of an error, as the API answers."""
    head, _, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)
    assert f"x-amzn-errortype: {error['__type']}".lower() in head.decode().lower()
    assert error["exceptionMessage"] == error["message"]
    return error["__type"], error["message"]


@contextlib.asynccontextmanager
async def serving(respond):
    with listen("127.0.0.1", 0, "http.port") as sock:
        port = port_of(sock)
        server = HttpServer(sock, respond, max_body_bytes=1024)
        server.start()
        try:
            yield port
        finally:
            await server.stop()


async def test_chunks_are_sent_as_they_come():
    source = Source()
    async with serving(source.respond) as port, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200")
        assert "transfer-encoding: chunked" in head
        assert "x-kind: live" in head
        assert "content-length" not in head
        for text in (b"one", b"and two"):
            source.gate.put_nowait(text)
            chunk = b"%x\r\n%s\r\n" % (len(text), text)
            assert await reader.readexactly(len(chunk)) == chunk
        source.gate.put_nowait(None)
        assert await reader.readexactly(5) == b"0\r\n\r\n"
        writer.close()
        await writer.wait_closed()


async def test_chunks_end_when_the_client_leaves():
    source = Source()
    async with serving(source.respond) as port, asyncio.timeout(10):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        source.gate.put_nowait(b"one")
        await asyncio.sleep(0.1)
        assert not source.ended.is_set()

        writer.close()
        await source.ended.wait()


async def test_chunks_end_when_they_cannot_be_sent():
    """A source that does not look whether its client is there."""
    ended = asyncio.Event()

    async def endless():
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    async def respond(_):
        return Response(status=200, chunks=endless())

    async with serving(respond) as port, asyncio.timeout(10):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await asyncio.sleep(0.1)
        writer.close()
        await ended.wait()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl speaks HTTP/2 for this test")
async def test_chunks_are_data_frames_in_http_2():
    source = Source()
    async with serving(source.respond) as port, asyncio.timeout(10):
        url = f"http://127.0.0.1:{port}/"
        curl = await asyncio.create_subprocess_exec(
            "curl", "-sN", "--http2-prior-knowledge", url, stdout=asyncio.subprocess.PIPE
        )
        for text in (b"one", b"and two"):
            source.gate.put_nowait(text)
            assert await curl.stdout.readexactly(len(text)) == text
        source.gate.put_nowait(None)
        assert await curl.stdout.read() == b""
        assert await curl.wait() == 0


CUT_OFF = [
    # id,          headers,                        body
    ("by length",  b"content-length: 20",          b'{"a":1}'),
    ("no byte",    b"content-length: 20",          b""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "body"), [row[1:] for row in CUT_OFF], ids=[row[0] for row in CUT_OFF]
)
async def test_a_body_that_ends_too_early_is_a_bad_request(header, body):
    seen = []

    async def respond(request):
        seen.append(request.body)
        return Response(status=200)

    async with serving(respond) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\n" + header + b"\r\n\r\n" + body)
        writer.write_eof()
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert said(answer) == ("ValidationException", "The body ended before its stated length")
    assert seen == []


async def test_a_body_that_does_not_come_is_told_so(monkeypatch):
    monkeypatch.setattr(http_server, "BODY_TIMEOUT_S", 0.05)

    async def respond(_request):
        raise AssertionError

    async with serving(respond) as port, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert said(answer) == (
        "RequestTimeoutException",
        "A request's body has to be complete within 0.05 seconds",
    )


async def test_an_answer_that_fails_is_an_internal_error_of_the_api():
    async def respond(_request):
        raise RuntimeError

    async with serving(respond) as port, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert said(answer)[0] == "InternalServerException"


BODIES = [
    # id,                headers,                                               body, seen
    ("by length",        b"content-length: 3",                                  b"abc", b"abc"),
    ("of no byte",       b"content-length: 0",                                  b"", b""),
    ("as long as it may be", b"content-length: 1024",                           b"x" * 1024, b"x" * 1024),
    ("too long",         b"content-length: 3000",                               b"x" * 3000, b"x" * 1025),
    ("chunked",          b"transfer-encoding: chunked",                         b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    ("chunked, too long", b"transfer-encoding: chunked",
     b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n", b"x" * 1025),
    ("chunked, with a length that says less", b"content-length: 3\r\ntransfer-encoding: chunked",
     b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n", b"x" * 1025),
]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "body", "expected"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
async def test_no_more_of_a_body_is_kept_than_tells_that_it_is_too_long(header, body, expected):
    seen = []

    async def respond(request):
        seen.append(request.body)
        return Response(status=200)

    async with serving(respond) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\n" + header + b"\r\n\r\n" + body)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    assert seen == [expected]


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1")])
async def test_a_request_comes_from_whom_a_trusted_proxy_names_and_else_from_its_peer(host, shown):
    async def respond(request):
        return Response(status=200, body=request.client_address.strip("[]").encode())

    forwarded = b"GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.1, 198.51.100.7\r\n\r\n"
    for proxies, client in (
        ("127.0.0.0/8,::1", "198.51.100.7"),
        ("10.0.0.0/8", shown),
        ("", shown),
    ):
        with listen(host, 0, "http.port") as sock:
            port = port_of(sock)
            server = HttpServer(sock, respond, max_body_bytes=1024, proxies=Proxies(proxies))
            server.start()
            try:
                async with asyncio.timeout(10):
                    reader, writer = await asyncio.open_connection(host, port)
                    writer.write(forwarded)
                    await reader.readuntil(b"\r\n\r\n")
                    assert (await reader.read(len(client))).decode() == client
                    writer.close()
            finally:
                await server.stop()
