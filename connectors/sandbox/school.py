"""The example school: a fictional Dutch primary school out of a seed, and what may happen to it afterwards.

Everything here is made up; the people themselves are made in `people.py`.
"""

import dataclasses
from collections.abc import Collection
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from connectors.sandbox import people
from connectors.sandbox.names import ORIGINS
from data_contracts.fields import Record
from data_contracts.roster import Roster

YEARS_TOGETHER = (("1", "2"), ("3",), ("4",), ("5",), ("6",), ("7", "8"))
"""Which year groups share a room; two years together have twice the rooms."""

EXTRA_GROUPS = ("Plusklas", "Techniekgroep", "Schakelklas")
"""The samengestelde groepen; nobody is in the last one."""


def example_school(
    pupils: int = 200,
    *,
    seed: int = 1,
    brincode: str = "99XX",
    dependancecode: str = "00",
    schooljaar: str = "2026-2027",
    peildatum: date = date(2026, 11, 2),
) -> Roster:
    """A school of `pupils` pupils, leavers and four-year-olds to come included, with every column of the catalogue.

    The same arguments make the same school. Keys of groups begin with the school year (`260001`), as they are good
    for one year only; keys of pupils are numbers.
    """
    rng = np.random.default_rng(seed)
    first = int(schooljaar[:4])
    groepen = _groepen(pupils, first)
    school = {
        "schooljaar": [schooljaar],
        "peildatum": [peildatum.isoformat()],
        "brincode": [brincode],
        "dependancecode": [dependancecode],
        "schoolkey": [f"{brincode}{dependancecode}"],
        "aanmaakdatum": [f"{peildatum.isoformat()}T06:30:00"],
        "auteur": ["Doutzen Voorbeeld-Verzonnen"],
        "xsdversie": ["2.1"],
        "commentaar": ["Een verzonnen school"],
    }
    return Roster(
        people.table(Record.SCHOOL, school, 1),
        groepen,
        people.leerlingen(rng, pupils, groepen, first, peildatum),
        people.leerkrachten(rng, groepen),
    )


def moved_to_other_group(roster: Roster, key: str) -> Roster:
    """Pupil `key` goes to the next stamgroep of the table; nothing else changes.

    Raises:
        KeyError: there is no such pupil, or he has no group.
    """
    keys = roster.groepen["key"][roster.groepen["soort"] == "groep"].tolist()
    now = roster.leerlingen["groep"][_row(roster, key)]
    if now not in keys:
        raise KeyError(key)
    return _with_value(roster, key, "groep", keys[(keys.index(now) + 1) % len(keys)])


def with_photos(roster: Roster) -> Roster:
    """Of every pupil there is a photo, at an address of his own."""
    pupils = roster.leerlingen
    return dataclasses.replace(roster, leerlingen=pupils.assign(fotourl="https://foto.example/" + pupils["key"]))


def renamed(roster: Roster, key: str, roepnaam: str) -> Roster:
    """Pupil `key` is from now on called `roepnaam`.

    Raises:
        KeyError: there is no such pupil.
    """
    return _with_value(roster, key, "roepnaam", roepnaam)


def left_school(roster: Roster, keys: Collection[str], day: date) -> Roster:
    """The pupils `keys` have `day` as their last school day, and are still listed."""
    leerlingen = roster.leerlingen.copy()
    leerlingen.loc[leerlingen["key"].isin(keys), "uitstroomdatum"] = day.isoformat()
    return dataclasses.replace(roster, leerlingen=leerlingen)


def without(roster: Roster, keys: Collection[str]) -> Roster:
    """The pupils `keys` are not listed any more: how UWLR tells that somebody left."""
    listed = ~roster.leerlingen["key"].isin(keys)
    return dataclasses.replace(roster, leerlingen=roster.leerlingen[listed].reset_index(drop=True))


def newcomer(roster: Roster, *, count: int = 1, jaargroep: str = "4", seed: int = 1) -> Roster:
    """`count` new pupils of year `jaargroep` (1 to 8), with the next free keys, in the first group of that year."""
    school = roster.school.iloc[0]
    others = example_school(
        24 * count + 60,
        seed=seed + 1_000_003,
        schooljaar=school["schooljaar"],
        peildatum=date.fromisoformat(school["peildatum"]),
    )
    new = others.leerlingen[others.leerlingen["jaargroep"].eq(jaargroep) & others.leerlingen["groep"].notna()]
    new = new[new["uitstroomdatum"].isna()].head(count).copy()
    first_free = int(roster.leerlingen["key"].astype("int64").max()) + 1
    new["instroomdatum"] = school["peildatum"]
    new["key"] = pd.Series(range(first_free, first_free + count), index=new.index).astype("str")
    new["groep"] = people.placed(new["jaargroep"].to_numpy(dtype=np.int64), roster.groepen)
    new["samengestelde_groepen"] = pd.Series(None, index=new.index, dtype="str")
    return dataclasses.replace(roster, leerlingen=pd.concat([roster.leerlingen, new], ignore_index=True))


def changed_share(roster: Roster, fraction: float, seed: int = 1) -> Roster:
    """A `fraction` (0 to 1) of the pupils, rounded, is from now on called by another name."""
    rng = np.random.default_rng(seed)
    leerlingen = roster.leerlingen.copy()
    named = np.flatnonzero(leerlingen["roepnaam"].notna() & leerlingen["uitstroomdatum"].isna())
    chosen = np.sort(rng.permutation(named)[: round(fraction * len(leerlingen))])
    names = np.array(ORIGINS[0].boys + ORIGINS[0].girls, dtype=object)
    index = rng.integers(0, len(names) - 1, len(chosen))
    same = names[index] == leerlingen["roepnaam"].to_numpy(dtype=object)[chosen]
    leerlingen.loc[chosen, "roepnaam"] = np.where(same, names[index + 1], names[index])
    return dataclasses.replace(roster, leerlingen=leerlingen)


def next_school_year(roster: Roster) -> Roster:
    """One year later: everybody a year up in new groups, year 8 and who had left gone, as many new in year 1."""
    school = roster.school.copy()
    first = int(school["schooljaar"].iloc[0][:4]) + 1
    day = date.fromisoformat(school["peildatum"].iloc[0])
    school["schooljaar"] = f"{first}-{first + 1}"
    school["peildatum"] = day.replace(year=day.year + 1, day=min(day.day, 28)).isoformat()
    groepen = roster.groepen.assign(key=f"{first % 100:02d}" + roster.groepen["key"].str[2:])
    moved = Roster(school, groepen, _a_year_up(roster, groepen), _rekeyed(roster.leerkrachten, ["groepen"], first))
    gone = len(roster.leerlingen) - len(moved.leerlingen)
    return newcomer(moved, count=gone, jaargroep="1", seed=first)


def _a_year_up(roster: Roster, groepen: pd.DataFrame) -> pd.DataFrame:
    old = roster.leerlingen
    stays = old["uitstroomdatum"].isna() & ~old["jaargroep"].isin(["8", "H"])
    leerlingen = _rekeyed(old[stays].reset_index(drop=True), ["samengestelde_groepen"], int(groepen["key"].iloc[0][:2]))
    of_group = leerlingen["groep"].map(roster.groepen.set_index("key")["jaargroep"])
    years = leerlingen["jaargroep"].fillna(of_group).astype("int64") + 1
    leerlingen["jaargroep"] = years.astype("str")
    leerlingen["groep"] = pd.Series(people.placed(years.to_numpy(), groepen), dtype="str")
    return leerlingen


def _rekeyed(frame: pd.DataFrame, names: list[str], first: int) -> pd.DataFrame:
    """The frame with the group keys in its JSON columns `names` moved to the school year that begins in `first`."""
    new = {name: frame[name].str.replace(r'"\d\d(\d{4,})"', rf'"{first % 100:02d}\1"', regex=True) for name in names}
    return frame.assign(**new)


def _groepen(pupils: int, first: int) -> pd.DataFrame:
    rooms = max(1, round(pupils / 200))
    stam = [
        (f"Groep {'/'.join(years)}{_suffix(room, rooms * len(years))}", "C" if len(years) > 1 else years[0])
        for years in YEARS_TOGETHER
        for room in range(rooms * len(years))
    ]
    names = [name for name, _ in stam] + list(EXTRA_GROUPS)
    values: dict[str, list[Any]] = {
        "key": [f"{first % 100:02d}{number:04d}" for number in range(1, len(names) + 1)],
        "naam": names,
        "omschrijving": [None] * len(stam) + [f"{name} op woensdag" for name in EXTRA_GROUPS],
        "jaargroep": [year for _, year in stam] + [None] * len(EXTRA_GROUPS),
        "mutatiedatum": [f"{first}-08-03T09:00:00"] * len(names),
    }
    soort = ["groep"] * len(stam) + ["samengestelde_groep"] * len(EXTRA_GROUPS)
    groepen = people.table(Record.GROEP, values, len(names))
    groepen.insert(0, "soort", pd.Series(soort, dtype="str"))
    return groepen


def _suffix(room: int, rooms: int) -> str:
    """`A`, `B` behind the year where there are more rooms; a number where the alphabet ends."""
    if rooms == 1:
        return ""
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[room] if rooms <= 26 else f"-{room + 1}"


def _row(roster: Roster, key: str) -> int:
    rows = np.flatnonzero(roster.leerlingen["key"] == key)
    if len(rows) != 1:
        raise KeyError(key)
    return int(rows[0])


def _with_value(roster: Roster, key: str, column: str, value: str) -> Roster:
    leerlingen = roster.leerlingen.copy()
    leerlingen.loc[_row(roster, key), column] = value
    return dataclasses.replace(roster, leerlingen=leerlingen)
