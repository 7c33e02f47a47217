"""What meters said of runs, on which nodes those ran, and how much of a figure's energy was measured."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that older rows leave empty, and a table."""
    op.add_column("run", sa.Column("node_list", sa.Text(), nullable=True))
    op.add_column("figure", sa.Column("energy_quality", sa.Text(), nullable=True))
    op.add_column("figure", sa.Column("pue", sa.Double(), nullable=True))
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "measurement",
        sa.Column("id", number, nullable=False),
        sa.Column("run", number, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("covers", sa.Text(), nullable=True),
        sa.Column("kwh", sa.Double(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.CheckConstraint("covers IN ('nodes', 'gpus', 'cpus')", name=op.f("ck_measurement_covers")),
        sa.CheckConstraint("(covers IS NULL) = (kwh IS NULL)", name=op.f("ck_measurement_said")),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_measurement_run"),
        sa.PrimaryKeyConstraint("id", name="pk_measurement"),
    )
    op.create_index("ix_measurement_run", "measurement", ["run", "source", "id"])
