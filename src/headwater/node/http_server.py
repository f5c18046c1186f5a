"""HTTP by Granian, embedded in our event loop: RSGI in, core.http values out.

HTTP/1.1 on the plain port; HTTP/1.1 and HTTP/2 by ALPN on the TLS port.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server

from headwater.core.http import Request, Response
from headwater.node.certificate import CertificateFiles
from headwater.node.listen import BACKLOG

MAX_REQUESTS = 200_000
"""Requests in work at once. Every waiting viewer holds one, so far above Granian's default,
which follows the backlog; waiters have a bound of their own in delivery."""
HEADER_TIMEOUT_MS = 10_000
"""A connection that sends no complete request head in this time is closed."""
BODY_TIMEOUT_S = 20.0
"""A body that is not complete in this time is not waited for."""
STOP_S = 1.0
"""How long answers in progress may take when the server stops."""

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
    ) -> None:
        self._respond = respond
        self._max_body_bytes = max_body_bytes
        self._server = _EmbeddedServer(
            self._handle,
            listener,
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
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Serve from the running event loop."""
        self._task = asyncio.create_task(self._server.serve())

    async def stop(self) -> None:
        """Stop accepting, finish answers in progress, close."""
        if self._task is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._task, STOP_S)

    async def _handle(self, scope: Any, protocol: Any) -> None:  # noqa: ANN401 - RSGI has no types
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await self._read_body(scope.method, protocol)
        except TimeoutError:
            protocol.response_empty(408, [("connection", "close")])
            return
        request = Request(
            method=scope.method,
            path=scope.path,
            query=scope.query_string,
            headers=_headers(scope),
            body=body,
            client_address=scope.client.rpartition(":")[0],
            scheme=scope.scheme,
            disconnected=protocol.client_disconnect,
        )
        try:
            response = await self._respond(request)
        except Exception:
            # The edge of a request: one failed answer must not end the server.
            log.exception("request failed", method=scope.method, path=scope.path)
            response = Response(status=500, headers=[("content-type", "application/json")])
        if response.body:
            protocol.response_bytes(response.status, response.headers, response.body)
        else:
            protocol.response_empty(response.status, response.headers)

    async def _read_body(self, method: str, protocol: Any) -> bytes:  # noqa: ANN401
        """The body, or one byte more than allowed of it: the API then answers 413."""
        if method in {"GET", "HEAD", "OPTIONS"}:
            return b""
        body = bytearray()
        async for chunk in protocol:
            body += chunk
            if len(body) > self._max_body_bytes:
                return bytes(body[: self._max_body_bytes + 1])
        return bytes(body)


def _headers(scope: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - RSGI has no types
    """The headers; HTTP/2 has `:authority` where HTTP/1.1 has `host` (RFC 9113 §8.3.1)."""
    headers: list[tuple[str, str]] = scope.headers.items()
    if scope.authority and "host" not in scope.headers:
        headers.append(("host", scope.authority))
    return headers
