"""The handler chain: what happens to a request of the API, in order.

    request id -> limit body -> route -> verify SigV4 -> decode shape -> handler
    -> encode -> one log line

Each access key is the root of its account and may do everything in it.

The IVS API reference leaves open how unknown routes are answered. Here a request that
is not signed, or not well, gets what any such request gets, whatever its path; only a
well signed one learns that there is no such operation (404 UnknownOperationException).
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from msgspec import Struct, json

from headwater.api.endpoints import endpoints
from headwater.api.errors import (
    ApiError,
    InternalServerError,
    RequestTooLargeError,
    SignatureRefusedError,
    UnknownOperationError,
)
from headwater.api.headers import MODELED, PREFLIGHT
from headwater.api.operation import Call, Control, Operation, Store
from headwater.api.operations import OPERATIONS
from headwater.api.pagination import PageTokens
from headwater.api.settings import ApiSettings
from headwater.auth import sigv4
from headwater.core.http import Request, Response
from headwater.core.ids import RandomBytes
from headwater.shapes.wire import Shape, encode
from headwater.store.records import Scope

__all__ = ["Api", "ApiSettings"]

_JSON = ("Content-Type", "application/json")
_log = structlog.get_logger()


class _Caller(Struct, frozen=True):
    access_key_id: str
    scope: Scope


class Api:
    """The REST API. `respond` is what an HTTP server calls."""

    def __init__(
        self,
        *,
        store: Store,
        control: Control,
        settings: ApiSettings,
        random_bytes: RandomBytes,
        now_ms: Callable[[], int],
        token_secret: bytes,
    ) -> None:
        self._store = store
        self._control = control
        self._settings = settings
        self._random_bytes = random_bytes
        self._now_ms = now_ms
        self._tokens = PageTokens(token_secret)
        self._routes = {(one.method, one.path): one for one in OPERATIONS}

    async def respond(self, request: Request) -> Response:
        """Answer a request of any kind. Never raises: what fails is a 500."""
        began_ms = self._now_ms()
        request_id = str(UUID(bytes=self._random_bytes(16), version=4))
        line: dict[str, object] = {"request_id": request_id, "client": request.client_address}
        try:
            response = await self._answer(request, line)
        except ApiError as error:
            line["error"] = error.code
            response = _error_response(error)
        except Exception as bug:  # noqa: BLE001 - the request's edge; the log line has it all
            line |= {"error": InternalServerError.code, "exc_info": bug}
            response = _error_response(InternalServerError())
        log = _log.error if "exc_info" in line else _log.info
        log("api request", status=response.status, duration_ms=self._now_ms() - began_ms, **line)
        response.headers += [*MODELED, ("x-amzn-RequestId", request_id)]
        return response

    async def _answer(self, request: Request, line: dict[str, object]) -> Response:
        """The chain."""
        if request.method == "OPTIONS":
            return Response(status=HTTPStatus.NO_CONTENT.value, headers=list(PREFLIGHT))
        self._limit_body(request)
        operation = self._route(request)
        line["operation"] = operation.name if operation else None
        caller = await self._verify(request)
        line |= {"access_key_id": caller.access_key_id, "region": caller.scope.region}
        if operation is None:
            raise UnknownOperationError
        arguments = operation.decoder.decode(request.body)
        result = await self.perform(operation, caller.scope, arguments)
        return _response(operation, result)

    def _limit_body(self, request: Request) -> None:
        if len(request.body) > self._settings.max_body_bytes:
            raise RequestTooLargeError(limit_bytes=self._settings.max_body_bytes)

    def _route(self, request: Request) -> Operation | None:
        return self._routes.get((request.method, request.path))

    async def _verify(self, request: Request) -> _Caller:
        """Who signed the request, and for which region."""
        try:
            signature = sigv4.parse(request, now_ms=self._now_ms())
            key_id = signature.credential.access_key_id
            async with self._store.read() as work:
                key = await work.access_key(key_id)
            if key is None:
                raise sigv4.UnrecognizedClientError
            sigv4.verify(signature, request, key.secret)
        except sigv4.SignatureError as refusal:
            raise SignatureRefusedError(refusal) from None
        return _Caller(key_id, Scope(key.account, signature.credential.region))

    async def perform(self, operation: Operation, scope: Scope, arguments: Shape) -> Any:  # noqa: ANN401 - the operation's response shape
        """Run an operation in one transaction; an error rolls it back.

        Raises:
            ApiError: the operation's refusal.
        """
        transaction = self._store.write if operation.writes else self._store.read
        async with transaction() as work:
            call = Call(
                operation=operation.name,
                scope=scope,
                now_ms=self._now_ms(),
                random_bytes=self._random_bytes,
                settings=self._settings,
                endpoints=endpoints(self._settings, scope),
                tokens=self._tokens,
                store=work,
                control=self._control,
            )
            return await operation.handler(call, arguments)


def _response(operation: Operation, result: Shape | None) -> Response:
    if result is None:
        return Response(status=operation.status.value)
    return Response(status=operation.status.value, headers=[_JSON], body=encode(result))


def _error_response(error: ApiError) -> Response:
    """The code in header and body, the text twice: each SDK reads another one of them."""
    text = str(error)
    body = json.encode({"__type": error.code, "message": text, "exceptionMessage": text})
    return Response(
        status=error.status.value, headers=[_JSON, ("x-amzn-ErrorType", error.code)], body=body
    )
