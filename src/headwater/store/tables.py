"""Tables: the schema as SQLAlchemy metadata, for SQLite and PostgreSQL alike.

A column has the name of the record's field it holds (see `records`); a test compares
them, and another compares this file with what the migrations make.

Every listing has an index with its own columns in its own order, so that a page is read
and never sorted. Ids are unique over all scopes: media URLs name a channel by id alone.
"""

from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

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
from headwater.store.records import (
    AdConfigurationRecord,
    ChannelRecord,
    FailoverSlateConfigurationRecord,
    PlaybackKeyPairRecord,
    PlaybackRestrictionPolicyRecord,
    RecordingConfigurationRecord,
    ResourceRecord,
    StreamKeyRecord,
)

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


def digest(value: Secret) -> bytes:
    """What a secret is looked up by: its SHA-256."""
    return sha256(value.reveal().encode()).digest()


def _resource_table(name: str, *columns: Column[Any] | UniqueConstraint) -> Table:
    """A table with what every kind of resource has."""
    return Table(
        name,
        metadata,
        Column("id", String, primary_key=True),
        Column("region", String, nullable=False),
        Column("account", String, nullable=False),
        *columns,
        Column("tags", JSON, nullable=False),
        Column("created_at_ms", BigInteger, nullable=False),
    )


channels = _resource_table(
    "channels",
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
)
CHANNEL_FILTERS = (
    "name",
    "recording_configuration_arn",
    "playback_restriction_policy_arn",
    "ad_configuration_arn",
    "failover_slate_configuration_arn",
)
"""The columns that a listing of channels can be narrowed by; each has its index."""

for _column in CHANNEL_FILTERS:
    Index(
        f"ix_channels_{_column}",
        *channels.c["account", "region", _column, "created_at_ms", "id"],
    )

stream_keys = _resource_table(
    "stream_keys",
    Column("channel_id", ForeignKey(channels.c.id, ondelete="CASCADE"), nullable=False),
    Column("value", SecretText, nullable=False),
    # What a publisher sends is looked up by its digest: how long the search takes then
    # says nothing about the value, and no error text of a database can hold the value.
    Column("value_digest", LargeBinary, nullable=False),
    UniqueConstraint("value_digest"),
)
Index("ix_stream_keys_order", *stream_keys.c["channel_id", "created_at_ms", "id"])

playback_key_pairs = _resource_table(
    "playback_key_pairs",
    Column("name", String, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("fingerprint", String, nullable=False),
    UniqueConstraint("account", "region", "fingerprint"),
)

recording_configurations = _resource_table(
    "recording_configurations",
    Column("name", String, nullable=False),
    Column("bucket_name", String, nullable=False),
    Column("state", String, nullable=False),
    Column("recording_reconnect_window_seconds", Integer, nullable=False),
    Column("thumbnail_configuration", JSON, nullable=False),
    Column("rendition_configuration", JSON, nullable=False),
)

playback_restriction_policies = _resource_table(
    "playback_restriction_policies",
    Column("name", String, nullable=False),
    Column("allowed_countries", JSON, nullable=False),
    Column("allowed_origins", JSON, nullable=False),
    Column("enable_strict_origin_enforcement", Boolean, nullable=False),
)

ad_configurations = _resource_table(
    "ad_configurations",
    Column("name", String, nullable=False),
    Column("media_tailor_playback_configuration_arns", JSON, nullable=False),
    Column("post_roll_enabled", Boolean, nullable=False),
    Column("post_roll_duration_seconds", Integer, nullable=False),
)

failover_slate_configurations = _resource_table(
    "failover_slate_configurations",
    Column("name", String, nullable=False),
    Column("activation_threshold_seconds", Integer, nullable=False),
    Column("min_slate_display_seconds", Integer, nullable=False),
    Column("max_slate_display_seconds", Integer, nullable=False),
    Column("state", String, nullable=False),
)

RESOURCE_TABLES: Mapping[type[ResourceRecord], Table] = MappingProxyType(
    {
        ChannelRecord: channels,
        StreamKeyRecord: stream_keys,
        PlaybackKeyPairRecord: playback_key_pairs,
        RecordingConfigurationRecord: recording_configurations,
        PlaybackRestrictionPolicyRecord: playback_restriction_policies,
        AdConfigurationRecord: ad_configurations,
        FailoverSlateConfigurationRecord: failover_slate_configurations,
    }
)
"""Where the records of each kind are kept."""

for _table in set(RESOURCE_TABLES.values()) - {stream_keys}:
    Index(f"ix_{_table.name}_order", *_table.c["account", "region", "created_at_ms", "id"])

viewer_session_revocations = Table(
    "viewer_session_revocations",
    metadata,
    Column("channel_id", ForeignKey(channels.c.id, ondelete="CASCADE"), primary_key=True),
    Column("viewer_id", String, primary_key=True),
    Column("versions_up_to", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger, nullable=False),
)

# One row for each channel: a new break may begin only when the last one is over.
ad_breaks = Table(
    "ad_breaks",
    metadata,
    Column("channel_id", ForeignKey(channels.c.id, ondelete="CASCADE"), primary_key=True),
    Column("stream_id", String, nullable=False),
    Column("id", String, nullable=False),
    Column("target_start_ms", BigInteger, nullable=False),
    Column("duration_seconds", Integer, nullable=False),
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
