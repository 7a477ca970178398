"""The ledger notes which changes under a seal were removed because they had been kept long enough."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table, empty: nothing was removed before."""
    op.create_table(
        "removal",
        sa.Column("seal_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("left_over", sa.LargeBinary(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["seal_id"], ["seal.id"], name=op.f("fk_removal_seal_id")),
        sa.PrimaryKeyConstraint("seal_id", name=op.f("pk_removal")),
        comment="How many changes under a seal were removed because they had been kept long enough.",
    )
