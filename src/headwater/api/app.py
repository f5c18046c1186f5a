"""The REST API: CHAIN lists what happens to a request, in order.

Around the chain stand a request id, one log line, and errors turned into answers.

Who signs with an account's own key may do everything in it, users what policies allow.

The IVS API reference leaves open how unknown routes are answered. Here a request that
is not signed, or not well, gets what any such request gets, whatever its path; only a
well signed one learns that there is no such operation (404 UnknownOperationException).
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any

import structlog
from msgspec import Struct

from headwater.api.authentication import Authenticator, Caller
from headwater.api.authorization import (
    Access,
    authorize,
    facts_of_arguments,
    facts_of_request,
)
from headwater.api.cloudwatch import CloudWatch
from headwater.api.cloudwatch_data import Metrics
from headwater.api.endpoints import endpoints
from headwater.api.errors import (
    ApiError,
    InternalServerError,
    RequestTooLargeError,
    ServiceUnavailableError,
    SignatureRefusedError,
    UnknownOperationError,
    error_response,
)
from headwater.api.event_feed import EventFeed
from headwater.api.headers import MODELED, PREFLIGHT
from headwater.api.operation import Call, Control, Destinations, Operation, Store
from headwater.api.operations import OPERATIONS
from headwater.api.pagination import PageTokens
from headwater.api.rates import Rates
from headwater.api.routes import RouteTable
from headwater.api.settings import ApiSettings
from headwater.api.sts import Sts
from headwater.auth.errors import SignatureError
from headwater.auth.sigv4 import SERVICE
from headwater.auth.template import NOTHING, Context
from headwater.core import ids
from headwater.core.errors import OperatorError
from headwater.core.http import Request, Response
from headwater.core.ids import RandomBytes
from headwater.shapes.wire import Shape, encode

__all__ = ["Api", "ApiSettings"]

MAX_SCOPES = 1024
"""Accounts and regions whose endpoints are remembered; any region can be signed for."""

_JSON = ("Content-Type", "application/json")
_log = structlog.get_logger()


class Exchange(Struct, kw_only=True):
    """One request on its way through the chain; each step adds what it found."""

    request: Request
    line: dict[str, object]  # what the log line will say
    operation: Operation | None = None
    caller: Caller | None = None  # who signed, and for which region
    arguments: Shape | None = None
    result: Shape | None = None
    response: Response | None = None  # ends the chain

    def signed_operation(self) -> tuple[Operation, Caller]:
        """What the steps behind `refuse_unknown` can rely on."""
        if self.operation is None or self.caller is None:
            raise RuntimeError("the chain is out of order")
        return self.operation, self.caller


class Api:
    """The REST API. `respond` is what an HTTP server calls."""

    def __init__(
        self,
        *,
        store: Store,
        control: Control,
        destinations: Destinations,
        metrics: Metrics,
        settings: ApiSettings,
        random_bytes: RandomBytes,
        now_ms: Callable[[], int],
        token_secret: bytes,
    ) -> None:
        self._store = store
        self._control = control
        self._destinations = destinations
        self._settings = settings
        self._random_bytes = random_bytes
        self._now_ms = now_ms
        self._tokens = PageTokens(token_secret)
        self._rates = Rates()
        self._authenticator = Authenticator(store, now_ms)
        self._sts = Sts(
            store=store,
            authenticator=self._authenticator,
            random_bytes=random_bytes,
            now_ms=now_ms,
        )
        self._cloudwatch = CloudWatch(
            metrics=metrics,
            authenticator=self._authenticator,
            tokens=self._tokens,
            now_ms=now_ms,
        )
        self._feed = EventFeed(store)
        self._routes = RouteTable(OPERATIONS)
        self._endpoints = lru_cache(MAX_SCOPES)(partial(endpoints, settings))

    def has_operation(self, request: Request) -> bool:
        """Whether the request is for an operation of IVS, whoever signed it."""
        return self._routes.find(request) is not None

    async def respond(self, request: Request) -> Response:
        """Answer a request of any kind. Never raises: what fails is a 500."""
        began_ms = self._now_ms()
        request_id = ids.request_id(self._random_bytes)
        line: dict[str, object] = {"request_id": request_id, "client": request.client_address}
        try:
            response = await self._answer(Exchange(request=request, line=line))
        except ApiError as error:
            line["error"] = error.code
            response = error_response(error)
        except OperatorError as trouble:
            line |= {"error": ServiceUnavailableError.code, "cause": str(trouble)}
            response = error_response(ServiceUnavailableError())
        except Exception as bug:  # noqa: BLE001 - the request's edge; the log line has it all
            line |= {"error": InternalServerError.code, "exc_info": bug}
            response = error_response(InternalServerError())
        log = _log.error if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR else _log.info
        log("api request", status=response.status, duration_ms=self._now_ms() - began_ms, **line)
        response.headers += [*MODELED, ("x-amzn-RequestId", request_id)]
        return response

    async def _answer(self, exchange: Exchange) -> Response:
        for step in CHAIN:
            if (waiting := step(self, exchange)) is not None:
                await waiting
            if exchange.response is not None:
                return exchange.response
        raise RuntimeError("the chain ended without an answer")

    # The steps of CHAIN.

    def answer_preflight(self, exchange: Exchange) -> None:
        """A browser asks before it sends: anyone may."""
        if exchange.request.method == "OPTIONS":
            exchange.response = Response(
                status=HTTPStatus.NO_CONTENT.value, headers=list(PREFLIGHT)
            )

    def limit_body(self, exchange: Exchange) -> None:
        """Refuse a body that is too long before anything reads it."""
        if len(exchange.request.body) > self._settings.max_body_bytes:
            raise RequestTooLargeError(limit_bytes=self._settings.max_body_bytes)

    def find_operation(self, exchange: Exchange) -> None:
        """The operation of that method and path, if there is one."""
        exchange.operation = self._routes.find(exchange.request)
        exchange.line["operation"] = exchange.operation.name if exchange.operation else None

    async def answer_other_services(self, exchange: Exchange) -> None:
        """CloudWatch and STS live at the same address; they sign and refuse in ways of their own.

        STS speaks the query protocol, and has everything in it that is not CloudWatch's.
        """
        if exchange.operation is not None:
            return
        about = exchange.request, exchange.line, str(exchange.line["request_id"])
        exchange.response = await self._cloudwatch.respond(*about) or await self._sts.respond(
            *about
        )

    async def verify_signature(self, exchange: Exchange) -> None:
        """Who signed the request, and for which region."""
        try:
            caller = await self._authenticator.caller(exchange.request, service=SERVICE)
        except SignatureError as refusal:
            raise SignatureRefusedError(refusal) from None
        exchange.caller = caller
        exchange.line |= {"access_key_id": caller.key_id, "region": caller.scope.region}

    async def answer_without_operation(self, exchange: Exchange) -> None:
        """The feed of events is no operation of IVS, and open to whoever signs.

        Only whoever signed well learns which operations there are.
        """
        if exchange.operation is not None or exchange.caller is None:
            return
        if not self._feed.is_for(exchange.request):
            raise UnknownOperationError
        exchange.line["operation"] = "event feed"
        exchange.response = await self._feed.respond(
            exchange.request, exchange.caller, self._now_ms()
        )

    def decode_shape(self, exchange: Exchange) -> None:
        """Bytes to the operation's request shape, every bound checked."""
        operation, _ = exchange.signed_operation()
        exchange.arguments = operation.decode(exchange.request)

    async def run_handler(self, exchange: Exchange) -> None:
        """The operation itself, in one transaction."""
        operation, caller = exchange.signed_operation()
        facts = NOTHING  # the root may do everything, whatever is known
        if not caller.principal.is_root:
            facts = facts_of_request(caller, exchange.request, self._now_ms())
        exchange.result = await self.perform(operation, caller, exchange.arguments, facts)

    def encode_answer(self, exchange: Exchange) -> None:
        """The response shape to bytes; an operation without one answers with no body."""
        operation, _ = exchange.signed_operation()
        if exchange.result is None:
            exchange.response = Response(status=operation.status.value)
        else:
            exchange.response = Response(
                status=operation.status.value, headers=[_JSON], body=encode(exchange.result)
            )

    # What an operation runs in; the demo uses it too.

    async def perform(
        self,
        operation: Operation,
        caller: Caller,
        arguments: Any,  # noqa: ANN401 - the operation's request shape
        facts: Context = NOTHING,
    ) -> Any:  # noqa: ANN401 - its response shape
        """Run an operation in one transaction, if the caller may; an error rolls it back.

        `facts` are the condition keys known of the request.

        Raises:
            ApiError: the operation's refusal.
        """
        scope = caller.scope
        transaction = self._store.write(scope.account) if operation.writes else self._store.read()
        async with transaction as work:
            if not caller.principal.is_root:  # who may do everything, whatever is known
                facts = {**facts, **facts_of_arguments(arguments)}
            access = Access(caller=caller, context=facts, rows=work)
            await authorize(access, operation.name, operation.resources, arguments)
            call = Call(
                operation=operation.name,
                scope=scope,
                now_ms=self._now_ms(),
                random_bytes=self._random_bytes,
                settings=self._settings,
                endpoints=self._endpoints(scope),
                tokens=self._tokens,
                rates=self._rates,
                store=work,
                control=self._control,
                destinations=self._destinations,
                access=access,
            )
            if rate := self._settings.quotas.calls_per_s.get(operation.name):
                call.within_rate(rate, resource=scope.account)
            return await operation.handler(call, arguments)


CHAIN: tuple[Callable[[Api, Exchange], Awaitable[None] | None], ...] = (
    Api.answer_preflight,
    Api.limit_body,
    Api.find_operation,
    Api.answer_other_services,
    Api.verify_signature,
    Api.answer_without_operation,
    Api.decode_shape,
    Api.run_handler,
    Api.encode_answer,
)
"""What happens to a request, in order."""
