"""Recordings, and whose buckets are."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "recordings",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("channel_id", sa.String, nullable=False),
        sa.Column("bucket_name", sa.String, nullable=False),
        sa.Column("prefix", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("started_at_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("stream_ids", sa.JSON, nullable=False),
        sa.Column("message", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recordings"),
    )
    op.create_index(
        "ix_recordings_order",
        "recordings",
        ["account", "region", "channel_id", "started_at_ms", "id"],
    )
    op.create_table(
        "recording_buckets",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_recording_buckets"),
    )
