"""The ledger remembers what parents chose about a supplier: consent, objection, and either taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table, empty: nothing was recorded before."""
    op.create_table(
        "choice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.Integer(), nullable=False),
        sa.Column("supplier", sa.String(length=41), nullable=False),
        sa.Column("choice", sa.String(length=24), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("how", sa.String(length=12), nullable=False),
        sa.Column("recorded_by", sa.String(length=100), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_choice_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_choice")),
        comment="What parents chose about a supplier, every time; the newest of a pupil and a supplier counts.",
    )
    op.create_index("ix_choice_record_id_supplier", "choice", ["record_id", "supplier"], unique=False)
