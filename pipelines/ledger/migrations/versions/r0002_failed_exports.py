"""The ledger remembers of which schools the data could not be got the last time."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table, empty: what failed before is not known."""
    op.create_table(
        "failed_export",
        sa.Column("school", sa.String(length=7), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("school", name=op.f("pk_failed_export")),
        comment="The schools whose data could not be got the last time; a good export takes its school out.",
    )
