"""Events, the rules that want them, and what is still to be delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("channel_id", sa.String, nullable=False),
        sa.Column("written_at_ms", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sa.UniqueConstraint("id", name="uq_events_id"),
    )
    op.create_index("ix_events_written_at_ms", "events", ["written_at_ms"])
    op.create_table(
        "event_rules",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("pattern", sa.Text, nullable=False),
        sa.Column("target", sa.JSON, nullable=False),
        sa.Column("secret", sa.String, nullable=False),
        sa.Column("is_enabled", sa.Boolean, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_rules"),
        sa.UniqueConstraint("account", "region", "name", name="uq_event_rules_account_region_name"),
    )
    _of_rules(
        "event_deliveries",
        ("rule_id", "channel_id", "seq"),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_event_deliveries_seq", "event_deliveries", ["seq"])
    _of_rules(
        "event_lanes",
        ("rule_id", "channel_id"),
        sa.Column("due_at_ms", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.String, nullable=False),
        sa.Column("server", sa.String, nullable=False),
    )
    op.create_index("ix_event_lanes_due", "event_lanes", ["rule_id", "due_at_ms"])


def _of_rules(name: str, primary_key: tuple[str, ...], *columns: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("rule_id", sa.String, nullable=False),
        sa.Column("channel_id", sa.String, nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["rule_id"],
            ["event_rules.id"],
            name=f"fk_{name}_rule_id_event_rules",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(*primary_key, name=f"pk_{name}"),
    )
