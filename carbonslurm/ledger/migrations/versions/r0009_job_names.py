"""What people called their jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that older rows leave empty."""
    op.add_column("run", sa.Column("job_name", sa.Text(), nullable=True))
