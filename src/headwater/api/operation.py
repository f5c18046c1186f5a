"""Operation: one row of the API's table; Call: everything a handler may use.

What a handler needs of others is declared here as Protocols (`Work`, `Store`,
`Control`, `Destinations`); the store and the node fit them without importing this module.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from types import NoneType
from typing import Any, Protocol, TypeVar

from msgspec import UNSET, Struct, UnsetType

from headwater.api.authorization import Access
from headwater.api.endpoints import Endpoints
from headwater.api.errors import (
    ConflictError,
    QuotaExceededError,
    ResourceNotFoundError,
    ThrottlingError,
)
from headwater.api.pagination import PageTokens, cut
from headwater.api.rates import Rates
from headwater.api.resources import Resources
from headwater.api.routes import Route, Routed
from headwater.api.settings import ApiSettings
from headwater.api.validation import RequestDecoder
from headwater.core.arn import parse_arn
from headwater.core.http import Request
from headwater.core.ids import RandomBytes
from headwater.shapes.scalars import StreamHealth
from headwater.shapes.wire import Shape
from headwater.store.events import Events
from headwater.store.identities import Identities
from headwater.store.records import (
    AdBreakRecord,
    ChannelRecord,
    Position,
    RecordingConfigurationRecord,
    ResourceRecord,
    Scope,
    ViewerSessionRevocation,
)
from headwater.store.sessions import Sessions

RecordT = TypeVar("RecordT", bound=ResourceRecord)


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
        """Whether the channel has a stream: playable already or not, its encoder there or not."""

    def live_streams(self, account: str, region: str) -> list[LiveStream]:
        """All live streams of a scope, oldest first."""

    def stop_stream(self, channel_arn: str) -> bool:
        """End the channel's stream, playable already or not; False: it has none."""

    def put_metadata(self, channel_arn: str, text: str) -> bool:
        """Give viewers that text with the newest picture; False: the channel is not live."""

    def tell_ad_break(self, ad_break: AdBreakRecord) -> None:
        """Tell that a stream was given an ad break, if it still runs."""


class Destinations(Protocol):
    """Where recordings go."""

    def check(self, configuration: RecordingConfigurationRecord, /) -> None:
        """Find out whether that bucket can be recorded to, and then store it as the state.

        Returns at once; asking again while that is under way does nothing.
        """


class Work(Protocol):
    """The rows, as one transaction sees them. Resources are asked for by their record type."""

    async def insert(self, record: ResourceRecord, /) -> None:
        """Add a resource."""

    async def get(self, kind: type[RecordT], scope: Scope, id: str, /) -> RecordT | None:  # noqa: A002
        """The resource of that id, if it is in the scope."""

    async def resource(self, scope: Scope, arn: str, /) -> ResourceRecord | None:
        """The resource of that ARN, of whatever kind, if it is in the scope."""

    async def get_many(
        self, kind: type[RecordT], scope: Scope, ids: Sequence[str], /
    ) -> list[RecordT]:
        """Those that exist in the scope, each once, in the order of `ids`."""

    async def page(
        self,
        kind: type[RecordT],
        scope: Scope,
        /,
        *,
        limit: int,
        after: Position | None,
        **equal: str,
    ) -> list[RecordT]:
        """At most `limit` behind `after`, by creation time, then id."""

    async def update(self, record: ResourceRecord, /) -> bool:
        """Replace all but id, scope and creation time; False when there is none."""

    async def delete(self, kind: type[ResourceRecord], scope: Scope, id: str, /) -> bool:  # noqa: A002
        """Remove one, with the stream keys if it is a channel; False when there is none."""

    async def count(self, kind: type[ResourceRecord], scope: Scope, /, **equal: str) -> int:
        """How many the scope has whose columns hold just those values."""

    async def put_revocation(self, revocation: ViewerSessionRevocation, /) -> None:
        """Keep it in place of an earlier one of the same viewer and channel."""

    async def revocation(
        self, channel_id: str, viewer_id: str, /
    ) -> ViewerSessionRevocation | None:
        """What is revoked of a viewer on a channel."""

    async def put_ad_break(self, ad_break: AdBreakRecord, /) -> None:
        """Keep it in place of the channel's earlier one."""

    async def ad_break(self, channel_id: str, /) -> AdBreakRecord | None:
        """The last break that was asked for on a channel."""

    @property
    def identities(self) -> Identities:
        """Users, policies and access keys."""

    @property
    def sessions(self) -> Sessions:
        """Stream sessions."""

    @property
    def events(self) -> Events:
        """Events."""


class Store(Protocol):
    """Where units of work come from."""

    def read(self) -> AbstractAsyncContextManager[Work]:
        """A snapshot that cannot be written to."""

    def write(self, account: str | None = None) -> AbstractAsyncContextManager[Work]:
        """The only writer, at least in that account, until it commits at the end of the block."""


class Call(Struct, frozen=True, kw_only=True):
    """One request on its way through its handler."""

    operation: str
    scope: Scope  # the caller's account, and the region it signed for
    now_ms: int  # Unix time
    random_bytes: RandomBytes
    settings: ApiSettings
    endpoints: Endpoints
    tokens: PageTokens
    rates: Rates
    store: Work
    control: Control
    destinations: Destinations
    access: Access

    async def allowed(self, arns: Sequence[str]) -> list[str]:
        """Those of a batch's ARNs on which the caller may do this."""
        return [arn for arn in arns if await self.access.may(self.operation, arn)]

    async def find(self, kind: type[RecordT], arn: str) -> RecordT:
        """The resource of that ARN.

        Raises:
            ResourceNotFoundError: it does not exist, or in another scope: whoever asks
                cannot tell which.
        """
        record = await self.store.resource(self.scope, arn)
        if not isinstance(record, kind):
            raise ResourceNotFoundError(arn=arn)
        return record

    async def find_all(self, kind: type[RecordT], arns: Sequence[str]) -> list[RecordT]:
        """Those of the ARNs that exist in the caller's scope, each once, in their order."""
        parsed = [arn for each in arns if (arn := parse_arn(each))]
        own = [arn.id for arn in parsed if Scope(arn.account, arn.region) == self.scope]
        return await self.store.get_many(kind, self.scope, own)

    async def page(
        self, kind: type[RecordT], *, next_token: str, max_results: int, **equal: str
    ) -> tuple[list[RecordT], str | UnsetType]:
        """One page of a list, oldest first, and the token of the next page, if there is one.

        Raises:
            ValidationError: the token is not one of this list.
        """
        list_id = self.list_id(*(text for pair in equal.items() for text in pair))
        records = await self.store.page(
            kind,
            self.scope,
            limit=max_results + 1,
            after=self.tokens.read(next_token, list_id),
            **equal,
        )
        page, last = cut(records, max_results, lambda one: Position(one.created_at_ms, one.id))
        return page, self.tokens.write(last, list_id) if last else UNSET

    async def within_quota(self, kind: type[ResourceRecord], **equal: str) -> None:
        """Refuse one more resource of that kind where there are as many as there may be.

        Holds until the transaction commits, because writers come one at a time.

        Raises:
            QuotaExceededError: it names the quota.
        """
        quota = self.settings.quotas.of(kind.resource_type)
        if not quota.is_counted:
            return
        if await self.store.count(kind, self.scope, **equal) >= quota.limit:
            raise QuotaExceededError(kind=quota.unit, limit=quota.limit)

    async def unattached(self, record: ResourceRecord) -> None:
        """Refuse to go on while a channel has that configuration or policy.

        Raises:
            ConflictError: it says how to detach it.
        """
        column = f"{record.resource_type.replace('-', '_')}_arn"
        if await self.store.count(ChannelRecord, self.scope, **{column: record.arn}):
            raise ConflictError(
                f"Resource: {record.arn} is attached to a channel; UpdateChannel detaches it"
            )

    def within_rate(self, per_s: int, *, resource: str) -> None:
        """Take one of the calls that this operation may do to that resource in a second.

        Raises:
            ThrottlingError: there were as many already.
        """
        key = (self.operation, self.scope.account, self.scope.region, resource)
        if not self.rates.allow(key, per_s=per_s, now_ms=self.now_ms):
            raise ThrottlingError(operation=self.operation, rate=per_s, resource=resource)

    def list_id(self, *filters: str) -> tuple[str, ...]:
        """What names the list that this call asks for; page tokens are bound to it."""
        return (self.operation, self.scope.account, self.scope.region, *filters)


RequestT = TypeVar("RequestT", bound=Shape)
ResponseT = TypeVar("ResponseT", bound=Shape | None)
Handler = Callable[[Call, RequestT], Awaitable[ResponseT]]


class Operation(Routed, frozen=True, kw_only=True):
    """One operation: its route, its shapes, its function."""

    name: str
    writes: bool  # needs a writing transaction
    status: HTTPStatus  # of success
    resources: Resources  # the ARNs that a call acts on
    decoder: RequestDecoder[Any]
    handler: Handler[Any, Any]

    def decode(self, request: Request) -> Shape:
        """The request's shape, from its body, path and query.

        Raises:
            ValidationError: it names the first member that is wrong.
        """
        shape: Shape = self.decoder.decode(request.body, self.route.members(request))
        return shape


def operation(
    name: str, *, on: Resources, writes: bool = False, route: Route | None = None
) -> Callable[[Handler[RequestT, ResponseT]], Operation]:
    """Make a handler the operation of that name, at `POST /<name>` or at its own route.

    The request's shape is the annotation of the handler's second argument. A handler
    that returns None is answered with 204, any other with 200.
    """

    def made(handler: Handler[RequestT, ResponseT]) -> Operation:
        signature = inspect.signature(handler)
        request = list(signature.parameters.values())[1].annotation
        has_answer = signature.return_annotation not in {None, NoneType}
        return Operation(
            name=name,
            route=route or Route("POST", f"/{name}"),
            writes=writes,
            status=HTTPStatus.OK if has_answer else HTTPStatus.NO_CONTENT,
            resources=on,
            decoder=RequestDecoder(name, request),
            handler=handler,
        )

    return made
