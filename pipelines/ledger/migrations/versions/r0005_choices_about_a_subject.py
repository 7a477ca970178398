"""A choice of parents is about a subject: a supplier, as it was, or a purpose such as a photo on the website."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Rename the column, with every choice in it: a supplier stays the subject that it is."""
    op.drop_index("ix_choice_record_id_supplier", "choice")
    op.execute(sa.text("ALTER TABLE choice RENAME COLUMN supplier TO subject"))
    op.create_index("ix_choice_record_id_subject", "choice", ["record_id", "subject"], unique=False)
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.create_table_comment(
            "choice",
            "What parents chose about a supplier or a purpose, every time; the newest of a pupil and a subject counts.",
        )
