"""The tables of the ledger. What is asked of them stands in the modules beside this one; how they came about, in `migrations`.

No name, birth date, address or ECK iD is in any column; a record key stands in `record` alone, encrypted.
"""

from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

REF_SIZE: Final = 16
CHAIN_SIZE: Final = 32
REASON_SIZE: Final = 500


class Moment(TypeDecorator[datetime]):
    """An aware moment in UTC; SQLite, which knows no zones, keeps it without one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a moment without a zone: nobody can say when that was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("een tijdstip in het grootboek heeft een tijdzone nodig")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        """The moment with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _text(name: str, size: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(size), nullable=nullable)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, Moment, nullable=nullable)


def _bytes(name: str, *, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=nullable)


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON, nullable=False)


def _link(name: str, target: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, sa.ForeignKey(target), nullable=nullable)


def _supplier(*, nullable: bool = False) -> sa.Column[str]:
    return _text("supplier", 41, nullable=nullable)


def _school() -> sa.Column[str]:
    return _text("school", 7)


key_use = sa.Table(
    "key_use",
    metadata,
    sa.Column("purpose", sa.String(20), primary_key=True),  # encryption, fingerprint
    _text("key_id", 8),
    comment="With which keys this ledger was written: another key would make every record look new.",
)

record = sa.Table(
    "record",
    metadata,
    _id(),
    _school(),
    _text("kind", 20),
    _bytes("ref"),  # keyed BLAKE2b of school, kind and key
    _bytes("key_encrypted", nullable=True),  # null once the key has been shredded
    _bytes("eckid", nullable=True),  # of a pupil: keyed BLAKE2b of school and ECK iD, as an export told it last
    sa.UniqueConstraint("school", "kind", "ref"),
)

field_set = sa.Table(
    "field_set",
    metadata,
    _id(),
    _text("digest", 64),
    _supplier(),
    _text("profile_version", 100),
    _json("fields"),  # field id -> reason
    _json("left_out"),  # item -> reason
    sa.UniqueConstraint("digest"),
)

plan = sa.Table(
    "plan",
    metadata,
    _id(),
    _text("digest", 64),
    _supplier(),
    _school(),
    _text("run_id", 64),
    _text("agreement_digest", 64),
    _link("field_set_id", "field_set.id"),
    _text("schooljaar", 9),
    _text("basis", 64),  # digest of everything the plan was made from
    _number("export_size"),  # pupils in the export
    _moment("received_at", nullable=True),  # of the newest export until then, as in `export`
    _json("counts"),
    _text("state", 12),
    _text("reason", REASON_SIZE, nullable=True),
    _moment("created_at"),
    _moment("finished_at", nullable=True),
    sa.Index("ix_plan_supplier_school", "supplier", "school"),
)
sa.Index(
    "uq_plan_delivering",
    plan.c.supplier,
    plan.c.school,
    unique=True,
    sqlite_where=plan.c.state == "delivering",
    postgresql_where=plan.c.state == "delivering",
)

seal = sa.Table(
    "seal",
    metadata,
    _id(),
    _link("plan_id", "plan.id"),
    _number("batch"),
    _bytes("changes"),  # keyed digest of what was accepted
    _bytes("previous"),
    _bytes("chain"),
    _moment("sealed_at"),
    sa.UniqueConstraint("previous"),  # no seal has two successors
)

removal = sa.Table(
    "removal",
    metadata,
    sa.Column("seal_id", sa.Integer, sa.ForeignKey("seal.id"), primary_key=True, autoincrement=False),
    _number("number"),
    _bytes("left_over"),  # keyed digest of the changes that are left; empty where none are
    _moment("removed_at"),  # the last time
    _bytes("proof"),
    comment="How many changes under a seal were removed because they had been kept long enough.",
)

resealing = sa.Table(
    "resealing",
    metadata,
    _id(),
    _number("seals"),  # how many there were
    _bytes("links"),  # the chain of each, one after another
    _moment("resealed_at"),
    _bytes("proof"),
    comment="When all seals were made anew under a new key, and what their links were until then.",
)

batch = sa.Table(
    "batch",
    metadata,
    _id(),
    _link("plan_id", "plan.id"),
    _number("number"),
    _text("state", 10, nullable=True),  # of each of its changes; null where they have their own
    _moment("answered_at", nullable=True),
    _link("seal_id", "seal.id", nullable=True),
    sa.UniqueConstraint("plan_id", "number"),
    comment="Changes that go out in one message. One that is answered alike as a whole says so once.",
)

change = sa.Table(
    "change",
    metadata,
    _id(),
    _link("batch_id", "batch.id"),
    _link("record_id", "record.id"),
    _link("replaces_id", "record.id", nullable=True),  # the same pupil under an earlier key, whose place this one takes
    _text("operation", 6),
    _text("cause", 40),
    _bytes("fingerprint", nullable=True),  # null for a delete
    sa.Column("changed_fields", sa.Text, nullable=True),  # names only, with commas
    _text("state", 10, nullable=True),  # this and the last two are null where the batch has them for all
    _bytes("answer_encrypted", nullable=True),  # the supplier's own words: they may name a pupil
    _moment("answered_at", nullable=True),
    _link("seal_id", "seal.id", nullable=True),
    sa.Index("ix_change_batch_id", "batch_id"),
    sa.Index("ix_change_record_id", "record_id"),
)
_replacing = change.c.replaces_id.is_not(None)
sa.Index("ix_change_replaces_id", change.c.replaces_id, sqlite_where=_replacing, postgresql_where=_replacing)

STATE: Final[sa.ColumnElement[Any]] = sa.func.coalesce(batch.c.state, change.c.state)
"""Of a change in its batch: pending, accepted, refused, presumed, abandoned."""
ANSWERED_AT: Final[sa.ColumnElement[Any]] = sa.func.coalesce(batch.c.answered_at, change.c.answered_at)
SEAL_ID: Final[sa.ColumnElement[Any]] = sa.func.coalesce(batch.c.seal_id, change.c.seal_id)

batched = change.join(batch, change.c.batch_id == batch.c.id)
"""Changes with their batch: what `STATE`, `ANSWERED_AT` and `SEAL_ID` are asked of."""
changed_record = batched.join(record, change.c.record_id == record.c.id)
"""And with the record that each is about, which is not the one that it replaces."""

handles = sa.Table(
    "handles",
    metadata,
    _id(),
    _bytes("content_encrypted"),  # JSON: record numbers, wire ids, the supplier's own ids
    comment="Under which ids a supplier knows the records that it took in one batch.",
)

delivered = sa.Table(
    "delivered",
    metadata,
    sa.Column("supplier", sa.String(41), primary_key=True),
    sa.Column("record_id", sa.Integer, sa.ForeignKey("record.id"), primary_key=True, autoincrement=False),
    _bytes("fingerprint"),
    _link("field_set_id", "field_set.id"),
    sa.Column("handles_id", sa.Integer, sa.ForeignKey("handles.id", ondelete="SET NULL"), nullable=True),
    comment="What each supplier is known to hold now.",
    sqlite_with_rowid=False,  # one tree instead of two
)

hold = sa.Table(
    "hold",
    metadata,
    _id(),
    _supplier(),
    _school(),
    _text("operation", 20),
    _text("digest", 64),
    _number("number"),
    _text("reason", REASON_SIZE),
    _text("state", 12),
    _moment("opened_at"),
    _moment("decided_at", nullable=True),
    _text("decided_by", 100, nullable=True),
    _text("plan_digest", 64),
)
_live = hold.c.state.in_([sa.literal_column("'open'"), sa.literal_column("'approved'")])
sa.Index(
    "uq_hold_live",
    hold.c.supplier,
    hold.c.school,
    hold.c.operation,
    unique=True,
    sqlite_where=_live,
    postgresql_where=_live,
)

choice = sa.Table(
    "choice",
    metadata,
    _id(),
    _link("record_id", "record.id"),  # the pupil
    _text("subject", 41),  # a supplier, or a purpose
    _text("choice", 24),
    sa.Column("since", sa.Date, nullable=False),  # when the parent said so
    _text("how", 12),
    _text("recorded_by", 100),
    _moment("recorded_at"),
    sa.Index("ix_choice_record_id_subject", "record_id", "subject"),
    comment="What parents chose about a supplier or a purpose, every time; the newest of a pupil and a subject counts.",
)

erasure = sa.Table(
    "erasure",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # without gaps: one taken out shows
    _school(),
    _moment("opened_at"),
    _text("opened_by", 100),
    _text("how", 12),
    _moment("closed_at", nullable=True),  # when the last of what identifies the pupil was forgotten
    _bytes("proof"),
    comment="Requests to erase a pupil (AVG art. 17), one a row.",
)

erased_record = sa.Table(
    "erased_record",
    metadata,
    sa.Column("erasure_id", sa.Integer, sa.ForeignKey("erasure.id"), primary_key=True, autoincrement=False),
    sa.Column("record_id", sa.Integer, sa.ForeignKey("record.id"), primary_key=True, autoincrement=False),
    _bytes("ref", nullable=True),  # by which he is kept from going out; null once he left and all is done
    sa.Column("in_export", sa.Boolean, nullable=False),
    comment="The records of the pupil that a request is about: more than one where he had another key before.",
)

erased_eckid = sa.Table(
    "erased_eckid",
    metadata,
    sa.Column("erasure_id", sa.Integer, sa.ForeignKey("erasure.id"), primary_key=True, autoincrement=False),
    sa.Column("record_id", sa.Integer, sa.ForeignKey("record.id"), primary_key=True, autoincrement=False),
    _bytes("ref"),
    comment="Keyed BLAKE2b of school and ECK iD, by which who was erased is known under another key; none once he left and all is done.",
)

erasure_confirmation = sa.Table(
    "erasure_confirmation",
    metadata,
    sa.Column("erasure_id", sa.Integer, sa.ForeignKey("erasure.id"), primary_key=True, autoincrement=False),
    sa.Column("supplier", sa.String(41), primary_key=True),
    _moment("confirmed_at"),
    _text("confirmed_by", 100),
    comment="Where a person wrote down that the supplier erased the pupil itself.",
)

export = sa.Table(
    "export",
    metadata,
    sa.Column("school", sa.String(7), primary_key=True),
    _text("digest", 64),
    _text("schooljaar", 9),
    _number("pupils"),
    _moment("received_at"),
    _text("door", 10, nullable=True),  # edexml, uwlr
    sa.Column("next_date", sa.Date, nullable=True),  # the first day on which the same export says something else
    _number("findings"),
    _number("quarantined"),
    _text("run_id", 64),
    comment="The last good export of each school.",
)

failed_export = sa.Table(
    "failed_export",
    metadata,
    sa.Column("school", sa.String(7), primary_key=True),
    _moment("failed_at"),
    _text("run_id", 64),
    _text("reason", REASON_SIZE),
    comment="The schools whose data could not be got the last time; a good export takes its school out.",
)

look = sa.Table(
    "look",
    metadata,
    sa.Column("school", sa.String(7), primary_key=True),
    sa.Column("supplier", sa.String(41), primary_key=True),
    _moment("looked_at"),
    _text("run_id", 64),
    _text("reason", REASON_SIZE, nullable=True),
    comment="The last look at each supplier of each school; a reason where it came to nothing before there was a plan.",
)

finding = sa.Table(
    "finding",
    metadata,
    _id(),
    _school(),
    _text("run_id", 64),
    _supplier(nullable=True),
    _text("kind", 20),
    _link("record_id", "record.id", nullable=True),  # null for a record without a key
    _text("field", 60),
    _text("rule", 60),
    _text("consequence", 20),
    _moment("found_at"),
    sa.Index("ix_finding_school", "school"),
    comment="What was wrong in the last export of each school; never the value.",
)

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("supplier", sa.String(41), primary_key=True),
    sa.Column("school", sa.String(7), primary_key=True),
    _text("token", 32),
    _text("host", 300),
    _number("pid"),
    _text("started", 100),  # when the process began, as its host counts; a pid alone is used again
    _moment("expires_at"),
)
