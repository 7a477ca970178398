"""What suppliers hold of a school is found by its records, without going through what they hold of every school."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_delivered_record_id", "delivered", ["record_id"])
