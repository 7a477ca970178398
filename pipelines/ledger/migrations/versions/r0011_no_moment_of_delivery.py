"""When something was last delivered stands with its change; what a supplier holds had it a second time, and nobody asked for it."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Drop the column."""
    op.drop_column("delivered", "updated_at")
