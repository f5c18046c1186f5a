from typing import get_args, get_type_hints

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from headwater.core.arn import ResourceType
from headwater.core.secret import Secret
from headwater.store import events, identities, sessions, tables
from headwater.store.events import EventRecord, Lane, RuleRecord
from headwater.store.identities import AccessKeyRecord, PolicyRecord, UserRecord
from headwater.store.records import (
    AdBreakRecord,
    StreamKeyRecord,
    ViewerSessionRevocation,
)

# table, record, columns of the table alone
HOMES = [
    *(
        (table, record, {"value_digest"} if record is StreamKeyRecord else set())
        for record, table in tables.RESOURCE_TABLES.items()
    ),
    (tables.viewer_session_revocations, ViewerSessionRevocation, set()),
    (tables.ad_breaks, AdBreakRecord, set()),
    (sessions.stream_sessions, sessions.StreamSessionRecord, set()),
    (identities.users, UserRecord, set()),
    (identities.policies, PolicyRecord, set()),
    (identities.access_keys, AccessKeyRecord, set()),
    (events.events, EventRecord, set()),
    (events.event_rules, RuleRecord, set()),
    (events.event_lanes, Lane, set()),
]
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


@pytest.mark.parametrize("name", tables.CHANNEL_FILTERS)
def test_every_filter_of_a_listing_of_channels_has_an_index(name):
    indexes = {index.name: index for index in tables.channels.indexes}

    found = [column.name for column in indexes[f"ix_channels_{name}"].columns]
    assert found == ["account", "region", name, "created_at_ms", "id"]


def test_every_kind_of_resource_has_a_table():
    assert {kind.resource_type for kind in tables.RESOURCE_TABLES} == set(get_args(ResourceType))
