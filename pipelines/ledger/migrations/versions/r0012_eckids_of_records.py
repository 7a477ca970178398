"""A pupil is known again under another key by his ECK iD, whoever holds him; until now only by what a supplier held."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column, empty: the next export tells the ECK iDs of who is in it; and find quickly who took another's place."""
    op.add_column("record", sa.Column("eckid", sa.LargeBinary(), nullable=True))
    replacing = sa.text("replaces_id IS NOT NULL")
    op.create_index(
        "ix_change_replaces_id", "change", ["replaces_id"], sqlite_where=replacing, postgresql_where=replacing
    )
