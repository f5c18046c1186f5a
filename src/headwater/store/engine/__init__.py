"""The database engines: one door, two databases.

    sqlite:///<file>               `sqlite`; `sqlite_writer` groups its commits
    postgresql://user@host/name    `postgresql`, imported only where it is used

What both promise is in `database`; all that is special to one is in its module.
"""

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from headwater.core.errors import OperatorError
from headwater.store.engine.database import Database, Transaction, refusal
from headwater.store.engine.sqlite import SqliteDatabase

__all__ = ["BUSY_TIMEOUT_MS", "Database", "Transaction", "connect", "refusal"]

BUSY_TIMEOUT_MS = 5000
"""How long to wait for another's write, for a free connection, and for the server."""

_ALLOWED = "sqlite:///<file> or postgresql://<user>:<password>@<host>:<port>/<database>"


def connect(url: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Database:
    """The database of that URL; makes an empty SQLite file if there is none.

    Raises:
        OperatorError: the URL is of another kind, or the file cannot be made.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # their texts may show a password: pass nothing on
        raise OperatorError(f"the database URL cannot be read; use {_ALLOWED}") from None
    match parsed.drivername:
        case "sqlite":
            return SqliteDatabase(parsed, busy_timeout_ms=busy_timeout_ms)
        case "postgresql":
            # Its imports would be a fifth of a first start.
            from headwater.store.engine.postgresql import PostgresqlDatabase  # noqa: PLC0415

            return PostgresqlDatabase(parsed, busy_timeout_ms=busy_timeout_ms)
    raise OperatorError(f"the database URL begins with {parsed.drivername}:, use {_ALLOWED}")
