"""The first shape of the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table. There is no way back: a ledger is evidence, and is restored from a backup instead."""
    _records()
    _plans()
    _changes()
    _holds()
    _exports()
    _leases()


def _records() -> None:
    op.create_table(
        "key_use",
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("purpose", name=op.f("pk_key_use")),
        comment="With which keys this ledger was written: another key would make every record look new.",
    )
    op.create_table(
        "record",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school", sa.String(length=7), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("ref", sa.LargeBinary(), nullable=False),
        sa.Column("key_encrypted", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record")),
        sa.UniqueConstraint("school", "kind", "ref", name=op.f("uq_record_school_kind_ref")),
    )
    op.create_table(
        "field_set",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("supplier", sa.String(length=41), nullable=False),
        sa.Column("profile_version", sa.String(length=100), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("left_out", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_field_set")),
        sa.UniqueConstraint("digest", name=op.f("uq_field_set_digest")),
    )


def _plans() -> None:
    op.create_table(
        "plan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("supplier", sa.String(length=41), nullable=False),
        sa.Column("school", sa.String(length=7), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("agreement_digest", sa.String(length=64), nullable=False),
        sa.Column("field_set_id", sa.Integer(), nullable=False),
        sa.Column("schooljaar", sa.String(length=9), nullable=False),
        sa.Column("basis", sa.String(length=64), nullable=False),
        sa.Column("export_size", sa.Integer(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["field_set_id"], ["field_set.id"], name=op.f("fk_plan_field_set_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
    )
    op.create_index("ix_plan_supplier_school", "plan", ["supplier", "school"], unique=False)
    op.create_index(
        "uq_plan_delivering",
        "plan",
        ["supplier", "school"],
        unique=True,
        sqlite_where=sa.text("state = 'delivering'"),
        postgresql_where=sa.text("state = 'delivering'"),
    )


def _changes() -> None:
    op.create_table(
        "seal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("changes", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_seal_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seal")),
        sa.UniqueConstraint("previous", name=op.f("uq_seal_previous")),
    )
    op.create_table(
        "change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.Integer(), nullable=False),
        sa.Column("replaces_id", sa.Integer(), nullable=True),
        sa.Column("operation", sa.String(length=6), nullable=False),
        sa.Column("cause", sa.String(length=40), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("changed_fields", sa.Text(), nullable=True),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("answer_encrypted", sa.LargeBinary(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seal_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_change_plan_id")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_change_record_id")),
        sa.ForeignKeyConstraint(["replaces_id"], ["record.id"], name=op.f("fk_change_replaces_id")),
        sa.ForeignKeyConstraint(["seal_id"], ["seal.id"], name=op.f("fk_change_seal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change")),
    )
    op.create_index("ix_change_plan_id_batch", "change", ["plan_id", "batch"], unique=False)
    op.create_index("ix_change_record_id", "change", ["record_id"], unique=False)
    op.create_table(
        "handles",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("content_encrypted", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handles")),
        comment="Under which ids a supplier knows the records that it took in one batch.",
    )
    op.create_table(
        "delivered",
        sa.Column("supplier", sa.String(length=41), nullable=False),
        sa.Column("record_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("field_set_id", sa.Integer(), nullable=False),
        sa.Column("handles_id", sa.Integer(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["field_set_id"], ["field_set.id"], name=op.f("fk_delivered_field_set_id")),
        sa.ForeignKeyConstraint(
            ["handles_id"], ["handles.id"], name=op.f("fk_delivered_handles_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_delivered_record_id")),
        sa.PrimaryKeyConstraint("supplier", "record_id", name=op.f("pk_delivered")),
        comment="What each supplier is known to hold now.",
        sqlite_with_rowid=False,
    )


def _holds() -> None:
    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("supplier", sa.String(length=41), nullable=False),
        sa.Column("school", sa.String(length=7), nullable=False),
        sa.Column("operation", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=100), nullable=True),
        sa.Column("plan_digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    op.create_index(
        "uq_hold_live",
        "hold",
        ["supplier", "school", "operation"],
        unique=True,
        sqlite_where=sa.text("state IN ('open', 'approved')"),
        postgresql_where=sa.text("state IN ('open', 'approved')"),
    )


def _exports() -> None:
    op.create_table(
        "export",
        sa.Column("school", sa.String(length=7), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("schooljaar", sa.String(length=9), nullable=False),
        sa.Column("pupils", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_date", sa.Date(), nullable=True),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("school", name=op.f("pk_export")),
        comment="The last good export of each school.",
    )
    op.create_table(
        "finding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school", sa.String(length=7), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("supplier", sa.String(length=41), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("record_id", sa.Integer(), nullable=True),
        sa.Column("field", sa.String(length=60), nullable=False),
        sa.Column("rule", sa.String(length=60), nullable=False),
        sa.Column("consequence", sa.String(length=20), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_finding_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
        comment="What was wrong in the last export of each school; never the value.",
    )
    op.create_index("ix_finding_school", "finding", ["school"], unique=False)


def _leases() -> None:
    op.create_table(
        "lease",
        sa.Column("supplier", sa.String(length=41), nullable=False),
        sa.Column("school", sa.String(length=7), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=300), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.String(length=100), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("supplier", "school", name=op.f("pk_lease")),
    )
