"""NATS: a connection for each rule, made when it is needed, and anew after any trouble.

Without JetStream a message is delivered when the server has answered a PING that came after
it; who subscribes at that moment gets it. With JetStream it is when a stream has stored it,
and the event's id as Nats-Msg-Id keeps a second copy out.

Sources: NATS documentation, "Client protocol" and "JetStream model deep dive"; nats-py.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Protocol

import nats
from nats.aio.client import Client
from nats.errors import Error, NoServersError

from headwater.core.errors import PeerError
from headwater.core.secret import Secret
from headwater.events.targets import NatsTarget

CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 5
CLOSE_TIMEOUT_S = 1
RETRY_S = 0.1


class Message(Protocol):
    """What is published."""

    @property
    def rule_id(self) -> str:
        """Whose connection is used."""

    @property
    def secret(self) -> Secret:
        """A password or, where the target has no user, a token."""

    @property
    def event_id(self) -> str:
        """The same for each attempt."""

    @property
    def body(self) -> bytes:
        """The event."""


class NatsConnections:
    """The connections of all rules."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[NatsTarget, Secret, Client]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def publish(self, message: Message, target: NatsTarget, subject: str) -> None:
        """Publish, and wait until the server has it.

        Raises:
            PeerError: it has not, and why.
        """
        try:
            client = await self._client(message, target)
            if target.jetstream:
                await client.jetstream(timeout=ANSWER_TIMEOUT_S).publish(
                    subject, message.body, headers={"Nats-Msg-Id": message.event_id}
                )
            else:
                await client.publish(subject, message.body)
                await client.flush(ANSWER_TIMEOUT_S)
        except (Error, OSError, TimeoutError) as error:
            await self._close(message.rule_id)
            raise PeerError(f"NATS: {_reason(error)}") from None

    async def keep_only(self, rule_ids: Collection[str]) -> None:
        """Close the others' connections."""
        for rule_id in set(self._open).difference(rule_ids):
            await self._close(rule_id)
        for rule_id in set(self._locks).difference(rule_ids):
            del self._locks[rule_id]

    async def _client(self, message: Message, target: NatsTarget) -> Client:
        async with self._locks[message.rule_id]:  # a server that is away holds up its own rule
            known = self._open.get(message.rule_id)
            if known and known[:2] == (target, message.secret) and known[2].is_connected:
                return known[2]
            await self._close(message.rule_id)
            client = await _connect(target, message.secret)
            self._open[message.rule_id] = (target, message.secret, client)
            return client

    async def _close(self, rule_id: str) -> None:
        known = self._open.pop(rule_id, None)
        if known is not None:
            with suppress(Error, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await known[2].close()


async def _connect(target: NatsTarget, secret: Secret) -> Client:
    login: dict[str, Any] = {}
    if target.user:
        login = {"user": target.user, "password": secret.reveal()}
    elif secret.reveal():
        login = {"token": secret.reveal()}
    reasons: list[Exception] = []

    async def remember(error: Exception) -> None:
        reasons[:] = [error]

    try:
        return await nats.connect(
            target.url,
            name="headwater",
            connect_timeout=CONNECT_TIMEOUT_S,
            # The next delivery connects anew. Without reconnecting, nats-py leaves the socket of a
            # server that has gone open; without an end, it tries for ever to connect at first.
            max_reconnect_attempts=1,
            reconnect_time_wait=RETRY_S,
            error_cb=remember,
            **login,
        )
    except NoServersError as error:
        raise (reasons or [error])[0] from None  # why there is none


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.removeprefix("nats: ")
