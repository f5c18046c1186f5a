"""SqliteDatabase: a file, its readers and its writer.

    readers  several connections, each a snapshot (BEGIN); SQLite refuses them a write
    writer   one connection (see `sqlite_writer`); a commit is on the disk before the answer leaves

Nothing here waits on the event loop's thread for the disk's commit or another's lock.
What does run there are the statements, and with them the reading of pages that neither
SQLite nor the system has in memory.

Sources: SQLite's pages "Write-Ahead Logging", "PRAGMA statements" and "Result codes".
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from pathlib import Path
from types import MappingProxyType, TracebackType

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from headwater.core.errors import OperatorError
from headwater.store.engine.database import refusal
from headwater.store.engine.sqlite_connection import SqliteConnection, code_of, engine_for
from headwater.store.engine.sqlite_writer import RETRY_MS, NoTurnError, Writer

READ_CONNECTIONS = 8
"""A read is over in a fraction of a millisecond unless its handler waits for something."""

SNAPSHOT_MS = 10
"""For so long one snapshot serves reads that follow each other, unless this process commits:
to begin one and to end it takes twice as long as to read a row. What another process commits
is seen that much later."""

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

_SPOKEN = (NoTurnError, sqlite3.Error, DBAPIError)


class SqliteDatabase:
    """A `Database` in a file, made empty if there is none.

    Raises:
        OperatorError: the URL names no file, or the file cannot be made.
    """

    def __init__(self, url: URL, *, busy_timeout_ms: int) -> None:
        path = _path(url)
        self.name = str(path)
        _make_file(path)
        self._busy_timeout_ms = busy_timeout_ms
        self._engine = engine_for(path)
        self._writer = self._new_writer(foreign_keys="ON")
        self._free_readers = asyncio.Semaphore(READ_CONNECTIONS)
        self._readers: list[SqliteConnection] = []  # those that nobody uses now
        self._kept: SqliteConnection | None = None  # likewise, with a snapshot of this age
        self._age = 0  # counts how often there was a reason for a new snapshot
        self._renewal: asyncio.TimerHandle | None = None  # of the kept one
        self._keeps = True  # a snapshot is kept when it is given back

    def read(self) -> AbstractAsyncContextManager[SqliteConnection]:
        """See `Database.read`."""
        return _Explained(_Reading(self), self.name, writing=False)

    def write(self, _account: str | None) -> AbstractAsyncContextManager[SqliteConnection]:
        """See `Database.write`."""
        return _Explained(self._writer.unit(), self.name, writing=True)

    @asynccontextmanager
    async def migrate(self) -> AsyncIterator[SqliteConnection]:
        """See `Database.migrate`.

        SQLite alters a table by copying it and dropping the old one. With foreign keys on,
        the drop would also delete the rows of every table that refers to it.
        """
        writer = self._new_writer(foreign_keys="OFF")
        try:
            async with _Explained(writer.unit(), self.name, writing=True) as connection:
                yield connection
        finally:
            await writer.close()

    async def close(self) -> None:
        """See `Database.close`."""
        self._renew()
        while self._readers:
            self._readers.pop().close()
        await self._writer.close()

    async def take_reader(self) -> tuple[SqliteConnection, int]:
        """A connection with a snapshot taken, and the snapshot's age; to be given back."""
        if self._free_readers.locked():  # hardly ever: else no timer is needed
            await self._wait_for_reader()
        else:
            await self._free_readers.acquire()
        if self._kept:
            kept, self._kept = self._kept, None
            return kept, self._age
        connection, age = None, self._age
        try:
            connection = self._readers.pop() if self._readers else self._new_reader()
            connection.control("BEGIN")
            if not _takes_snapshot(connection):
                await self._wait_for_snapshot(connection)
        except BaseException:
            self._free_readers.release()
            if connection:
                self._end(connection)
            raise
        return connection, age

    def give_back(self, connection: SqliteConnection, age: int, *, failed: bool) -> None:
        """What `take_reader` gave; the snapshot is kept if the next read may see it, too."""
        self._free_readers.release()
        if failed or self._kept or age != self._age or not self._keeps:
            self._end(connection)
            return
        self._kept = connection
        if self._renewal is None:
            loop = asyncio.get_running_loop()
            self._renewal = loop.call_later(SNAPSHOT_MS / 1000, self._renew)

    @contextmanager
    def _committing(self) -> Iterator[None]:
        """Keep no snapshot: an old one is in the way of the log's beginning anew."""
        self._keeps = False
        self._renew()
        try:
            yield
        finally:
            self._keeps = True
            self._renew()

    def _renew(self) -> None:
        """Let reads that begin from now on see what is there from now on."""
        self._age += 1
        if self._renewal:
            self._renewal.cancel()
            self._renewal = None
        if self._kept:
            kept, self._kept = self._kept, None
            self._end(kept)

    def _end(self, connection: SqliteConnection) -> None:
        connection.roll_back()
        self._readers.append(connection)

    async def _wait_for_reader(self) -> None:
        try:
            async with asyncio.timeout(self._busy_timeout_ms / 1000):
                await self._free_readers.acquire()
        except TimeoutError:
            raise refusal(self.name, "all its connections are in use for too long") from None

    async def _wait_for_snapshot(self, connection: SqliteConnection) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._busy_timeout_ms / 1000
        while not _takes_snapshot(connection):
            if loop.time() > until_s:
                raise refusal(self.name, _CAUSES[sqlite3.SQLITE_BUSY])
            await asyncio.sleep(RETRY_MS / 1000)

    def _new_reader(self) -> SqliteConnection:
        return SqliteConnection(self._engine, "query_only=ON")

    def _new_writer(self, *, foreign_keys: str) -> Writer:
        def connect() -> SqliteConnection:
            return SqliteConnection(
                self._engine,
                "journal_mode=WAL",
                "synchronous=FULL",  # in WAL mode: each commit is on the disk
                f"foreign_keys={foreign_keys}",
            )

        return Writer(connect, wait_ms=self._busy_timeout_ms, committing=self._committing)


class _Reading(AbstractAsyncContextManager[SqliteConnection]):
    """One reading transaction. No generator: one is opened for every request."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._connection: SqliteConnection
        self._age = 0

    async def __aenter__(self) -> SqliteConnection:
        self._connection, self._age = await self._database.take_reader()
        return self._connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.give_back(self._connection, self._age, failed=error is not None)


class _Explained(AbstractAsyncContextManager[SqliteConnection]):
    """A transaction in which SQLite's word on its file, disk or lock is OperatorError."""

    def __init__(
        self,
        transaction: AbstractAsyncContextManager[SqliteConnection],
        name: str,
        *,
        writing: bool,
    ) -> None:
        self._transaction = transaction
        self._name = name
        self._writing = writing

    async def __aenter__(self) -> SqliteConnection:
        try:
            return await self._transaction.__aenter__()
        except _SPOKEN as error:
            self._explain(error)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._transaction.__aexit__(kind, error, trace)
        except _SPOKEN as failure:
            self._explain(failure)
            raise
        if isinstance(error, _SPOKEN):
            self._explain(error)

    def _explain(self, error: Exception) -> None:
        code = sqlite3.SQLITE_BUSY if isinstance(error, NoTurnError) else code_of(error)
        # A reader that meets READONLY tried to write: a bug of ours, not the operator's.
        if code in _CAUSES and (code != sqlite3.SQLITE_READONLY or self._writing):
            raise refusal(self._name, _CAUSES[code]) from error


def _takes_snapshot(connection: SqliteConnection) -> bool:
    """Whether it can: not in the moment in which another process opens or closes the file."""
    try:
        connection.control("SELECT 0 FROM sqlite_schema LIMIT 1")
    except sqlite3.OperationalError as error:
        if code_of(error) == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True


def _path(url: URL) -> Path:
    if url.host or url.query or url.database in (None, "", ":memory:"):
        raise OperatorError("the database URL must name a file and no options: sqlite:///<file>")
    # Absolute, because connections are opened later too, from wherever the process is then.
    return Path(str(url.database)).resolve()


def _make_file(path: Path) -> None:
    if path.is_dir():
        raise refusal(str(path), "it is a directory; name a file")
    try:
        # Never open a file that exists: closing it would drop SQLite's locks on it.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE_MODE))
    except FileNotFoundError as error:
        raise refusal(str(path), "its directory does not exist; create it") from error
    except OSError as error:
        raise refusal(str(path), f"it cannot be created: {error.strerror}") from error
    # SQLite opens such a file all the same, and says so at the first write only.
    if not os.access(path, os.R_OK | os.W_OK):
        raise refusal(str(path), _CAUSES[sqlite3.SQLITE_READONLY])
