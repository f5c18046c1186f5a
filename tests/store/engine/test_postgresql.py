import asyncio
import os
import signal
import traceback

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import IntegrityError

import postgres
from headwater.core.errors import OperatorError
from headwater.store import Store
from headwater.store.engine.postgresql import PostgresqlDatabase
from headwater.store.records import ChannelRecord
from store.rows import ELSEWHERE, HERE, add_channel

OTHER_ACCOUNT = ELSEWHERE[1].account


@pytest.fixture
def kind():
    return "postgresql"


@pytest.fixture
def own_cluster():
    """A server that a test may stop."""
    if postgres.MISSING:
        pytest.skip(postgres.MISSING)
    with postgres.cluster() as cluster:
        yield cluster


async def count(store):
    async with store.read() as work:
        return await work.count(ChannelRecord, HERE)


async def pid_of(transaction):
    return (await transaction.execute(text("SELECT pg_backend_pid()"))).scalar_one()


REFUSALS = [
    # id,              what of the URL is changed,               says
    ("wrong password", {"password": "hush-wrong"},               "the user name or the password is wrong"),
    ("unknown user",   {"username": "nobody"},                   "the user name or the password is wrong"),
    ("no database",    {"database": "nowhere"},                  "there is no such database on that server; create"),
    ("no server",      {"port": 1},                              r"cannot be reached \(.*\); see that it runs"),
    ("no such host",   {"host": "nowhere.invalid"},              r"cannot be reached \(.*\); see that it runs"),
    ("no TLS there",   {"query": {"sslmode": "require"}},        r"cannot be reached \(.* rejected SSL upgrade\)"),
    ("odd TLS mode",   {"query": {"sslmode": "maybe"}},          r"cannot be reached \(.*sslmode.* must be one of"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
async def test_why_the_server_lets_nobody_in_is_named_and_no_password(url, change, says):
    changed = make_url(url).set(**change).render_as_string(hide_password=False)
    with pytest.raises(OperatorError, match=rf"^database postgresql://\w+@\S+/\w+: .*{says}") as it:
        await Store.open(changed, busy_timeout_ms=2000)
    assert "hush" not in "".join(traceback.format_exception(it.value))


ROLES = [
    # id,                   statement,                                              says
    ("too many connections", "ALTER ROLE guest CONNECTION LIMIT 0",                 "has too many connections; raise max"),
    ("no rights",            "ALTER ROLE guest CONNECTION LIMIT -1",                "its user lacks a right; make that user"),
    ("read only",            "ALTER ROLE guest SET default_transaction_read_only=on", "a standby that cannot be written"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "says"), [row[1:] for row in ROLES], ids=[row[0] for row in ROLES]
)
async def test_what_the_server_does_not_allow_is_named(cluster, url, statement, says):
    await cluster.run("CREATE ROLE guest LOGIN PASSWORD 'hush'", statement)
    try:
        guest = make_url(url).set(username="guest", password="hush")
        with pytest.raises(OperatorError, match=says):
            await Store.open(guest.render_as_string(hide_password=False))
    finally:
        await cluster.run("DROP ROLE guest")


async def test_a_socket_in_a_folder_can_be_named(cluster, store, url):
    await add_channel(store)
    name = make_url(url).database
    place = f"host={cluster.folder}&port={cluster.port}"
    again = await Store.open(f"postgresql://{postgres.USER}:{postgres.PASSWORD}@/{name}?{place}")

    assert await count(again) == 1
    await again.close()


async def test_a_connection_lost_in_the_middle_is_an_error_of_that_unit_only(cluster, store):
    async def lose():
        async with store.write(HERE.account) as work:
            pid = await pid_of(work._connection)
            await cluster.run(f"SELECT pg_terminate_backend({pid})")
            await work.put_setting("half", b"done")

    lost, *_ = await asyncio.gather(lose(), add_channel(store), return_exceptions=True)

    assert isinstance(lost, OperatorError)
    assert "the connection to it was lost, with what was being written" in str(lost)

    assert await count(store) == 1
    async with store.read() as work:
        assert await work.setting("half") is None


async def test_a_connection_lost_before_the_commit_is_not_answered(cluster, store):
    async def lose():
        async with store.write() as work:
            await work.put_setting("half", b"done")
            pid = await pid_of(work._connection)
            await cluster.run(f"SELECT pg_terminate_backend({pid})")

    with pytest.raises(OperatorError, match="the connection to it was lost"):
        await lose()
    async with store.read() as work:
        assert await work.setting("half") is None


async def test_a_server_that_was_restarted_is_found_again(own_cluster):
    store = await Store.open(own_cluster.url(), busy_timeout_ms=2000)
    await asyncio.gather(*(add_channel(store) for _ in range(3)))
    own_cluster.stop()
    await asyncio.sleep(0.05)  # until the connections have seen it
    with pytest.raises(OperatorError, match="server cannot be reached"):
        await add_channel(store)
    with pytest.raises(OperatorError, match="server cannot be reached"):
        await count(store)
    own_cluster.start()

    assert await count(store) == 3
    await asyncio.gather(*(add_channel(store) for _ in range(3)))
    assert await count(store) == 6
    await store.close()


async def test_a_server_that_does_not_answer_is_named(store, url):
    _ = store
    database = PostgresqlDatabase(make_url(url), busy_timeout_ms=2000, answer_timeout_ms=200)
    async with database.read() as transaction:
        pid = await pid_of(transaction)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(OperatorError, match="it does not answer; see what keeps it busy"):
            async with database.read() as transaction:
                await transaction.execute(text("SELECT 1"))
    finally:
        os.kill(pid, signal.SIGCONT)
    async with database.read() as transaction:
        assert await pid_of(transaction) != pid
    await database.close()


async def test_a_lock_held_elsewhere_is_waited_for_then_named(store, url):
    again = await Store.open(url, busy_timeout_ms=1000)  # connecting takes some of it
    async with store.write(HERE.account):
        for account in (HERE.account, None):
            with pytest.raises(OperatorError, match="another process held its lock for too long"):
                async with again.write(account):
                    pytest.fail("there are two writers")
        assert await count(again) == 0
    await add_channel(again)
    await again.close()


async def test_two_accounts_are_written_at_the_same_time(store):
    async with store.write(HERE.account) as one, store.write(OTHER_ACCOUNT) as two:
        await one.put_setting("one", b"1")
        await two.put_setting("two", b"2")

    async with store.read() as work:
        assert (await work.setting("one"), await work.setting("two")) == (b"1", b"2")


async def test_whoever_writes_for_no_account_writes_alone(store):
    async def put():
        async with store.write() as work:
            await work.put_setting("alone", b"")

    async with store.write(HERE.account):
        waiting = asyncio.create_task(put())
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
    await waiting


async def test_a_unit_that_goes_on_after_a_failed_statement_is_not_answered(store):
    """PostgreSQL answers the COMMIT of such a transaction as if all were well."""
    taken = await add_channel(store)

    async def go_on():
        async with store.write() as work:
            with pytest.raises(IntegrityError):
                await work.insert(taken)

    with pytest.raises(RuntimeError, match="a statement failed, and the unit of work went on"):
        await go_on()
