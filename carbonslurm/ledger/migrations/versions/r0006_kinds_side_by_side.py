"""Grams by intensities of another kind beside a figure's own, and the zone that a figure is of."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that older figures leave empty, and a table."""
    op.add_column("figure", sa.Column("zone", sa.Text(), nullable=True))
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "figure_beside",
        sa.Column("figure", number, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("emitted_g", sa.Double(), nullable=True),
        sa.Column("baseline_g", sa.Double(), nullable=True),
        sa.Column("queue_g", sa.Double(), nullable=True),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind IN ('average', 'marginal')", name=op.f("ck_figure_beside_kind")),
        sa.CheckConstraint(
            "scope IN ('lifecycle', 'direct', 'operational', 'unknown')", name=op.f("ck_figure_beside_scope")
        ),
        sa.ForeignKeyConstraint(["figure"], ["figure.id"], name="fk_figure_beside_figure"),
        sa.PrimaryKeyConstraint("figure", name="pk_figure_beside"),
    )
