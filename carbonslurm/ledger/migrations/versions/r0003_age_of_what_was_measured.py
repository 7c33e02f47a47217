"""Up to when a forecast knew measured values."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that older issues leave empty."""
    op.add_column("issue", sa.Column("measured_until", sa.Double(), nullable=True))
