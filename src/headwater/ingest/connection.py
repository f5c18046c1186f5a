"""One encoder's TCP or TLS connection: drives an RtmpSession, knows nothing of RTMP's inside.

    made -> open <-> asking the gate -> lingering -> lost

Lingering: a parting message is out, and what the encoder still sends is read and dropped
for a moment. Closing at once would reset the connection, and the encoder would lose the
message that says why.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import cast

import structlog
from msgspec import Struct

from headwater.core.errors import LimitError, MediaError, PeerError
from headwater.ingest.gate import PublishAttempt, Publisher, PublishGate, Refusal
from headwater.ingest.rtmp.handshake import NONCE_BYTES
from headwater.ingest.rtmp.session import (
    PublishEnded,
    PublishRequested,
    RtmpSession,
    SessionEvent,
)
from headwater.ingest.turns import Turns

GATE_TIMEOUT_S = 10.0
"""For the node's answer; librtmp gives up after 30 s."""
LINGER_S = 0.5
"""For an encoder to read the parting message: more than a round trip anywhere."""
ABORT_S = 1.0
"""After closing began, for a peer that does not read."""

MAX_GATHERED_BYTES = 64 << 10
"""So much does not wait for a turn: at 6 Mb/s two turns' worth."""

_REJECTED = "NetStream.Publish.Rejected"
_STOPPED = "NetStream.Unpublish.Success"

log = structlog.get_logger(__name__)


class Origin(Struct, frozen=True, kw_only=True):
    """Where a connection came from, and when (the event loop's clock)."""

    host: str
    port: int
    encrypted: bool
    accepted_s: float

    @property
    def peer(self) -> str:
        """Address and port, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Connection(asyncio.Protocol):
    """Feeds one RtmpSession, and carries its events to the publisher.

    `on_accepted` and `on_closed` tell the server, each at most once.
    """

    def __init__(
        self,
        origin: Origin,
        gate: PublishGate,
        *,
        turns: Turns,
        on_accepted: Callable[["Connection"], None],
        on_closed: Callable[["Connection"], None],
    ) -> None:
        self.origin = origin
        self.closed = asyncio.get_running_loop().create_future()
        self.answer_task: asyncio.Task[Publisher | Refusal] | None = None
        self.is_accepted = False
        self._gate = gate
        self._turns = turns
        self._on_accepted = on_accepted
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._session = RtmpSession(nonce=secrets.token_bytes(NONCE_BYTES), now_s=origin.accepted_s)
        self._transport: asyncio.Transport | None = None
        self._publisher: Publisher | None = None
        self._deadline_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._closing_timers: list[asyncio.TimerHandle] = []
        self._reason: str | None = None  # set: closing
        self._reading = True
        self._writing_paused = False
        self._gathered: list[bytes] = []  # from a live encoder, until its turn
        self._gathered_bytes = 0
        self._bytes_in = 0

    # --- from the server ---

    def stop(self, reason: str) -> None:
        """End the connection from our side; harmless when it is over."""
        self._take_turn()
        self._close(reason, code=_STOPPED)

    def abort(self) -> None:
        """Drop the connection now, whatever is left to send."""
        if self._transport is not None:
            self._transport.abort()
        if self.answer_task is not None:
            self.answer_task.cancel()

    def never_made(self, reason: str) -> None:
        """The connection failed before connection_made (TLS)."""
        self._finish(reason)

    # --- from the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP, and TLS if any, are up."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's derive from nothing
        self._arm_deadline()

    def data_received(self, data: bytes) -> None:
        """Bytes from the encoder."""
        self._bytes_in += len(data)
        if self._reason is not None:
            return
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._publisher is None or self._gathered_bytes > MAX_GATHERED_BYTES:
            self._take_turn()
        elif len(self._gathered) == 1:
            self._turns.wait(self._take_turn)

    def pause_writing(self) -> None:
        """The encoder does not read our answers: read no more from it until it does."""
        self._writing_paused = True
        self._update_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self._writing_paused = False
        self._update_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, for whatever reason."""
        self._take_turn()
        lost = f"connection lost: {type(exc).__name__}" if exc else "closed by the encoder"
        self._finish(self._reason or lost)

    def _take_turn(self) -> None:
        """Work through what has been gathered, if it is still there."""
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        if gathered and self._reason is None:
            self._advance(gathered[0] if len(gathered) == 1 else b"".join(gathered))

    # --- session and publisher ---

    def _advance(self, data: bytes) -> None:
        """Let the session read, deliver what it found, send what it answers."""
        try:
            for event in self._session.receive_data(data, self._loop.time()):
                if self._reason is None:
                    self._deliver(event)
        except PeerError as error:
            if isinstance(error, MediaError) and self._publisher is not None:
                self._publisher.refused(error)
            self._close(str(error))
        except Exception:  # the edge of a session: a bug must not take the others down
            log.exception("rtmp session failed", peer=self.origin.peer)
            self._close("internal error")
        self._flush()
        self._arm_deadline()

    def _deliver(self, event: SessionEvent) -> None:
        if isinstance(event, PublishRequested):
            self._ask(event)
        elif isinstance(event, PublishEnded):
            self._end_publisher(event.reason, on_purpose=True)
        elif self._publisher is not None:
            self._publisher.receive(event, time.time_ns() // 1_000_000)

    def _ask(self, request: PublishRequested) -> None:
        attempt = PublishAttempt(
            app=request.app,
            stream_key=request.stream_key,
            parameters=request.parameters,
            encrypted=self.origin.encrypted,
            peer=self.origin.peer,
            stop=self.stop,
        )
        self.answer_task = self._loop.create_task(_open(self._gate, attempt))
        self.answer_task.add_done_callback(self._answered)
        self._answer_timer = self._loop.call_later(
            GATE_TIMEOUT_S, self._close, "no answer to the publish"
        )
        self._update_reading()

    def _answered(self, task: asyncio.Task[Publisher | Refusal]) -> None:
        self.answer_task = None
        if self._answer_timer is not None:
            self._answer_timer.cancel()
        if task.cancelled():
            self._close("server is shutting down")
        elif (error := task.exception()) is not None:
            log.error("publish gate failed", peer=self.origin.peer, exc_info=error)
            self._refuse(Refusal(code=_REJECTED, description="internal error"))
        elif isinstance(answer := task.result(), Refusal):
            self._refuse(answer)
        else:
            self._accept(answer)

    def _accept(self, publisher: Publisher) -> None:
        self._publisher = publisher
        if self._reason is not None:
            self._end_publisher(self._reason)
            return
        if not self.is_accepted:
            self.is_accepted = True
            self._on_accepted(self)
        self._session.accept_publish()
        self._flush()
        self._update_reading()
        self._advance(b"")  # what the encoder sent without waiting

    def _refuse(self, refusal: Refusal) -> None:
        if self._reason is None:
            self._session.refuse_publish(refusal.code, refusal.description)
            self._close(f"publish refused: {refusal.description}")

    def _end_publisher(self, reason: str, *, on_purpose: bool = False) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is None:
            return
        try:
            publisher.ended(reason, on_purpose=on_purpose)
        except Exception:  # a bug there must not keep the connection from closing
            log.exception("publisher failed to end", peer=self.origin.peer)

    # --- deadlines, sending, closing ---

    def _arm_deadline(self) -> None:
        """Set one timer, lazily: it looks again when the session's deadline has moved."""
        deadline_s = self._session.deadline_s()
        if self._reason is not None or deadline_s is None:
            return
        if self._deadline_timer is not None:
            if self._deadline_timer.when() <= deadline_s:
                return
            self._deadline_timer.cancel()
        self._deadline_timer = self._loop.call_at(deadline_s, self._look_at_deadline)

    def _look_at_deadline(self) -> None:
        self._deadline_timer = None
        self._take_turn()
        try:
            self._session.handle_timeout(self._loop.time())
        except LimitError as error:
            self._close(str(error))
        self._arm_deadline()

    def _flush(self) -> None:
        out = self._session.data_to_send()
        if out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(out)

    def _update_reading(self) -> None:
        """Read unless the gate is thinking or the encoder does not read; always in lingering."""
        waiting = self.answer_task is not None or self._writing_paused
        reading = self._reason is not None or not waiting
        if self._transport is None or self._transport.is_closing() or reading == self._reading:
            return
        self._reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _close(self, reason: str, *, code: str = _REJECTED) -> None:
        """Say why, if the encoder can be told, and close. Only the first reason counts."""
        if self._reason is not None:
            return
        self._reason = reason
        self._session.end_publish(code, reason)
        self._end_publisher(reason)
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        parting = self._session.data_to_send()
        self._closing_timers.append(self._loop.call_later(ABORT_S, transport.abort))
        if not parting:
            transport.close()
            return
        transport.write(parting)
        if transport.can_write_eof():
            transport.write_eof()
        self._update_reading()
        self._closing_timers.append(self._loop.call_later(LINGER_S, transport.close))

    def _finish(self, reason: str) -> None:
        if self.closed.done():
            return
        self._reason = reason
        for timer in (self._deadline_timer, self._answer_timer, *self._closing_timers):
            if timer is not None:
                timer.cancel()
        self._end_publisher(reason)
        log.info(
            "rtmp session ended",
            peer=self.origin.peer,
            encrypted=self.origin.encrypted,
            reason=reason,
            duration_ms=round((self._loop.time() - self.origin.accepted_s) * 1000),
            bytes_in=self._bytes_in,
        )
        self.closed.set_result(None)
        self._on_closed(self)


async def _open(gate: PublishGate, attempt: PublishAttempt) -> Publisher | Refusal:
    """gate.open() as the coroutine that a task wants."""
    return await gate.open(attempt)
