"""HTTP by Granian, embedded in our event loop: RSGI in, core.http values out.

HTTP/1.1 on the plain port; HTTP/1.1 and HTTP/2 by ALPN on the TLS port.
"""

import asyncio
import contextlib
import math
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from granian._granian import RSGIProtocolClosed, SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server

from headwater.api.errors import (
    ApiError,
    InternalServerError,
    RequestTimeoutError,
    ValidationError,
    error_response,
)
from headwater.core.http import Request, Response
from headwater.node.certificate import CertificateFiles
from headwater.node.listen import BACKLOG
from headwater.node.proxies import NONE_TRUSTED, Proxies
from headwater.node.time_limit import TimeLimit

MAX_REQUESTS = 200_000
"""Requests in work at once. Every waiting viewer holds one, so far above Granian's default,
which follows the backlog; waiters have a bound of their own in delivery."""
HEADER_TIMEOUT_MS = 10_000
"""A connection that sends no complete request head in this time is closed."""
BODY_TIMEOUT_S = 20.0
"""A body that is not complete in this time is not waited for."""
MAX_THROWN_AWAY_BYTES = 64 << 20
"""Of a body that is too long; enough for any honest mistake."""
BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose body, if any, is not read; nearly all requests, so a timer is spared."""
STOP_S = 1.0
"""How long answers in progress may take when the server stops."""
TAKE_OVER_S = 0.5
"""For a server with a new certificate to fail, if it is going to."""

Respond = Callable[[Request], Awaitable[Response]]

log = structlog.get_logger(__name__)


class _EmbeddedServer(Server):
    """Granian on a socket that is bound already.

    Binding itself, it would set SO_REUSEPORT: two servers would silently share a port,
    and the port chosen for 0 could not be read back.
    """

    def __init__(self, app: Any, listener: socket.socket, **options: Any) -> None:  # noqa: ANN401
        address, port = listener.getsockname()[:2]
        super().__init__(app, address=address, port=port, **options)
        self._listener = listener

    def _init_shared_socket(self) -> None:
        # Descriptor (closed by Granian), not a Unix socket, backlog; the stub has no arguments.
        holder: Any = SocketHolder
        self._shd = holder(self._listener.detach(), False, BACKLOG)  # noqa: FBT003


class HttpServer:
    """One listening socket that answers with `respond`."""

    def __init__(
        self,
        listener: socket.socket,
        respond: Respond,
        *,
        max_body_bytes: int,
        certificate: CertificateFiles | None = None,
        proxies: Proxies = NONE_TRUSTED,
    ) -> None:
        self._listener = listener
        self._respond = respond
        self._max_body_bytes = max_body_bytes
        self._certificate = certificate
        self._proxies = proxies
        self._server: _EmbeddedServer
        self._task: asyncio.Task[None] | None = None
        self._body_limit = TimeLimit(BODY_TIMEOUT_S)
        self._leaving: set[asyncio.Task[None]] = set()  # servers of older certificates

    def start(self) -> None:
        """Serve from the running event loop."""
        self._server, self._task = self._serve()

    async def renew_certificate(self) -> None:
        """Serve new connections with what the certificate's files hold now.

        Granian reads them once, so a second server takes the listening socket over. The
        first finishes its answers; its idle connections are closed, as after any keep-alive,
        and so is a connection that it takes in its last moment: clients make it again.
        """
        old_server, old_task = self._server, self._task
        new_server, new_task = self._serve()
        await asyncio.wait([new_task], timeout=TAKE_OVER_S)
        if new_task.done():
            log.error("server with the new certificate failed", exc_info=new_task.exception())
            return
        self._server, self._task = new_server, new_task
        if old_task is not None:
            self._leaving.add(old_task)
            old_task.add_done_callback(self._leaving.discard)
            old_server.stop()  # type: ignore[no-untyped-call]

    async def stop(self) -> None:
        """Stop accepting, finish answers in progress, close."""
        self._listener.close()
        if self._task is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call]
        ends = [self._task, *self._leaving]
        _, late = await asyncio.wait(ends, timeout=STOP_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)

    def _serve(self) -> "tuple[_EmbeddedServer, asyncio.Task[None]]":
        certificate = self._certificate
        server = _EmbeddedServer(
            self._handle,
            self._listener.dup(),
            interface=Interfaces.RSGI,
            http=HTTPModes.auto,
            websockets=False,
            backlog=BACKLOG,
            backpressure=MAX_REQUESTS,
            http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
            http2_settings=HTTP2Settings(max_concurrent_streams=256),
            log_enabled=False,
            ssl_cert=certificate.certificate if certificate else None,
            ssl_key=certificate.key if certificate else None,
            ssl_protocol_min=SSLProtocols.tls12,
        )
        return server, asyncio.create_task(server.serve())

    async def _handle(self, scope: Any, protocol: Any) -> None:  # noqa: ANN401 - RSGI has no types
        body = b""
        if scope.method not in BODILESS:
            try:
                with self._body_limit:
                    body = await self._read_body(scope, protocol)
            except TimeoutError:
                _refuse(protocol, RequestTimeoutError(limit_s=BODY_TIMEOUT_S))
                return
            except RSGIProtocolClosed:
                _refuse(protocol, ValidationError("The body ended before its stated length"))
                return
        headers = _headers(scope)
        request = Request(
            method=scope.method,
            path=scope.path,
            query=scope.query_string,
            headers=headers,
            body=body,
            client_address=self._proxies.client(scope.client.rpartition(":")[0], headers),
            scheme=scope.scheme,
            disconnected=protocol.client_disconnect,
        )
        try:
            response = await self._respond(request)
        except Exception:
            # The edge of a request: one failed answer must not end the server.
            log.exception("request failed", method=scope.method, path=scope.path)
            response = error_response(InternalServerError())
        if response.chunks is not None:
            await _send_chunks(protocol, response)
        elif response.body:
            protocol.response_bytes(response.status, response.headers, response.body)
        else:
            protocol.response_empty(response.status, response.headers)

    async def _read_body(self, scope: Any, protocol: Any) -> bytes:  # noqa: ANN401
        """The body, or one byte more than allowed of it: the API then answers 413.

        The rest is read and thrown away, up to a bound: a client that is still sending would
        see a broken connection instead of the answer.
        """
        if _stated_length(scope) <= self._max_body_bytes:
            # At once: each piece, and the end, would be a way through two threads of its own.
            whole: bytes = await protocol()
            return whole
        body, thrown_away = bytearray(), 0
        async for chunk in protocol:
            room = self._max_body_bytes + 1 - len(body)
            body += chunk[:room]
            thrown_away += max(0, len(chunk) - room)
            if thrown_away > MAX_THROWN_AWAY_BYTES:
                break
        return bytes(body)


def _refuse(protocol: Any, error: ApiError) -> None:  # noqa: ANN401 - RSGI has no types
    """Answer what is no whole request; what else may come of it is not read."""
    response = error_response(error)
    headers = [*response.headers, ("connection", "close")]
    protocol.response_bytes(response.status, headers, response.body)


async def _send_chunks(protocol: Any, response: Response) -> None:  # noqa: ANN401
    """Send the body piece by piece: chunked in HTTP/1.1, as data frames in HTTP/2."""
    if response.chunks is None:
        return
    transport = protocol.response_stream(response.status, response.headers)
    async with contextlib.aclosing(response.chunks) as chunks:
        with contextlib.suppress(RSGIProtocolClosed):  # the client has left
            async for chunk in chunks:
                await transport.send_bytes(chunk)


def _stated_length(scope: Any) -> float:  # noqa: ANN401
    """The bytes that the body cannot exceed; infinite when nothing bounds them.

    Where both headers stand, Transfer-Encoding is what counts (RFC 9112 §6.3).
    """
    length = scope.headers.get("content-length")
    if length is None or not length.isdecimal() or "transfer-encoding" in scope.headers:
        return math.inf
    return int(length)


def _headers(scope: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - RSGI has no types
    """The headers; HTTP/2 has `:authority` where HTTP/1.1 has `host` (RFC 9113 §8.3.1)."""
    headers: list[tuple[str, str]] = scope.headers.items()
    if scope.authority and "host" not in scope.headers:
        headers.append(("host", scope.authority))
    return headers
