"""Who was erased is recognised by his ECK iD where he gets another key, as long as he is in the export."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table, empty: the next export tells the ECK iDs of who is in it."""
    op.create_table(
        "erased_eckid",
        sa.Column("erasure_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("record_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ref", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasure.id"], name=op.f("fk_erased_eckid_erasure_id")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_erased_eckid_record_id")),
        sa.PrimaryKeyConstraint("erasure_id", "record_id", name=op.f("pk_erased_eckid")),
        comment="Keyed BLAKE2b of school and ECK iD, by which who was erased is known under another key; none once he left and all is done.",
    )
