import inspect
from typing import get_type_hints

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from headwater.core.secret import Secret
from headwater.store import tables
from headwater.store.records import AccessKeyRecord, ChannelRecord, StreamKeyRecord
from headwater.store.unit_of_work import UnitOfWork

# table,              record,          columns of the table alone
HOMES = [
    (tables.channels,    ChannelRecord,   set()),
    (tables.stream_keys, StreamKeyRecord, {"value_digest"}),
    (tables.access_keys, AccessKeyRecord, set()),
]  # fmt: skip
IDS = [table.name for table, *_ in HOMES]


@pytest.mark.parametrize(("table", "record", "own"), HOMES, ids=IDS)
def test_columns_are_the_records_fields(table, record, own):
    assert set(table.c.keys()) - own == set(record.__struct_fields__)


@pytest.mark.parametrize(("table", "record", "own"), HOMES, ids=IDS)
def test_secret_columns_are_the_records_secrets(table, record, own):
    _ = own
    hidden = {column.name for column in table.c if isinstance(column.type, tables.SecretText)}

    assert hidden == {name for name, hint in get_type_hints(record).items() if hint is Secret}


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=lambda table: table.name)
def test_no_column_may_be_null(table):
    assert not [column.name for column in table.c if column.nullable]


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=lambda table: table.name)
def test_postgresql_understands_the_schema(table):
    dialect = postgresql.dialect()

    assert str(CreateTable(table).compile(dialect=dialect))
    assert all(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)


def test_every_filter_of_a_listing_has_an_index():
    parameters = inspect.signature(UnitOfWork.list_channels).parameters
    filters = set(parameters) - {"self", "scope", "limit", "after"}

    assert set(tables.CHANNEL_FILTERS) == filters
    assert {f"ix_channels_{name}" for name in filters} < {i.name for i in tables.channels.indexes}
