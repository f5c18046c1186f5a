"""Rows: channels, stream keys, access keys and settings, in SQLite or PostgreSQL.

`records` is what goes in and out, `Store` the door, `UnitOfWork` what it opens to.
"""

from headwater.store.store import Store
from headwater.store.unit_of_work import UnitOfWork

__all__ = ["Store", "UnitOfWork"]
