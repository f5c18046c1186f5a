"""Post: one HTTP request, to an address that is looked at before it is connected to.

A name is resolved once, and what was looked at is what is connected to: no second answer of
the name server can lead elsewhere. Redirects are answers like others. Bounds are on the
whole exchange: what the peer sends, and how long it takes.

Source: RFC 9112 (HTTP/1.1), of which this is a client that sends one request a connection.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from msgspec import Struct

from headwater.core.errors import PeerError

MAX_HEAD_BYTES = 16_384
"""Status line and headers of an answer; servers have about 500 bytes of them."""
MAX_BODY_BYTES = 65_536
"""Of an answer: PutEvents says less than a kilobyte, and webhooks nothing that matters."""
MAX_INFORMATIONAL = 8
"""Answers of 1xx before the real one."""
TIMEOUT_S = 10.0
"""For all of it, from the look-up of the name to the end of the answer."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a server said."""

    status: int
    body: bytes


async def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    may_connect: Callable[[str], bool],
    reads_body: bool = False,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """Send one POST request.

    Args:
        url: http:// or https://.
        headers: without Host, Content-Length and Connection, which are added.
        body: what is sent.
        may_connect: whether an address, as a socket names it, may be connected to.
        reads_body: whether what follows the head of the answer is waited for.
        timeout_s: after which there is no answer.

    Raises:
        PeerError: no answer came, and why; says nothing of what was sent.
    """
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await _connect(parts.hostname or "", _port(url), url, may_connect)
            try:
                writer.write(_request(url, headers, body))
                await writer.drain()
                return await _answer(reader, reads_body=reads_body)
            finally:
                writer.transport.abort()  # said and answered: nothing to wait for
    except TimeoutError:
        raise PeerError(f"no answer within {timeout_s:g} s") from None
    except asyncio.IncompleteReadError:
        raise PeerError("the connection was closed before the answer was complete") from None
    except ssl.SSLError as error:  # before ValueError: one about certificates is both
        raise PeerError(f"TLS failed: {error.reason or 'no reason given'}") from None
    except (ValueError, asyncio.LimitOverrunError):
        raise PeerError("the answer is not HTTP/1.1, or too long") from None
    except OSError as error:
        raise PeerError(f"cannot connect: {error.strerror or type(error).__name__}") from None


async def _connect(
    host: str, port: int, url: str, may_connect: Callable[[str], bool]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(target[0]) for *_, target in found))
    allowed = [address for address in addresses if may_connect(address)]
    if not allowed:
        raise PeerError(
            "the host is at an address of a private network, which webhooks may not reach; "
            "events.private_webhooks = on allows it"
        )
    context = ssl.create_default_context() if url.startswith("https:") else None
    for address in allowed[:-1]:
        try:
            return await _open(address, port, context, host)
        except OSError:
            continue
    return await _open(allowed[-1], port, context, host)


async def _open(
    address: str, port: int, context: ssl.SSLContext | None, host: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(
        address,
        port,
        ssl=context,
        server_hostname=host if context else None,
        limit=MAX_HEAD_BYTES,
        flags=socket.AI_NUMERICHOST,  # nothing is resolved again
    )


def _request(url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


async def _answer(reader: asyncio.StreamReader, *, reads_body: bool) -> Answer:
    """Read an answer.

    Raises:
        ValueError, asyncio.LimitOverrunError, asyncio.IncompleteReadError: it is none.
    """
    for _ in range(MAX_INFORMATIONAL):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        status = int(rest[:3])
        if not version.startswith("HTTP/1.") or status < HTTPStatus.CONTINUE:
            raise ValueError(lines[0])
        if status >= HTTPStatus.OK:
            body = await _body(reader, status, _fields(lines[1:])) if reads_body else b""
            return Answer(status=status, body=body)
    raise ValueError("only 1xx")


def _fields(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, status: int, fields: Mapping[str, str]) -> bytes:
    """The body, or its first MAX_BODY_BYTES."""
    if status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return b""
    if "chunked" in fields.get("transfer-encoding", "").lower():
        return await _chunks(reader)
    length = fields.get("content-length", "")
    wanted = min(int(length), MAX_BODY_BYTES) if length else MAX_BODY_BYTES
    body = b""
    while len(body) < wanted and (more := await reader.read(wanted - len(body))):
        body += more
    return body


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) < MAX_BODY_BYTES:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if size == 0:
            return body
        wanted = min(size, MAX_BODY_BYTES - len(body))
        body += await reader.readexactly(wanted)
        if wanted < size:
            return body
        await reader.readexactly(2)
    return body
