"""The RTMP and RTMPS listener: accepts, counts, hands sockets to connections, closes all.

The same class serves both: with a function that gives an SSLContext it speaks TLS. It is
asked at each handshake, so that a new certificate holds for new connections only.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog
from msgspec import structs

from headwater.core.errors import PeerError
from headwater.ingest.connection import Connection, Origin
from headwater.ingest.gate import PublishAttempt, Publisher, PublishGate, Refusal
from headwater.ingest.proxy import ProxiedAddress, ProxyHeader
from headwater.ingest.rtmp.session import PUBLISH_TIMEOUT_S
from headwater.ingest.turns import Turns

__all__ = ["PublishAttempt", "PublishGate", "Publisher", "Refusal", "RtmpServer"]

MAX_CONNECTIONS = 500
"""Each may hold two messages of the largest size; a machine runs out of much else first."""
MAX_WAITING_PER_ADDRESS = 20
"""Connections without an accepted publish: several encoders behind one router, not a flood."""
BACKLOG = 128
ACCEPT_RETRY_S = 0.1
"""After a failed accept (out of file descriptors): long enough not to spin."""
CLOSE_S = 1.0
"""For parting messages when the server closes."""
COMPLAIN_EVERY_S = 60.0
"""Refused connections are logged this often at most: a flood must not fill the disk."""

ContextOf = Callable[[], ssl.SSLContext]

log = structlog.get_logger(__name__)


class RtmpServer:
    """Listens on one socket and runs one Connection for each encoder.

    With `proxy_protocol`, every connection must start with a PROXY header, and its address
    counts; without, no such header is believed.
    """

    def __init__(
        self,
        *,
        max_connections: int = MAX_CONNECTIONS,
        max_waiting_per_address: int = MAX_WAITING_PER_ADDRESS,
        proxy_protocol: bool = False,
    ) -> None:
        self._max_connections = max_connections
        self._max_waiting_per_address = max_waiting_per_address
        self._proxy_protocol = proxy_protocol
        self._unnamed = 0  # accepted, PROXY header not read yet
        self._turns = Turns()
        self._connections: set[Connection] = set()
        self._waiting: Counter[str] = Counter()
        self._greetings: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None
        self._sock: socket.socket | None = None
        self._refused = 0
        self._complained_s: float | None = None

    async def start(
        self, sock: socket.socket, gate: PublishGate, ssl_context: ContextOf | None = None
    ) -> None:
        """Listen on `sock` (bound; ours from now on) and ask `gate` about each publish."""
        sock.settimeout(0)
        sock.listen(BACKLOG)
        self._sock = sock
        self._accepting = asyncio.create_task(self._accept(sock, gate, ssl_context))

    async def close(self) -> None:
        """Stop listening, tell every encoder, and close all within about a second."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])
        if self._sock is not None:
            self._sock.close()
        for greeting in self._greetings:
            greeting.cancel()
        connections = list(self._connections)
        for connection in connections:
            connection.stop("server is shutting down")
        ends: list[asyncio.Future[Any]] = [connection.closed for connection in connections]
        ends += self._greetings
        ends += [each.answer_task for each in connections if each.answer_task is not None]
        if not ends:
            return
        _, late = await asyncio.wait(ends, timeout=CLOSE_S)
        if late:
            for connection in connections:
                connection.abort()
            await asyncio.wait(late, timeout=CLOSE_S)

    async def _accept(
        self, sock: socket.socket, gate: PublishGate, ssl_context: ContextOf | None
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                peer_sock, address = await loop.sock_accept(sock)
            except OSError as error:
                log.warning("cannot accept an rtmp connection", error=str(error))
                await asyncio.sleep(ACCEPT_RETRY_S)
                continue
            origin = Origin(
                host=address[0],
                port=address[1],
                encrypted=ssl_context is not None,
                accepted_s=loop.time(),
            )
            greeting = loop.create_task(self._greet(origin, peer_sock, gate, ssl_context))
            self._greetings.add(greeting)
            greeting.add_done_callback(self._greetings.discard)

    async def _greet(
        self,
        origin: Origin,
        sock: socket.socket,
        gate: PublishGate,
        ssl_context: ContextOf | None,
    ) -> None:
        """Learn who it is, count it, and make the transport, TLS included."""
        try:
            sock.settimeout(0)
            named = await self._named(origin, sock) if self._proxy_protocol else origin
        except BaseException:
            sock.close()
            raise
        if named is None or not self._has_room(named.host, asyncio.get_running_loop().time()):
            sock.close()
            return
        connection = Connection(
            named,
            gate,
            turns=self._turns,
            on_accepted=self._on_accepted,
            on_closed=self._on_closed,
        )
        self._connections.add(connection)
        self._waiting[named.host] += 1
        await _connect(connection, sock, ssl_context)

    async def _named(self, origin: Origin, sock: socket.socket) -> Origin | None:
        """The origin as the load balancer's header has it; None: it is not to be served."""
        if not self._has_room("", origin.accepted_s):
            return None
        self._unnamed += 1
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                address = await _read_proxy_header(sock)
        except (PeerError, OSError) as error:  # TimeoutError is an OSError
            reason = str(error) if isinstance(error, PeerError) else type(error).__name__
            log.info("rtmp session ended", peer=origin.peer, reason=f"PROXY header: {reason}")
            return None
        finally:
            self._unnamed -= 1
        if address is None:
            return origin
        return structs.replace(origin, host=address.host, port=address.port)

    def _has_room(self, host: str, now_s: float) -> bool:
        """Whether one more fits; what does not is closed without a word."""
        if (
            len(self._connections) + self._unnamed < self._max_connections
            and self._waiting[host] < self._max_waiting_per_address
        ):
            return True
        self._refused += 1
        if self._complained_s is None or now_s - self._complained_s >= COMPLAIN_EVERY_S:
            log.warning(
                "rtmp connections refused",
                count=self._refused,
                last_host=host,
                open_connections=len(self._connections),
            )
            self._complained_s = now_s
            self._refused = 0
        return False

    def _on_accepted(self, connection: Connection) -> None:
        self._no_longer_waiting(connection.origin.host)

    def _on_closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not connection.is_accepted:
            self._no_longer_waiting(connection.origin.host)

    def _no_longer_waiting(self, host: str) -> None:
        self._waiting[host] -= 1
        if not self._waiting[host]:
            del self._waiting[host]


async def _read_proxy_header(sock: socket.socket) -> ProxiedAddress | None:
    """Take the header off the socket, and not a byte more."""
    header = ProxyHeader()
    loop = asyncio.get_running_loop()
    while header.bytes_wanted:
        data = await loop.sock_recv(sock, header.bytes_wanted)
        if not data:
            raise PeerError("the connection ended before it")
        header.receive_data(data)
    return header.address


async def _connect(
    connection: Connection, sock: socket.socket, ssl_context: ContextOf | None
) -> None:
    """Make the transport, which includes the TLS handshake."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: connection,
            sock,
            ssl=ssl_context() if ssl_context else None,
            ssl_handshake_timeout=PUBLISH_TIMEOUT_S if ssl_context else None,
            ssl_shutdown_timeout=CLOSE_S if ssl_context else None,
        )
    except OSError as error:  # ssl.SSLError is one
        connection.never_made(f"TLS handshake failed: {type(error).__name__}")
    except asyncio.CancelledError:
        connection.abort()
        connection.never_made("server is shutting down")
        raise
