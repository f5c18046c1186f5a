"""Event feed: what happens to channels, for pages, as server-sent events.

    GET /events?channel=<ARN or id>    of one channel
    GET /events                        of all channels of the caller's account and region

An EventSource cannot set headers, so the request is presigned. Whoever may get a channel's
stream sessions (ivs:GetStreamSession) may follow its events; for all channels the resource is
`channel/*`. Each event has an id; a client that comes back with it as Last-Event-ID misses
nothing that is still kept. Events wait in the database, not here: a slow client costs no more
than a quick one.

Source: HTML standard, "Server-sent events".
"""

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus
from urllib.parse import parse_qs

import structlog
from msgspec import Struct

from headwater.api.authentication import Caller
from headwater.api.authorization import Access, facts_of_request
from headwater.api.errors import ServiceUnavailableError, ValidationError
from headwater.api.operation import Store
from headwater.core.arn import Arn, parse_arn
from headwater.core.errors import OperatorError
from headwater.core.http import Request, Response
from headwater.store.records import Scope

PATH = "/events"
ACTION = "GetStreamSession"
MAX_CLIENTS = 200
"""Of a server: each is a connection, a task and, when something happens, a query."""
READ_AT_ONCE = 100
"""Events, about 100 kB."""
LOOK_S = 0.5
"""Between looks at the database, whose events other servers write as well."""
HEARTBEAT_S = 15.0
"""Proxies close what is silent for 30 s or more."""
LASTS_S = 900.0
"""After it the client comes back, and its key and policies are looked at again."""
RETRY_MS = 2000
MAX_ID_DIGITS = 18
"""Of a Last-Event-ID; the database's numbers have no more."""

log = structlog.get_logger(__name__)


class _Wanted(Struct, frozen=True):
    scope: Scope
    channel_id: str  # "" for all


class EventFeed:
    """Tells any number of clients, up to MAX_CLIENTS."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._clients = 0
        self._newest = 0
        self._looked_at_s = float("-inf")

    def is_for(self, request: Request) -> bool:
        """Whether a request asks for events."""
        return request.path == PATH and request.method == "GET"

    async def respond(self, request: Request, caller: Caller, now_ms: int) -> Response:
        """Open a feed.

        Raises:
            ApiError: the caller may not, asks for no channel, or comes when all is taken.
        """
        wanted = _wanted(request, caller.scope)
        arn = str(
            Arn(caller.scope.region, caller.scope.account, "channel", wanted.channel_id or "*")
        )
        async with self._store.read() as work:
            facts = facts_of_request(caller, request, now_ms)
            await Access(caller=caller, context=facts, rows=work).require(ACTION, arn)
            newest = await work.events.last_seq()
        if self._clients >= MAX_CLIENTS:
            raise ServiceUnavailableError
        last_id = request.header("last-event-id") or ""
        is_known = last_id.isascii() and last_id.isdigit() and len(last_id) <= MAX_ID_DIGITS
        seq = min(int(last_id), newest) if is_known else newest
        return Response(
            status=HTTPStatus.OK.value,
            headers=[
                ("Content-Type", "text/event-stream; charset=utf-8"),
                ("X-Accel-Buffering", "no"),  # nginx would keep events back
            ],
            chunks=self._chunks(request, wanted, seq),
        )

    async def _chunks(
        self, request: Request, wanted: _Wanted, seq: int
    ) -> AsyncGenerator[bytes, None]:
        clock = asyncio.get_running_loop().time
        ends_at_s, beat_at_s = clock() + LASTS_S, clock() + HEARTBEAT_S
        leaving = asyncio.ensure_future(_left(request))
        self._clients += 1
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while not leaving.done() and clock() < ends_at_s:
                told, seq = await self._after(wanted, seq)
                if told:
                    yield told
                    beat_at_s = clock() + HEARTBEAT_S
                    continue
                if clock() >= beat_at_s:
                    yield b": still here\n\n"
                    beat_at_s = clock() + HEARTBEAT_S
                await asyncio.wait([leaving], timeout=LOOK_S)
        except OperatorError as trouble:  # the client comes back
            log.warning("event feed closed: the database cannot be used", reason=str(trouble))
        finally:
            leaving.cancel()
            self._clients -= 1

    async def _after(self, wanted: _Wanted, seq: int) -> tuple[bytes, int]:
        """What comes behind a place, and the place behind that."""
        newest = await self._look()
        if newest <= seq:
            return b"", seq
        async with self._store.read() as work:
            found = await work.events.after(
                seq, limit=READ_AT_ONCE, scope=wanted.scope, channel_id=wanted.channel_id
            )
        told = b"".join(b"id: %d\ndata: %s\n\n" % (one.seq, one.body.encode()) for one in found)
        if len(found) == READ_AT_ONCE:
            return told, found[-1].seq
        return told, max(newest, found[-1].seq) if found else newest

    async def _look(self) -> int:
        """The place of the newest event; all clients share a look."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_at_s >= LOOK_S:
            self._looked_at_s = now_s
            async with self._store.read() as work:
                self._newest = await work.events.last_seq()
        return self._newest


def _wanted(request: Request, scope: Scope) -> _Wanted:
    given = parse_qs(request.query, keep_blank_values=True).get("channel", [])
    if not given:
        return _Wanted(scope, "")
    arn = parse_arn(given[0]) or parse_arn(
        f"arn:aws:ivs:{scope.region}:{scope.account}:channel/{given[0]}"
    )
    if arn is None or len(given) > 1 or arn.type != "channel":
        raise ValidationError("channel must be one channel's ARN or id")
    if (arn.account, arn.region) != (scope.account, scope.region):
        raise ValidationError(
            "channel must be of the account and region that the request is signed for"
        )
    return _Wanted(scope, arn.id)


async def _left(request: Request) -> None:
    """Return when the client has left."""
    if request.disconnected is None:
        await asyncio.Event().wait()
    else:
        await request.disconnected()
