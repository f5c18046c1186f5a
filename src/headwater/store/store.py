"""Store: the door to the rows, one transaction at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headwater.store import engine, schema
from headwater.store.unit_of_work import UnitOfWork


class Store:
    """An open database.

    Errors of both kinds of transaction: OperatorError when the database is away, locked
    for too long, damaged or not writable, or its disk is full.
    """

    def __init__(self, database: engine.Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, url: str, *, busy_timeout_ms: int = engine.BUSY_TIMEOUT_MS) -> "Store":
        """Open a database (see `engine`), making or upgrading its tables where needed.

        Raises:
            OperatorError: which database, what is wrong with it, and what to do.
        """
        database = engine.connect(url, busy_timeout_ms=busy_timeout_ms)
        try:
            await schema.prepare(database)
        except BaseException:
            await database.close()
            raise
        return cls(database)

    async def close(self) -> None:
        """Close all connections. Units of work must have ended."""
        await self._database.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[UnitOfWork]:
        """A snapshot: what others write meanwhile is not seen, and nothing can be written."""
        async with self._database.read() as connection:
            yield UnitOfWork(connection)

    @asynccontextmanager
    async def write(self, account: str | None = None) -> AsyncIterator[UnitOfWork]:
        """The only writer, of all tasks and processes, until it commits.

        Commits at the end of the block; an exception from the block rolls all of it back.
        Keep it short, and never open another `write` inside: it would wait for this one.

        Args:
            account: where all that is read and written belongs to one account, that account:
                PostgreSQL then lets units of other accounts write at the same time.
        """
        async with self._database.write(account) as connection:
            yield UnitOfWork(connection)
