"""The Alembic environment: migrates over the connection that `schema.upgrade` passes.

Alembic runs this file by its path for every command; there is no alembic.ini, and no
transaction is opened here, for the caller's is open already.
"""

from alembic import context

from headwater.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
