"""What a database is to the store, whichever it is."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import sqlalchemy

from headwater.core.errors import OperatorError
from headwater.store.connection import Connection

T = TypeVar("T")


class Transaction(Connection, Protocol):
    """A transaction, open until the block that opened it ends."""

    async def run_sync(self, function: Callable[[sqlalchemy.Connection], T], /) -> T:
        """Run what needs SQLAlchemy's own connection: Alembic, `MetaData.create_all`."""


class Database(Protocol):
    """An open database.

    Each block is one transaction: it commits at the end, and an exception rolls it back.
    What the database says of itself, its lock and its disk comes as OperatorError.
    """

    @property
    def name(self) -> str:
        """The database in error texts; without a password."""

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """A snapshot: what others write meanwhile is not seen; the database refuses a write."""

    def write(self, account: str | None) -> AbstractAsyncContextManager[Transaction]:
        """The only writer, or on PostgreSQL the only one in the account, of all processes.

        What it reads of the account stays as it is until it has committed.
        """

    def migrate(self) -> AbstractAsyncContextManager[Transaction]:
        """The only writer, and free to rebuild a table that others refer to."""

    async def close(self) -> None:
        """Close every connection. Transactions must have ended."""


def refusal(name: str, cause: str) -> OperatorError:
    """The error that names the database, what is wrong, and what to do."""
    return OperatorError(f"database {name}: {cause}")
