"""PostgresqlDatabase: a PostgreSQL server, reached by asyncpg.

    read     REPEATABLE READ READ ONLY: one snapshot; the server refuses a write
    write    READ COMMITTED behind an advisory lock that ends with the transaction

The lock makes true what `Database.write` promises. It comes first, so every statement after
it sees all that the holder before it has committed; at REPEATABLE READ it would see what
was there before it waited. A unit of one account shares the lock on all and holds the one
on its account; a unit of no account holds the lock on all.

Sources: PostgreSQL 15's chapters 13.2 "Transaction Isolation", 13.3.5 "Advisory Locks",
20.11 "Client Connection Defaults" and appendix A "Error Codes"; asyncpg's API reference.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import asyncpg
import sqlalchemy
from sqlalchemy import URL, CursorResult, Executable, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from headwater.core.errors import OperatorError
from headwater.store.connection import Prepared
from headwater.store.engine.database import refusal

T = TypeVar("T")

READ_CONNECTIONS = 8
WRITE_CONNECTIONS = 4
"""With those for reading few enough for several servers on PostgreSQL's own 100."""
ANSWER_TIMEOUT_MS = 30_000
"""A statement of ours takes milliseconds; whoever sent the request has given up by then."""
ABANDONED_MS = 60_000
"""After so long without a statement the server ends a transaction, and with it its lock."""

_OPTIONS = ("host", "port", "sslcert", "sslkey", "sslmode", "sslrootcert")
"""What may follow the `?` in the URL, as in libpq."""
_FILES = ("sslcert", "sslkey", "sslrootcert")
_ALL = 0x48650000
_ACCOUNT = 0x48650001
"""Our advisory locks: the first of two numbers, arbitrary but never changed."""
_LOCK_ALL = text(f"SELECT pg_advisory_xact_lock({_ALL}, 0)")
_LOCK_ACCOUNT = text(
    f"SELECT pg_advisory_xact_lock_shared({_ALL}, 0), pg_advisory_xact_lock({_ACCOUNT}, :account)"
)
_LOST = "the connection to it was lost, with what was being written; it is made again when needed"
_BUSY = "another process held its lock for too long; see what else uses it"
_CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "08001": _LOST,
        "08003": _LOST,
        "08006": _LOST,
        "25P03": _LOST,
        "28000": "it refuses the user; check store.url and the server's pg_hba.conf",
        "28P01": "the user name or the password is wrong; check store.url",
        "3D000": "there is no such database on that server; create it",
        "40P01": _BUSY,
        "42501": "its user lacks a right; make that user the owner of the database",
        "53100": "the server's disk is full; make room",
        "53300": "the server has too many connections; raise max_connections, or use fewer",
        "55P03": _BUSY,
        "57P01": _LOST,
        "57P02": _LOST,
        "57P03": "the server is starting or stopping; try again when it runs",
    }
)
_READ_ONLY = "25006"


class PostgresqlTransaction:
    """One transaction on a connection of the pool."""

    def __init__(self, connection: AsyncConnection, name: str, answer_timeout_s: float) -> None:
        self._connection = connection
        self._name = name
        self._answer_timeout_s = answer_timeout_s
        self.failed = False  # a statement did: PostgreSQL then keeps nothing, and says so to no one

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> CursorResult[Any]:
        """Run a statement.

        Raises:
            OperatorError: no answer came.
        """
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                return await self._connection.execute(statement, parameters)
        except DBAPIError:
            self.failed = True
            raise
        except TimeoutError:
            await self._connection.invalidate()
            raise refusal(self._name, "it does not answer; see what keeps it busy") from None

    async def rows(
        self, prepared: Prepared, parameters: Mapping[str, Any], /
    ) -> Sequence[Sequence[Any]]:
        """Run a SELECT; SQLAlchemy and the server remember what they made of it."""
        return (await self.execute(prepared.statement, parameters)).fetchall()

    async def change(self, prepared: Prepared, parameters: Mapping[str, Any], /) -> int:
        """Run any other statement."""
        return (await self.execute(prepared.statement, parameters)).rowcount

    async def run_sync(self, function: Callable[[sqlalchemy.Connection], T], /) -> T:
        """Run what needs SQLAlchemy's own connection, for as long as it takes."""
        return await self._connection.run_sync(function)


class PostgresqlDatabase:
    """A `Database` on a server; connects when first used, and again after it was lost.

    Raises:
        OperatorError: the URL names no database, or has options unknown here.
    """

    def __init__(
        self, url: URL, *, busy_timeout_ms: int, answer_timeout_ms: int = ANSWER_TIMEOUT_MS
    ) -> None:
        if not url.database:
            raise OperatorError("the database URL must name a database: postgresql://.../<name>")
        if unknown := sorted(set(url.query).difference(_OPTIONS)):
            raise OperatorError(
                f"the database URL has the unknown option {unknown[0]};"
                f" known are {', '.join(_OPTIONS)}"
            )
        for option in _FILES:
            file = url.query.get(option)
            if file and not Path(str(file)).is_file():
                raise OperatorError(f"the database URL's {option} names no file: {file}")
        self.name = URL.create(
            "postgresql", url.username, host=url.host, port=url.port, database=url.database
        ).render_as_string()
        self._dsn = url.render_as_string(hide_password=False)
        self._busy_timeout_ms = busy_timeout_ms
        self._answer_timeout_s = answer_timeout_ms / 1000
        self._reader = self._engine(READ_CONNECTIONS).execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._writer = self._engine(WRITE_CONNECTIONS)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[PostgresqlTransaction]:
        """See `Database.read`."""
        async with self._transaction(self._reader) as connection:
            yield connection

    @asynccontextmanager
    async def write(self, account: str | None) -> AsyncIterator[PostgresqlTransaction]:
        """See `Database.write`."""
        async with self._transaction(self._writer) as connection:
            if account is None:
                await connection.execute(_LOCK_ALL)
            else:
                await connection.execute(_LOCK_ACCOUNT, {"account": _lock_number(account)})
            yield connection

    @asynccontextmanager
    async def migrate(self) -> AsyncIterator[PostgresqlTransaction]:
        """See `Database.migrate`: PostgreSQL alters a table where it is."""
        async with self.write(None) as connection:
            yield connection

    async def close(self) -> None:
        """See `Database.close`."""
        await self._reader.dispose()
        await self._writer.dispose()

    def _engine(self, connections: int) -> AsyncEngine:
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            hide_parameters=True,  # they hold secrets, and errors print them
            pool_size=connections,
            max_overflow=0,
            pool_timeout=self._busy_timeout_ms / 1000,
        )
        event.listen(engine.sync_engine, "checkout", _replace_if_closed)
        return engine

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._dsn,
            timeout=self._busy_timeout_ms / 1000,
            server_settings={
                "application_name": "headwater",
                "lock_timeout": str(self._busy_timeout_ms),
                "idle_in_transaction_session_timeout": str(ABANDONED_MS),
            },
        )

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator[PostgresqlTransaction]:
        try:
            async with AsyncExitStack() as stack:
                with self._reaching():
                    connection = await stack.enter_async_context(engine.connect())
                await stack.enter_async_context(connection.begin())
                transaction = PostgresqlTransaction(connection, self.name, self._answer_timeout_s)
                yield transaction
                if transaction.failed:
                    raise RuntimeError("a statement failed, and the unit of work went on")
        except DBAPIError as error:
            if cause := _cause(error, writing=engine is self._writer):
                raise refusal(self.name, cause) from error
            raise

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError as error:
            raise refusal(self.name, "all connections to it are in use for too long") from error
        except (OSError, InterfaceError) as error:  # TimeoutError is an OSError
            reason = getattr(error, "strerror", None) or str(getattr(error, "orig", error))
            reason = reason or "it does not answer"
            raise refusal(
                self.name, f"the server cannot be reached ({reason}); see that it runs"
            ) from error


def _cause(error: DBAPIError, *, writing: bool) -> str | None:
    """What to tell the operator; None when it is a bug of ours."""
    state = getattr(error.orig, "sqlstate", None) or ""
    if state == _READ_ONLY and writing:  # a reader that wrote is a bug
        return "it is a standby that cannot be written; name the primary server"
    return _CAUSES.get(state) or (_LOST if error.connection_invalidated else None)


def _lock_number(account: str) -> int:
    # Accounts whose numbers are the same wait for each other, no more.
    return zlib.crc32(account.encode()) - 2**31


def _replace_if_closed(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401
    # A server that stops says so to idle connections too: no need to ask each time.
    if connection.driver_connection.is_closed():
        raise DisconnectionError
