"""Users and policies; access keys that are a user's, or temporary."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ADDED = (
    ("user_id", sa.String()),
    ("session_digest", sa.LargeBinary()),
    ("expires_at_ms", sa.BigInteger()),
)


def upgrade() -> None:
    """Add the tables; the keys that are there are the accounts' own and last.

    An older release would take a user's key for the account's own, so it is kept out.
    """
    op.create_table(
        "users",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("account", "name", name="uq_users_account_name"),
    )
    op.create_table(
        "policies",
        sa.Column("account", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("description", sa.String, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account", "name", name="pk_policies"),
    )
    op.create_table(
        "policy_attachments",
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("policy_arn", sa.String, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name="fk_policy_attachments_user_id_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "policy_arn", name="pk_policy_attachments"),
    )
    op.create_index("ix_policy_attachments_policy_arn", "policy_attachments", ["policy_arn"])
    _access_keys()
    op.execute("UPDATE schema_compat SET version = 3")


def _access_keys() -> None:
    for name, kind in _ADDED:
        op.add_column("access_keys", sa.Column(name, kind))
    table = sa.table("access_keys", *(sa.column(name, kind) for name, kind in _ADDED))
    op.execute(table.update().values(user_id="", session_digest=b"", expires_at_ms=0))
    with op.batch_alter_table("access_keys") as batch:
        for name, kind in _ADDED:
            batch.alter_column(name, existing_type=kind, nullable=False)
    op.create_index(
        "ix_access_keys_owner", "access_keys", ["account", "user_id", "created_at_ms", "id"]
    )
    op.create_index("ix_access_keys_expires_at_ms", "access_keys", ["expires_at_ms"])
