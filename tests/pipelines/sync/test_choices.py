"""What parents chose, carried out at a real supplier: consent, objection, and either taken back, under each legal basis."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mappings.agreement import LegalBasis
from mappings.choices import Choice
from pipelines.ledger.tables import metadata
from pipelines.sync.deliver import resume
from pipelines.sync.guard import Rule
from tests.pipelines.sync.bench import BASISPOORT, SCHOOL, SMALL, WIDE, Bench, eck, judged, pupil, pupils, school, told
from tests.pipelines.sync.conftest import MakeBench

SIX = school(pupils(6))
FORMATS = pytest.mark.parametrize("supplier", [SMALL, BASISPOORT])
STRICT = {**WIDE, "unexplained_deletes": {"count": 1}, "all_deletes": {"percent": 1}}


def _deletes(bench: Bench) -> list[tuple[str, str]]:
    """Operation and cause of each change of the last plan."""
    plan = bench.ledger.last_plan(bench.agreed.supplier, SCHOOL)
    assert plan is not None
    frame = bench.ledger.changes(plan.id)
    return list(zip(frame["operation"], frame["cause"], strict=True))


@FORMATS
def test_an_objection_is_one_delete_and_taken_back_one_create(make_bench: MakeBench, supplier: str) -> None:
    """From the same export, and under limits that would hold any other delete, the pupil goes and comes back."""
    bench = make_bench(supplier)
    bench.agree(limits=STRICT)
    bench.night(SIX)
    before = dict(bench.shown())
    bench.choose(Choice.OBJECTION, 3)
    outcome = bench.night(SIX)
    assert (outcome.state, outcome.reason, _deletes(bench)) == ("delivered", "", [("delete", "bezwaar")])
    assert len(bench.shown()) == 5
    assert bench.night(SIX).state == "unchanged"
    bench.choose(Choice.LIFTED, 3)
    assert (bench.night(SIX).state, _deletes(bench)) == ("delivered", [("create", "nieuw")])
    assert dict(bench.shown()) == before


@FORMATS
def test_without_consent_nobody_goes_out(make_bench: MakeBench, supplier: str) -> None:
    """Where consent is the ground, no pupil, group or teacher is sent until it is given, and it may be withdrawn."""
    bench = make_bench(supplier)
    bench.agree(legal_basis="toestemming", limits=STRICT)
    assert (bench.night(SIX).state, bench.shown(), bench.shown("groep")) == ("unchanged", {}, {})
    bench.choose(Choice.GIVEN, 2, 4)
    bench.choose(Choice.WITHDRAWN, 5)
    assert bench.night(SIX).state == "delivered"
    assert len(bench.shown()) == 2
    bench.choose(Choice.WITHDRAWN, 2)
    assert bench.night(SIX).state == "delivered"
    assert _deletes(bench) == [("delete", "toestemming_ingetrokken")]
    assert len(bench.shown()) == 1


def test_a_group_that_only_such_pupils_use_goes_too(bench: Bench) -> None:
    """The plusklas of the one who objected, and the teacher who has no other pupils here."""
    bench.night(SIX)
    bench.choose(Choice.OBJECTION, 1)
    assert told(bench.plan(SIX)) == {
        ("leerling", None, "delete", "bezwaar", ""),
        ("leerkracht", None, "delete", "buiten_bereik", ""),
        ("samengestelde_groep", None, "delete", "groep_vervallen", ""),
    }


@FORMATS
def test_an_objection_does_not_wait_with_deletes_that_wait(make_bench: MakeBench, supplier: str) -> None:
    """Two who vanished are held, the one who objected goes; the hold is about the two, and an approval of it stays good."""
    bench = make_bench(supplier)
    bench.night(SIX)
    bench.agree(limits=STRICT)
    bench.choose(Choice.OBJECTION, 3)
    four = school([*pupils(3), pupil(4)])
    assert bench.night(four).state == "held"
    (hold,) = bench.ledger.holds(SCHOOL)
    assert (hold.operation, hold.number) == ("delete", 2)
    assert (_deletes(bench), len(bench.shown())) == ([("delete", "bezwaar")], 5)
    bench.ledger.decide_hold(str(hold.id), "approved", "directeur")
    bench.choose(Choice.OBJECTION, 2)
    assert bench.night(four).state == "delivered"
    assert len(bench.shown()) == 2


def test_who_was_kept_by_a_person_stays_kept_when_another_objects(bench: Bench) -> None:
    """What was discarded is not asked again because of an objection, which itself goes ahead."""
    bench.night(SIX)
    bench.agree(limits=STRICT)
    four = school(pupils(4))
    bench.night(four)
    (hold,) = bench.ledger.holds(SCHOOL)
    bench.ledger.decide_hold(str(hold.id), "discarded", "directeur")
    bench.choose(Choice.OBJECTION, 3)
    bench.night(four)
    assert bench.ledger.holds(SCHOOL) == []
    assert (_deletes(bench), len(bench.shown())) == ([("delete", "bezwaar")], 5)


def test_an_agreement_that_came_to_need_consent_waits_for_a_person(bench: Bench) -> None:
    """One word changed in a file must not empty a supplier unseen; who has consented stays, who objected goes at once."""
    bench.night(SIX)
    bench.choose(Choice.GIVEN, 1, 2, 3)
    bench.choose(Choice.OBJECTION, 6)
    bench.agree(legal_basis="toestemming", limits=STRICT)
    plan = bench.plan(SIX)
    assert {stop.rule for stop in plan.stops} == {Rule.ALL_DELETES}
    assert plan.plan.of("delete")["cause"].tolist() == ["geen_toestemming", "geen_toestemming", "bezwaar"]
    assert bench.night(SIX).state == "held"
    assert len(bench.shown()) == 5


def test_quarantine_does_not_keep_who_objected(bench: Bench) -> None:
    """A record that breaks its contract stays as it is, unless a parent asked for it to go; nor does a broken group matter."""
    bench.night(SIX)
    bench.choose(Choice.OBJECTION, 3, 4)
    nameless = pupil(3, achternaam=None, roepnaam=None)
    broken = school([pupil(1), pupil(2), nameless, pupil(4, groep="onbekend"), pupil(5, groep="onbekend"), pupil(6)])
    bench.night(broken)
    assert sorted(bench.shown()) == [eck(1), eck(2), eck(5), eck(6)]
    assert judged(broken).quarantined["key"].tolist() == ["3"]


def test_who_objected_and_is_not_in_the_export_is_explained(bench: Bench) -> None:
    """The delete has the objection for its cause, also where the export says nothing of the pupil any more."""
    bench.night(SIX)
    bench.choose(Choice.OBJECTION, 6)
    assert [row[3] for row in told(bench.plan(school(pupils(5))))] == ["bezwaar"]


def test_an_objection_outlives_the_key_in_the_ledger(bench: Bench) -> None:
    """Where the key was shredded, the pupil in the export is still known by the ref."""
    bench.choose(Choice.OBJECTION, 3)
    bench.ledger.shred_keys(each.record_id for each in bench.ledger.choices(SCHOOL, SMALL))
    bench.night(SIX)
    assert eck(3) not in bench.shown()
    assert len(bench.shown()) == 5


def test_the_law_leaves_no_choice(bench: Bench) -> None:
    """What was said before the ground became a legal duty no longer counts."""
    bench.choose(Choice.OBJECTION, 3)
    bench.agree(legal_basis="wettelijke_verplichting")
    bench.night(SIX)
    assert len(bench.shown()) == 6


def test_a_school_that_may_not_delete_yet_sends_no_delete(bench: Bench) -> None:
    """The stage is the school's own word, and it says in the outcome why the pupil is still there."""
    bench.night(SIX)
    bench.choose(Choice.OBJECTION, 3)
    bench.agree(stage="create_update")
    outcome = bench.night(SIX)
    assert (outcome.state, len(bench.shown())) == ("blocked", 6)
    assert "stage: create_update" in outcome.reason


def test_a_message_from_before_an_objection_is_not_sent_again(bench: Bench) -> None:
    """A night broken off before it sent a pupil does not send him once his parents have objected."""
    bench.killed(SIX, at=3, after=False)
    first = bench.messages
    bench.choose(Choice.OBJECTION, 1, 2)
    assert resume(bench.case(judged(SIX)), bench.supplier())
    assert bench.messages == first
    bench.night(SIX)
    assert {eck(1), eck(2)}.isdisjoint(bench.shown())
    assert len(bench.shown()) == 4


NIGHTS = st.lists(
    st.tuples(
        st.sampled_from(list(LegalBasis)),
        st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from(list(Choice))), max_size=3),
    ),
    min_size=1,
    max_size=5,
)


@FORMATS
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nights=NIGHTS)
def test_a_pupil_is_there_if_and_only_if_the_newest_entry_and_the_ground_allow_it(
    make_bench: MakeBench, supplier: str, nights: list[tuple[LegalBasis, list[tuple[int, Choice]]]]
) -> None:
    """Whatever was written down in whatever order, and however the legal basis changed, after each night."""
    bench = make_bench(supplier)
    _forget(bench)
    roster, newest = school(pupils(3)), dict[int, Choice]()
    for legal_basis, entries in nights:
        bench.agree(legal_basis=legal_basis)
        for number, choice in entries:
            bench.choose(choice, number)
            newest[number] = choice
        bench.night(roster)
        there = {record["achternaam"] for record in bench.shown().values()}
        assert there == {f"Achter{n}" for n in (1, 2, 3) if _allowed(legal_basis, newest.get(n))}


def _allowed(legal_basis: LegalBasis, newest: Choice | None) -> bool:
    match legal_basis:
        case LegalBasis.LEGAL_DUTY:
            return True
        case LegalBasis.CONSENT:
            return newest is Choice.GIVEN
        case _:
            return newest not in {Choice.OBJECTION, Choice.WITHDRAWN}


def _forget(bench: Bench) -> None:
    """Begin with an empty ledger."""
    with bench.ledger._engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    bench.ledger._numbers.clear()


def test_a_set_from_before_a_choice_is_not_delivered(bench: Bench) -> None:
    """The terms of a case change with what parents chose, so that a set in the vault can be told to be old."""
    before = bench.case(judged(SIX)).terms
    bench.choose(Choice.OBJECTION, 3)
    assert bench.case(judged(SIX)).terms != before


def test_the_size_of_an_export_that_waits_does_not_become_the_measure(make_bench: MakeBench) -> None:
    """Half a school waits also on the second night, though an objection went out from the same export on the first."""
    bench = make_bench(SMALL)
    limits = {**WIDE, "export_size": {"minimum_percent": 95, "maximum_percent": 115}}
    bench.agree(limits=limits)
    bench.night(SIX)
    bench.choose(Choice.OBJECTION, 1)
    half = school(pupils(3))
    for _ in range(2):
        assert bench.night(half).state == "held"
        assert {Rule.EXPORT_SIZE} == {stop.rule for stop in bench.plan(half).stops}
    assert sorted(bench.shown()) == [eck(number) for number in range(2, 7)]
