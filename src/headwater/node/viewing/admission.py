"""Who may watch: playback tokens, restriction policies and revoked viewers.

It is delivery's Admission. A viewer is let in when, in this order:

    a private channel   its token is verified, and the viewer's session is not revoked; the page
                        is one of the token's origins, or says nothing and need not
    a public channel    likewise with its policy's origins; and the viewer is in an allowed
                        country, or in an unknown one
    a single-use token  it was not used before, on any server of this database
    all of them         there is room for one more; if not, the token stays unused

Keys, revocations and used tokens are read from the database for every viewer, so that what was
deleted, revoked or used is refused at once, whichever server did it. Viewers who are watching
are looked after by `watch`, which reads new revocations twice a second.

As with IVS, private channels' policies are ignored, and a policy is the one that the channel
had when its stream began (read by `watch`, or for the first viewer if that is earlier): a
change takes effect with the next stream.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qsl

import structlog
from msgspec import Struct, field

from headwater.auth import origins
from headwater.auth.playback_token import (
    ALLOW_ORIGIN,
    SINGLE_USE,
    PlaybackToken,
    SignedToken,
    refuse_signature,
)
from headwater.core.arn import Arn
from headwater.core.errors import HeadwaterError, OperatorError, PeerError
from headwater.core.http import Request
from headwater.delivery.address import ChannelAddress
from headwater.delivery.admission import Denied, Grant
from headwater.store import Store
from headwater.store.records import PlaybackKeyPairRecord, PlaybackRestrictionPolicyRecord, Scope
from headwater.store.unit_of_work import UnitOfWork

LOOK_S = 0.5
"""Between looks for revocations. Players ask for a playlist or media every second or two: a
revoked viewer is stopped within 3 s."""
LOOK_BACK_MS = 30_000
"""Before the last look: servers' clocks differ, and transactions take their time."""
KEPT_MS = 600_000
"""After a channel's stream has ended: viewers may still be playing the end of it."""
PURGE_EVERY_MS = 60_000
USED_KEPT_MS = 3_600_000
"""After a used token has expired: no server's clock is that wrong."""
MAX_KEYS = 1000
"""Keys of an account in a region that are tried: as many as the quota allows by itself."""
MAX_QUERY_FIELDS = 100
"""Players add a handful of their own."""
_WRONG_PAGE = Denied(
    status=HTTPStatus.FORBIDDEN,
    code="origin_not_allowed",
    text="this page's origin may not play the stream",
)
_WRONG_COUNTRY = Denied(
    status=HTTPStatus.FORBIDDEN,
    code="content_geoblocked",
    text="the stream may not be played in this country",
)
_REVOKED = Denied(
    status=HTTPStatus.FORBIDDEN,
    code="viewer_session_revoked",
    text="the viewer's session was revoked",
)
NO_POLICY = PlaybackRestrictionPolicyRecord(
    id="",
    region="",
    account="",
    tags={},
    created_at_ms=0,
    name="",
    allowed_countries=[],
    allowed_origins=[],
    enable_strict_origin_enforcement=False,
)

log = structlog.get_logger(__name__)


class Countries(Protocol):
    """Knows where viewers are."""

    def country(self, address: str) -> str | None:
        """The ISO 3166-1 alpha-2 code of where that address is; None: unknown."""


class _Channel(Struct, kw_only=True):
    """What is known of a channel while it streams, and for KEPT_MS after."""

    arn: str
    scope: Scope
    stream_id: str | None  # None: it had just ended when the viewer came
    private: bool
    policy: PlaybackRestrictionPolicyRecord
    seen_at_ms: int  # streaming
    last_key: bytes = b""  # that verified a token: tried first
    revoked: dict[str, int] = field(default_factory=dict)  # highest version, by viewer id


class _DeniedError(HeadwaterError):
    """The way from a check to the answer."""

    def __init__(self, denied: Denied) -> None:
        super().__init__(denied.text)
        self.denied = denied


class PlaybackAdmission:
    """Decides who may watch the streams of this server.

    It knows the channels that have streamed in the last KEPT_MS, no others.
    """

    def __init__(
        self,
        store: Store,
        *,
        stream_id: Callable[[str], str | None],
        streaming: Callable[[], Iterable[ChannelAddress]],
        countries: Countries,
        now_ms: Callable[[], int],
    ) -> None:
        """Without any channel.

        Args:
            store: keys, policies, revocations, used tokens.
            stream_id: of the stream there is on a channel, by the channel's ARN.
            streaming: the channels that have one.
            countries: where viewers are.
            now_ms: the wall clock, Unix ms.
        """
        self._store = store
        self._stream_id = stream_id
        self._streaming = streaming
        self._countries = countries
        self._now_ms = now_ms
        self._channels: dict[str, _Channel] = {}  # by id
        self._looked_at_ms = now_ms()
        self._purged_at_ms = 0

    async def admit(
        self, request: Request, channel: ChannelAddress, *, closed: Callable[[], Denied | None]
    ) -> Grant | Denied:
        """Decide about a request for a live channel's multivariant playlist."""
        answer = await self._decide(request, channel, closed)
        if isinstance(answer, Denied):
            log.debug("viewer not let in", channel=channel.channel_id, reason=answer.text)
        return answer

    async def _decide(
        self, request: Request, channel: ChannelAddress, closed: Callable[[], Denied | None]
    ) -> Grant | Denied:
        try:
            known = await self._known(channel)
            token = await self._token(request, channel.channel_id, known) if known.private else None
            grant = self._grant(request, known.policy, token)
            if token and token.single_use_uuid:
                await self._use(request, channel, token, closed)
            elif reason := closed():
                return reason
        except _DeniedError as error:
            return error.denied
        except PeerError as error:
            return Denied(
                status=HTTPStatus.FORBIDDEN, code="invalid_playback_auth_token", text=str(error)
            )
        except OperatorError as error:
            log.warning("viewers cannot be checked", reason=str(error))
            return Denied(
                status=HTTPStatus.SERVICE_UNAVAILABLE,
                code="service_unavailable",
                text="viewers cannot be let in at the moment",
            )
        return grant

    def denies(self, request: Request, channel: ChannelAddress, grant: Grant) -> Denied | None:
        """Why a later request of an admitted viewer is refused; None: it is not."""
        if grant.viewer_id and (known := self._channels.get(channel.channel_id)):
            revoked = known.revoked.get(grant.viewer_id)
            if revoked is not None and grant.version <= revoked:
                return _REVOKED
        if grant.origins and not origins.allows(grant.origins, request.header("origin")):
            return _WRONG_PAGE
        if grant.countries and self._is_elsewhere(request, grant.countries):
            return _WRONG_COUNTRY
        return None

    async def watch(self) -> None:
        """Look for what is revoked, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except OperatorError as error:
                log.warning("revoked viewers not looked for", reason=str(error))

    async def look(self) -> None:
        """Read what new streams began with, and new revocations; forget what is long over."""
        now_ms = self._now_ms()
        for channel in self._streaming():
            with contextlib.suppress(_DeniedError):  # deleted meanwhile
                await self._known(channel)
        for channel_id, known in list(self._channels.items()):
            if self._stream_id(known.arn) is not None:
                known.seen_at_ms = now_ms
            elif now_ms - known.seen_at_ms >= KEPT_MS:
                del self._channels[channel_id]
        private = [channel_id for channel_id, known in self._channels.items() if known.private]
        if private:
            since_ms = self._looked_at_ms - LOOK_BACK_MS
            async with self._store.read() as work:
                found = await work.viewing.revocations(private, since_ms=since_ms)
            for each in found:
                self._channels[each.channel_id].revoked[each.viewer_id] = each.versions_up_to
        self._looked_at_ms = now_ms
        if now_ms - self._purged_at_ms >= PURGE_EVERY_MS:
            self._purged_at_ms = now_ms
            async with self._store.write() as work:
                await work.viewing.purge(expired_before_ms=now_ms - USED_KEPT_MS)

    async def _known(self, channel: ChannelAddress) -> _Channel:
        """What is known of the channel's stream; read once."""
        arn = str(Arn(channel.region, channel.account, "channel", channel.channel_id))
        stream_id = self._stream_id(arn)
        before = self._channels.get(channel.channel_id)
        if before and stream_id in {None, before.stream_id}:
            return before
        async with self._store.read() as work:
            private, policy = await _restrictions(work, channel)
        before = self._channels.get(channel.channel_id)  # another viewer may have been first
        if before and stream_id in {None, before.stream_id}:
            return before
        known = _Channel(
            arn=arn,
            scope=Scope(channel.account, channel.region),
            stream_id=stream_id,
            private=private,
            policy=policy,
            seen_at_ms=self._now_ms(),
            revoked=before.revoked if before else {},
        )
        self._channels[channel.channel_id] = known
        return known

    async def _token(self, request: Request, channel_id: str, known: _Channel) -> PlaybackToken:
        """The token that the request brings, verified.

        Raises:
            PeerError: it brings none, or one that does not open the channel now.
        """
        signed = SignedToken(_token_text(request.query))
        async with self._store.read() as work:
            keys = await work.page(PlaybackKeyPairRecord, known.scope, limit=MAX_KEYS, after=None)
        for key in sorted(keys, key=lambda each: each.public_key != known.last_key):
            if signed.is_signed_by(key.public_key):
                known.last_key = key.public_key
                break
            await asyncio.sleep(0)  # a verification is most of a millisecond
        else:
            refuse_signature()
        token = signed.claims(channel_arn=known.arn, now_ms=self._now_ms())
        if token.viewer_id:
            async with self._store.read() as work:
                revocation = await work.revocation(channel_id, token.viewer_id)
            if revocation is not None and token.version <= revocation.versions_up_to:
                raise PeerError(
                    "aws:viewer-session-version must be above "
                    f"{revocation.versions_up_to}: this viewer's sessions up to it were revoked"
                )
        return token

    def _grant(
        self,
        request: Request,
        policy: PlaybackRestrictionPolicyRecord,
        token: PlaybackToken | None,
    ) -> Grant:
        """What the viewer may do.

        Raises:
            PeerError: the token is for other pages.
            _DeniedError: the channel's policy is against it.
        """
        asking = request.header("origin")
        if token:
            allowed, strict = token.origins, token.strict
        else:
            allowed = tuple(policy.allowed_origins)
            strict = policy.enable_strict_origin_enforcement
        if not _may_play(asking, allowed, strict=strict):
            if token:
                raise PeerError(f"{ALLOW_ORIGIN}: the token is not for pages of this origin")
            raise _DeniedError(_WRONG_PAGE)
        if self._is_elsewhere(request, policy.allowed_countries):
            raise _DeniedError(_WRONG_COUNTRY)
        return Grant(
            viewer_id=token.viewer_id if token else "",
            version=token.version if token else 0,
            origins=allowed if strict else (),
            countries=tuple(policy.allowed_countries) if strict else (),
            max_edge=token.max_edge if token else None,
            allow_origin=asking if asking and allowed and origins.ANY not in allowed else "*",
        )

    async def _use(
        self,
        request: Request,
        channel: ChannelAddress,
        token: PlaybackToken,
        closed: Callable[[], Denied | None],
    ) -> None:
        """Use a single-use token up; a HEAD, which begins no playback, only looks.

        Raises:
            PeerError: it was used before.
            _DeniedError: nobody is let in now; it stays unused.
        """
        uuid, expires_at_ms = token.single_use_uuid, token.expires_at_s * 1000
        looks = request.method == "HEAD"
        async with self._store.read() if looks else self._store.write(channel.account) as work:
            if looks:
                is_new = not await work.viewing.is_used(channel.channel_id, uuid)
            else:
                is_new = await work.viewing.use_token(
                    channel.channel_id, uuid, expires_at_ms=expires_at_ms
                )
            if not is_new:
                raise PeerError(f"{SINGLE_USE}: the token was used before")
            if reason := closed():
                raise _DeniedError(reason)

    def _is_elsewhere(self, request: Request, countries: Sequence[str]) -> bool:
        """Whether the viewer is known to be in none of these countries, if there are any."""
        if not countries:
            return False
        country = self._countries.country(request.client_address)
        return country is not None and country not in countries


async def _restrictions(
    work: UnitOfWork, channel: ChannelAddress
) -> tuple[bool, PlaybackRestrictionPolicyRecord]:
    """Whether viewers need a token, and the policy of a channel whose viewers need none."""
    record = await work.channel_by_id(channel.channel_id)
    if record is None:
        raise _DeniedError(
            Denied(
                status=HTTPStatus.NOT_FOUND,
                code="transcode_does_not_exist",
                text="the channel does not exist any more",
            )
        )
    arn = "" if record.authorized else record.playback_restriction_policy_arn
    policy = await work.resource(record.scope, arn) if arn else NO_POLICY
    if not isinstance(policy, PlaybackRestrictionPolicyRecord):
        raise TypeError(f"the policy {arn} of a channel does not exist")
    return record.authorized, policy


def _token_text(query: str) -> str:
    """The query's token.

    Raises:
        PeerError: there is none, or more than one.
    """
    try:
        fields = parse_qsl(query, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise PeerError(f"a query has at most {MAX_QUERY_FIELDS} fields") from None
    tokens = [value for name, value in fields if name == "token"]
    if len(tokens) != 1:
        found = "more than one is" if tokens else "none is"
        raise PeerError(f"a private channel needs a playback token as ?token=; {found} there")
    return tokens[0]


def _may_play(asking: str | None, allowed: Sequence[str], *, strict: bool) -> bool:
    """Whether a request from that origin may play.

    Only browsers send an origin; whoever sends none is stopped by strict enforcement alone.
    """
    if not allowed or (asking is None and not strict):
        return True
    return origins.allows(allowed, asking)
