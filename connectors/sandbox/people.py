"""The pupils and teachers of the example school: column by column, from one random generator.

Which groups there are, and what may change afterwards, stands in `school.py`.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from connectors.sandbox.names import ORIGINS
from data_contracts.fields import CATALOGUE, Record, columns

Texts = npt.NDArray[Any]  # of Python strings and None
Days = npt.NDArray[np.datetime64]
Whole = npt.NDArray[np.integer[Any]]

FIRST_KEY = 10001
ODDITIES = (
    "historic",
    "left",
    "leaves_soon",
    "no_group",
    "no_year",
    "only_roepnaam",
    "no_roepnaam",
    "unknown_sex",
    "note",
    "abroad",
)
"""What is odd about some pupils of the years 3 to 6: each of these holds for about one in a hundred of the school."""


def table(record: Record, values: Mapping[str, Sequence[Any] | Texts], rows: int) -> pd.DataFrame:
    """A roster table of `rows` rows with every column of the catalogue; what `values` does not name is absent."""
    names = columns(record, frozenset(CATALOGUE))
    return pd.DataFrame({name: pd.Series(values.get(name, [None] * rows), dtype="str") for name in names})


def placed(years: Whole, groepen: pd.DataFrame) -> Texts:
    """A stamgroep for each pupil of year 1 to 8, pupils of one year spread evenly over the groups of that year."""
    stam = groepen[groepen["soort"] == "groep"]
    taught = stam["naam"].str.extract(r"Groep (\d)(?:/(\d))?")
    rank = pd.Series(years).groupby(years).cumcount().to_numpy()
    result = np.full(len(years), None, dtype=object)
    for year in range(1, 9):
        options = stam["key"][(taught == str(year)).any(axis=1)].to_numpy(dtype=object)
        here = years == year
        result[here] = options[rank[here] % len(options)]
    return result


def leerlingen(rng: np.random.Generator, pupils: int, groepen: pd.DataFrame, first: int, day: date) -> pd.DataFrame:
    """The pupils in the school year that begins in `first`, as they stand on `day`, in the order of their keys."""
    family = _families(rng, pupils)
    twin = family["twin"].to_numpy()
    years = (family["base"].to_numpy() + 2 * family["position"].to_numpy()) % 8 + 1
    years[twin] = years[np.flatnonzero(twin) - 1]
    born = _births(rng, years, first, day)
    born[twin] = born[np.flatnonzero(twin) - 1]
    group = placed(years, groepen)
    group[twin] = group[np.flatnonzero(twin) - 1]
    keys = FIRST_KEY + rng.permutation(pupils)
    entered = _entered(rng, born, day)
    sex = rng.integers(1, 3, pupils)
    values: dict[str, Any] = {
        "key": keys.astype(str),
        "eckid": _eckids(rng, pupils, missing=0.04),
        **_person_names(rng, family, sex),
        "geboortedatum": born.astype(str),
        "geslacht": sex.astype(str).astype(object),
        "start_ondw_jgr3": _where(years >= 3, _first_of_august(first + 3 - years)),
        "jaargroep": years.astype(str).astype(object),
        "groep": group,
        "samengestelde_groepen": _extra_groups(rng, years, groepen),
        "gebruikersnaam": _where(years >= 3, "ll" + keys.astype(str).astype(object)),
        "emailadres": _where(years >= 5, "ll" + keys.astype(str).astype(object) + "@leerling.voorbeeldschool.example"),
        **_what_nobody_gets(rng, family),
        "instroomdatum": entered.astype(str),
        "uitstroomdatum": np.full(pupils, None, dtype=object),
        "toevoegingen": np.full(pupils, None, dtype=object),
        "mutatiedatum": _moments(rng, pupils, day),
    }
    _mark_not_yet_four(values, born, day)
    _mark_odd(values, _odd(rng, years), first, day)
    return table(Record.LEERLING, values, pupils).sort_values("key", ignore_index=True)


def leerkrachten(rng: np.random.Generator, groepen: pd.DataFrame) -> pd.DataFrame:
    """Two part-time teachers a stamgroep, one of them in a second group; then those without a group of their own."""
    stam = groepen["key"][groepen["soort"] == "groep"].tolist()
    extra = groepen["key"][groepen["soort"] == "samengestelde_groep"].tolist()
    own = [[{"groep": key}] for key in stam for _ in range(2)]
    for index in range(0, len(own) - 2, 6):
        own[index] = [own[index][0], {"groep": stam[index // 2 + 1]}]
    special = [[{"samengestelde_groep": key, "rollen": [{"rol": "VAK"}]} for key in extra], [], [], [], []]
    roles = [[{"rol": "KLA"}]] * len(own) + [
        [{"rol": "VAK"}],
        [{"rol": "DIR"}],
        [{"rol": "IB"}, {"rol": "RT"}],
        [{"rol": "ICT"}],
        [{"rolomschrijving": "Conciërge"}],
    ]
    groups = [*own, *special]
    total = len(groups)
    related = _families(rng, 3 * total)
    strangers = related[related["position"] == 0].head(total)
    values: dict[str, Any] = {
        "key": [f"LK{number:03d}" for number in range(1, total + 1)],
        "eckid": _eckids(rng, total, missing=0.1),
        **_person_names(rng, strangers, rng.integers(1, 3, total)),
        "gebruikersnaam": [f"lk{number:03d}" for number in range(1, total + 1)],
        "emailadres": [f"lk{number:03d}@voorbeeldschool.example" for number in range(1, total + 1)],
        "rollen": [orjson.dumps(role).decode() for role in roles],
        "groepen": [orjson.dumps(group).decode() if group else None for group in groups],
    }
    _only_roepnaam(values, np.array([total - 1]))
    return table(Record.LEERKRACHT, values, total)


def _families(rng: np.random.Generator, people: int) -> pd.DataFrame:
    """One row a person: the family, the place in it, and what its members share."""
    sizes = rng.choice([1, 2, 3], people, p=[0.55, 0.35, 0.10])
    number = np.repeat(np.arange(people), sizes)[:people]
    origin = rng.choice(len(ORIGINS), people, p=[o.share for o in ORIGINS])
    voorvoegsel, achternaam = _surnames(rng, origin)
    letters = np.array(list("ABCDEFGHJKLMNPRTVWXZ"), dtype=object)
    postcode = rng.integers(9950, 10000, people).astype(str).astype(object)
    shared = pd.DataFrame(
        {
            "base": rng.integers(0, 8, people),
            "origin": origin,
            "voorvoegsel": voorvoegsel,
            "achternaam": achternaam,
            "land": np.array([o.land for o in ORIGINS], dtype=object)[origin],
            "postcode": postcode + rng.choice(letters, people) + rng.choice(letters, people),
        }
    )
    family = shared.iloc[number].reset_index(drop=True)
    position = pd.Series(number).groupby(number).cumcount()
    return family.assign(position=position, twin=(position == 1) & (number % 13 == 3))


def _surnames(rng: np.random.Generator, origin: Whole) -> tuple[Texts, Texts]:
    chosen = _drawn(rng, [o.surnames for o in ORIGINS], origin)
    parts = pd.Series(chosen, dtype="str").str.rpartition("|")
    return _where(parts[0].to_numpy() != "", parts[0].to_numpy(dtype=object)), parts[2].to_numpy(dtype=object)


def _drawn(rng: np.random.Generator, lists: Sequence[Sequence[str]], which: Whole) -> Texts:
    """For each person a random name out of the list that `which` points at."""
    sizes = np.array([len(names) for names in lists])
    starts = np.cumsum(sizes) - sizes
    everything = np.array([name for names in lists for name in names], dtype=object)
    drawn: Texts = everything[starts[which] + (rng.random(len(which)) * sizes[which]).astype(int)]
    return drawn


def _person_names(rng: np.random.Generator, family: pd.DataFrame, sex: Whole) -> dict[str, Texts]:
    lists = [names for origin in ORIGINS for names in (origin.boys, origin.girls)]
    which = family["origin"].to_numpy() * 2 + sex - 1
    first, second, other = (_drawn(rng, lists, which) for _ in range(3))
    two = (rng.random(len(family)) < 0.4) & (first != second)
    initials = pd.Series(first).str[0] + pd.Series(second).str[0].where(two, "")
    return {
        "achternaam": np.array(family["achternaam"], dtype=object),
        "voorvoegsel": np.array(family["voorvoegsel"], dtype=object),
        "voornamen": first + np.where(two, " " + second, ""),
        "voorletters-1": np.array(initials, dtype=object),
        "roepnaam": np.where(rng.random(len(family)) < 0.85, first, other),
    }


def _births(rng: np.random.Generator, years: Whole, first: int, day: date) -> Days:
    """Birth dates: a year runs from October to September; some stayed down, some of year 1 turn four this autumn."""
    october = (first - 4 - years - 1970).astype("datetime64[Y]").astype("datetime64[M]") + np.timedelta64(9, "M")
    born: Days = october.astype("datetime64[D]") + rng.integers(0, 365, len(years)).astype("timedelta64[D]")
    stayed_down = (years >= 3) & (rng.random(len(years)) < 0.05)
    born[stayed_down] -= np.timedelta64(365, "D")
    autumn = np.datetime64(f"{first - 4}-10-01")
    span = max((day - date(first, 10, 1)).days + 60, 30)
    young = (years == 1) & (rng.random(len(years)) < 0.35)
    born[young] = autumn + rng.integers(0, span, int(young.sum())).astype("timedelta64[D]")
    return born


def _fourth_birthday(born: Days) -> Days:
    month = born.astype("datetime64[M]")
    fourth: Days = (month + np.timedelta64(48, "M")).astype("datetime64[D]") + (born - month.astype("datetime64[D]"))
    return fourth


def _entered(rng: np.random.Generator, born: Days, day: date) -> Days:
    """First school day: the fourth birthday, or later for who came from another school."""
    fourth = _fourth_birthday(born)
    at_school = np.maximum((np.datetime64(day) - fourth).astype(int), 1)
    late = (rng.random(len(born)) < 0.12) & (at_school > 60)
    waited = np.where(late, (rng.random(len(born)) * at_school).astype(int), 0)
    entered: Days = fourth + waited.astype("timedelta64[D]")
    return entered


def _first_of_august(years: Whole) -> Texts:
    return years.astype(str).astype(object) + "-08-01"


def _eckids(rng: np.random.Generator, people: int, *, missing: float) -> Texts:
    digits = rng.bytes(64 * people).hex()
    ids = np.array(
        [f"https://ketenid.nl/201703/{digits[i : i + 128]}" for i in range(0, 128 * people, 128)], dtype=object
    )
    return _where(rng.random(people) >= missing, ids)


def _extra_groups(rng: np.random.Generator, years: Whole, groepen: pd.DataFrame) -> Texts:
    """JSON arrays of the samengestelde groepen of each pupil; nobody is in the last of them."""
    keys = groepen["key"][groepen["soort"] == "samengestelde_groep"].tolist()
    plus = (years >= 5) & (rng.random(len(years)) < 0.12)
    technique = (years >= 7) & (rng.random(len(years)) < 0.2)
    lists = [None, f'["{keys[1]}"]', f'["{keys[0]}"]', f'["{keys[0]}","{keys[1]}"]']
    chosen: Texts = np.array(lists, dtype=object)[2 * plus + technique]
    return chosen


def _what_nobody_gets(rng: np.random.Generator, family: pd.DataFrame) -> dict[str, Texts]:
    """Fields that real exports hold and that may be in no profile, or in hardly any."""
    people = len(family)
    numbers, which = _impossible_bsn(rng, people), rng.random(people)
    land = family["land"].to_numpy(dtype=object)
    return {
        "etniciteit": _where(rng.random(people) < 0.5, np.where(land == "NL", "0", "1").astype(object)),
        "land": np.full(people, "NL", dtype=object),
        "land_vader": land,
        "land_moeder": np.where(rng.random(people) < 0.05, "?", land),
        "bsn": _where(which < 0.7, numbers),
        "onderwijsnummer": _where((which >= 0.7) & (which < 0.75), numbers),
        "bsn_ondwnr-4": _where(which >= 0.75, pd.Series(numbers).str[-4:].to_numpy(dtype=object)),
        "gewicht_nieuw": rng.choice(np.array(["0", "0,3", "1,2", "?"], dtype=object), people, p=[0.8, 0.1, 0.05, 0.05]),
        "postcodenl": np.array(family["postcode"], dtype=object),
        "postcodeoverig": np.full(people, None, dtype=object),
    }


def _impossible_bsn(rng: np.random.Generator, people: int) -> Texts:
    """Nine digits that fail the eleven test, so that they are nobody's number."""
    digits = rng.integers(0, 10, (people, 9))
    passes = digits @ np.array([9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 == 0
    digits[passes, 8] = (digits[passes, 8] + 1) % 10
    numbers = digits @ 10 ** np.arange(8, -1, -1)
    return pd.Series(numbers).astype(str).str.zfill(9).to_numpy(dtype=object)


def _moments(rng: np.random.Generator, people: int, day: date) -> Texts:
    seconds = rng.integers(86_400, 300 * 86_400, people).astype("timedelta64[s]")
    return (np.datetime64(day, "s") - seconds).astype(str).astype(object)


def _mark_not_yet_four(values: dict[str, Any], born: Days, day: date) -> None:
    """Who turns four after `day` is known to the school, but is in no group yet, and often has no ECK iD."""
    waiting = _fourth_birthday(born) > np.datetime64(day)
    values["jaargroep"][waiting] = "0"
    for name in ("groep", "eckid"):
        values[name][waiting] = None


def _odd(rng: np.random.Generator, years: Whole) -> dict[str, Whole]:
    middle = rng.permutation(np.flatnonzero((years >= 3) & (years <= 6)))
    portion = max(1, len(years) // 100)
    return {oddity: middle[i * portion : (i + 1) * portion] for i, oddity in enumerate(ODDITIES)}


def _mark_odd(values: dict[str, Any], odd: Mapping[str, Whole], first: int, day: date) -> None:
    values["uitstroomdatum"][odd["historic"]] = f"{first}-07-31"
    values["jaargroep"][odd["historic"]] = "H"
    values["uitstroomdatum"][odd["left"]] = str(np.datetime64(day) - np.timedelta64(20, "D"))
    values["uitstroomdatum"][odd["leaves_soon"]] = str(np.datetime64(day) + np.timedelta64(45, "D"))
    for oddity in ("historic", "no_group"):
        values["groep"][odd[oddity]] = None
        values["samengestelde_groepen"][odd[oddity]] = None
    values["jaargroep"][odd["no_year"]] = None
    values["roepnaam"][odd["no_roepnaam"]] = None
    values["geslacht"][odd["unknown_sex"]] = np.resize(["0", "9"], len(odd["unknown_sex"]))
    note = [{"type": "OpmerkingGegevensType", "code": "MED", "opmerking": "Allergisch voor pinda’s & noten"}]
    values["toevoegingen"][odd["note"]] = orjson.dumps(note).decode()
    values["postcodenl"][odd["abroad"]] = None
    values["postcodeoverig"][odd["abroad"]] = "D-26831"
    _only_roepnaam(values, odd["only_roepnaam"])


def _only_roepnaam(values: dict[str, Any], rows: Whole) -> None:
    for name in ("achternaam", "voorvoegsel", "voornamen", "voorletters-1"):
        values[name][rows] = None


def _where(condition: npt.NDArray[np.bool_], values: Texts) -> Texts:
    """The values where `condition` holds, None elsewhere."""
    chosen: Texts = np.where(condition, values.astype(object), np.array(None))
    return chosen
