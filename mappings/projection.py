"""Roster and field set make a delivery set: which records of a school one supplier gets, with which fields.

Pure frames. What was delivered before, and what may be sent, is not known here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import chain

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from data_contracts.fields import STEERING, Record
from data_contracts.findings import Checked
from data_contracts.roster import Roster
from mappings.agreement import AgreedField, FieldSet, Scope
from mappings.choices import Choice, Release
from mappings.transforms import own_year_group, sources, transformed

NOBODY = pd.Series(index=pd.Index([], dtype="str"), dtype="str")
PERSONS = (Record.LEERLING, Record.LEERKRACHT)


@dataclass(frozen=True, slots=True)
class Uncertain:
    """What a broken export leaves unsaid, so that nothing is concluded from it (design rule 3: quarantined is not absent).

    `keys` are the records, by kind, whose state at the supplier must stay as it is; `kinds` are the kinds of which no
    record may be taken for absent, because a record without a usable key could be any of them; `eckids` are those of persons
    in quarantine: somebody who was known by one has not left.
    """

    keys: Mapping[Record, "pd.Index[str]"]
    kinds: frozenset[Record]
    eckids: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class DeliverySet:
    """What one supplier should hold of one school.

    `records`: per kind a frame with the record key of ParnasSys as index; columns `id` (how the supplier knows the
    record) and the agreed fields, all text. `gone`: per kind the keys that are in the export and not in the set, with
    the reason as value. `uncertain`: see there. `consents`: of each column of pupils that goes by a consent of its own, the
    newest choice by record key; where that is not a consent, the column has no value. `abandoned`: of the pupils who left, those
    of whom the export has no ECK iD any more: the registration may have been put by for a new one.
    """

    supplier: str
    school: str
    school_fields: Mapping[str, str]
    records: Mapping[Record, pd.DataFrame] = field(repr=False)
    gone: Mapping[Record, pd.Series] = field(repr=False)
    uncertain: Uncertain = field(repr=False)
    consents: Mapping[str, Mapping[str, Choice]] = field(default_factory=dict, repr=False)
    abandoned: "pd.Index[str]" = field(default_factory=lambda: NOBODY.index, repr=False)

    def of(self, kind: Record) -> pd.DataFrame:
        """The records of one kind; none, and no column but `id`, where the agreement gives nothing of that kind."""
        return self.records[kind] if kind in self.records else pd.DataFrame({"id": NOBODY}, index=NOBODY.index)


def delivery_set(
    checked: Checked, field_set: FieldSet, scope: Scope, release: Release, school: str, day: date
) -> DeliverySet:
    """Project a checked roster on a field set.

    `checked.roster` has every field of `field_set` and every steering field as a column; `school` is `99XX-00`; from
    `day` on, somebody whose last school day was before it counts as gone. Whom `release` withholds is gone, whatever else
    the export says or leaves open, and who did not consent to a photo goes without.
    """
    roster, quarantined = checked.roster, checked.quarantined
    withheld = release.withheld(chain(roster.leerlingen["key"], _keys_of(Record.LEERLING, quarantined)))
    pupils, pupils_gone, yearless = _pupils(roster, scope, day)
    pupils = _those(pupils, ~pupils.index.isin(withheld.index))
    pupils_gone = pd.concat([pupils_gone[~pupils_gone.index.isin(withheld.index)], withheld])
    group_keys = _groups_in_use(pupils, quarantined)
    teachers = _teachers(roster, group_keys) if Record.LEERKRACHT in field_set.kinds else roster.leerkrachten.iloc[:0]
    groups = roster.groepen[roster.groepen["key"].isin(group_keys)]
    waiting = _in_broken_group(pupils, quarantined)
    uncertain = _uncertain(quarantined, checked.findings, yearless.union(pupils.index[waiting]), withheld.index)
    known_teachers = Record.LEERKRACHT in field_set.kinds and Record.LEERKRACHT not in uncertain.kinds
    teachers_gone = _without_groups(roster.leerkrachten, teachers) if known_teachers else NOBODY
    chosen = {
        Record.GROEP: groups[groups["soort"] == Record.GROEP],
        Record.SAMENGESTELDE_GROEP: groups[groups["soort"] == Record.SAMENGESTELDE_GROEP],
        Record.LEERLING: _those(pupils, ~waiting),
        Record.LEERKRACHT: teachers,
    }
    consents = {f.name: release.consents(f.consent) for f in field_set.of(Record.LEERLING) if f.consent}
    return DeliverySet(
        supplier=field_set.supplier,
        school=school,
        school_fields={f.name: roster.school_value(f.name) or "" for f in field_set.of(Record.SCHOOL)},
        records={kind: _records(kind, chosen[kind], roster.groepen, field_set, consents) for kind in field_set.kinds},
        gone={Record.LEERLING: pupils_gone, Record.LEERKRACHT: teachers_gone},
        uncertain=uncertain,
        consents=consents,
        abandoned=_abandoned(roster.leerlingen, pupils_gone),
    )


def read_for(agreed: Iterable[AgreedField]) -> frozenset[str]:
    """The export fields that must be read to give these: also what decides who is given, such as the groups of a teacher."""
    given = list(agreed)
    of_teachers = {"leerkracht.groepen"} if any(f.record is Record.LEERKRACHT for f in given) else set[str]()
    return STEERING.union(of_teachers, *(sources(f.id, f.transform) for f in given))


def has_left(pupils: pd.DataFrame, day: date) -> pd.Series:
    """Which pupils no longer go to this school on `day`: year group H, or a last school day that has passed."""
    return pupils["jaargroep"].eq("H") | pupils["uitstroomdatum"].lt(day.isoformat()).fillna(value=False)


def _abandoned(pupils: pd.DataFrame, gone: pd.Series) -> "pd.Index[str]":
    if "eckid" not in pupils:
        return NOBODY.index
    return gone.index[gone.eq("van_school")].intersection(pd.Index(pupils.loc[pupils["eckid"].isna(), "key"]))


def consented(values: pd.Series, newest: Mapping[str, Choice]) -> pd.Series:
    """The values, by record key, of whose parents consented; the others are absent."""
    return values.where(values.index.isin([key for key, choice in newest.items() if choice is Choice.GIVEN]))


def _pupils(roster: Roster, scope: Scope, day: date) -> tuple[pd.DataFrame, pd.Series, pd.Index]:
    """The pupils that go out, the reasons why others do not, and the keys of whom it cannot be told."""
    pupils = roster.leerlingen.set_index("key", drop=False)
    left = has_left(pupils, day)
    gone = pd.Series("van_school", index=pupils.index[left], dtype="str")
    here = _those(pupils, ~left)
    if not scope.jaargroepen:
        return here, gone, pupils.index[:0]
    year = own_year_group(here, roster.groepen)
    inside = year.isin(scope.jaargroepen)
    outside = pd.Series("buiten_bereik", index=here.index[~inside & year.notna()], dtype="str")
    return _those(here, inside), pd.concat([gone, outside]), here.index[year.isna()]


def _those(rows: pd.DataFrame, chosen: "pd.Series | npt.NDArray[np.bool_]") -> pd.DataFrame:
    """The chosen rows; where that is all of them, without a copy."""
    return rows if chosen.all() else rows[chosen]


def _groups_in_use(pupils: pd.DataFrame, quarantined: pd.DataFrame) -> set[str]:
    """Keys of the groups of these pupils, and of pupils in quarantine: a group that only they are in still exists."""
    kept_out = quarantined.loc[quarantined["soort"] == Record.LEERLING, "groep"]
    keys = {*pupils["groep"].dropna().unique(), *kept_out.dropna().unique()}
    if "samengestelde_groepen" in pupils:
        for text in pupils["samengestelde_groepen"].dropna().unique():
            keys.update(orjson.loads(text))
    return keys


def _in_broken_group(pupils: pd.DataFrame, quarantined: pd.DataFrame) -> pd.Series:
    """Which pupils are in a group that is in quarantine: they wait with it, since they would refer to nothing."""
    broken = set(quarantined.loc[quarantined["soort"].isin([Record.GROEP, Record.SAMENGESTELDE_GROEP]), "key"])
    waiting = pupils["groep"].isin(broken)
    if broken and "samengestelde_groepen" in pupils:
        texts = pupils["samengestelde_groepen"]
        waiting |= texts.isin([text for text in texts.dropna().unique() if broken.intersection(orjson.loads(text))])
    return waiting


def _teachers(roster: Roster, group_keys: set[str]) -> pd.DataFrame:
    """The teachers of these groups, each with these groups only."""
    teachers = roster.leerkrachten.set_index("key", drop=False)
    texts = {text: _groups_of_teacher(text, group_keys) for text in teachers["groepen"].dropna().unique()}
    kept = teachers["groepen"].map(texts).astype("str")
    return teachers.assign(groepen=kept)[kept.notna()]


def _groups_of_teacher(text: str, group_keys: set[str]) -> str | None:
    kept = [g for g in orjson.loads(text) if (g.get("groep") or g.get("samengestelde_groep")) in group_keys]
    return orjson.dumps(kept).decode() if kept else None


def _without_groups(all_teachers: pd.DataFrame, teachers: pd.DataFrame) -> pd.Series:
    """The teachers who teach no pupil of this supplier."""
    others = pd.Index(all_teachers["key"]).difference(pd.Index(teachers["key"]))
    return pd.Series("buiten_bereik", index=others, dtype="str")


def _records(
    kind: Record,
    rows: pd.DataFrame,
    groups: pd.DataFrame,
    field_set: FieldSet,
    consents: Mapping[str, Mapping[str, Choice]],
) -> pd.DataFrame:
    """The frame of one kind: the supplier's key of each record, then the agreed fields, each where it may go."""
    rows = rows.set_index("key", drop=False)
    by_eckid = field_set.record_key == "eckid" and f"{kind}.eckid" in field_set.ids
    columns = {"id": rows["eckid"].where(rows["eckid"].notna(), rows["key"]) if by_eckid else rows["key"]}
    for agreed in field_set.of(kind):
        values = transformed(agreed.transform, agreed.name, rows, groups)
        columns[agreed.name] = consented(values, consents[agreed.name]) if agreed.consent else values
    return pd.DataFrame(columns, index=rows.index)


STEERS_PRESENCE = ("jaargroep", "groep", "uitstroomdatum", "groepen", "samengestelde_groepen")
"""Fields that decide whether a record, or the group it names, is in the set: a broken one leaves that open."""


def _uncertain(quarantined: pd.DataFrame, findings: pd.DataFrame, waiting: pd.Index, withheld: pd.Index) -> Uncertain:
    """Everything of which the export does not say whether it is still there; of the `withheld` it does not matter."""
    usable = quarantined["key"].ne("") & ~quarantined["key"].str.startswith("#")
    values = findings[findings["gevolg"].eq("waarde") & findings["veld"].isin(STEERS_PRESENCE)]
    keys = {kind: _keys_of(kind, quarantined[usable]).union(_keys_of(kind, values)) for kind in Record}
    keys[Record.LEERLING] = keys[Record.LEERLING].union(waiting).difference(withheld)
    # Of records that share a key, all but one bear the key of another: of whom is not known.
    shared = quarantined["key"].duplicated(keep=False)
    kinds = {Record(kind) for kind in quarantined.loc[~usable | shared, "soort"].unique()}
    pupils = quarantined[quarantined["soort"] == Record.LEERLING]
    if len(pupils) or len(waiting) or values["veld"].isin(("groep", "samengestelde_groepen", "groepen")).any():
        # The groups of these pupils are not all known; who teaches only such a group would seem to have gone as well.
        kinds |= {Record.GROEP, Record.SAMENGESTELDE_GROEP, Record.LEERKRACHT}
    return Uncertain(keys, frozenset(kinds), frozenset(quarantined["eckid"].dropna()))


def _keys_of(kind: Record, frame: pd.DataFrame) -> "pd.Index[str]":
    keys: pd.Index[str] = pd.Index(frame.loc[frame["soort"] == kind, "key"].tolist(), dtype="str")
    return keys
