"""The ledger follows requests to erase a pupil."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables, empty: nobody was erased before."""
    op.create_table(
        "erasure",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("school", sa.String(length=7), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.String(length=100), nullable=False),
        sa.Column("how", sa.String(length=12), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
        comment="Requests to erase a pupil (AVG art. 17), one a row.",
    )
    op.create_table(
        "erased_record",
        sa.Column("erasure_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("record_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ref", sa.LargeBinary(), nullable=True),
        sa.Column("in_export", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasure.id"], name=op.f("fk_erased_record_erasure_id")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_erased_record_record_id")),
        sa.PrimaryKeyConstraint("erasure_id", "record_id", name=op.f("pk_erased_record")),
        comment="The records of the pupil that a request is about: more than one where he had another key before.",
    )
    op.create_table(
        "erasure_confirmation",
        sa.Column("erasure_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("supplier", sa.String(length=41), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_by", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasure.id"], name=op.f("fk_erasure_confirmation_erasure_id")),
        sa.PrimaryKeyConstraint("erasure_id", "supplier", name=op.f("pk_erasure_confirmation")),
        comment="Where a person wrote down that the supplier erased the pupil itself.",
    )
