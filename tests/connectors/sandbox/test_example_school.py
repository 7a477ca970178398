"""The example school: the same out of the same seed, odd as promised, and changeable one thing at a time."""

import re
from collections.abc import Callable
from datetime import date

import orjson
import pandas as pd
import pytest

from connectors.base import SchoolId
from connectors.parnassys.reader import read_roster
from connectors.sandbox.edexml_writer import edexml, uwlr_answer
from connectors.sandbox.school import (
    changed_share,
    example_school,
    left_school,
    moved_to_other_group,
    newcomer,
    next_school_year,
    renamed,
    without,
)
from data_contracts.fields import CATALOGUE, Kind
from data_contracts.roster import Roster

pytestmark = pytest.mark.xdist_group("example_school")

DAY = date(2026, 11, 2)


@pytest.fixture(scope="module")
def school() -> Roster:
    """The school of the demo."""
    return example_school()


def _differences(before: Roster, after: Roster) -> list[tuple[str, str]]:
    """Key and column of each value of a pupil that differs."""
    old = before.leerlingen.set_index("key").fillna("")
    new = after.leerlingen.set_index("key").fillna("")
    return [(key, column) for column in old for key in old.index[old[column] != new[column]]]


def test_the_same_seed_makes_the_same_school(school: Roster) -> None:
    """Two calls give equal tables; another seed gives other people."""
    for (_, one), (_, other) in zip(school.tables(), example_school().tables(), strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert example_school(seed=2).digest() != school.digest()


def test_every_value_obeys_the_catalogue(school: Roster) -> None:
    """Lengths, patterns and allowed values of the field catalogue hold for whatever is filled in."""
    broken = []
    for table, frame in school.tables():
        for field in CATALOGUE.values():
            if field.record.table != table or field.kind is Kind.LIST:
                continue
            present = frame[field.name].dropna()
            good = present.str.len() <= (field.max_length or 10_000)
            allowed = field.values  # noqa: PD011  a field of the catalogue, no frame
            good &= present.isin(allowed) if allowed else True
            good &= present.str.fullmatch(field.pattern) if field.pattern else True
            broken += [] if good.all() else [field.id]
    assert broken == []


def test_keys_are_unique_and_references_exist(school: Roster) -> None:
    """No pupil, teacher or ECK iD comes twice, and whatever points at a group points at one of the right kind."""
    pupils, teachers, groups = school.leerlingen, school.leerkrachten, school.groepen
    for column in (pupils["key"], pupils["eckid"], teachers["key"], teachers["eckid"], groups["key"]):
        assert column.dropna().is_unique
    by_kind = groups.groupby("soort")["key"].agg(set)
    assert set(pupils["groep"].dropna()) <= by_kind["groep"]
    extra = {key for text in pupils["samengestelde_groepen"].dropna() for key in orjson.loads(text)}
    assert extra <= by_kind["samengestelde_groep"]
    for group in (group for text in teachers["groepen"].dropna() for group in orjson.loads(text)):
        kind = "groep" if "groep" in group else "samengestelde_groep"
        assert group[kind] in by_kind[kind]


def _in_combination_groups(school: Roster) -> pd.Series:
    combined = school.groepen["key"][school.groepen["jaargroep"] == "C"]
    return school.leerlingen["jaargroep"][school.leerlingen["groep"].isin(combined)]


ODD: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "historic": lambda p: (p["jaargroep"] == "H") & (p["uitstroomdatum"] <= "2026-11-02") & p["groep"].isna(),
    "left, still in a group": lambda p: (p["uitstroomdatum"] <= "2026-11-02") & p["groep"].notna(),
    "leaves soon": lambda p: p["uitstroomdatum"] > "2026-11-02",
    "newcomer": lambda p: (p["instroomdatum"] > "2026-08-31") & (p["instroomdatum"] <= "2026-11-02"),
    "not yet four": lambda p: (p["instroomdatum"] > "2026-11-02") & (p["jaargroep"] == "0") & p["groep"].isna(),
    "no group": lambda p: p["groep"].isna() & p["jaargroep"].isin(list("3456")),
    "no year": lambda p: p["jaargroep"].isna() & p["groep"].notna(),
    "only roepnaam": lambda p: p["achternaam"].isna() & p["voorvoegsel"].isna() & p["roepnaam"].notna(),
    "no roepnaam": lambda p: p["roepnaam"].isna() & p["achternaam"].notna(),
    "no ECK iD": lambda p: p["eckid"].isna(),
    "unknown sex": lambda p: p["geslacht"].isin(["0", "9"]),
    "plusklas": lambda p: p["samengestelde_groepen"].notna(),
    "note": lambda p: p["toevoegingen"].notna(),
    "postcode abroad": lambda p: p["postcodeoverig"].notna(),
    "prefix": lambda p: p["voorvoegsel"] == "van der",
    "diacritic": lambda p: p["achternaam"].str.contains("[şğıöüłńśïë]", na=False),
    "apostrophe": lambda p: p["voorvoegsel"].str.contains("'", na=False),
    "hyphen": lambda p: p["roepnaam"].str.contains("-", na=False),
    "double surname": lambda p: p["achternaam"].str.contains("-", na=False),
}


@pytest.mark.parametrize("oddity", ODD)
def test_the_promised_oddities_are_there(school: Roster, oddity: str) -> None:
    """Each kind of pupil that real schools have is in the example at least once, and is not the rule."""
    assert 1 <= ODD[oddity](school.leerlingen).sum() <= 60


def test_pupils_of_a_combination_group_have_their_own_year(school: Roster) -> None:
    """In the groups 1/2 and 7/8 each of the four years occurs."""
    assert {"1", "2", "7", "8"} == set(_in_combination_groups(school).dropna())


def test_there_are_siblings_and_twins(school: Roster) -> None:
    """Some families have several pupils, and some of those share birth date and group."""
    families = school.leerlingen.groupby(["achternaam", "postcodenl"])
    twins = school.leerlingen.groupby(["achternaam", "postcodenl", "geboortedatum", "groep"])
    assert (families.size() > 1).sum() >= 20
    assert (twins.size() == 2).sum() >= 1


def test_teachers_share_groups_and_one_has_only_a_roepnaam(school: Roster) -> None:
    """Each stamgroep has two teachers or more, some teacher has two groups, and one has no surname."""
    groups = [
        group["groep"]
        for text in school.leerkrachten["groepen"].dropna()
        for group in orjson.loads(text)
        if "groep" in group
    ]
    stam = school.groepen["key"][school.groepen["soort"] == "groep"]
    assert all(groups.count(key) >= 2 for key in stam)
    assert school.leerkrachten["groepen"].str.count('"groep"').max() == 2
    assert school.leerkrachten["achternaam"].isna().sum() == 1


def test_nobody_has_a_possible_bsn() -> None:
    """Every BSN and onderwijsnummer of a large school fails the eleven test."""
    pupils = example_school(2000).leerlingen
    for number in pd.concat([pupils["bsn"], pupils["onderwijsnummer"]]).dropna():
        weighed = sum(int(digit) * weight for digit, weight in zip(number, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))
        assert weighed % 11 != 0


def test_a_board_in_one_school_can_be_made() -> None:
    """25,000 pupils come out as asked, with unique keys and a group letter or number for every room."""
    large = example_school(25_000)
    assert len(large.leerlingen) == 25_000
    assert large.leerlingen["key"].is_unique
    assert large.groepen["naam"].is_unique


@pytest.mark.parametrize("pupils", [1, 2, 7])
def test_a_tiny_school_can_be_made(pupils: int) -> None:
    """A school too small for every oddity is made all the same."""
    assert len(example_school(pupils).leerlingen) == pupils


def test_another_year_and_school_can_be_asked_for() -> None:
    """BRIN, location, school year and reference date are those that were asked for, and birth dates follow."""
    other = example_school(50, brincode="99YY", dependancecode="01", schooljaar="2023-2024", peildatum=date(2024, 2, 1))
    assert other.school_value("brincode") == "99YY"
    assert other.school_value("dependancecode") == "01"
    assert other.school_value("schooljaar") == "2023-2024"
    assert other.leerlingen["geboortedatum"].between("2010-01-01", "2020-06-01").all()


def test_moving_changes_the_group_of_one_pupil_only(school: Roster) -> None:
    """One value of one pupil differs: his group."""
    key = school.leerlingen["key"][school.leerlingen["groep"].notna()].iloc[5]
    assert _differences(school, moved_to_other_group(school, key)) == [(key, "groep")]


def test_renaming_changes_the_name_of_one_pupil_only(school: Roster) -> None:
    """One value of one pupil differs: his roepnaam."""
    key = school.leerlingen["key"].iloc[7]
    assert _differences(school, renamed(school, key, "Joris-Jan")) == [(key, "roepnaam")]


def test_leaving_sets_the_last_day(school: Roster) -> None:
    """Who left is still listed, with the day; `without` takes him off the list."""
    keys = school.leerlingen["key"].iloc[:3].tolist()
    assert _differences(school, left_school(school, keys, DAY)) == [(key, "uitstroomdatum") for key in keys]
    assert set(school.leerlingen["key"]) - set(without(school, keys).leerlingen["key"]) == set(keys)


def test_a_newcomer_has_a_new_key_and_a_group_of_his_year(school: Roster) -> None:
    """The others stay as they are; the new ones have keys and a group, and the school's day as their first."""
    grown = newcomer(school, count=3, jaargroep="4")
    pd.testing.assert_frame_equal(grown.leerlingen.head(200), school.leerlingen)
    new = grown.leerlingen.tail(3)
    assert new["key"].tolist() == ["10201", "10202", "10203"]
    assert set(new["groep"]) == {"260004"}
    assert set(new["instroomdatum"]) == {"2026-11-02"}


def test_a_share_of_the_pupils_gets_another_name() -> None:
    """One in a hundred differs, in roepnaam only."""
    before = example_school(1000)
    differences = _differences(before, changed_share(before, 0.01, seed=3))
    assert len(differences) == 10
    assert {column for _, column in differences} == {"roepnaam"}


def test_a_school_year_later_everybody_is_a_year_up_in_a_new_group(school: Roster) -> None:
    """Year 8 and the leavers are gone, keys stay, groups are new, and references still exist."""
    later = next_school_year(school)
    before = school.leerlingen.set_index("key")["jaargroep"]
    after = later.leerlingen.set_index("key")["jaargroep"].astype(int)
    stayed = before.index.intersection(after.index)
    assert not before[stayed].isin(["8", "H"]).any()
    known = before[stayed].dropna().astype(int)
    assert (after[known.index] == known + 1).all()
    assert later.school_value("schooljaar") == "2027-2028"
    assert not set(later.groepen["key"]) & set(school.groepen["key"])
    assert set(later.leerlingen["groep"]) <= set(later.groepen["key"])
    mentioned = re.findall(r'"(\d{6})"', "".join(later.leerkrachten["groepen"].dropna()))
    assert set(mentioned) <= set(later.groepen["key"])


def test_what_is_written_as_edexml_is_read_back(school: Roster) -> None:
    """Asked for every field, the reader gives the whole roster back, value for value."""
    read = read_roster(edexml(school), frozenset(CATALOGUE), SchoolId("99XX", "00", "2026-2027"))
    for (_, ours), (_, theirs) in zip(school.tables(), read.tables(), strict=True):
        pd.testing.assert_frame_equal(ours, theirs)


def test_what_is_written_as_uwlr_is_read_back(school: Roster) -> None:
    """The same holds for the web service, but for the free blocks that UWLR cannot carry."""
    read = read_roster(uwlr_answer(school), frozenset(CATALOGUE), SchoolId("99XX", "00", "2026-2027"))
    for (_, ours), (_, theirs) in zip(school.tables(), read.tables(), strict=True):
        pd.testing.assert_frame_equal(ours.drop(columns="toevoegingen"), theirs.drop(columns="toevoegingen"))
