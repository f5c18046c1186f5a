"""All seven kinds of resources, revocations and ad breaks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the tables. What is there stays as it is, so older releases go on working."""
    _resource_table(
        "playback_key_pairs",
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.UniqueConstraint(
            "account",
            "region",
            "fingerprint",
            name="uq_playback_key_pairs_account_region_fingerprint",
        ),
    )
    _resource_table(
        "recording_configurations",
        sa.Column("bucket_name", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("recording_reconnect_window_seconds", sa.Integer, nullable=False),
        sa.Column("thumbnail_configuration", sa.JSON, nullable=False),
        sa.Column("rendition_configuration", sa.JSON, nullable=False),
    )
    _resource_table(
        "playback_restriction_policies",
        sa.Column("allowed_countries", sa.JSON, nullable=False),
        sa.Column("allowed_origins", sa.JSON, nullable=False),
        sa.Column("enable_strict_origin_enforcement", sa.Boolean, nullable=False),
    )
    _resource_table(
        "ad_configurations",
        sa.Column("media_tailor_playback_configuration_arns", sa.JSON, nullable=False),
        sa.Column("post_roll_enabled", sa.Boolean, nullable=False),
        sa.Column("post_roll_duration_seconds", sa.Integer, nullable=False),
    )
    _resource_table(
        "failover_slate_configurations",
        sa.Column("activation_threshold_seconds", sa.Integer, nullable=False),
        sa.Column("min_slate_display_seconds", sa.Integer, nullable=False),
        sa.Column("max_slate_display_seconds", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
    )
    _table_of_channel(
        "viewer_session_revocations",
        ("channel_id", "viewer_id"),
        sa.Column("viewer_id", sa.String, nullable=False),
        sa.Column("versions_up_to", sa.BigInteger, nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger, nullable=False),
    )
    _table_of_channel(
        "ad_breaks",
        ("channel_id",),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("target_start_ms", sa.BigInteger, nullable=False),
        sa.Column("duration_seconds", sa.Integer, nullable=False),
    )


def _resource_table(name: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        *columns,
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    op.create_index(f"ix_{name}_order", name, ["account", "region", "created_at_ms", "id"])


def _table_of_channel(
    name: str, primary_key: tuple[str, ...], *columns: sa.schema.SchemaItem
) -> None:
    op.create_table(
        name,
        sa.Column("channel_id", sa.String, nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["channels.id"],
            name=f"fk_{name}_channel_id_channels",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(*primary_key, name=f"pk_{name}"),
    )
