"""Single-use playback tokens; revocations are looked for by time."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table and the indexes."""
    op.create_table(
        "used_tokens",
        sa.Column("channel_id", sa.String, nullable=False),
        sa.Column("uuid", sa.String, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "uuid", name="pk_used_tokens"),
    )
    op.create_index("ix_used_tokens_expires_at_ms", "used_tokens", ["expires_at_ms"])
    op.create_index(
        "ix_viewer_session_revocations_revoked_at_ms",
        "viewer_session_revocations",
        ["revoked_at_ms"],
    )
