"""The ledger remembers when each supplier of each school was last looked at, and why that came to nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table, empty: earlier looks are not known."""
    op.create_table(
        "look",
        sa.Column("school", sa.String(length=7), nullable=False),
        sa.Column("supplier", sa.String(length=41), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("school", "supplier", name=op.f("pk_look")),
        comment="The last look at each supplier of each school; a reason where it came to nothing before there was a plan.",
    )
