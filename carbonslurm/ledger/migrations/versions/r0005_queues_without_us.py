"""When a queue without us would have started each run, and figures against that."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that older figures leave empty, and two tables."""
    for name in ("queue_starts_at", "queue_ends_at", "queue_g"):
        op.add_column("figure", sa.Column(name, sa.Double(), nullable=True))
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "queue_pass",
        sa.Column("id", number, nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("machines", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("computed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_queue_pass"),
    )
    op.create_index("ix_queue_pass_machines", "queue_pass", ["cluster", "machines", "id"])
    op.create_table(
        "queue_start",
        sa.Column("id", number, nullable=False),
        sa.Column("run", number, nullable=False),
        sa.Column("queue_pass", number, nullable=False),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_queue_start_run"),
        sa.ForeignKeyConstraint(["queue_pass"], ["queue_pass.id"], name="fk_queue_start_queue_pass"),
        sa.PrimaryKeyConstraint("id", name="pk_queue_start"),
    )
    op.create_index("ix_queue_start_run", "queue_start", ["run", "id"])
