"""A batch has a row of its own, which says once what became of it where that is the same for all of its changes."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Give every change its batch. What became of each change until now stays with the change."""
    op.create_table(
        "batch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seal_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_batch_plan_id")),
        sa.ForeignKeyConstraint(["seal_id"], ["seal.id"], name=op.f("fk_batch_seal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("plan_id", "number", name=op.f("uq_batch_plan_id_number")),
        comment="Changes that go out in one message. One that is answered alike as a whole says so once.",
    )
    op.execute(
        sa.text(
            "INSERT INTO batch (plan_id, number) SELECT DISTINCT plan_id, batch FROM change ORDER BY plan_id, batch"
        )
    )
    with op.batch_alter_table("change") as change:
        change.add_column(sa.Column("batch_id", sa.Integer(), nullable=True))
        change.alter_column("state", existing_type=sa.String(length=10), nullable=True)
    same = "batch.plan_id = change.plan_id AND batch.number = change.batch"
    op.execute(sa.text(f"UPDATE change SET batch_id = (SELECT id FROM batch WHERE {same})"))  # noqa: S608  names of our own
    with op.batch_alter_table("change") as change:
        change.drop_index("ix_change_plan_id_batch")
        change.drop_constraint(op.f("fk_change_plan_id"), type_="foreignkey")
        change.drop_column("plan_id")
        change.drop_column("batch")
        change.alter_column("batch_id", existing_type=sa.Integer(), nullable=False)
        change.create_foreign_key(op.f("fk_change_batch_id"), "batch", ["batch_id"], ["id"])
        change.create_index("ix_change_batch_id", ["batch_id"])
