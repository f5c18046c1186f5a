"""A connection to a SQLite file, used on the event loop's own thread.

A statement takes tens of microseconds, less than handing it to a thread would. SQLAlchemy
compiles the statements; those that are prepared, and BEGIN, COMMIT and ROLLBACK, go to the
driver past it, so for SQLAlchemy one transaction lasts as long as the connection.

Sources: SQLite's page "PRAGMA statements"; the sqlite3 module's "Transaction control".
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import CursorResult, Engine, Executable, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from headwater.store.connection import Prepared
from headwater.store.engine.sqlite_statement import JSON, Statement, statement_of

T = TypeVar("T")


def engine_for(path: Path) -> Engine:
    """What makes connections to the file; they share the cache of compiled statements."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            path,
            timeout=0,  # SQLite's own waiting for a lock would hold up the event loop
            isolation_level=None,  # the driver begins nothing
            check_same_thread=False,  # a COMMIT runs in a thread, alone on its connection
        )

    # Parameters are hidden because they hold secrets, and errors print them.
    return create_engine(
        "sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True, **JSON
    )


class SqliteConnection:
    """One connection with its settings made.

    Raises:
        sqlite3.Error, DBAPIError: the file cannot be opened or read.
    """

    def __init__(self, engine: Engine, *pragmas: str) -> None:
        self._connection = engine.connect()
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the type checker
        self._driver = driver
        try:
            for pragma in pragmas:
                driver.execute(f"PRAGMA {pragma}")
        except BaseException:
            self.close()
            raise
        self._connection.begin()

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> CursorResult[Any]:
        """Run a statement, at once."""
        result: CursorResult[Any] = self._connection.execute(statement, parameters)
        return result

    async def rows(
        self, prepared: Prepared, parameters: Mapping[str, Any], /
    ) -> Sequence[Sequence[Any]]:
        """Run a SELECT, at once."""
        statement = statement_of(prepared)
        return [statement.row(row) for row in self._run(statement, parameters).fetchall()]

    async def change(self, prepared: Prepared, parameters: Mapping[str, Any], /) -> int:
        """Run any other statement, at once."""
        return self._run(statement_of(prepared), parameters).rowcount

    def _run(self, statement: Statement, parameters: Mapping[str, Any]) -> sqlite3.Cursor:
        try:
            return self._driver.execute(statement.sql, statement.bound(parameters))
        except sqlite3.Error as error:  # in the same words as SQLAlchemy's own statements
            raise DBAPIError.instance(
                statement.sql, None, error, sqlite3.Error, hide_parameters=True
            ) from error

    async def run_sync(self, function: Callable[[sqlalchemy.Connection], T], /) -> T:
        """Run what needs SQLAlchemy's own connection, at once."""
        return function(self._connection)

    def control(self, statement: str) -> None:
        """Begin, end or divide a transaction.

        Raises:
            sqlite3.Error: SQLite refuses.
        """
        self._driver.execute(statement)

    @property
    def in_transaction(self) -> bool:
        """False too after an error with which SQLite took the transaction back by itself."""
        return self._driver.in_transaction

    def roll_back(self) -> None:
        """End the transaction, if there is one."""
        if self._driver.in_transaction:
            self._driver.rollback()

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def code_of(error: BaseException) -> int:
    """SQLite's primary result code in an error of the driver or of SQLAlchemy; 0: none."""
    code: int = getattr(getattr(error, "orig", error), "sqlite_errorcode", 0)
    return code & 0xFF  # without the extension
