"""The ledger notes when all seals were made anew under a new key, and what the links were until then."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table, empty: keys were never renewed before."""
    op.create_table(
        "resealing",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seals", sa.Integer(), nullable=False),
        sa.Column("links", sa.LargeBinary(), nullable=False),
        sa.Column("resealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resealing")),
        comment="When all seals were made anew under a new key, and what their links were until then.",
    )
