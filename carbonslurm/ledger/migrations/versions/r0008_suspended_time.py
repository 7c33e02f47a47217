"""For how long Slurm had a run suspended."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that older runs leave empty."""
    op.add_column("run", sa.Column("suspended", sa.Double(), nullable=True))
