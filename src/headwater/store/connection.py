"""Connection: what statements are run on."""

from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy import CursorResult, Executable


class Connection(Protocol):
    """What both databases' connections have in common."""

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> CursorResult[Any]:
        """Run a statement."""
