"""Store: the door to the rows, one transaction at a time."""

from contextlib import AbstractAsyncContextManager
from types import TracebackType

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

    def read(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A snapshot: what others write meanwhile is not seen, and nothing can be written."""
        return _Unit(self._database.read())

    def write(self, account: str | None = None) -> AbstractAsyncContextManager[UnitOfWork]:
        """The only writer, of all tasks and processes, until it commits.

        Commits at the end of the block; an exception from the block rolls all of it back.
        Keep it short, and never open another `write` inside: it would wait for this one.

        Args:
            account: where all that is read and written belongs to one account, that account:
                PostgreSQL then lets units of other accounts write at the same time.
        """
        return _Unit(self._database.write(account))


class _Unit(AbstractAsyncContextManager[UnitOfWork]):
    """A transaction, as a unit of work. No generator: one is opened for every request."""

    def __init__(self, transaction: AbstractAsyncContextManager[engine.Transaction]) -> None:
        self._transaction = transaction

    async def __aenter__(self) -> UnitOfWork:
        return UnitOfWork(await self._transaction.__aenter__())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._transaction.__aexit__(kind, error, trace)
