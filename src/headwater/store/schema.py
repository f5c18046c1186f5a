"""The schema's version, and how a database gets to it.

A database holds two numbers: the version it is at (Alembic's table), and the oldest
SCHEMA_VERSION whose code can work with it (`schema_compat`). So an older release starts
on a newer database until a migration breaks it, and then says so instead of harming it.

    empty             -> create
    older             -> upgrade
    same              -> nothing to do
    newer, compatible -> nothing to do
    newer, else       -> OperatorError
"""

from functools import partial
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)

from headwater.store.engine import Database, refusal
from headwater.store.tables import metadata, schema_compat

SCHEMA_VERSION = 7
"""The number of the last file in `migrations/versions`."""
OLDEST_COMPATIBLE = 3
"""What the migrations leave in `schema_compat`."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_alembic_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


async def prepare(database: Database) -> None:
    """Bring the database to SCHEMA_VERSION.

    Raises:
        OperatorError: it is not a database of Headwater, or too new for this release; or
            what the database says of itself.
    """
    async with database.write(None) as transaction:
        version = await transaction.run_sync(partial(_version, name=database.name))
        if not version:
            await transaction.run_sync(create)
            return
    if version >= SCHEMA_VERSION:
        return
    async with database.migrate() as transaction:
        await transaction.run_sync(upgrade)  # nothing, if another process was faster


def create(connection: Connection) -> None:
    """Make in an empty database what all migrations together would (a test compares).

    Without Alembic, whose import would be a third of a first start.
    """
    metadata.create_all(connection)
    _alembic_version.create(connection)
    connection.execute(insert(_alembic_version).values(version_num=f"{SCHEMA_VERSION:04}"))
    connection.execute(insert(schema_compat).values(version=OLDEST_COMPATIBLE))


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, within the caller's transaction."""
    from alembic import command  # noqa: PLC0415 - slow, and rarely needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    # A "%" in the path would be taken for the start of a variable.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")


def _version(connection: Connection, name: str) -> int:
    """The database's version, 0 when empty; refuses what is not ours or too new."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return 0
    if not {"alembic_version", "schema_compat"} <= set(tables):
        raise refusal(name, "it belongs to another program; name another one")
    version = int(connection.execute(select(_alembic_version)).scalar_one())
    oldest = connection.execute(select(schema_compat)).scalar_one()
    if oldest > SCHEMA_VERSION:
        raise refusal(
            name,
            f"a newer Headwater wrote it (schema {version}, this release knows"
            f" {SCHEMA_VERSION}); run that release, or restore a backup from before",
        )
    return version
