"""Alembic's entry: runs revisions on the connection, and in the transaction, that ``migrating`` hands in."""

from alembic import context

from carbonslurm.ledger.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
