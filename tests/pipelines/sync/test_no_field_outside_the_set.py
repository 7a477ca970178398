"""Whatever agreements, parents and exports do one after another, no supplier is sent a field or a pupil that it may not have then."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.base import Capabilities, Delta, Envelope, Receipts, Supplier, WholeSet
from mappings.agreement import FieldSet, LegalBasis, Stage
from mappings.choices import Choice
from pipelines.ledger.tables import metadata
from tests.pipelines.sync.bench import BASISPOORT, LVS, WIDE, Bench, Row, fields_of, pupil, school
from tests.pipelines.sync.conftest import MakeBench

PUPILS = ("1", "2", "3", "4")
Sent = tuple[str, set[str]]
"""A kind of record, and the names of the fields that one message had of it."""


@dataclass
class Recording:
    """A real supplier, of which every message is read with other eyes than those of the program."""

    supplier: Supplier
    sent: list[Sent] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        """Those of the supplier."""
        return self.supplier.capabilities

    def encode(self, envelope: Envelope, message: Delta | WholeSet, fields: FieldSet) -> bytes:
        """As the supplier does."""
        return self.supplier.encode(envelope, message, fields)

    def check(self, payload: bytes, fields: FieldSet) -> None:
        """Nothing: the test looks itself at what would have left."""

    def send(self, payload: bytes, idempotency_key: str) -> Receipts:
        """Send, and remember which fields went."""
        self.sent += _in_xml(payload) if payload.startswith(b"<") else _in_json(payload)
        return self.supplier.send(payload, idempotency_key)


def _in_json(payload: bytes) -> Iterator[Sent]:
    body = orjson.loads(payload)
    if body["bewerking"] != "delete":
        yield body["soort"], {name for record in body["records"] for name in record} - {"id", "vorig_id"}


def _in_xml(payload: bytes) -> Iterator[Sent]:
    for place in ("groepen/groep", "groepen/samengestelde_groep", "leerlingen/leerling"):
        found = list(etree.fromstring(payload).iterfind(place))
        yield (
            place.partition("/")[2],
            {str(name) for one in found for name in (*one.attrib, *(part.tag for part in one))},
        )


ROWS: dict[str, list[Row]] = {
    "all": [{**pupil(int(n), voorvoegsel="van", start_ondw_jgr3="2025-08-01"), "eckid": None} for n in PUPILS],
}
ROWS["one left"] = [{**row, "uitstroomdatum": "2026-11-02"} if row["key"] == "2" else row for row in ROWS["all"]]
ROWS["one gone"] = ROWS["all"][1:]
ROWS["one broken"] = [{**row, "jaargroep": "42"} if row["key"] == "3" else row for row in ROWS["all"]]
ROWS["one renamed"] = [{**row, "roepnaam": "Anders"} if row["key"] == "4" else row for row in ROWS["all"]]
ROWS["one higher"] = [{**row, "jaargroep": "4", "groep": "g45"} if row["key"] == "1" else row for row in ROWS["all"]]

ITEMS = {LVS: ("achternaam", "geboortedatum", "geslacht"), BASISPOORT: ("achternaam", "tussenvoegsel", "voornaam")}
DATES = {
    "in force": (date(2026, 8, 1), date(2027, 7, 31)),
    "ended": (date(2026, 8, 1), date(2026, 11, 23)),
    "to come": (date(2026, 11, 25), date(2027, 7, 31)),
}


def _agreements(supplier: str) -> st.SearchStrategy[dict[str, Any]]:
    dates = st.sampled_from([*DATES.values()]).map(lambda pair: {"signed": pair[0], "valid_until": pair[1]})
    other = st.fixed_dictionaries(
        {
            "withhold": st.lists(st.sampled_from(ITEMS[supplier]), unique=True),
            "optional": st.lists(st.sampled_from(["geboortedatum", "geslacht"]), unique=True)
            if supplier == BASISPOORT
            else st.just([]),
            "scope": st.sampled_from([{}, {"jaargroepen": ["3"]}, {"jaargroepen": ["4"]}]),
            "stage": st.sampled_from([*[Stage.FULL] * 3, *Stage]),
            "legal_basis": st.sampled_from([*LegalBasis]),
            "limits": st.sampled_from([WIDE, {}]),
        }
    )
    return st.tuples(dates, other).map(lambda both: {**both[0], **both[1]})


def _steps(supplier: str) -> st.SearchStrategy[list[tuple[str, Any]]]:
    step = st.one_of(
        st.tuples(st.just("agree"), _agreements(supplier)),
        st.tuples(st.just("export"), st.sampled_from(sorted(ROWS))),
        st.tuples(st.just("choose"), st.tuples(st.sampled_from([*Choice]), st.sampled_from(PUPILS))),
        st.tuples(st.just("decide"), st.sampled_from(["approved", "discarded"])),
    )
    return st.lists(step, min_size=3, max_size=7)


@dataclass
class Course:
    """A school and one supplier, night after night.

    `given` are the fields that went before or that somebody let go; `approved` the set that was approved since the last night.
    """

    bench: Bench
    chosen: dict[str, Choice] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    approved: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()  # the set of the last night
    rows: str = "all"

    def step(self, what: str, of: Any) -> None:
        """One thing that happens by day."""
        if what == "agree":
            self.bench.agree(**of)
        elif what == "export":
            self.rows = of
        elif what == "choose":
            self.bench.choose(of[0], int(of[1]))
            self.chosen[of[1]] = of[0]
        elif "add_fields" in self.bench.decide(of):
            self.approved = self.asked if of == "approved" else frozenset()

    def night(self) -> None:
        """Deliver, and hold each field and each pupil against what may leave tonight."""
        fields, before = fields_of(self.bench.agreed), self.held()
        if not any(map(self.bench.shown, KINDS)):
            self.given = fields.ids
        elif self.approved == fields.ids and self.bench.day <= self.bench.agreed.valid_until:
            self.given |= fields.ids
        self.given &= fields.ids
        door = Recording(self.bench.supplier())
        self.bench.night(school(ROWS[self.rows]), door)
        self.asked, self.approved = fields.ids, frozenset()
        for kind, names in door.sent:
            assert names <= {f.wire for f in fields.fields if f.record == kind and f.id in self.given}
        for key, record in self.held().items():
            if key not in self.allowed():
                assert record.items() <= before.get(key, {}).items()
            assert self.bench.agreed.active_on(self.bench.day) or key in before
            assert self.bench.agreed.stage is not Stage.FULL or self.day_one or not self.asked_to_go(key)

    def held(self) -> dict[str, dict[str, Any]]:
        """The pupils that the supplier has, each with the values that are there."""
        shown = self.bench.shown().items()
        return {key: {name: str(v) for name, v in record.items() if v is not None} for key, record in shown}

    @property
    def day_one(self) -> bool:
        """Whether the agreement is still to begin, and nothing at all may go."""
        return self.bench.day < self.bench.agreed.signed

    def allowed(self) -> set[str]:
        """Who may be created or changed tonight, read from the agreement, the parents and the export alone."""
        years, day = self.bench.agreed.scope.jaargroepen, self.bench.day.isoformat()
        here = [row for row in ROWS[self.rows] if (row.get("uitstroomdatum") or day) >= day]
        inside = {str(row["key"]) for row in here if not years or row["jaargroep"] in years}
        return {key for key in inside if self.released(key)}

    def released(self, key: str) -> bool:
        """Whether the ground of the agreement lets this pupil go out."""
        if self.bench.agreed.legal_basis is LegalBasis.LEGAL_DUTY:
            return True
        if self.bench.agreed.legal_basis is LegalBasis.CONSENT:
            return self.chosen.get(key) is Choice.GIVEN
        return self.chosen.get(key) is not Choice.OBJECTION

    def asked_to_go(self, key: str) -> bool:
        """Whether a parent asked for this pupil to be removed, which waits for nobody."""
        return not self.released(key) and self.chosen.get(key) in {Choice.OBJECTION, Choice.WITHDRAWN}


@pytest.mark.parametrize("supplier", [LVS, BASISPOORT])
def test_no_field_leaves_outside_the_set_of_that_moment(make_bench: MakeBench, supplier: str) -> None:
    """Nor a pupil whom agreement, parents or export keep in; every message is read by the test itself before it counts."""

    @settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(_steps(supplier))
    def holds(steps: list[tuple[str, Any]]) -> None:
        bench = make_bench(supplier)
        with bench.ledger._engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        course = Course(bench)
        course.night()
        for what, of in steps:
            course.step(what, of)
            course.night()

    holds()


KINDS = ("groep", "samengestelde_groep", "leerling", "leerkracht")
