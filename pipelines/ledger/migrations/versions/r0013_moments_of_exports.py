"""A plan tells of what moment its export is, so that an older one that comes back is noticed; an export, by which door it came."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the columns, empty: of earlier plans it is not known, and nothing is older than those; the next export is fetched whole."""
    op.add_column("plan", sa.Column("received_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("export", sa.Column("door", sa.String(length=10), nullable=True))
