import asyncio
import threading
from contextlib import contextmanager, nullcontext

import pytest
from sqlalchemy import text

from headwater.store.engine import sqlite_writer
from headwater.store.engine.sqlite_connection import SqliteConnection, engine_for
from headwater.store.engine.sqlite_writer import GROUP_UNITS, NoTurnError, Writer

INSERT = text("INSERT INTO rows VALUES (:value)")


class Watched(SqliteConnection):
    """A connection that keeps what it was told about transactions, and in which thread."""

    told: list

    def control(self, statement):
        super().control(statement)
        self.told.append((statement, threading.current_thread() is threading.main_thread()))


@pytest.fixture
async def writer(path, monkeypatch):
    monkeypatch.setattr(sqlite_writer, "GROUP_MS", 60_000)  # however slow the machine is now
    told = []

    def connect():
        connection = Watched(engine_for(path), "journal_mode=WAL")
        connection.told = told
        return connection

    @contextmanager
    def committing():
        told.append(("begin committing", True))
        yield
        told.append(("end committing", True))

    writer = Writer(connect, wait_ms=2000, committing=committing)
    async with writer.unit() as connection:
        await connection.execute(text("CREATE TABLE rows (value INTEGER UNIQUE)"))
    told.clear()
    writer.told = told
    yield writer
    await writer.close()


async def insert(writer, value):
    async with writer.unit() as connection:
        await connection.execute(INSERT, {"value": value})


async def values(writer):
    async with writer.unit() as connection:
        return (await connection.execute(text("SELECT value FROM rows"))).scalars().all()


def count(writer, statement):
    return [said for said, _ in writer.told].count(statement)


async def test_those_who_wait_share_a_commit_in_the_order_they_came(writer):
    await asyncio.gather(*(insert(writer, value) for value in range(10)))

    assert count(writer, "COMMIT") == 1
    assert await values(writer) == list(range(10))


async def test_only_the_commit_leaves_the_event_loops_thread(writer):
    await asyncio.gather(*(insert(writer, value) for value in range(3)))

    assert {said for said, on_loop in writer.told if not on_loop} == {"COMMIT"}


async def test_a_group_has_a_greatest_size(writer):
    await asyncio.gather(*(insert(writer, value) for value in range(GROUP_UNITS + 1)))

    assert count(writer, "COMMIT") >= 2
    assert len(await values(writer)) == GROUP_UNITS + 1


async def test_nobody_is_answered_before_the_commit(writer):
    committed = []

    async def insert_and_look(value):
        await insert(writer, value)
        committed.append(count(writer, "COMMIT"))

    await asyncio.gather(*(insert_and_look(value) for value in range(5)))

    assert committed == [1] * 5


async def test_readers_know_of_a_commit_from_before_it_until_after_it(writer):
    await insert(writer, 1)

    said = [statement for statement, _ in writer.told]
    assert said[-3:] == ["begin committing", "COMMIT", "end committing"], said


async def test_a_group_that_all_failed_commits_nothing(writer):
    async def fail():
        async with writer.unit() as connection:
            await connection.execute(INSERT, {"value": 1})
            raise LookupError

    outcomes = await asyncio.gather(fail(), fail(), return_exceptions=True)

    assert [type(each) for each in outcomes] == [LookupError] * 2
    assert count(writer, "COMMIT") == 0
    assert await values(writer) == []


async def test_a_transaction_that_sqlite_took_back_fails_all_who_were_in_it(writer):
    """As on some errors of the disk; ON CONFLICT ROLLBACK does it at will."""

    async def lose():
        async with writer.unit() as connection:
            await connection.execute(text("INSERT OR ROLLBACK INTO rows VALUES (1)"))

    await insert(writer, 1)
    outcomes = await asyncio.gather(
        insert(writer, 2), lose(), insert(writer, 3), return_exceptions=True
    )

    assert "UNIQUE constraint failed" in str(outcomes[0])
    assert "UNIQUE constraint failed" in str(outcomes[1])
    assert outcomes[2] is None
    assert await values(writer) == [1, 3]


async def test_a_unit_that_hides_the_loss_of_its_transaction_fails_too(writer):
    async def hide():
        async with writer.unit() as connection:
            await connection.run_sync(lambda it: it.exec_driver_sql("ROLLBACK"))

    with pytest.raises(Exception, match="no such savepoint"):
        await hide()
    assert await values(writer) == []


async def test_one_who_gives_up_waiting_takes_nobody_elses_turn(writer):
    async with writer.unit() as connection:
        await connection.execute(INSERT, {"value": 1})
        waiting = [asyncio.create_task(insert(writer, value)) for value in (2, 3, 4)]
        await asyncio.sleep(0)
        waiting[1].cancel()
    await asyncio.wait(waiting)

    assert await values(writer) == [1, 2, 4]


async def test_a_turn_is_not_waited_for_longer_than_said(path):
    writer = Writer(lambda: SqliteConnection(engine_for(path)), wait_ms=20, committing=nullcontext)
    async with writer.unit():
        with pytest.raises(NoTurnError):
            async with writer.unit():
                pytest.fail("there are two writers")
    await writer.close()
