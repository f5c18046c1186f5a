"""Users, keys and policies as rows."""

import sqlite3
from contextlib import closing, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from headwater.core.secret import Secret
from headwater.store import Store
from headwater.store.identities import ROOT, AccessKeyRecord, PolicyRecord, UserRecord
from store import rows

HERE, ELSEWHERE = "123456789012", "210987654321"
ARN = "arn:aws:iam::aws:policy/IVSReadOnlyAccess"

on_one_store = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
keys = st.builds(
    AccessKeyRecord,
    id=rows.text,
    account=rows.text,
    secret=rows.secret,
    created_at_ms=rows.time_ms,
    description=rows.text,
    user_id=rows.text,
    session_digest=st.binary(max_size=32),
    expires_at_ms=rows.time_ms,
)
users = st.builds(
    UserRecord, id=rows.text, account=rows.text, name=rows.text, created_at_ms=rows.time_ms
)
policies = st.builds(
    PolicyRecord,
    account=rows.text,
    name=rows.text,
    document=rows.text,
    description=rows.text,
    created_at_ms=rows.time_ms,
)


class Undo(Exception):  # noqa: N818 - no error: rolls a unit of work back
    pass


def key(**changes):
    fields = {
        "id": "AKHW1",
        "account": HERE,
        "secret": Secret("hush"),
        "created_at_ms": 1,
        "description": "",
        "user_id": ROOT,
        "session_digest": b"",
        "expires_at_ms": 0,
    }
    return AccessKeyRecord(**fields | changes)


def user(name="ana", account=HERE, **changes):
    fields = {"id": f"AIHW{name}{account}", "account": account, "name": name, "created_at_ms": 1}
    return UserRecord(**fields | changes)


def policy(name="p", account=HERE):
    return PolicyRecord(account=account, name=name, document="{}", description="", created_at_ms=1)


@given(record=keys)
@on_one_store
async def test_access_keys_come_back_as_they_went_in(store, record):
    with suppress(Undo):
        async with store.write() as work:
            await work.identities.insert_access_key(record)

            assert await work.identities.access_key(record.id) == record
            assert await work.identities.list_access_keys() == [record]
            assert await work.identities.delete_access_key(record.id)
            assert not await work.identities.delete_access_key(record.id)
            assert await work.identities.access_key(record.id) is None
            raise Undo


@given(one=users, other=policies)
@on_one_store
async def test_users_and_policies_come_back_as_they_went_in(store, one, other):
    with suppress(Undo):
        async with store.write() as work:
            await work.identities.insert_user(one)
            await work.identities.insert_policy(other)

            assert await work.identities.user(one.id) == one
            assert await work.identities.user_named(one.account, one.name) == one
            assert await work.identities.list_users(one.account) == [one]
            assert await work.identities.policy(other.account, other.name) == other
            assert await work.identities.list_policies(other.account) == [other]
            raise Undo


async def test_access_keys_are_listed_oldest_first(store):
    async with store.write() as work:
        for id_, age in [("b", 2), ("a", 2), ("c", 1)]:
            await work.identities.insert_access_key(key(id=id_, created_at_ms=age))

        assert [one.id for one in await work.identities.list_access_keys()] == ["c", "a", "b"]


async def test_a_root_key_is_lasting_and_the_accounts_own(store):
    async with store.write() as work:
        for one in (
            key(id="users", user_id="AIHW1", created_at_ms=0),
            key(id="temporary", expires_at_ms=9, created_at_ms=0),
            key(id="elsewhere", account=ELSEWHERE, created_at_ms=0),
            key(id="younger", created_at_ms=2),
            key(id="older", created_at_ms=1),
        ):
            await work.identities.insert_access_key(one)

        assert (await work.identities.root_key(HERE)).id == "older"
        assert await work.identities.root_key("000000000000") is None


async def test_names_are_unique_in_an_account(store):
    async with store.write() as work:
        await work.identities.insert_user(user())
        await work.identities.insert_user(user(account=ELSEWHERE))
        await work.identities.insert_policy(policy())
        await work.identities.insert_policy(policy(account=ELSEWHERE))

    with pytest.raises(IntegrityError):
        async with store.write() as work:
            await work.identities.insert_user(user(id="AIHWother"))
    with pytest.raises(IntegrityError):
        async with store.write() as work:
            await work.identities.insert_policy(policy())


async def test_a_user_goes_with_keys_and_attachments(store):
    ana, bob = user("ana"), user("bob")
    async with store.write() as work:
        identities = work.identities
        for one in (ana, bob):
            await identities.insert_user(one)
            await identities.insert_access_key(key(id=f"key-{one.name}", user_id=one.id))
            await identities.attach(one.id, ARN)

        assert await identities.delete_user(ana.id)
        assert not await identities.delete_user(ana.id)
        assert await identities.user(ana.id) is None
        assert await identities.attached_to(ana.id) == []
        assert [one.id for one in await identities.list_access_keys()] == ["key-bob"]
        assert await identities.users_with(HERE, ARN) == [bob]


async def test_policies_are_attached_once_and_detached(store):
    ana = user()
    async with store.write() as work:
        await work.identities.insert_user(ana)
        await work.identities.insert_policy(policy())
        await work.identities.attach(ana.id, policy().arn)
        await work.identities.attach(ana.id, ARN)

        assert await work.identities.attached_to(ana.id) == sorted([policy().arn, ARN])
        assert await work.identities.users_with(ELSEWHERE, ARN) == []
        assert await work.identities.detach(ana.id, ARN)
        assert not await work.identities.detach(ana.id, ARN)
        assert await work.identities.attached_to(ana.id) == [policy().arn]
        assert await work.identities.delete_policy(HERE, "p")
        assert not await work.identities.delete_policy(HERE, "p")


async def test_expired_keys_are_counted_and_removed(store):
    async with store.write() as work:
        for id_, expires in [("lasting", 0), ("old", 10), ("new", 20)]:
            await work.identities.insert_access_key(key(id=id_, expires_at_ms=expires))
        await work.identities.insert_access_key(key(id="ana", user_id="AIHW", expires_at_ms=10))

        assert await work.identities.count_temporary_keys(HERE, ROOT) == 2
        await work.identities.delete_expired_keys(20)
        assert [one.id for one in await work.identities.list_access_keys()] == ["lasting", "new"]


def test_arns_are_those_of_iam():
    assert user().arn == "arn:aws:iam::123456789012:user/ana"
    assert policy().arn == "arn:aws:iam::123456789012:policy/p"


OLDER = """
DROP TABLE stream_sessions;
DROP TABLE IF EXISTS events;
DROP TABLE IF EXISTS event_deliveries;
DROP TABLE IF EXISTS event_lanes;
DROP TABLE IF EXISTS event_rules;
DROP TABLE IF EXISTS used_tokens;
DROP INDEX IF EXISTS ix_viewer_session_revocations_revoked_at_ms;
DROP TABLE IF EXISTS recordings;
DROP TABLE IF EXISTS recording_buckets;
DROP INDEX ix_access_keys_owner;
DROP INDEX ix_access_keys_expires_at_ms;
ALTER TABLE access_keys DROP COLUMN user_id;
ALTER TABLE access_keys DROP COLUMN session_digest;
ALTER TABLE access_keys DROP COLUMN expires_at_ms;
DROP TABLE policy_attachments;
DROP TABLE policies;
DROP TABLE users;
INSERT INTO access_keys VALUES ('AKHW1', '123456789012', 'hush', 1, 'older');
UPDATE alembic_version SET version_num = '0002';
UPDATE schema_compat SET version = 1;
"""


@pytest.mark.parametrize("kind", ["sqlite"])  # there is no older database on PostgreSQL
async def test_keys_of_an_older_database_stay_the_accounts_own(store, path, url):
    await store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(OLDER)

    newer = await Store.open(url)
    async with newer.read() as work:
        assert await work.identities.list_access_keys() == [key(description="older")]
    await newer.close()
    with closing(sqlite3.connect(path)) as connection:
        # An older release would take users' keys for the account's own.
        assert connection.execute("SELECT version FROM schema_compat").fetchall() == [(3,)]
