"""The database engines, and all that is special to SQLite.

Two engines for one file, because SQLite has many readers but one writer:

    reader   several connections, each a snapshot (BEGIN); the database refuses a write
    writer   one connection, so that tasks queue here in the order they came; BEGIN
             IMMEDIATE takes the write lock first, so that what a unit of work counted
             still holds when it inserts, against other processes too

Sources: SQLite's pages "Write-Ahead Logging", "PRAGMA statements" and "Result codes";
SQLAlchemy's "Transactions with SQLite and the sqlite3 driver".
"""

import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct
from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from headwater.core.errors import OperatorError

BUSY_TIMEOUT_MS = 5000
"""How long to wait for another process's write, or for a free connection."""

READ_CONNECTIONS = 4
"""Each is a thread. A read takes about a millisecond, so few serve many tasks."""

_FILE_MODE = 0o600  # stream keys and access key secrets are in the file
_CAUSES: Mapping[int, str] = MappingProxyType(
    {
        sqlite3.SQLITE_BUSY: "another process held its lock for too long; see what else uses it",
        sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the permissions of its directory",
        sqlite3.SQLITE_CORRUPT: "it is damaged; restore a backup",
        sqlite3.SQLITE_FULL: "the disk is full; make room",
        sqlite3.SQLITE_IOERR: "reading or writing it failed; check the disk",
        sqlite3.SQLITE_NOTADB: "it is not a SQLite database; name another file",
        sqlite3.SQLITE_PERM: "access is denied; check the permissions of the file",
        sqlite3.SQLITE_READONLY: "it cannot be written; check its and its directory's permissions",
    }
)


class Database(Struct, frozen=True, kw_only=True):
    """One database file and the engines over it."""

    path: Path
    busy_timeout_ms: int
    reader: AsyncEngine
    writer: AsyncEngine

    async def close(self) -> None:
        """Close every connection."""
        await self.reader.dispose()
        await self.writer.dispose()


def connect(url: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Database:
    """The engines for `sqlite:///<file>`; makes an empty file if there is none.

    Raises:
        OperatorError: the URL is of another kind, or the file cannot be made.
    """
    path = _path(url)
    _make_file(path)
    # At DEBUG it logs statements with their parameters, which hold secrets.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    reader = _engine(path, busy_timeout_ms, connections=READ_CONNECTIONS)
    _on_connect(reader, "foreign_keys=ON", "query_only=ON")
    _on_begin(reader, "BEGIN")
    return Database(
        path=path,
        busy_timeout_ms=busy_timeout_ms,
        reader=reader,
        writer=_writer(path, busy_timeout_ms, foreign_keys="ON"),
    )


@asynccontextmanager
async def migration(database: Database) -> AsyncIterator[AsyncConnection]:
    """A write transaction that does not follow foreign keys.

    SQLite alters a table by copying it and dropping the old one. With foreign keys on,
    the drop would also delete the rows of every table that refers to it.
    """
    engine = _writer(database.path, database.busy_timeout_ms, foreign_keys="OFF")
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


@asynccontextmanager
async def explained(database: Database, *, writing: bool) -> AsyncIterator[None]:
    """Turn what SQLite says of the file, its disk and its lock into OperatorError."""
    try:
        yield
    except PoolTimeoutError as error:
        raise refusal(database.path, _CAUSES[sqlite3.SQLITE_BUSY]) from error
    except DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # without the extension
        # A reader that meets READONLY tried to write: a bug of ours, not the operator's.
        if code not in _CAUSES or (code == sqlite3.SQLITE_READONLY and not writing):
            raise
        raise refusal(database.path, _CAUSES[code]) from error


def refusal(path: Path, cause: str) -> OperatorError:
    """The error that names the database file, what is wrong, and what to do."""
    return OperatorError(f"database {path}: {cause}")


def _path(url: str) -> Path:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # their texts may show a password: pass nothing on
        raise OperatorError("the database URL cannot be read; use sqlite:///<file>") from None
    if parsed.get_backend_name() != "sqlite":
        raise OperatorError(
            f"the database URL begins with {parsed.drivername}:, use sqlite:///<file>"
        )
    if parsed.host or parsed.query or parsed.database in (None, "", ":memory:"):
        raise OperatorError("the database URL must name a file and no options: sqlite:///<file>")
    # Absolute, because connections are opened later too, from wherever the process is then.
    return Path(str(parsed.database)).resolve()


def _make_file(path: Path) -> None:
    if path.is_dir():
        raise refusal(path, "it is a directory; name a file")
    try:
        # Never open a file that exists: closing it would drop SQLite's locks on it.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE_MODE))
    except FileNotFoundError as error:
        raise refusal(path, "its directory does not exist; create it") from error
    except OSError as error:
        raise refusal(path, f"it cannot be created: {error.strerror}") from error
    # SQLite opens such a file all the same, and says so at the first write only.
    if not os.access(path, os.R_OK | os.W_OK):
        raise refusal(path, _CAUSES[sqlite3.SQLITE_READONLY])


def _engine(path: Path, busy_timeout_ms: int, *, connections: int) -> AsyncEngine:
    return create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={
            "timeout": busy_timeout_ms / 1000,
            "isolation_level": None,  # the driver begins nothing; _on_begin does
        },
        hide_parameters=True,  # they hold secrets, and errors print them
        pool_size=connections,
        max_overflow=0,
        pool_timeout=busy_timeout_ms / 1000,
    )


def _writer(path: Path, busy_timeout_ms: int, *, foreign_keys: str) -> AsyncEngine:
    engine = _engine(path, busy_timeout_ms, connections=1)
    # FULL: a commit is on the disk before the answer leaves.
    _on_connect(engine, "journal_mode=WAL", "synchronous=FULL", f"foreign_keys={foreign_keys}")
    _on_begin(engine, "BEGIN IMMEDIATE")
    return engine


def _on_connect(engine: AsyncEngine, *pragmas: str) -> None:
    def set_pragmas(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine.sync_engine, "connect", set_pragmas)


def _on_begin(engine: AsyncEngine, statement: str) -> None:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    event.listen(engine.sync_engine, "begin", begin)
