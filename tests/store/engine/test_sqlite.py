import asyncio
import os
import sqlite3
import stat
from contextlib import AsyncExitStack, closing
from urllib.parse import quote

import pytest
from sqlalchemy.exc import OperationalError

from headwater.core.errors import OperatorError
from headwater.store import Store
from headwater.store.engine.sqlite import READ_CONNECTIONS
from headwater.store.records import ChannelRecord
from store.process import process
from store.rows import HERE, add_channel


@pytest.fixture
def kind():
    return "sqlite"


async def ask(transaction, statement):
    """Run what is SQLite's own; its rows."""
    return await transaction.run_sync(lambda it: it.exec_driver_sql(statement).all())


async def count(store):
    async with store.read() as work:
        return await work.count(ChannelRecord, HERE)


def needs_refusal(path):
    if os.access(path, os.W_OK):
        pytest.skip("this user may write everywhere")


async def test_all_files_are_for_their_owner_only(path, url):
    store = await Store.open(url)
    await add_channel(store)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == {
        "headwater.db": 0o600,
        "headwater.db-wal": 0o600,
        "headwater.db-shm": 0o600,
    }
    await store.close()


async def test_closing_ends_every_connection(store, path):
    """SQLite removes its side files with the last one."""
    await asyncio.gather(*(add_channel(store) for _ in range(3)))
    await asyncio.gather(*(count(store) for _ in range(10)))
    await store.close()

    assert [file.name for file in path.parent.iterdir()] == ["headwater.db"]


async def test_an_answered_write_is_on_the_disk_and_no_lock_is_waited_for_in_a_statement(store):
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    async with store._database.write(None) as transaction:
        pragmas = {name: (await ask(transaction, f"PRAGMA {name}"))[0][0] for name in names}

    full = 2
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 0,
    }


async def test_a_relative_file_stays_the_same_file_wherever_the_process_goes(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = await Store.open("sqlite:///headwater.db")
    monkeypatch.chdir("elsewhere")
    async with store.read() as work:
        assert await work.count(ChannelRecord, HERE) == 0
    await store.close()


async def test_a_url_can_quote_any_file_name(tmp_path):
    path = tmp_path / "100% mine? #1.db"
    await (await Store.open(f"sqlite:///{quote(str(path))}")).close()

    assert path.exists()


async def test_a_link_to_a_file_not_made_yet_is_followed(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "target.db")
    await (await Store.open(f"sqlite:///{tmp_path}/link.db")).close()

    assert stat.S_IMODE((tmp_path / "target.db").stat().st_mode) == 0o600


async def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(OperatorError) as caught:
        await Store.open(f"sqlite:///{tmp_path}/no/headwater.db")
    assert str(caught.value) == (
        f"database {tmp_path}/no/headwater.db: its directory does not exist; create it"
    )


async def test_a_directory_in_place_of_the_file_is_named(tmp_path):
    with pytest.raises(OperatorError, match=f"{tmp_path}: it is a directory; name a file"):
        await Store.open(f"sqlite:///{tmp_path}")


async def test_a_directory_that_is_a_file_is_named(path):
    path.write_bytes(b"")
    with pytest.raises(OperatorError, match=r"x\.db: it cannot be created: Not a directory"):
        await Store.open(f"sqlite:///{path}/x.db")


async def test_a_file_that_is_no_database_is_named_and_left_alone(path, url):
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(OperatorError) as caught:
        await Store.open(url)

    assert str(caught.value) == (f"database {path}: it is not a SQLite database; name another file")
    assert path.read_text() == "Dear diary, " * 1000


async def test_a_damaged_database_is_named(store, path, url):
    await store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))

    with pytest.raises(OperatorError, match=f"database {path}: it is damaged; restore a backup"):
        await Store.open(url)


async def test_a_file_that_cannot_be_written_is_named(store, path, url):
    await store.close()
    path.chmod(0o400)
    needs_refusal(path)
    with pytest.raises(OperatorError, match=f"database {path}: it cannot be written; check"):
        await Store.open(url)


async def test_a_directory_that_cannot_be_written_is_named(tmp_path, path, url):
    tmp_path.chmod(0o500)
    try:
        needs_refusal(tmp_path)
        with pytest.raises(OperatorError, match=f"database {path}: it cannot be created: Perm"):
            await Store.open(url)
    finally:
        tmp_path.chmod(0o700)


async def test_an_old_file_in_a_directory_that_cannot_be_written_is_named(
    tmp_path, store, path, url
):
    await store.close()
    tmp_path.chmod(0o500)
    try:
        needs_refusal(tmp_path)
        with pytest.raises(OperatorError, match=f"database {path}: it cannot be .* directory"):
            await Store.open(url)
    finally:
        tmp_path.chmod(0o700)


async def test_a_full_disk_is_named(store):
    async with store._database.write(None) as transaction:
        ((pages,),) = await ask(transaction, "PRAGMA page_count")
        await ask(transaction, f"PRAGMA max_page_count={pages}")

    with pytest.raises(OperatorError, match="the disk is full; make room"):
        async with store.write() as work:
            await work.put_setting("big", bytes(100_000))
    async with store.read() as work:
        assert await work.setting("big") is None


async def test_a_commit_that_fails_fails_all_who_share_it_and_no_others(store, url):
    _ = store
    with process("run_out_of_room", url) as other:
        outcomes = await asyncio.to_thread(other.stdout.readline)
        left = await asyncio.to_thread(other.stdout.readline)

    database = store._database.name
    assert (
        outcomes
        == str({f"database {database}: reading or writing it failed; check the disk"}) + "\n"
    )
    assert left == "2\n"


async def test_a_lock_held_elsewhere_is_waited_for_then_named(path, url):
    store = await Store.open(url, busy_timeout_ms=50)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperatorError) as writing:
            async with store.write():
                pytest.fail("there are two writers")
        with pytest.raises(OperatorError, match="held its lock for too long"):
            await Store.open(url, busy_timeout_ms=50)
        async with store.read() as work:
            assert await work.count(ChannelRecord, HERE) == 0
    await add_channel(store)
    await store.close()

    assert str(writing.value) == (
        f"database {path}: another process held its lock for too long; see what else uses it"
    )


async def test_nothing_stands_still_while_a_lock_is_waited_for(store, path):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(add_channel(store))
        for _ in range(20):
            assert await count(store) == 0
            await asyncio.sleep(0.002)
        assert not writing.done()
        other.execute("ROLLBACK")
        await writing

    assert await count(store) == 1


async def test_a_writer_that_never_ends_is_named_to_the_next(store, url):
    _ = store
    again = await Store.open(url, busy_timeout_ms=50)
    async with again.write():
        with pytest.raises(OperatorError, match="held its lock for too long"):
            async with again.write():
                pytest.fail("there are two writers")
    await again.close()


async def test_readers_that_never_end_are_named_to_the_next(store, url):
    _ = store
    again = await Store.open(url, busy_timeout_ms=50)
    async with AsyncExitStack() as stack:
        for _ in range(READ_CONNECTIONS):
            await stack.enter_async_context(again.read())
        with pytest.raises(OperatorError, match="its connections are in use for too long"):
            await count(again)
    assert await count(again) == 0
    await again.close()


async def test_a_read_sees_what_was_committed_before_it_and_a_begun_one_does_not(store):
    assert await count(store) == 0  # leaves a snapshot for those who follow
    async with store.read() as begun:
        assert await begun.count(ChannelRecord, HERE) == 0
        await add_channel(store)

        assert await count(store) == 1
        assert await begun.count(ChannelRecord, HERE) == 0
    assert await count(store) == 1


async def test_reads_that_never_pause_see_what_another_process_commits(store, url):
    assert await count(store) == 0
    other = await Store.open(url)
    await add_channel(other)

    async with asyncio.timeout(10):
        while await count(store) == 0:  # noqa: ASYNC110 - reading is what is tested
            await asyncio.sleep(0)
    await other.close()


async def test_reads_that_never_pause_do_not_let_the_log_grow_for_ever(store, path):
    async def read_on():
        while True:
            await count(store)
            await asyncio.sleep(0)

    readers = [asyncio.create_task(read_on()) for _ in range(3)]
    for _ in range(40):
        await asyncio.gather(*(add_channel(store) for _ in range(50)))
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)

    written_bytes = 16 << 20  # about as much as the log would hold if it never began anew
    assert path.with_name("headwater.db-wal").stat().st_size < written_bytes / 2


async def test_a_read_that_failed_leaves_no_snapshot_to_others(store):
    with pytest.raises(OperationalError, match="no such table"):
        async with store._database.read() as transaction:
            await ask(transaction, "SELECT * FROM missing")

    assert await count(store) == 0
