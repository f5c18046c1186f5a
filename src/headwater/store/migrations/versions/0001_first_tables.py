"""The first tables: channels, stream keys, access keys, settings, schema_compat."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables in an empty database."""
    _channels()
    _stream_keys()
    op.create_table(
        "access_keys",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("secret", sa.String, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("description", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_access_keys"),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_settings"),
    )
    schema_compat = op.create_table(
        "schema_compat",
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_schema_compat"),
    )
    op.bulk_insert(schema_compat, [{"version": 1}])


def _channels() -> None:
    op.create_table(
        "channels",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("latency_mode", sa.String, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("authorized", sa.Boolean, nullable=False),
        sa.Column("insecure_ingest", sa.Boolean, nullable=False),
        sa.Column("preset", sa.String, nullable=False),
        sa.Column("container_format", sa.String, nullable=False),
        sa.Column("recording_configuration_arn", sa.String, nullable=False),
        sa.Column("playback_restriction_policy_arn", sa.String, nullable=False),
        sa.Column("ad_configuration_arn", sa.String, nullable=False),
        sa.Column("failover_slate_configuration_arn", sa.String, nullable=False),
        sa.Column("multitrack_enabled", sa.Boolean, nullable=False),
        sa.Column("multitrack_policy", sa.String, nullable=False),
        sa.Column("multitrack_maximum_resolution", sa.String, nullable=False),
        sa.Column("srt_passphrase", sa.String, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_channels"),
    )
    op.create_index("ix_channels_order", "channels", ["account", "region", "created_at_ms", "id"])
    for column in (
        "name",
        "recording_configuration_arn",
        "playback_restriction_policy_arn",
        "ad_configuration_arn",
        "failover_slate_configuration_arn",
    ):
        op.create_index(
            f"ix_channels_{column}",
            "channels",
            ["account", "region", column, "created_at_ms", "id"],
        )


def _stream_keys() -> None:
    op.create_table(
        "stream_keys",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("channel_id", sa.String, nullable=False),
        sa.Column("value", sa.String, nullable=False),
        sa.Column("value_digest", sa.LargeBinary, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["channels.id"],
            name="fk_stream_keys_channel_id_channels",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_stream_keys"),
        sa.UniqueConstraint("value_digest", name="uq_stream_keys_value_digest"),
    )
    op.create_index("ix_stream_keys_order", "stream_keys", ["channel_id", "created_at_ms", "id"])
