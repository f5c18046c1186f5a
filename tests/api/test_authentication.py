"""Who signed: lasting and temporary keys, and how soon changes are seen."""

from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

from api.people import (
    ACCOUNT,
    add_key,
    add_temporary_key,
    add_user,
    client_of,
    statement,
    user_client,
)
from headwater.api import authentication
from headwater.api.authentication import MAX_AGE_MS, Authenticator
from headwater.auth.errors import SignatureError, UnrecognizedClientError
from headwater.store.identities import ROOT


def refused(client):
    with pytest.raises(ClientError) as caught:
        client.list_channels()
    return caught.value.response["Error"]["Code"]


def test_a_temporary_key_works_with_its_token(service):
    key, token = service.runner.run(add_temporary_key(service.store))

    assert client_of(service, key, token).list_channels()["channels"] == []


TOKENS = [
    # id,                what of the token is sent
    ("none",             lambda _: None),
    ("another",          lambda _: "another"),
    ("the first half",   lambda token: token[:64]),
    ("one byte off",     lambda token: token[:-1] + ("a" if token[-1] != "a" else "b")),
    ("more",             lambda token: token + "a"),
]  # fmt: skip


@pytest.mark.parametrize("sent", [row[1] for row in TOKENS], ids=[row[0] for row in TOKENS])
def test_a_temporary_key_is_none_without_its_token(service, sent):
    key, token = service.runner.run(add_temporary_key(service.store))

    client = client_of(service, key, sent(token.reveal()))
    assert refused(client) == "UnrecognizedClientException"


def test_a_lasting_key_has_no_token(service):
    assert refused(service.client(token="token")) == "UnrecognizedClientException"


def test_a_temporary_key_that_is_over_is_told_so(service):
    key, token = service.runner.run(add_temporary_key(service.store, now_ms=1000, lasts_ms=1))

    assert refused(client_of(service, key, token)) == "ExpiredTokenException"
    assert service.responses[-1].status == 403
    # Only who signed well learns that.
    stranger = service.client(access_key=key.id, secret="wrong", token=token.reveal())
    assert refused(stranger) == "InvalidSignatureException"


def test_a_temporary_key_of_a_user_may_do_what_the_user_may(service):
    run = service.runner.run
    user = run(add_user(service.store, "ana", "IVSReadOnlyAccess"))
    client = client_of(service, *run(add_temporary_key(service.store, user.id)))

    assert client.list_channels()["channels"] == []
    with pytest.raises(client.exceptions.AccessDeniedException):
        client.create_channel()


def test_a_user_without_policies_may_do_nothing(service):
    assert refused(user_client(service, "ana")) == "AccessDeniedException"


@pytest.fixture
def clock(service):
    """A clock that stands until it is set, and an authenticator that goes by it."""

    class Clock:
        def __init__(self):
            self.now_ms = service.api._now_ms()
            self.authenticator = Authenticator(service.store, lambda: self.now_ms)

        def caller(self, client):
            with suppress(ClientError):  # by now the API itself may refuse
                client.list_channels()
            return service.runner.run(
                self.authenticator.caller(service.requests[-1], service="ivs")
            )

    return Clock()


async def change(store, action):
    async with store.write() as work:
        await action(work.identities)


def test_a_deleted_key_is_refused_after_the_caches_age_at_most(service, clock):
    key = service.runner.run(add_key(service.store))
    client = client_of(service, key)
    assert clock.caller(client).key_id == key.id

    service.runner.run(change(service.store, lambda ids: ids.delete_access_key(key.id)))
    clock.now_ms += MAX_AGE_MS - 1
    assert clock.caller(client).key_id == key.id
    clock.now_ms += 1
    with pytest.raises(UnrecognizedClientError):
        clock.caller(client)


def test_a_policy_counts_after_the_caches_age_at_most(service, clock):
    run = service.runner.run
    user = run(add_user(service.store, "ana"))
    client = client_of(service, run(add_key(service.store, user.id)))
    assert clock.caller(client).principal.policies == ()

    arn = "arn:aws:iam::aws:policy/IVSFullAccess"
    run(change(service.store, lambda ids: ids.attach(user.id, arn)))
    clock.now_ms += MAX_AGE_MS
    assert len(clock.caller(client).principal.policies) == 1
    run(change(service.store, lambda ids: ids.detach(user.id, arn)))
    clock.now_ms += MAX_AGE_MS
    assert clock.caller(client).principal.policies == ()


def test_a_deleted_users_keys_are_refused(service, clock):
    run = service.runner.run
    user = run(add_user(service.store, "ana"))
    client = client_of(service, run(add_key(service.store, user.id)))
    assert clock.caller(client).principal.name == "ana"

    run(change(service.store, lambda ids: ids.delete_user(user.id)))
    clock.now_ms += MAX_AGE_MS
    with pytest.raises(UnrecognizedClientError):
        clock.caller(client)


def test_a_clock_that_is_set_back_does_not_keep_a_key_alive(service, clock):
    key = service.runner.run(add_key(service.store))
    client = client_of(service, key)
    clock.caller(client)

    service.runner.run(change(service.store, lambda ids: ids.delete_access_key(key.id)))
    clock.now_ms -= 5000
    with pytest.raises(UnrecognizedClientError):
        clock.caller(client)


def test_a_new_key_works_at_once(service, clock):
    key = service.runner.run(add_key(service.store))
    client = client_of(service, key)
    service.runner.run(change(service.store, lambda ids: ids.delete_access_key(key.id)))
    with pytest.raises(SignatureError):
        clock.caller(client)

    service.runner.run(change(service.store, lambda ids: ids.insert_access_key(key)))
    assert clock.caller(client).key_id == key.id


def test_the_keys_remembered_are_bounded(service, clock, monkeypatch):
    monkeypatch.setattr(authentication, "MAX_IDENTITIES", 2)
    keys = [service.runner.run(add_key(service.store)) for _ in range(3)]
    for key in (keys[0], keys[1], keys[0], keys[2]):
        clock.caller(client_of(service, key))

    assert list(clock.authenticator._identities) == [keys[0].id, keys[2].id]


def test_an_unknown_key_is_not_remembered(service, clock):
    with pytest.raises(UnrecognizedClientError):
        clock.caller(service.client(access_key="AKHWNOBODY"))

    assert clock.authenticator._identities == {}


def test_a_caller_is_the_root_or_a_user(service, clock):
    run = service.runner.run
    user = run(add_user(service.store, "ana", statement("ivs:GetChannel")))
    root = clock.caller(client_of(service, run(add_key(service.store, ROOT))))
    ana = clock.caller(client_of(service, run(add_key(service.store, user.id))))

    assert root.principal.arn == f"arn:aws:iam::{ACCOUNT}:root"
    assert ana.principal.arn == f"arn:aws:iam::{ACCOUNT}:user/ana"
    assert ana.scope.account == ACCOUNT
    assert not ana.temporary
