import asyncio
import shutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Text, inspect, text

from headwater.core.errors import OperatorError
from headwater.store import Store, engine, schema
from headwater.store.records import ChannelRecord, StreamKeyRecord
from headwater.store.tables import metadata
from store.process import process
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


def structure(connection):
    """Tables, columns, keys and indexes, and the two version rows."""
    inspector = inspect(connection)
    tables = {
        name: (
            [(each["name"], str(each["type"]), each["nullable"]) for each in columns],
            inspector.get_pk_constraint(name),
            sorted(map(str, inspector.get_foreign_keys(name))),
            sorted(map(str, inspector.get_unique_constraints(name))),
            sorted(map(str, inspector.get_indexes(name))),
        )
        for name in inspector.get_table_names()
        for columns in [inspector.get_columns(name)]
    }
    versions = text("SELECT * FROM alembic_version, schema_compat")
    return tables, list(connection.execute(versions))


async def structure_of(url):
    database = engine.connect(url)
    async with database.read() as transaction:
        found = await transaction.run_sync(structure)
    await database.close()
    return found


async def edit(url, *statements):
    database = engine.connect(url)
    async with database.write(None) as transaction:
        for statement in statements:
            await transaction.execute(text(statement))
    await database.close()


async def test_a_new_database_is_what_the_migrations_would_make(url, template_url):
    database = engine.connect(url)
    async with database.migrate() as transaction:
        await transaction.run_sync(schema.upgrade)
    await database.close()

    assert await structure_of(url) == await structure_of(template_url)


async def test_a_new_database_is_what_the_metadata_says(store):
    def differences(connection):
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return compare_metadata(context, metadata)

    async with store._database.read() as transaction:
        assert await transaction.run_sync(differences) == []


async def test_constraint_names_are_those_of_the_naming_convention(store):
    def names(connection):
        inspector = inspect(connection)
        for name in metadata.tables:
            yield inspector.get_pk_constraint(name)["name"]
            for found in (inspector.get_foreign_keys(name), inspector.get_unique_constraints(name)):
                yield from (each["name"] for each in found)

    async with store._database.read() as transaction:
        made = set(await transaction.run_sync(lambda connection: list(names(connection))))

    assert made == {
        constraint.name
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if constraint.name
    }


def test_the_schema_version_is_the_last_migrations_number():
    files = (Path(schema.__file__).parent / "migrations" / "versions").glob("[0-9]*.py")

    assert max(int(file.name[:4]) for file in files) == schema.SCHEMA_VERSION


async def test_an_existing_database_opens_without_importing_what_is_slow(store, url, kind):
    _ = store
    with process("look", url) as other:
        said = await asyncio.to_thread(other.stdout.readline)

    used = {"sqlite": [], "postgresql": ["asyncpg", "sqlalchemy.ext.asyncio"]}
    assert said == f"{used[kind]}\n"


async def test_all_who_make_the_same_database_at_once_open_it(url):
    stores = await asyncio.gather(*(Store.open(url) for _ in range(4)))
    records = [await add_channel(store) for store in stores]
    async with stores[0].read() as work:
        found = await work.page(ChannelRecord, HERE, limit=9, after=None)
    assert found == sorted(records, key=lambda record: record.id)
    for store in stores:
        await store.close()


async def test_a_second_opening_keeps_the_rows(store, url):
    record = await add_channel(store)
    again = await Store.open(url)
    async with again.read() as work:
        found = await work.get(ChannelRecord, HERE, record.id)
    await again.close()

    assert found == record


async def test_a_newer_database_that_breaks_this_release_is_refused(store, url):
    await edit(
        url,
        "UPDATE alembic_version SET version_num='0999'",
        "UPDATE schema_compat SET version=998",
    )

    with pytest.raises(OperatorError) as caught:
        await Store.open(url)
    assert str(caught.value) == (
        f"database {store._database.name}: a newer Headwater wrote it (schema 999, this release"
        f" knows {schema.SCHEMA_VERSION}); run that release, or restore a backup from before"
    )


async def test_a_newer_database_that_this_release_can_work_with_opens(store, url):
    _ = store
    await edit(url, "UPDATE alembic_version SET version_num='0999'")

    newer = await Store.open(url)
    await add_channel(newer)
    await newer.close()


async def test_a_database_of_another_program_is_refused_and_left_alone(url):
    await edit(url, "CREATE TABLE recipes (id INTEGER)")

    with pytest.raises(OperatorError, match="belongs to another program; name another one"):
        await Store.open(url)
    database = engine.connect(url)
    async with database.read() as transaction:
        assert await transaction.run_sync(lambda it: inspect(it).get_table_names()) == ["recipes"]
    await database.close()


async def test_a_migration_that_fails_leaves_nothing_behind(store, tmp_path, url, monkeypatch):
    _ = store
    before = await structure_of(url)
    folder = tmp_path / "100% broken"
    shutil.copytree(schema._MIGRATIONS, folder)
    (folder / "versions" / f"{NEXT:04}_fails.py").write_text(FAILS_HALFWAY)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_MIGRATIONS", folder)
        patched.setattr(schema, "SCHEMA_VERSION", NEXT)
        with pytest.raises(RuntimeError, match="halfway"):
            await Store.open(url)

    assert await structure_of(url) == before
    await (await Store.open(url)).close()


async def test_copying_a_table_in_a_migration_spares_the_rows_that_refer_to_it(store):
    def copy_channels(connection):
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("channels") as batch:
            batch.alter_column("name", type_=Text())

    record = await add_channel(store)
    async with store._database.migrate() as transaction:
        await transaction.run_sync(copy_channels)

    async with store.read() as work:
        assert await work.count(StreamKeyRecord, HERE, channel_id=record.id) == 1
