"""Migrations: one numbered file per schema version, run in order by Alembic."""
