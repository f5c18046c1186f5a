"""Operation: one row of the API's table; Call: everything a handler may use.

What a handler needs of others is declared here as Protocols (`Work`, `Store`,
`Control`); the store and the node fit them without importing this module.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from types import NoneType
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from headwater.api.endpoints import Endpoints
from headwater.api.errors import ResourceNotFoundError
from headwater.api.pagination import PageTokens
from headwater.api.settings import ApiSettings
from headwater.api.validation import RequestDecoder
from headwater.core.arn import parse_arn
from headwater.core.ids import RandomBytes
from headwater.shapes.scalars import StreamHealth
from headwater.shapes.wire import Shape
from headwater.store.records import (
    AccessKeyRecord,
    ChannelRecord,
    Position,
    Scope,
    StreamKeyRecord,
)


class LiveStream(Struct, frozen=True, kw_only=True):
    """A stream that viewers can play now."""

    channel_arn: str
    stream_id: str
    started_at_ms: int  # Unix time
    health: StreamHealth
    viewer_count: int


class Control(Protocol):
    """What is live right now. Answers from memory, at once."""

    def live_stream(self, channel_arn: str) -> LiveStream | None:
        """The channel's live stream."""

    def is_publishing(self, channel_arn: str) -> bool:
        """Whether an encoder is connected to the channel, playable already or not."""

    def live_streams(self, account: str, region: str) -> list[LiveStream]:
        """All live streams of a scope, oldest first."""

    def stop_stream(self, channel_arn: str) -> bool:
        """Disconnect whoever publishes, playable already or not; False: nobody does."""


class Work(Protocol):
    """The rows, as one transaction sees them."""

    async def insert_channel(self, channel: ChannelRecord, key: StreamKeyRecord, /) -> None:
        """Add a channel with its first stream key."""

    async def channel(self, scope: Scope, id: str, /) -> ChannelRecord | None:  # noqa: A002
        """The channel of that id, if it is in the scope."""

    async def channels(self, scope: Scope, ids: Sequence[str], /) -> list[ChannelRecord]:
        """The channels that exist in the scope, each once, in the order of `ids`."""

    async def list_channels(
        self,
        scope: Scope,
        /,
        *,
        limit: int,
        after: Position | None,
        name: str | None = None,
        recording_configuration_arn: str | None = None,
        playback_restriction_policy_arn: str | None = None,
        ad_configuration_arn: str | None = None,
        failover_slate_configuration_arn: str | None = None,
    ) -> list[ChannelRecord]:
        """At most `limit` channels behind `after`, by creation time, then id."""

    async def update_channel(self, channel: ChannelRecord, /) -> bool:
        """Replace all but id, scope and creation time; False when there is none."""

    async def delete_channel(self, scope: Scope, id: str, /) -> bool:  # noqa: A002
        """Remove a channel and its stream keys; False when there is none."""

    async def count_channels(self, scope: Scope, /) -> int:
        """How many channels the scope has."""

    async def insert_stream_key(self, key: StreamKeyRecord, /) -> None:
        """Add a stream key."""

    async def stream_key(self, scope: Scope, id: str, /) -> StreamKeyRecord | None:  # noqa: A002
        """The stream key of that id, if it is in the scope."""

    async def stream_keys(self, scope: Scope, ids: Sequence[str], /) -> list[StreamKeyRecord]:
        """The stream keys that exist in the scope, each once, in the order of `ids`."""

    async def list_stream_keys(
        self, scope: Scope, channel_id: str, /, *, limit: int, after: Position | None
    ) -> list[StreamKeyRecord]:
        """At most `limit` stream keys behind `after`, by creation time, then id."""

    async def count_stream_keys(self, scope: Scope, channel_id: str, /) -> int:
        """How many stream keys the channel has."""

    async def delete_stream_key(self, scope: Scope, id: str, /) -> bool:  # noqa: A002
        """Remove a stream key; False when there is none."""

    async def access_key(self, id: str, /) -> AccessKeyRecord | None:  # noqa: A002
        """The access key of that id."""


class Store(Protocol):
    """Where units of work come from."""

    def read(self) -> AbstractAsyncContextManager[Work]:
        """A snapshot that cannot be written to."""

    def write(self) -> AbstractAsyncContextManager[Work]:
        """The only writer until it commits, at the end of the block."""


class Call(Struct, frozen=True, kw_only=True):
    """One request on its way through its handler."""

    operation: str
    scope: Scope  # the caller's account, and the region it signed for
    now_ms: int  # Unix time
    random_bytes: RandomBytes
    settings: ApiSettings
    endpoints: Endpoints
    tokens: PageTokens
    store: Work
    control: Control

    def own_id(self, arn: str) -> str | None:
        """The id in an ARN; None when the ARN is of another account or region."""
        parsed = parse_arn(arn)
        if parsed is None or Scope(parsed.account, parsed.region) != self.scope:
            return None
        return parsed.id

    def own_ids(self, arns: Sequence[str]) -> list[str]:
        """The ids in those ARNs that are of the caller's scope."""
        return [id_ for arn in arns if (id_ := self.own_id(arn)) is not None]

    async def channel(self, arn: str) -> ChannelRecord:
        """The channel of that ARN.

        Raises:
            ResourceNotFoundError: it does not exist, or in another scope: whoever asks
                cannot tell which.
        """
        id_ = self.own_id(arn)
        record = None if id_ is None else await self.store.channel(self.scope, id_)
        if record is None:
            raise ResourceNotFoundError(arn=arn)
        return record

    def list_id(self, *filters: str) -> tuple[str, ...]:
        """What names the list that this call asks for; page tokens are bound to it."""
        return (self.operation, self.scope.account, self.scope.region, *filters)


RequestT = TypeVar("RequestT", bound=Shape)
ResponseT = TypeVar("ResponseT", bound=Shape | None)
Handler = Callable[[Call, RequestT], Awaitable[ResponseT]]


class Operation(Struct, frozen=True, kw_only=True):
    """One operation: its route, its shapes, its function."""

    name: str
    method: str
    path: str
    writes: bool  # needs a writing transaction
    status: HTTPStatus  # of success
    decoder: RequestDecoder[Any]
    handler: Handler[Any, Any]


def operation(
    name: str, *, writes: bool = False
) -> Callable[[Handler[RequestT, ResponseT]], Operation]:
    """Make a handler the operation `POST /<name>`.

    The request's shape is the annotation of the handler's second argument. A handler
    that returns None is answered with 204, any other with 200.
    """

    def made(handler: Handler[RequestT, ResponseT]) -> Operation:
        signature = inspect.signature(handler)
        request = list(signature.parameters.values())[1].annotation
        has_answer = signature.return_annotation not in {None, NoneType}
        return Operation(
            name=name,
            method="POST",
            path=f"/{name}",
            writes=writes,
            status=HTTPStatus.OK if has_answer else HTTPStatus.NO_CONTENT,
            decoder=RequestDecoder(name, request),
            handler=handler,
        )

    return made
