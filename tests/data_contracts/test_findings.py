"""What a broken roster becomes: findings, a quarantine, and the roster that is left."""

import dataclasses
from collections.abc import Callable
from datetime import date

import pandas as pd
import pytest
from pandera.config import config_context

from data_contracts.fields import Record
from data_contracts.findings import BrokenTable, Checked, TableLimits, checked
from data_contracts.roster import Roster

TODAY = date(2026, 11, 24)
MARKER = "MERKTEKEN"
MakeRoster = Callable[[int], Roster]


def with_value(roster: Roster, table: str, row: int, column: str, value: str | None) -> Roster:
    """The roster with one other value."""
    frame = getattr(roster, table).copy()
    frame.loc[row, column] = value
    return dataclasses.replace(roster, **{table: frame.astype("str")})


def found(result: Checked) -> list[tuple[str, ...]]:
    """The findings as rows: soort, key, veld, regel, gevolg."""
    return list(result.findings.itertuples(index=False, name=None))


def test_a_clean_roster_passes_unchanged(make_roster: MakeRoster) -> None:
    """A roster without a fault comes back as the same object, with nothing beside it."""
    roster = make_roster(12)
    result = checked(roster, TODAY)
    assert result.roster is roster
    assert list(result.findings.columns) == ["soort", "key", "veld", "regel", "gevolg"]
    assert list(result.quarantined.columns) == ["soort", "key", "groep", "eckid"]
    assert result.findings.empty
    assert result.quarantined.empty


OPTIONAL = [
    ("leerlingen", "eckid", "geen-webadres", "webadres"),
    ("leerlingen", "eckid", "https://ketenid.nl/pilot/0f", "proefnummer"),
    ("leerlingen", "eckid", "https://ketenid.nl/201703/" + "0" * 240, "lengte"),
    ("leerlingen", "achternaam", "A" * 201, "lengte"),
    ("leerlingen", "voorvoegsel", "van den der", "lengte"),
    ("leerlingen", "geboortedatum", "2015-02-29", "datum"),
    ("leerlingen", "geboortedatum", "29-03-2015", "datum"),
    ("leerlingen", "geboortedatum", "2015-1-2", "datum"),
    ("leerlingen", "geboortedatum", "2004-11-24", "leeftijd"),
    ("leerlingen", "geboortedatum", "2024-11-25", "leeftijd"),
    ("leerlingen", "uitstroomdatum", "2028-11-25", "aannemelijk"),
    ("leerlingen", "uitstroomdatum", "1899-12-31", "aannemelijk"),
    ("leerlingen", "mutatiedatum", "2026-02-30T10:00:00", "tijdstip"),
    ("leerlingen", "mutatiedatum", "2026-02-20T25:00:00", "tijdstip"),
    ("leerlingen", "geslacht", "M", "toegestaan"),
    ("leerlingen", "jaargroep", "9", "toegestaan"),
    ("leerlingen", "jaargroep", "C", "combinatiegroep"),
    ("leerlingen", "groep", "groep-weg", "verwijzing"),
    ("leerlingen", "groep", "plus-0", "verwijzing"),
    ("leerlingen", "vestiging", "vestiging-weg", "verwijzing"),
    ("leerlingen", "samengestelde_groepen", '["groep-0"]', "verwijzing"),
    ("leerlingen", "samengestelde_groepen", "geen lijst", "verwijzing"),
    ("leerkrachten", "rollen", '[{"rol":"BAAS"}]', "rol"),
    ("leerkrachten", "groepen", '[{"groep":"plus-0"}]', "verwijzing"),
    ("school", "peildatum", "2026-13-01", "datum"),
    ("school", "brincode", "XX99", "vorm"),
]


@pytest.mark.parametrize(("table", "column", "value", "rule"), OPTIONAL)
def test_a_broken_optional_value_is_taken_out(
    make_roster: MakeRoster, table: str, column: str, value: str, rule: str
) -> None:
    """Only the value goes; the record stays, with a finding of consequence `waarde`."""
    roster = with_value(make_roster(12), table, 0, column, value)
    result = checked(roster, TODAY)
    assert [row[2:] for row in found(result)] == [(column, rule, "waarde")]
    assert result.quarantined.empty
    expected = with_value(roster, table, 0, column, None)
    for name, frame in result.roster.tables():
        pd.testing.assert_frame_equal(frame, getattr(expected, name))


@pytest.mark.parametrize(("of_group", "rules"), [("5", []), ("C", ["leerjaar"])])
def test_a_pupil_without_a_year_group_has_that_of_his_group_or_is_told(
    make_roster: MakeRoster, of_group: str, rules: list[str]
) -> None:
    """A combination group does not say it; nothing is taken out, for there is nothing."""
    roster = with_value(make_roster(12), "leerlingen", 0, "jaargroep", None)
    group = str(roster.leerlingen["groep"].iloc[0])
    place = roster.groepen.index[roster.groepen["key"].eq(group)][0]
    result = checked(with_value(roster, "groepen", place, "jaargroep", of_group), TODAY)
    assert result.findings["regel"].tolist() == rules
    assert result.quarantined.empty


REQUIRED = [
    ("leerlingen", "key", None, "verplicht"),
    ("leerlingen", "key", "#12", "tijdelijk"),
    ("leerlingen", "key", "k" * 257, "lengte"),
    ("groepen", "key", None, "verplicht"),
    ("groepen", "naam", None, "verplicht"),
    ("groepen", "naam", "n" * 65, "lengte"),
    ("groepen", "jaargroep", None, "verplicht"),
    ("groepen", "jaargroep", "9", "toegestaan"),
    ("leerkrachten", "key", "#1", "tijdelijk"),
    ("leerkrachten", "achternaam", None, "naam"),
]


@pytest.mark.parametrize(("table", "column", "value", "rule"), REQUIRED)
def test_a_broken_required_value_takes_the_record_out(
    make_roster: MakeRoster, table: str, column: str, value: str | None, rule: str
) -> None:
    """The record goes into quarantine, with a finding of consequence `record`; the other records stay as they were."""
    roster = with_value(make_roster(12), table, 0, column, value)
    result = checked(roster, TODAY)
    own = result.findings[result.findings["gevolg"] == "record"]
    assert list(own[["veld", "regel"]].itertuples(index=False, name=None)) == [(column, rule)]
    key = getattr(roster, table)["key"].fillna("").iloc[0]
    assert result.quarantined["key"].tolist() == [key]
    expected = getattr(roster, table).iloc[1:].reset_index(drop=True)
    pd.testing.assert_frame_equal(getattr(result.roster, table), expected)


@pytest.mark.parametrize("birth_date", ["2004-11-25", "2024-11-24"])
def test_a_pupil_of_two_or_twenty_one_is_plausible(make_roster: MakeRoster, birth_date: str) -> None:
    """The first and the last birth date that can be are taken."""
    assert checked(with_value(make_roster(3), "leerlingen", 0, "geboortedatum", birth_date), TODAY).findings.empty


def test_a_birthday_on_29_february_is_judged_in_any_year() -> None:
    """A reference date that does not exist two years earlier is no fault."""
    from data_contracts.contracts import _birth_dates

    assert _birth_dates(date(2028, 2, 29)) == ("2006-03-01", "2026-02-28")


def test_all_records_with_one_key_are_kept_out(make_roster: MakeRoster) -> None:
    """Of records with the same key none is taken, since nobody knows which is right."""
    result = checked(with_value(make_roster(40), "leerlingen", 3, "key", "leerling-5"), TODAY)
    assert result.quarantined["key"].tolist() == ["leerling-5", "leerling-5"]
    assert result.quarantined["groep"].tolist() == ["groep-1", "groep-1"]
    assert set(result.findings["regel"]) == {"uniek"}


def test_both_kinds_of_group_share_their_keys(make_roster: MakeRoster) -> None:
    """EDEXML: a groep and a samengestelde_groep with one key are both kept out."""
    result = checked(with_value(make_roster(8), "groepen", 3, "key", "groep-0"), TODAY)
    kept_out = result.quarantined[["soort", "key"]].itertuples(index=False, name=None)
    assert list(kept_out) == [("groep", "groep-0"), ("samengestelde_groep", "groep-0")]


def test_an_eckid_of_two_pupils_is_taken_from_both(make_roster: MakeRoster) -> None:
    """A shared ECK iD tells nobody apart, so nobody keeps it; the pupils stay."""
    roster = make_roster(8)
    result = checked(with_value(roster, "leerlingen", 3, "eckid", roster.leerlingen["eckid"][5]), TODAY)
    assert result.roster.leerlingen["eckid"].isna().tolist() == [n in (3, 5) for n in range(8)]
    assert found(result) == [("leerling", f"leerling-{n}", "eckid", "uniek", "waarde") for n in (3, 5)]


def test_absent_eckids_are_not_the_same(make_roster: MakeRoster) -> None:
    """Pupils without an ECK iD do not share one."""
    roster = make_roster(8)
    without = dataclasses.replace(roster, leerlingen=roster.leerlingen.assign(eckid=None).astype("str"))
    assert checked(without, TODAY).findings.empty


def test_only_the_dangling_key_leaves_a_list(make_roster: MakeRoster) -> None:
    """Of three composite groups the one that does not exist goes; the others stay, in their order."""
    roster = with_value(make_roster(4), "leerlingen", 0, "samengestelde_groepen", '["plus-1","weg","plus-0"]')
    result = checked(roster, TODAY)
    assert result.roster.leerlingen["samengestelde_groepen"][0] == '["plus-1","plus-0"]'
    assert found(result) == [("leerling", "leerling-0", "samengestelde_groepen", "verwijzing", "waarde")]


def test_a_teacher_keeps_what_is_right_in_his_groups(make_roster: MakeRoster) -> None:
    """A group that does not exist goes, and of a group that does only the unknown role; both rules are findings."""
    groups = '[{"groep":"weg"},{"groep":"groep-1","rollen":[{"rol":"BAAS"},{"rol":"IB"}]},{"groep":"groep-0"}]'
    result = checked(with_value(make_roster(4), "leerkrachten", 0, "groepen", groups), TODAY)
    expected = '[{"groep":"groep-1","rollen":[{"rol":"IB"}]},{"groep":"groep-0"}]'
    assert result.roster.leerkrachten["groepen"][0] == expected
    assert [row[3] for row in found(result)] == ["verwijzing", "rol"]


def test_a_group_in_quarantine_still_exists(make_roster: MakeRoster) -> None:
    """Pupils keep their reference to a group that is itself kept out: one fault does not spread."""
    roster = with_value(make_roster(8), "groepen", 0, "naam", None)
    result = checked(roster, TODAY)
    assert result.quarantined["soort"].tolist() == ["groep"]
    assert result.roster.leerlingen is roster.leerlingen


def test_a_pupil_in_quarantine_keeps_his_group(make_roster: MakeRoster) -> None:
    """Where a pupil without a key belongs is still known, so that his group is not taken for empty."""
    result = checked(with_value(make_roster(8), "leerlingen", 1, "key", None), TODAY)
    kept_out = result.quarantined[["soort", "key", "groep"]].itertuples(index=False, name=None)
    assert list(kept_out) == [("leerling", "", "groep-1")]


def test_a_name_that_is_taken_out_does_not_count(make_roster: MakeRoster) -> None:
    """A pupil whose only name is too long has no name left, and is kept out."""
    roster = with_value(make_roster(8), "leerlingen", 1, "achternaam", None)
    result = checked(with_value(roster, "leerlingen", 1, "roepnaam", "r" * 65), TODAY)
    assert result.quarantined["key"].tolist() == ["leerling-1"]


@pytest.mark.parametrize("unread", ["achternaam", "roepnaam"])
def test_a_name_that_was_not_read_is_not_missed(make_roster: MakeRoster, unread: str) -> None:
    """Whether someone has a name is judged only where both names were read: the other may well be there."""
    roster = make_roster(8)
    narrow = dataclasses.replace(roster, leerkrachten=roster.leerkrachten.drop(columns=unread))
    assert checked(narrow, TODAY).findings.empty


def test_only_what_was_read_is_judged(make_roster: MakeRoster) -> None:
    """A roster with no more than its keys passes, and locations that were not read are not missed."""
    roster = make_roster(8)
    bare = Roster(
        roster.school[["schooljaar"]],
        roster.groepen[["soort", "key"]],
        roster.leerlingen[["key", "vestiging"]],
        roster.leerkrachten[["key"]],
    )
    assert checked(bare, TODAY).findings.empty


@pytest.mark.parametrize(("read", "missed"), [("groep.naam", 0), ("samengestelde_groep.naam", 1)])
def test_a_name_is_missed_only_of_the_kind_of_group_of_which_it_was_read(
    make_roster: MakeRoster, read: str, missed: int
) -> None:
    """Both kinds share the column: a name that no agreement needs is not there, and nobody has to fill it in."""
    roster = make_roster(8)
    place = int(roster.groepen["soort"].eq(Record.SAMENGESTELDE_GROEP).idxmax())
    nameless = with_value(roster, "groepen", place, "naam", None)
    assert len(checked(nameless, TODAY, read=frozenset({"groep.key", read})).findings) == missed


def test_all_findings_come_in_the_order_of_the_records(make_roster: MakeRoster) -> None:
    """Not the first ten but every finding, by record, and all of one record together."""
    roster = make_roster(200)
    broken = roster.leerlingen.assign(geslacht=MARKER, geboortedatum=MARKER)
    result = checked(dataclasses.replace(roster, leerlingen=broken), TODAY)
    assert len(result.findings) == 400
    assert result.findings["key"].tolist() == [f"leerling-{n // 2}" for n in range(400)]


def test_the_index_of_a_table_does_not_matter(make_roster: MakeRoster) -> None:
    """A table that was filtered or put in another order is judged by position."""
    roster = make_roster(9)
    shuffled = with_value(roster, "leerlingen", 4, "geslacht", MARKER).leerlingen.iloc[[8, 4, 2, 6]]
    result = checked(dataclasses.replace(roster, leerlingen=shuffled), TODAY)
    assert found(result) == [("leerling", "leerling-4", "geslacht", "toegestaan", "waarde")]
    assert result.roster.leerlingen["key"].tolist() == ["leerling-8", "leerling-4", "leerling-2", "leerling-6"]


# What stops a school


def without_keys(roster: Roster, number: int) -> Roster:
    """The roster with no key for the first pupils."""
    pupils = roster.leerlingen.copy()
    pupils.loc[: number - 1, "key"] = None
    return dataclasses.replace(roster, leerlingen=pupils)


@pytest.mark.parametrize(
    ("pupils", "quarantined", "stops"),
    [(19, 1, False), (19, 2, True), (5, 1, False), (20, 1, False), (40, 2, False), (40, 3, True), (300, 9, False)],
)
def test_more_than_five_percent_stops_a_school(
    make_roster: MakeRoster, pupils: int, quarantined: int, *, stops: bool
) -> None:
    """Above 5 % the school stops, but one pupil alone never stops a small school."""
    roster = without_keys(make_roster(pupils), quarantined)
    if not stops:
        assert len(checked(roster, TODAY).quarantined) == quarantined
        return
    with pytest.raises(BrokenTable) as stopped:
        checked(roster, TODAY)
    assert stopped.value.code == "te_veel_fouten"
    assert stopped.value.counts == {"leerlingen": pupils, "quarantaine": quarantined}
    assert len(stopped.value.findings) == quarantined


def test_ten_records_stop_a_school_of_any_size(make_roster: MakeRoster) -> None:
    """Ten quarantined pupils stop the school, even where they are few among many."""
    roster = without_keys(make_roster(1000), 10)
    with pytest.raises(BrokenTable, match="Van de 1000 leerlingen zijn er 10"):
        checked(roster, TODAY)
    assert len(checked(roster, TODAY, TableLimits(count=11)).quarantined) == 10


def test_a_school_without_usable_pupils_stops(make_roster: MakeRoster) -> None:
    """Where no pupil is left nothing may be concluded, whatever the limits."""
    for roster in (without_keys(make_roster(1), 1), make_roster(0)):
        with pytest.raises(BrokenTable) as stopped:
            checked(roster, TODAY, TableLimits(count=100, percent=100))
        assert stopped.value.code == "geen_leerlingen"


def test_broken_groups_do_not_stop_a_school(make_roster: MakeRoster) -> None:
    """The limits are about pupils; groups and teachers in quarantine keep their last good state."""
    roster = make_roster(8)
    nameless = dataclasses.replace(roster, groepen=roster.groepen.assign(naam=None).astype("str"))
    assert len(checked(nameless, TODAY).quarantined) == 4


def test_a_school_block_that_is_broken_stops_the_school(make_roster: MakeRoster) -> None:
    """Whose export this is must be certain."""
    with pytest.raises(BrokenTable) as stopped:
        checked(with_value(make_roster(4), "school", 0, "schooljaar", "26/27"), TODAY)
    assert stopped.value.code == "school_onbruikbaar"


@pytest.mark.parametrize("table", ["groepen", "leerlingen", "leerkrachten"])
def test_a_table_without_its_key_column_is_refused(make_roster: MakeRoster, table: str) -> None:
    """Without keys nothing can be told apart."""
    roster = make_roster(4)
    keyless = dataclasses.replace(roster, **{table: getattr(roster, table).drop(columns="key")})
    with pytest.raises(BrokenTable, match=f"In de tabel {table} ontbreekt de kolom key") as stopped:
        checked(keyless, TODAY)
    assert stopped.value.code == "kolom_ontbreekt"


def test_a_column_that_is_not_text_is_refused(make_roster: MakeRoster) -> None:
    """A column of numbers cannot be judged; the error names it and stops the school."""
    roster = make_roster(4)
    numbers = dataclasses.replace(roster, leerlingen=roster.leerlingen.assign(geslacht=1.0))
    with pytest.raises(BrokenTable, match=r"niet te controleren: geslacht\.") as stopped:
        checked(numbers, TODAY)
    assert stopped.value.code == "tabel_onleesbaar"


# What may never be told


def test_nothing_of_panderas_exception_escapes(make_roster: MakeRoster) -> None:
    """The error has no cause and no context, and neither its text nor its findings hold a value."""
    roster = make_roster(30)
    pupils = roster.leerlingen.assign(
        geslacht=MARKER, geboortedatum=MARKER, jaargroep=MARKER, groep=MARKER, eckid=MARKER, voorvoegsel=MARKER * 2
    )
    pupils.loc[:9, "key"] = None
    with pytest.raises(BrokenTable) as stopped:
        checked(dataclasses.replace(roster, leerlingen=pupils), TODAY)
    error = stopped.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert MARKER not in f"{error!s} {error!r} {error.counts} {error.findings.to_csv()}"
    assert len(error.findings) > 100


def test_a_checked_roster_does_not_show_its_records(make_roster: MakeRoster) -> None:
    """Printing the outcome prints no pupil."""
    assert "Roepnaam" not in repr(checked(make_roster(3), TODAY))


def test_the_contracts_cannot_be_switched_off(make_roster: MakeRoster) -> None:
    """The switches of pandera, which an environment variable can turn, do not reach the contracts."""
    with config_context(validation_enabled=False):
        assert len(checked(with_value(make_roster(3), "leerlingen", 0, "geslacht", "M"), TODAY).findings) == 1
