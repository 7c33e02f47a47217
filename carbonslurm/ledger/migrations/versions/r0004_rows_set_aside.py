"""Rows of sacct that are no runs, each with its reason; and of each run the figure that counts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table, and a column."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("run", sa.Column("figure", number, nullable=True))
    op.create_index("ix_run_window", "run", ["cluster", "ended"])
    op.execute("UPDATE run SET figure = (SELECT max(id) FROM figure WHERE figure.run = run.id)")
    op.create_table(
        "set_aside",
        sa.Column("id", number, nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("submitted", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_set_aside"),
        sa.UniqueConstraint("cluster", "digest", name="uq_set_aside"),
    )
