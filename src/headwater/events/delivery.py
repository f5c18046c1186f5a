"""Delivery: hands one event to one target, whatever its kind; gives back or raises PeerError.

An event counts as delivered when the other side has it: a webhook answered 2xx, a NATS
server has read it (with JetStream: a stream has stored it), PutEvents took the entry, a
line is on the disk.
"""

import asyncio
from collections.abc import Callable, Collection
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from headwater.core.errors import PeerError
from headwater.core.secret import Secret
from headwater.events.addresses import is_public
from headwater.events.lines import append_line
from headwater.events.post import post
from headwater.events.put_events import check_answer, request_body, request_headers
from headwater.events.signing import signed_headers
from headwater.events.targets import (
    FileTarget,
    NatsTarget,
    PutEventsTarget,
    Target,
    WebhookTarget,
    subject_of,
)

if TYPE_CHECKING:
    from headwater.events.nats_connection import NatsConnections

USER_AGENT = "Headwater"


class Order(Struct, frozen=True, kw_only=True):
    """One event for one target."""

    rule_id: str
    target: Target
    secret: Secret
    event_id: str
    body: bytes  # the event, JSON


class Couriers:
    """All ways to deliver, with the connections that they keep."""

    def __init__(
        self,
        *,
        folder: Path,
        file_max_bytes: int,
        private_webhooks: bool,
        now_s: Callable[[], int],
    ) -> None:
        """Nothing is opened yet.

        Args:
            folder: where files of events are.
            file_max_bytes: how large such a file may become.
            private_webhooks: whether webhooks may be at private addresses.
            now_s: Unix seconds.
        """
        self._folder = folder
        self._file_max_bytes = file_max_bytes
        self._may_post_to = _anywhere if private_webhooks else is_public
        self._now_s = now_s
        self._nats: NatsConnections | None = None
        self._writing = asyncio.Lock()  # two rules may name one file

    async def deliver(self, order: Order) -> None:
        """Deliver one event.

        Raises:
            PeerError: it was not delivered, and why; tells no secret.
        """
        match order.target:
            case WebhookTarget():
                await self._to_webhook(order, order.target)
            case NatsTarget():
                await self._to_nats(order, order.target)
            case PutEventsTarget():
                await self._to_event_bus(order, order.target)
            case FileTarget():
                await self._to_file(order, order.target)

    async def keep_only(self, rule_ids: Collection[str]) -> None:
        """Close what belongs to rules that are no more."""
        if self._nats is not None:
            await self._nats.keep_only(rule_ids)

    async def close(self) -> None:
        """Close what is open."""
        await self.keep_only(())

    async def _to_webhook(self, order: Order, target: WebhookTarget) -> None:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            **signed_headers(order.secret, order.event_id, self._now_s(), order.body),
        }
        answer = await post(target.url, headers, order.body, may_connect=self._may_post_to)
        _check_status(answer.status)

    async def _to_nats(self, order: Order, target: NatsTarget) -> None:
        if self._nats is None:
            # Its imports would be a tenth of a first start, and few servers have a use for it.
            from headwater.events.nats_connection import NatsConnections  # noqa: PLC0415

            self._nats = NatsConnections()
        await self._nats.publish(order, target, subject_of(target.subject, _event(order)))

    async def _to_event_bus(self, order: Order, target: PutEventsTarget) -> None:
        body = request_body(target, _event(order))
        headers = request_headers(target, order.secret, body, self._now_s())
        # The operator chose the endpoint, and has it in a private network as a rule.
        answer = await post(target.url, headers, body, may_connect=_anywhere, reads_body=True)
        _check_status(answer.status)
        check_answer(answer.body)

    async def _to_file(self, order: Order, target: FileTarget) -> None:
        async with self._writing:
            await asyncio.to_thread(
                append_line,
                self._folder / target.name,
                order.body,
                max_bytes=self._file_max_bytes,
            )


def _event(order: Order) -> Any:  # noqa: ANN401 - what JSON holds
    return msgspec.json.decode(order.body)


def _check_status(status: int) -> None:
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise PeerError(f"the answer was {status}")


def _anywhere(_address: str) -> bool:
    return True
