import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Text

from headwater.core.errors import OperatorError
from headwater.store import Store, engine, schema
from headwater.store.records import ChannelRecord, StreamKeyRecord
from headwater.store.tables import metadata
from store.rows import HERE, add_channel

NEXT = schema.SCHEMA_VERSION + 1
FAILS_HALFWAY = f"""
import sqlalchemy as sa
from alembic import op
revision, down_revision = "{NEXT:04}", "{schema.SCHEMA_VERSION:04}"
def upgrade():
    op.create_table("half", sa.Column("id", sa.Integer))
    raise RuntimeError("halfway")
"""


def edit(path, *statements):
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def tables_of(path):
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def structure(path):
    """Tables, columns, keys and indexes, and the two version rows."""
    with closing(sqlite3.connect(path)) as connection:
        ask = lambda sql: connection.execute(sql).fetchall()  # noqa: E731
        names = [name for (name,) in ask("SELECT name FROM sqlite_master WHERE type='table'")]
        tables = {
            name: (
                ask(f"PRAGMA table_info({name})"),
                sorted(ask(f"PRAGMA foreign_key_list({name})")),
                sorted(
                    (index, unique, ask(f"PRAGMA index_info({index})"))
                    for _, index, unique, *_ in ask(f"PRAGMA index_list({name})")
                ),
            )
            for name in names
        }
        versions = ask("SELECT * FROM alembic_version, schema_compat")
        return tables, versions


async def test_a_new_database_is_what_the_migrations_would_make(store, path, tmp_path):
    _ = store
    migrated = tmp_path / "migrated.db"
    database = engine.connect(f"sqlite:///{migrated}", busy_timeout_ms=2000)
    async with engine.migration(database) as connection:
        await connection.run_sync(schema.upgrade)
    await database.close()

    assert structure(path) == structure(migrated)


async def test_a_new_database_is_what_the_metadata_says(store):
    def differences(connection):
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return compare_metadata(context, metadata)

    async with store._database.reader.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_constraint_names_are_those_of_the_naming_convention(store, path):
    _ = store
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    named = set(re.findall(r"CONSTRAINT (\w+)", str(made)))

    assert named - {"alembic_version_pkc"} == {
        constraint.name
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if constraint.name
    }


def test_the_schema_version_is_the_last_migrations_number():
    files = (Path(schema.__file__).parent / "migrations" / "versions").glob("[0-9]*.py")

    assert max(int(file.name[:4]) for file in files) == schema.SCHEMA_VERSION


async def test_an_existing_database_opens_without_importing_alembic(store, url):
    _ = store
    program = [sys.executable, str(Path(__file__).with_name("process.py")), "look", url]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    said = await asyncio.to_thread(subprocess.check_output, program, env=environment, text=True)

    assert said == "False\n"


async def test_all_who_make_the_same_database_at_once_open_it(url):
    stores = await asyncio.gather(*(Store.open(url) for _ in range(4)))
    records = [await add_channel(store) for store in stores]
    async with stores[0].read() as work:
        assert await work.page(ChannelRecord, HERE, limit=9, after=None) == records
    for store in stores:
        await store.close()


async def test_a_second_opening_keeps_the_rows(store, url):
    record = await add_channel(store)
    again = await Store.open(url)
    async with again.read() as work:
        found = await work.get(ChannelRecord, HERE, record.id)
    await again.close()

    assert found == record


async def test_a_newer_database_that_breaks_this_release_is_refused(store, path, url):
    await store.close()
    edit(
        path, "UPDATE alembic_version SET version_num='0999'", "UPDATE schema_compat SET version=998"
    )

    with pytest.raises(OperatorError) as caught:
        await Store.open(url)
    assert str(caught.value) == (
        f"database {path}: a newer Headwater wrote it (schema 999, this release knows {schema.SCHEMA_VERSION});"
        " run that release, or restore a backup from before"
    )


async def test_a_newer_database_that_this_release_can_work_with_opens(store, path, url):
    await store.close()
    edit(path, "UPDATE alembic_version SET version_num='0999'")

    newer = await Store.open(url)
    await add_channel(newer)
    await newer.close()


async def test_a_database_of_another_program_is_refused_and_left_alone(path, url):
    edit(path, "CREATE TABLE recipes (id INTEGER)")

    with pytest.raises(OperatorError, match="belongs to another program; name another file"):
        await Store.open(url)
    assert tables_of(path) == {"recipes"}


async def test_a_migration_that_fails_leaves_nothing_behind(
    store, tmp_path, path, url, monkeypatch
):
    await store.close()
    before = structure(path)
    folder = tmp_path / "100% broken"
    shutil.copytree(schema._MIGRATIONS, folder)
    (folder / "versions" / f"{NEXT:04}_fails.py").write_text(FAILS_HALFWAY)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_MIGRATIONS", folder)
        patched.setattr(schema, "SCHEMA_VERSION", NEXT)
        with pytest.raises(RuntimeError, match="halfway"):
            await Store.open(url)

    assert structure(path) == before
    await (await Store.open(url)).close()


async def test_copying_a_table_in_a_migration_spares_the_rows_that_refer_to_it(store):
    def copy_channels(connection):
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("channels", recreate="always") as batch:
            batch.alter_column("name", type_=Text())

    record = await add_channel(store)
    async with engine.migration(store._database) as connection:
        await connection.run_sync(copy_channels)

    async with store.read() as work:
        assert await work.count(StreamKeyRecord, HERE, channel_id=record.id) == 1
