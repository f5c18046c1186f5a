"""Stream sessions; an ad break belongs to a stream."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table. What breaks were asked for is forgotten: no release has kept any."""
    op.create_table(
        "stream_sessions",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("channel_id", sa.String, nullable=False),
        sa.Column("server", sa.String, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("live_at_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger, nullable=False),
        sa.Column("seen_at_ms", sa.BigInteger, nullable=False),
        sa.Column("has_error_event", sa.Boolean, nullable=False),
        sa.Column("channel", sa.JSON, nullable=False),
        sa.Column("recording_configuration", sa.JSON, nullable=False),
        sa.Column("failover_slate_configuration", sa.JSON, nullable=False),
        sa.Column("ingest", sa.JSON, nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stream_sessions"),
    )
    op.create_index(
        "ix_stream_sessions_order",
        "stream_sessions",
        ["account", "region", "channel_id", "created_at_ms", "id"],
    )
    op.create_index("ix_stream_sessions_ended_at_ms", "stream_sessions", ["ended_at_ms"])
    op.drop_table("ad_breaks")
    op.create_table(
        "ad_breaks",
        sa.Column("channel_id", sa.String, nullable=False),
        sa.Column("stream_id", sa.String, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("target_start_ms", sa.BigInteger, nullable=False),
        sa.Column("duration_seconds", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["channels.id"],
            name="fk_ad_breaks_channel_id_channels",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("channel_id", name="pk_ad_breaks"),
    )
