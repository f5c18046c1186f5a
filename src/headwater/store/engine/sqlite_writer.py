"""Writer: SQLite's one writing connection, and who may use it when.

SQLite has one writer at a time, and a durable commit waits for the disk: many times as
long as the statements before it. So those who wait share a commit. A task of its own, the
conductor, takes them one after another into an open transaction, each in a savepoint, and
commits for all when nobody waits or the group is full. Nobody is answered before.

    conductor   BEGIN IMMEDIATE -> (SAVEPOINT -> a unit's turn -> RELEASE, or ROLLBACK TO)...
                -> COMMIT, in a thread -> again, while somebody waits
    unit        waiting -> has its turn -> left -> committed, or failed with its group

A unit that fails or is cancelled takes back its own savepoint only. When the commit fails,
or SQLite takes back the whole transaction (as on a full disk), every unit in it fails.

Sources: SQLite's pages "Savepoints", "Write-Ahead Logging" and "Transaction" (§3.1, errors
that roll everything back).
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType

from sqlalchemy.exc import DBAPIError

from headwater.store.engine.sqlite_connection import SqliteConnection, code_of

GROUP_UNITS = 100
"""Units that share a commit: more would save little, and one failed commit fails them all."""
GROUP_MS = 20
"""After this long nobody joins any more, for the first in the group waits for the last."""
RETRY_MS = 2
"""Between two attempts to get the lock from another process."""


class NoTurnError(Exception):
    """Others, here or in another process, wrote for longer than a unit waits."""


class Unit(AbstractAsyncContextManager[SqliteConnection]):
    """One transaction as its caller sees it; what was done is on the disk when it has ended.

    Raises:
        NoTurnError: it took longer than `wait_s` until its turn.
        sqlite3.Error, DBAPIError: what SQLite says to the transaction or the commit.
    """

    def __init__(self, enqueue: Callable[["Unit"], None], wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.turn: asyncio.Future[SqliteConnection] = loop.create_future()
        self.left: asyncio.Future[BaseException | None] = loop.create_future()
        self.committed: asyncio.Future[None] = loop.create_future()
        self._enqueue = enqueue
        self._wait_s = wait_s

    async def __aenter__(self) -> SqliteConnection:
        self._enqueue(self)
        too_late = self.turn.get_loop().call_later(self._wait_s, self._give_up)
        try:
            return await self.turn
        except BaseException as error:
            self.left.set_result(error)
            raise
        finally:
            too_late.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.left.set_result(error)
        if error is None:
            await self.committed

    def fail(self, error: Exception) -> None:
        """Raise the error where the caller waits, if it still does."""
        for step in (self.turn, self.committed):
            if not step.done():
                step.set_exception(error)
                return

    def _give_up(self) -> None:
        if not self.turn.done():
            self.turn.set_exception(NoTurnError())


class Writer:
    """Gives turns on one connection, made by `connect` at the first of them.

    Each commit is made in a context of `committing`, which ends before anyone learns of it.
    """

    def __init__(
        self,
        connect: Callable[[], SqliteConnection],
        *,
        wait_ms: int,
        committing: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._connect = connect
        self._committing = committing
        self._wait_s = wait_ms / 1000
        self._waiting: deque[Unit] = deque()  # as long as there are requests under way
        self._connection: SqliteConnection | None = None
        self._conductor: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")

    def unit(self) -> Unit:
        """A turn on the connection, for those who enter it."""
        return Unit(self._enqueue, self._wait_s)

    async def close(self) -> None:
        """Close the connection; the last one to a file also moves its log into it."""
        if self._conductor:
            await self._conductor
        if self._connection:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
            self._connection = None
        self._thread.shutdown(wait=False)

    # The conductor.

    def _enqueue(self, unit: Unit) -> None:
        self._waiting.append(unit)
        if self._conductor is None:
            self._conductor = asyncio.get_running_loop().create_task(self._conduct())

    async def _conduct(self) -> None:
        try:
            while self._next():
                if connection := await self._begun():
                    await self._run_group(connection)
        finally:
            self._conductor = None

    def _next(self) -> Unit | None:
        """The first that still waits: whoever was cancelled or waited too long does not."""
        while self._waiting and self._waiting[0].turn.done():
            self._waiting.popleft()
        return self._waiting[0] if self._waiting else None

    async def _begun(self) -> SqliteConnection | None:
        """The connection with the lock taken; None when nobody waits for it any more.

        The lock comes first, so that what a unit counts stays so until it has inserted.
        """
        while self._next():
            try:
                self._connection = self._connection or self._connect()
                self._connection.control("BEGIN IMMEDIATE")
            except (sqlite3.Error, DBAPIError) as error:
                if code_of(error) == sqlite3.SQLITE_BUSY:
                    await asyncio.sleep(RETRY_MS / 1000)
                    continue
                for unit in self._waiting:
                    unit.fail(error)
            else:
                return self._connection
        return None

    async def _run_group(self, connection: SqliteConnection) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + GROUP_MS / 1000
        group: list[Unit] = []
        try:
            while len(group) < GROUP_UNITS and loop.time() < until_s and (unit := self._next()):
                group.append(self._waiting.popleft())
                connection.control("SAVEPOINT unit")
                unit.turn.set_result(connection)
                if error := await unit.left:
                    group.pop()
                _settle(connection, error)
            if group:
                with self._committing():
                    await loop.run_in_executor(self._thread, connection.control, "COMMIT")
        except (sqlite3.Error, DBAPIError) as error:
            for unit in group:
                unit.fail(error)
        else:
            for unit in group:
                if not unit.committed.done():
                    unit.committed.set_result(None)
        finally:
            connection.roll_back()


def _settle(connection: SqliteConnection, error: BaseException | None) -> None:
    """Keep or take back what a unit did.

    Raises:
        sqlite3.Error, DBAPIError: SQLite has taken back the whole transaction.
    """
    if isinstance(error, DBAPIError) and not connection.in_transaction:
        raise error
    if error is not None:
        connection.control("ROLLBACK TO unit")
    connection.control("RELEASE unit")
