"""What the driver is given for a prepared statement: SQL, and how values are turned.

SQLAlchemy writes the SQL and knows how a type's values are kept in SQLite; it is asked once
for each statement. Sources: SQLAlchemy's "Custom Types" (bind and result processors); the
sqlite3 module's "How to use placeholders".
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, cast

from msgspec import Struct, json
from sqlalchemy import ClauseElement, Select
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.sql.compiler import SQLCompiler

from headwater.store.connection import Prepared

MAX_STATEMENTS = 512
"""Prepared statements differ by kind of record and by filters: there are some dozens."""

JSON: Mapping[str, Any] = MappingProxyType(
    {
        "json_serializer": lambda value: json.encode(value).decode(),
        "json_deserializer": json.decode,
    }
)
"""How a column of JSON is written and read: the standard library's way takes 12 us a value."""

_DIALECT = sqlite_dialect(paramstyle="named", **JSON)

Turn = Callable[[Any], Any]


class Statement(Struct, frozen=True, kw_only=True):
    """A prepared statement as the driver runs it."""

    sql: str  # with `:name` for each parameter
    constants: dict[str, Any]  # parameters that the statement has by itself
    to_driver: tuple[tuple[str, Turn], ...]  # parameters that are turned first
    from_driver: tuple[tuple[int, Turn], ...]  # columns of a row that are turned then

    def bound(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters as the driver takes them."""
        if not (self.to_driver or self.constants):
            return parameters
        turned = {**self.constants, **parameters}
        for name, turn in self.to_driver:
            turned[name] = turn(turned[name])
        return turned

    def row(self, values: Sequence[Any]) -> Sequence[Any]:
        """A row of the driver's, its values turned back."""
        if not self.from_driver:
            return values
        row = list(values)
        for place, turn in self.from_driver:
            row[place] = turn(row[place])
        return row


@lru_cache(MAX_STATEMENTS)
def statement_of(prepared: Prepared) -> Statement:
    """What SQLAlchemy makes of it."""
    statement = cast(ClauseElement, prepared.statement)
    compiled = cast(SQLCompiler, statement.compile(dialect=_DIALECT))
    parameters = {name: bind.type.dialect_impl(_DIALECT) for name, bind in compiled.binds.items()}
    columns = list(statement.selected_columns) if isinstance(statement, Select) else []
    results = [column.type.dialect_impl(_DIALECT) for column in columns]
    return Statement(
        sql=str(compiled),
        constants={name: bind.value for name, bind in compiled.binds.items() if not bind.required},
        to_driver=tuple(
            (name, turn)
            for name, type_ in parameters.items()
            if (turn := type_.bind_processor(_DIALECT))
        ),
        from_driver=tuple(
            (place, turn)
            for place, type_ in enumerate(results)
            if (turn := type_.result_processor(_DIALECT, None))
        ),
    )
