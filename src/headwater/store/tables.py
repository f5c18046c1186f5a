"""Tables: the schema as SQLAlchemy metadata, for SQLite and PostgreSQL alike.

A column has the name of the record's field it holds (see `records`); a test compares
them, and another compares this file with what the migrations make.

Every listing has an index with its own columns in its own order, so that a page is read
and never sorted. Ids are unique over all scopes: media URLs name a channel by id alone.
"""

from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
)

from headwater.core.secret import Secret

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

# Names of constraints are the same in both databases, so that a migration can name them.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class SecretText(TypeDecorator[Secret]):
    """Text that is a `Secret` outside the database."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Secret | None, dialect: "Dialect") -> str | None:
        """The text to store."""
        _ = dialect
        return None if value is None else value.reveal()

    def process_result_value(self, value: str | None, dialect: "Dialect") -> Secret | None:
        """The text as stored, hidden again."""
        _ = dialect
        return None if value is None else Secret(value)


channels = Table(
    "channels",
    metadata,
    Column("id", String, primary_key=True),
    Column("region", String, nullable=False),
    Column("account", String, nullable=False),
    Column("name", String, nullable=False),
    Column("latency_mode", String, nullable=False),
    Column("type", String, nullable=False),
    Column("authorized", Boolean, nullable=False),
    Column("insecure_ingest", Boolean, nullable=False),
    Column("preset", String, nullable=False),
    Column("container_format", String, nullable=False),
    Column("recording_configuration_arn", String, nullable=False),
    Column("playback_restriction_policy_arn", String, nullable=False),
    Column("ad_configuration_arn", String, nullable=False),
    Column("failover_slate_configuration_arn", String, nullable=False),
    Column("multitrack_enabled", Boolean, nullable=False),
    Column("multitrack_policy", String, nullable=False),
    Column("multitrack_maximum_resolution", String, nullable=False),
    Column("srt_passphrase", SecretText, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)
CHANNEL_FILTERS = (
    "name",
    "recording_configuration_arn",
    "playback_restriction_policy_arn",
    "ad_configuration_arn",
    "failover_slate_configuration_arn",
)
"""The columns that a listing of channels can be narrowed by; each has its index."""

Index("ix_channels_order", *channels.c["account", "region", "created_at_ms", "id"])
for _column in CHANNEL_FILTERS:
    Index(
        f"ix_channels_{_column}",
        *channels.c["account", "region", _column, "created_at_ms", "id"],
    )

stream_keys = Table(
    "stream_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("region", String, nullable=False),
    Column("account", String, nullable=False),
    Column("channel_id", ForeignKey(channels.c.id, ondelete="CASCADE"), nullable=False),
    Column("value", SecretText, nullable=False),
    # What a publisher sends is looked up by its SHA-256: how long the search takes then
    # says nothing about the value, and no error text of a database can hold the value.
    Column("value_digest", LargeBinary, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    UniqueConstraint("value_digest"),
)
Index("ix_stream_keys_order", *stream_keys.c["channel_id", "created_at_ms", "id"])

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("secret", SecretText, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("description", String, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

# One row: the oldest SCHEMA_VERSION whose code can work with this database.
schema_compat = Table(
    "schema_compat",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
)
