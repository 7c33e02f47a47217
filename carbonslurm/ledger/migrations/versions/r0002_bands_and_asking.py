"""Bands around forecasts, and what is remembered of asking the providers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that older issues leave empty, an index, and a table."""
    op.add_column("issue", sa.Column("share", sa.Double(), nullable=True))
    op.add_column("issue_point", sa.Column("low", sa.Double(), nullable=True))
    op.add_column("issue_point", sa.Column("high", sa.Double(), nullable=True))
    op.create_index("ix_issue_read", "issue", ["zone", "fetched_at"])
    op.create_table(
        "asked",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=True),
        sa.Column("answered_at", sa.Double(), nullable=True),
        sa.Column("gave", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("left_until", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("calls", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "zone", "question", name="pk_asked"),
    )
