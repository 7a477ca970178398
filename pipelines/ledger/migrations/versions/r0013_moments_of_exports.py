"""A plan tells of what moment its export is, so that an older one that comes back is noticed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column, empty: of earlier plans it is not known, and nothing is older than those."""
    op.add_column("plan", sa.Column("received_at", sa.DateTime(timezone=True), nullable=True))
