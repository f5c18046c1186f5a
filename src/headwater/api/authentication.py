"""Authentication: who signed a request.

What a key stands for is read from the store and remembered for a moment: a change that
another process makes, `headwater key delete` for example, is unseen for as long at most.
Keys that are unknown are not remembered, so a new one works at once.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from hmac import compare_digest
from typing import Protocol

from msgspec import Struct

from headwater.api.credentials import token_digest
from headwater.auth import sigv4
from headwater.auth.errors import ExpiredTokenError, UnrecognizedClientError
from headwater.auth.managed import ARN_PREFIX, MANAGED
from headwater.auth.policy import parse_policy
from headwater.auth.principal import Principal, root
from headwater.core.http import Request
from headwater.core.secret import Secret
from headwater.store.identities import ROOT, AccessKeyRecord, Identities
from headwater.store.records import Scope

MAX_AGE_MS = 1000
"""How long a change made by another process may go unseen."""
MAX_IDENTITIES = 1024
"""Keys remembered at once; each is some kilobytes, with its policies."""
MAX_POLICIES = 1024
"""Documents remembered as read; reading one takes about as long as 50 requests."""

_parsed = lru_cache(MAX_POLICIES)(parse_policy)


class Work(Protocol):
    """What is asked of a transaction."""

    @property
    def identities(self) -> Identities:
        """Users, policies and access keys."""


class Store(Protocol):
    """Where transactions come from."""

    def read(self) -> AbstractAsyncContextManager[Work]:
        """A snapshot that cannot be written to."""


class Caller(Struct, frozen=True, kw_only=True):
    """Who signed a request, and for which region."""

    principal: Principal
    scope: Scope  # the caller's account, and the region it signed for
    key_id: str
    key_created_at_ms: int  # Unix time
    temporary: bool  # with a key that expires


def root_caller(scope: Scope) -> Caller:
    """The account itself, who needs no key inside the server."""
    return Caller(
        principal=root(scope.account), scope=scope, key_id="", key_created_at_ms=0, temporary=False
    )


class _Identity(Struct, frozen=True):
    key: AccessKeyRecord
    principal: Principal
    read_at_ms: int


class Authenticator:
    """Tells who signed requests. Remembers at most MAX_IDENTITIES, each for MAX_AGE_MS."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._identities: dict[str, _Identity] = {}

    async def caller(self, request: Request, *, service: str) -> Caller:
        """Who signed this request.

        Raises:
            SignatureError: nobody did, or not well.
        """
        now_ms = self._now_ms()
        signature = sigv4.parse(request, now_ms=now_ms, service=service)
        identity = await self._identity(signature.credential.access_key_id, now_ms)
        key = identity.key
        _check_token(key, signature.session_token)
        sigv4.verify(signature, request, key.secret)
        if key.expires_at_ms and now_ms >= key.expires_at_ms:
            raise ExpiredTokenError
        return Caller(
            principal=identity.principal,
            scope=Scope(key.account, signature.credential.region),
            key_id=key.id,
            key_created_at_ms=key.created_at_ms,
            temporary=bool(key.expires_at_ms),
        )

    async def _identity(self, key_id: str, now_ms: int) -> _Identity:
        known = self._identities.pop(key_id, None)
        # Also an age below zero is none: somebody has set the clock back.
        if known is None or not 0 <= now_ms - known.read_at_ms < MAX_AGE_MS:
            known = await self._read(key_id, now_ms)
        while len(self._identities) >= MAX_IDENTITIES:
            del self._identities[next(iter(self._identities))]
        self._identities[key_id] = known  # last, so that the first is the least used
        return known

    async def _read(self, key_id: str, now_ms: int) -> _Identity:
        async with self._store.read() as work:
            identities = work.identities
            key = await identities.access_key(key_id)
            if key is None:
                raise UnrecognizedClientError
            if key.user_id == ROOT:
                return _Identity(key, root(key.account), now_ms)
            user = await identities.user(key.user_id)
            if user is None:
                raise UnrecognizedClientError
            arns = await identities.attached_to(user.id)
            documents = [await _document(identities, user.account, arn) for arn in arns]
        principal = Principal(
            account=user.account,
            user_id=user.id,
            name=user.name,
            policies=tuple(_parsed(document) for document in documents),
        )
        return _Identity(key, principal, now_ms)


async def _document(identities: Identities, account: str, arn: str) -> str:
    name = arn.rpartition("/")[2]
    if arn.startswith(ARN_PREFIX):
        return MANAGED[name]
    policy = await identities.policy(account, name)
    if policy is None:
        raise RuntimeError(f"policy {arn} is attached and does not exist")
    return policy.document


def _check_token(key: AccessKeyRecord, token: Secret | None) -> None:
    """A temporary key needs its token, and a lasting one has none."""
    digest = b"" if token is None else token_digest(token)
    if not compare_digest(digest, key.session_digest):
        raise UnrecognizedClientError
