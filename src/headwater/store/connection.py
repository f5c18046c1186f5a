"""Connection: what statements are run on.

A statement that is run for every request is Prepared: a database may then keep what it made
of it, which takes several times as long as running it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import CursorResult, Executable


class Prepared:
    """A statement that is made once and run often; compared by identity.

    Every value in it is a `bindparam`, and what a SELECT gives are columns of tables.
    """

    __slots__ = ("statement",)

    def __init__(self, statement: Executable) -> None:
        self.statement = statement


class Connection(Protocol):
    """What both databases' connections have in common."""

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> CursorResult[Any]:
        """Run a statement."""

    async def rows(
        self, prepared: Prepared, parameters: Mapping[str, Any], /
    ) -> Sequence[Sequence[Any]]:
        """Run a SELECT: all its rows, each with the values of its columns in their order."""

    async def change(self, prepared: Prepared, parameters: Mapping[str, Any], /) -> int:
        """Run any other statement: how many rows it changed."""
