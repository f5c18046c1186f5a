"""The part of STS that clients ask for: who am I, and temporary credentials.

Source: AWS STS API reference (version 2011-06-15, the query protocol): GetCallerIdentity,
which needs no permission, and GetSessionToken. The AWS CLI, Terraform and the SDKs'
credential checks call the first. Requests are `POST /`, or `GET /`, with `Action` in the
body or query, signed for the service `sts`; answers and errors are XML.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Protocol
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from headwater.api.authentication import Authenticator, Caller, Work
from headwater.api.authentication import Store as ReadStore
from headwater.api.credentials import temporary_key
from headwater.auth.errors import SignatureError, UnrecognizedClientError
from headwater.core.errors import HeadwaterError
from headwater.core.http import Request, Response
from headwater.core.ids import RandomBytes
from headwater.store.identities import ROOT

SERVICE = "sts"
VERSION = "2011-06-15"
NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
DEFAULT_DURATION_S = 43_200  # 12 hours
MIN_DURATION_S = 900
MAX_DURATION_S = 129_600  # 36 hours
MAX_ROOT_DURATION_S = 3600
MAX_TEMPORARY_KEYS = 1000
"""Of a user, expired ones of the last hour included: each is a row that callers make."""
KEEP_EXPIRED_MS = 3_600_000
"""A key that expired in the last hour is still known, so that its holder is told so."""
MAX_SHOWN = 64  # characters of a name that is repeated in an error
MAX_PARAMETERS = 20  # a real request has three

_DURATION = re.compile(r"[0-9]{1,6}")
Tree = Mapping[str, "str | Tree"]
"""XML elements by name: text, or elements."""
QUERY_CODES: Mapping[str, tuple[str, HTTPStatus]] = MappingProxyType(
    {
        "MissingAuthenticationTokenException": ("MissingAuthenticationToken", HTTPStatus.FORBIDDEN),
        "IncompleteSignatureException": ("IncompleteSignature", HTTPStatus.BAD_REQUEST),
        "InvalidSignatureException": ("SignatureDoesNotMatch", HTTPStatus.FORBIDDEN),
        "UnrecognizedClientException": ("InvalidClientTokenId", HTTPStatus.FORBIDDEN),
        "ExpiredTokenException": ("ExpiredToken", HTTPStatus.FORBIDDEN),
    }
)
"""STS's own codes for what signatures are refused for."""


class StsError(HeadwaterError):
    """A refusal in STS's form."""

    def __init__(self, code: str, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.status = status


class Store(ReadStore, Protocol):
    """Where transactions come from."""

    def write(self) -> AbstractAsyncContextManager[Work]:
        """The only writer until it commits, at the end of the block."""


class Sts:
    """Answers what is asked of STS."""

    def __init__(
        self,
        *,
        store: Store,
        authenticator: Authenticator,
        random_bytes: RandomBytes,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._authenticator = authenticator
        self._random_bytes = random_bytes
        self._now_ms = now_ms
        self._actions = {
            "GetCallerIdentity": self._get_caller_identity,
            "GetSessionToken": self._get_session_token,
        }

    async def respond(
        self, request: Request, line: dict[str, object], request_id: str
    ) -> Response | None:
        """The answer; None when the request is not for STS. Adds to the log line."""
        parameters = _parameters(request)
        if "Action" not in parameters:
            return None
        try:
            name, result = await self._act(request, parameters, line)
        except StsError as error:
            line["error"] = error.code
            body = (
                f"<Error><Type>Sender</Type><Code>{error.code}</Code>"
                f"<Message>{escape(str(error))}</Message></Error>"
                f"<RequestId>{request_id}</RequestId>"
            )
            return _xml("ErrorResponse", body, error.status)
        metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        body = f"<{name}Result>{_elements(result)}</{name}Result>{metadata}"
        return _xml(f"{name}Response", body, HTTPStatus.OK)

    async def _act(
        self, request: Request, parameters: Mapping[str, str], line: dict[str, object]
    ) -> tuple[str, Tree]:
        try:
            caller = await self._authenticator.caller(request, service=SERVICE)
        except SignatureError as refusal:
            code, status = QUERY_CODES[refusal.code]
            raise StsError(code, status, str(refusal)) from None
        line |= {"access_key_id": caller.key_id, "region": caller.scope.region}
        name = parameters["Action"]
        version = parameters.get("Version", "NO_VERSION_SPECIFIED")
        action = self._actions.get(name)
        if action is None or version != VERSION:
            raise StsError(
                "InvalidAction",
                HTTPStatus.BAD_REQUEST,
                f"Could not find operation {_shown(name)} for version {_shown(version)}",
            )
        line["operation"] = name
        return name, await action(caller, parameters)

    async def _get_caller_identity(self, caller: Caller, _parameters: Mapping[str, str]) -> Tree:
        principal = caller.principal
        return {"Arn": principal.arn, "UserId": principal.user_id, "Account": principal.account}

    async def _get_session_token(self, caller: Caller, parameters: Mapping[str, str]) -> Tree:
        if caller.temporary:
            raise StsError(
                "AccessDenied",
                HTTPStatus.FORBIDDEN,
                "Cannot call GetSessionToken with session credentials",
            )
        principal, now_ms = caller.principal, self._now_ms()
        user_id = ROOT if principal.is_root else principal.user_id
        key, token = temporary_key(
            self._random_bytes,
            account=principal.account,
            user_id=user_id,
            description="GetSessionToken",
            now_ms=now_ms,
            lasts_ms=_duration_s(caller, parameters) * 1000,
        )
        async with self._store.write() as work:
            await work.identities.delete_expired_keys(now_ms - KEEP_EXPIRED_MS)
            # The user may have been deleted a moment ago.
            if user_id != ROOT and await work.identities.user(user_id) is None:
                code, status = QUERY_CODES["UnrecognizedClientException"]
                raise StsError(code, status, str(UnrecognizedClientError()))
            held = await work.identities.count_temporary_keys(principal.account, user_id)
            if held >= MAX_TEMPORARY_KEYS:
                raise StsError("Throttling", HTTPStatus.BAD_REQUEST, "Rate exceeded")
            await work.identities.insert_access_key(key)
        expiration = datetime.fromtimestamp(key.expires_at_ms // 1000, UTC)
        return {
            "Credentials": {
                "AccessKeyId": key.id,
                "SecretAccessKey": key.secret.reveal(),
                "SessionToken": token.reveal(),
                "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        }


def _duration_s(caller: Caller, parameters: Mapping[str, str]) -> int:
    """The length asked for; the root's credentials last an hour at most, silently, as in AWS."""
    text = parameters.get("DurationSeconds", str(DEFAULT_DURATION_S))
    seconds = int(text) if _DURATION.fullmatch(text) else 0
    if not MIN_DURATION_S <= seconds <= MAX_DURATION_S:
        raise StsError(
            "ValidationError",
            HTTPStatus.BAD_REQUEST,
            f"DurationSeconds must be {MIN_DURATION_S} to {MAX_DURATION_S}",
        )
    return min(seconds, MAX_ROOT_DURATION_S) if caller.principal.is_root else seconds


def _parameters(request: Request) -> dict[str, str]:
    """What a request of the query protocol says; nothing of a request that is none."""
    if request.path != "/" or request.method not in {"GET", "POST"}:
        return {}
    text = request.query if request.method == "GET" else request.body.decode("utf-8", "replace")
    try:
        # A presigned POST has all of it in the query.
        return dict(parse_qsl(text or request.query, max_num_fields=MAX_PARAMETERS))
    except ValueError:
        return {}


def _shown(text: str) -> str:
    """What may stand in an answer: XML has no control characters."""
    return "".join(char for char in text[:MAX_SHOWN] if char.isascii() and char.isprintable())


def _elements(tree: Tree) -> str:
    return "".join(
        f"<{name}>{escape(value) if isinstance(value, str) else _elements(value)}</{name}>"
        for name, value in tree.items()
    )


def _xml(root: str, inner: str, status: HTTPStatus) -> Response:
    body = f'<{root} xmlns="{NAMESPACE}">{inner}</{root}>'
    return Response(status=status.value, headers=[("Content-Type", "text/xml")], body=body.encode())
