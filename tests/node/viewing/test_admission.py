"""Who is let in, on a real database; tokens are checked in tests/auth, origins too."""

import asyncio
import uuid
from http import HTTPStatus

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from headwater.core.errors import OperatorError
from headwater.core.http import Request
from headwater.delivery.address import ChannelAddress
from headwater.delivery.admission import Denied, Grant
from headwater.node.viewing.admission import (
    KEPT_MS,
    LOOK_BACK_MS,
    USED_KEPT_MS,
    PlaybackAdmission,
)
from headwater.store import Store
from headwater.store.records import (
    ChannelRecord,
    PlaybackKeyPairRecord,
    PlaybackRestrictionPolicyRecord,
    ViewerSessionRevocation,
)
from store.rows import ELSEWHERE, HERE, channel, insert_both, stream_key

NOW_MS = 1_750_000_000_000
KEY = ec.generate_private_key(ec.SECP384R1())
OTHER = ec.generate_private_key(ec.SECP384R1())
TOKEN, ORIGIN, COUNTRY = "invalid_playback_auth_token", "origin_not_allowed", "content_geoblocked"
GERMANY, FRANCE, NOWHERE = "192.0.2.1", "192.0.2.2", "192.0.2.3"
FULL = Denied(status=HTTPStatus.TOO_MANY_REQUESTS, code="full", text="full")
PLACES = {GERMANY: "DE", FRANCE: "FR"}


class Countries:
    def country(self, address):
        return PLACES.get(address)


class Site:
    """A server with one channel, a database, and a clock that is set by hand."""

    def __init__(self, store):
        self.store = store
        self.now_ms = NOW_MS
        self.streams = {}
        self.closed = None
        self.address = None
        self.admission = self.another_server()

    def another_server(self):
        return PlaybackAdmission(
            self.store,
            stream_id=self.streams.get,
            streaming=lambda: [self.address] if self.streams else [],
            countries=Countries(),
            now_ms=lambda: self.now_ms,
        )

    async def add_channel(self, policy=None, **changes):
        if policy is not None:
            changes["playback_restriction_policy_arn"] = policy.arn
        self.channel = channel(**changes)
        self.address = ChannelAddress(HERE.region, HERE.account, self.channel.id)
        self.streams[self.channel.arn] = "st-1"
        async with self.store.write() as work:
            await insert_both(work, self.channel, stream_key(self.channel))

    async def add_key(self, private=KEY, scope=HERE, key_id="key"):
        der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        record = PlaybackKeyPairRecord(
            id=key_id, region=scope.region, account=scope.account, tags={}, created_at_ms=1,
            name="", public_key=der, fingerprint=key_id,
        )  # fmt: skip
        async with self.store.write() as work:
            await work.insert(record)
        return record

    async def add_policy(self, origins=(), countries=(), *, strict=False):
        record = PlaybackRestrictionPolicyRecord(
            id="policy", region=HERE.region, account=HERE.account, tags={}, created_at_ms=1,
            name="", allowed_countries=list(countries), allowed_origins=list(origins),
            enable_strict_origin_enforcement=strict,
        )  # fmt: skip
        async with self.store.write() as work:
            await work.insert(record)
        return record

    async def revoke(self, viewer_id, version, *, at_ms=None):
        async with self.store.write() as work:
            await work.put_revocation(
                ViewerSessionRevocation(
                    channel_id=self.channel.id, viewer_id=viewer_id, versions_up_to=version,
                    revoked_at_ms=self.now_ms if at_ms is None else at_ms,
                )
            )  # fmt: skip

    def token(self, private=KEY, **claims):
        named = {f"aws:{name.replace('_', '-')}": value for name, value in claims.items()}
        payload = {"aws:channel-arn": self.channel.arn, "exp": self.now_ms // 1000 + 60} | named
        return jwt.encode(payload, private, algorithm="ES384")

    async def admit(self, token=None, server=None, **request):
        query = "" if token is None else f"player_version=1&token={token}"
        asked = asking(query=query, **request)
        admission = server or self.admission
        return await admission.admit(asked, self.address, closed=lambda: self.closed)

    def denies(self, grant, server=None, **request):
        return (server or self.admission).denies(asking(**request), self.address, grant)


def asking(*, query="", origin=None, address=NOWHERE, method="GET"):
    headers = [] if origin is None else [("origin", origin)]
    return Request(
        method=method, path="/x.m3u8", query=query, headers=headers, client_address=address
    )


@pytest.fixture
async def site(tmp_path):
    store = await Store.open(f"sqlite:///{tmp_path / 'headwater.db'}")
    yield Site(store)
    await store.close()


@pytest.fixture
async def private(site):
    await site.add_channel(authorized=True)
    await site.add_key()
    return site


def refused(answer, code, says=""):
    assert isinstance(answer, Denied)
    assert (answer.status, answer.code) == (HTTPStatus.FORBIDDEN, code)
    assert says in answer.text
    return True


async def test_everybody_may_watch_a_public_channel_whatever_token_comes_along(site):
    await site.add_channel()
    for token in (None, "nonsense"):
        assert await site.admit(token, origin="https://a.com") == Grant()


async def test_a_token_opens_a_private_channel_and_its_claims_are_the_grant(private):
    claims = {"viewer_id": "ana", "viewer_session_version": 7, "maximum_resolution": "HD"}
    assert await private.admit(private.token()) == Grant()
    assert await private.admit(private.token(**claims)) == Grant(
        viewer_id="ana", version=7, max_edge=720
    )


async def test_keys_of_other_scopes_open_nothing(private):
    for number, scope in enumerate(ELSEWHERE):
        await private.add_key(OTHER, scope, f"other{number}")
    assert refused(await private.admit(private.token(OTHER)), TOKEN, "by no playback key")


async def test_any_key_of_the_scope_opens_until_it_is_deleted(private):
    second = await private.add_key(OTHER, key_id="second")
    for _ in range(2):
        assert await private.admit(private.token(OTHER)) == Grant()
        assert await private.admit(private.token(KEY)) == Grant()
    async with private.store.write() as work:
        await work.delete(PlaybackKeyPairRecord, HERE, second.id)
    assert refused(await private.admit(private.token(OTHER)), TOKEN)
    assert await private.admit(private.token(KEY)) == Grant()


NO_TOKENS = [
    ("none",   "", "needs a playback token as ?token=; none is there"),
    ("empty",  "token=", "needs a playback token as ?token=; none is there"),
    ("two",    "token=a&token=b", "needs a playback token as ?token=; more than one is there"),
    ("other name", "Token=a.b.c", "none is there"),
    ("too many fields", "&".join("x=1" for _ in range(101)), "a query has at most 100 fields"),
    ("not UTF-8", "token=%ff.%ff.%ff", "base64url"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "says"), [row[1:] for row in NO_TOKENS], ids=[row[0] for row in NO_TOKENS]
)
async def test_without_one_token_a_private_channel_is_shut(private, query, says):
    answer = await private.admission.admit(
        asking(query=query), private.address, closed=lambda: None
    )
    assert refused(answer, TOKEN, says)


async def test_a_single_use_token_is_used_by_one_playback_on_all_servers(private):
    token = private.token(single_use_uuid=str(uuid.uuid4()))
    others = [private.another_server() for _ in range(2)]
    answers = await asyncio.gather(
        *(private.admit(token, server) for server in (*others, private.admission))
    )
    assert sorted(isinstance(answer, Grant) for answer in answers) == [False, False, True]
    assert refused(await private.admit(token), TOKEN, "used before")


async def test_a_look_at_a_single_use_token_does_not_use_it(private):
    token = private.token(single_use_uuid=str(uuid.uuid4()))
    for _ in range(2):
        assert await private.admit(token, method="HEAD") == Grant()
    assert await private.admit(token) == Grant()
    assert refused(await private.admit(token, method="HEAD"), TOKEN, "used before")


async def test_a_token_is_not_used_up_while_nobody_is_let_in(private):
    once, any_number = private.token(single_use_uuid=str(uuid.uuid4())), private.token()
    private.closed = FULL
    for token, method in ((once, "GET"), (once, "HEAD"), (any_number, "GET"), (once, "GET")):
        assert await private.admit(token, method=method) is FULL
    assert refused(await private.admit(private.token(OTHER)), TOKEN), "before there is no room"
    private.closed = None
    assert await private.admit(once) == Grant()
    private.closed = FULL
    assert refused(await private.admit(once), TOKEN, "used before")


async def test_a_used_token_is_forgotten_when_no_server_would_take_it(private):
    token_id = str(uuid.uuid4())
    assert await private.admit(private.token(single_use_uuid=token_id)) == Grant()
    for passed_ms, is_used in ((USED_KEPT_MS, True), (USED_KEPT_MS + 120_000, False)):
        private.now_ms = NOW_MS + passed_ms
        await private.admission.look()
        async with private.store.read() as work:
            assert await work.viewing.is_used(private.channel.id, token_id) is is_used


async def test_revoked_viewers_are_not_let_in_and_those_of_a_higher_version_are(private):
    await private.revoke("ana", 5)
    for version in (-1, 0, 5):
        token = private.token(viewer_id="ana", viewer_session_version=version)
        assert refused(await private.admit(token), TOKEN, "must be above 5")
    token = private.token(viewer_id="ana", viewer_session_version=6)
    assert await private.admit(token) == Grant(viewer_id="ana", version=6)
    assert await private.admit(private.token(viewer_id="ben")) == Grant(viewer_id="ben")
    assert await private.admit(private.token(viewer_session_version=1)) == Grant(version=1)


async def test_viewers_who_watch_are_stopped_by_a_revocation(private):
    grants = [
        await private.admit(private.token(viewer_id=name, viewer_session_version=version))
        for name, version in (("ana", 1), ("ana", 2), ("ben", 1))
    ]
    grants.append(await private.admit(private.token(viewer_session_version=1)))
    await private.revoke("ana", 1)
    await private.admission.look()
    denied = [private.denies(grant) for grant in grants]
    assert refused(denied[0], "viewer_session_revoked")
    assert denied[1:] == [None, None, None]

    await private.revoke("ana", 2)
    await private.admission.look()
    assert [private.denies(grant) is None for grant in grants] == [False, False, True, True]


async def test_a_revocation_by_a_server_whose_clock_is_behind_is_seen(private):
    grant = await private.admit(private.token(viewer_id="ana"))
    await private.revoke("ana", 0, at_ms=NOW_MS - 20_000)
    await private.admission.look()
    assert refused(private.denies(grant), "viewer_session_revoked")


async def test_a_revocation_is_seen_however_long_the_database_was_away(private):
    grant = await private.admit(private.token(viewer_id="ana"))
    await private.admission.look()
    private.now_ms += 10 * LOOK_BACK_MS
    await private.revoke("ana", 0, at_ms=private.now_ms - 9 * LOOK_BACK_MS)
    await private.admission.look()
    assert refused(private.denies(grant), "viewer_session_revoked")


async def test_a_revocation_holds_until_the_stream_is_long_over(private):
    grant = await private.admit(private.token(viewer_id="ana"))
    await private.revoke("ana", 0)
    await private.admission.look()
    private.streams[private.channel.arn] = "st-2"
    await private.admit(private.token(viewer_id="ben"))
    assert private.denies(grant)

    private.now_ms += KEPT_MS
    await private.admission.look()
    private.streams.clear()
    private.now_ms += KEPT_MS - 1
    await private.admission.look()
    assert private.denies(grant)
    private.now_ms += 1
    await private.admission.look()
    assert private.denies(grant) is None
    assert not private.admission._channels


async def test_the_watching_goes_on_when_the_database_is_away_for_a_moment(private, monkeypatch):
    monkeypatch.setattr("headwater.node.viewing.admission.LOOK_S", 0)
    grant = await private.admit(private.token(viewer_id="ana"))
    await private.revoke("ana", 0)
    read, failures = private.store.read, [OperatorError("away"), OperatorError("away")]

    def sometimes():
        if failures:
            raise failures.pop()
        return read()

    monkeypatch.setattr(private.store, "read", sometimes)
    watching = asyncio.create_task(private.admission.watch())
    async with asyncio.timeout(10):
        while private.denies(grant) is None:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
    watching.cancel()
    assert not failures


async def test_viewers_are_asked_to_wait_while_the_database_is_away(private, monkeypatch):
    def away():
        raise OperatorError("database /secret/place is away")

    monkeypatch.setattr(private.store, "read", away)
    answer = await private.admit(private.token())
    assert (answer.status, answer.code) == (503, "service_unavailable")
    assert "secret" not in answer.text


POLICIES = [
    # origins, countries, strict; origin, address; code
    ("all",                   [], [], False, "https://a.com", GERMANY, None),
    ("origin",                ["https://a.com"], [], False, "https://a.com", GERMANY, None),
    ("below a wildcard",      ["https://*.a.com"], [], False, "https://x.a.com", GERMANY, None),
    ("another origin",        ["https://a.com"], [], False, "https://b.com", GERMANY, ORIGIN),
    ("nonsense for an origin", ["https://a.com"], [], False, "b", GERMANY, ORIGIN),
    ("no browser",            ["https://a.com"], [], False, None, GERMANY, None),
    ("no browser, strict",    ["https://a.com"], [], True, None, GERMANY, ORIGIN),
    ("origin, strict",        ["https://a.com"], [], True, "https://a.com", GERMANY, None),
    ("strict without origins", [], [], True, None, GERMANY, None),
    ("country",               [], ["FR", "DE"], False, None, GERMANY, None),
    ("another country",       [], ["FR"], False, None, GERMANY, COUNTRY),
    ("unknown country",       [], ["FR"], False, None, NOWHERE, None),
    ("both, page elsewhere",  ["https://a.com"], ["FR"], False, "https://b.com", FRANCE, ORIGIN),
    ("both, viewer elsewhere", ["https://a.com"], ["FR"], False, "https://a.com", GERMANY, COUNTRY),
    ("both",                  ["https://a.com"], ["FR"], True, "https://a.com", FRANCE, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("origins", "countries", "strict", "origin", "address", "code"),
    [row[1:] for row in POLICIES],
    ids=[row[0] for row in POLICIES],
)
async def test_a_policy_says_from_which_pages_and_countries(
    site, origins, countries, strict, origin, address, code
):
    policy = await site.add_policy(origins, countries, strict=strict)
    await site.add_channel(policy)
    answer = await site.admit(origin=origin, address=address)
    if code is not None:
        assert refused(answer, code)
        return
    assert answer.origins == (tuple(origins) if strict else ())
    assert answer.countries == (tuple(countries) if strict else ())
    assert answer.allow_origin == (origin if origins and origin else "*")
    # What comes later is held to it when strict only.
    for later, where, allowed in (
        (origin, address, True),
        (None, address, not (strict and origins)),
        ("https://evil.example", address, not (strict and origins)),
        (origin, GERMANY, not (strict and countries and "DE" not in countries)),
    ):
        assert (site.denies(answer, origin=later, address=where) is None) is allowed


async def test_the_policy_of_a_private_channel_is_ignored(site):
    policy = await site.add_policy(["https://a.com"], ["FR"], strict=True)
    await site.add_channel(policy, authorized=True)
    await site.add_key()
    answer = await site.admit(site.token(), origin="https://b.com", address=GERMANY)
    assert answer == Grant()
    assert refused(await site.admit(origin="https://a.com", address=FRANCE), TOKEN)


async def test_the_policy_is_the_one_that_the_stream_began_with_whoever_watches(site):
    policy = await site.add_policy(countries=["DE"])
    await site.add_channel(policy)
    await site.admission.look()
    async with site.store.write() as work:
        await work.update(replace(policy, allowed_countries=["FR"]))
    assert await site.admit(address=GERMANY) == Grant()
    assert refused(await site.admit(address=FRANCE), COUNTRY)


async def test_a_policy_that_changes_holds_from_the_next_stream_on(site):
    policy = await site.add_policy(countries=["DE"])
    await site.add_channel(policy)
    assert await site.admit(address=GERMANY) == Grant()
    async with site.store.write() as work:
        await work.update(replace(policy, allowed_countries=["FR"]))
    assert await site.admit(address=GERMANY) == Grant()
    del site.streams[site.channel.arn]  # its last media is still there
    assert await site.admit(address=GERMANY) == Grant()
    site.streams[site.channel.arn] = "st-2"
    assert refused(await site.admit(address=GERMANY), COUNTRY)
    assert await site.admit(address=FRANCE) == Grant()


async def test_a_private_channel_that_becomes_public_is_so_from_the_next_stream_on(private):
    await private.admit(private.token())
    async with private.store.write() as work:
        await work.update(replace(private.channel, authorized=False))
    assert refused(await private.admit(), TOKEN)
    private.streams[private.channel.arn] = "st-2"
    assert await private.admit() == Grant()


async def test_the_first_viewers_of_a_stream_come_at_once(private):
    answers = await asyncio.gather(*(private.admit(private.token()) for _ in range(10)))
    assert answers == [Grant()] * 10
    assert len(private.admission._channels) == 1


async def test_a_channel_that_was_deleted_is_not_there(private):
    async with private.store.write() as work:
        await work.delete(ChannelRecord, HERE, private.channel.id)
    await private.admission.look()
    answer = await private.admit(private.token())
    assert (answer.status, answer.code) == (404, "transcode_does_not_exist")


TOKEN_ORIGINS = [
    # id, the token's origins, strict; origin; what later requests may be of; who may see answers
    ("one",             "https://a.com", False, "https://a.com", (), "https://a.com"),
    ("one, no browser", "https://a.com", False, None, (), "*"),
    ("strict",          "https://a.com,https://b.com", True, "https://a.com", ("https://a.com", "https://b.com"), "https://a.com"),
    ("any",             "*", False, "https://a.com", (), "*"),
    ("any, strict",     "*", True, "https://a.com", ("*",), "*"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "strict", "origin", "enforced", "allow_origin"),
    [row[1:] for row in TOKEN_ORIGINS],
    ids=[row[0] for row in TOKEN_ORIGINS],
)
async def test_a_token_says_from_which_pages(
    private, claim, strict, origin, enforced, allow_origin
):
    token = private.token(access_control_allow_origin=claim, strict_origin_enforcement=strict)
    answer = await private.admit(token, origin=origin)
    assert answer == Grant(origins=enforced, allow_origin=allow_origin)
    other = "https://evil.example" if claim != "*" else "evil"
    assert refused(await private.admit(token, origin=other), TOKEN, "not for pages of this origin")
