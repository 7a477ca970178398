"""From a checked roster to a delivery set: who is in it, with which fields, and of whom nothing is said."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.delivery import assert_delivery
from data_contracts.fields import CATALOGUE, STEERING, Record
from mappings.agreement import AgreedField, FieldSet, LegalBasis, Scope
from mappings.choices import Release
from mappings.projection import delivery_set, read_for
from tests.pipelines.sync.bench import (
    BASISPOORT,
    COLUMNS,
    DAY,
    LVS,
    SMALL,
    agreement,
    changed,
    eck,
    fields_of,
    judged,
    keys_in,
    projected,
    pupil,
    pupils,
    school,
)


@pytest.mark.parametrize("supplier", [SMALL, LVS, BASISPOORT])
def test_the_columns_are_the_agreed_fields_in_order(supplier: str) -> None:
    """Each kind has `id` and then exactly its agreed fields, in the order of the catalogue."""
    agreed = agreement(supplier)
    wanted = projected(judged(school(pupils(3))), agreed)
    for kind, frame in wanted.records.items():
        fields = fields_of(agreed).of(kind)
        assert frame.columns.tolist() == ["id", *(f.name for f in fields)]
        assert_delivery(frame, [CATALOGUE[f.id] for f in fields])
    assert list(wanted.records) == list(fields_of(agreed).kinds)


def test_only_pupils_of_the_agreed_year_groups_are_in_the_set() -> None:
    """A pupil of another year group is left out, with that as the reason; a teacher of his group too."""
    rows = [*pupils(2), pupil(3, jaargroep="8", groep="leeg")]
    wanted = projected(judged(school(rows)), agreement(SMALL, scope={"jaargroepen": ["3"]}))
    assert keys_in(wanted, Record.LEERLING) == ["1", "2"]
    assert wanted.gone[Record.LEERLING].to_dict() == {"3": "buiten_bereik"}
    assert wanted.gone[Record.LEERKRACHT].to_dict() == {"t3": "buiten_bereik"}


@pytest.mark.parametrize(
    ("values", "there"),
    [
        ({"jaargroep": "H"}, False),
        ({"uitstroomdatum": "2026-11-23"}, False),
        ({"uitstroomdatum": "2026-11-24"}, True),
        ({"uitstroomdatum": "2026-11-25"}, True),
    ],
    ids=["history", "left yesterday", "last day", "leaves tomorrow"],
)
def test_a_leaver_is_gone_after_his_last_day(values: dict[str, str], *, there: bool) -> None:
    """Year group H, or a last school day that has passed, means gone with a known reason."""
    wanted = projected(judged(school(changed(pupils(3), 2, **values))), agreement(SMALL))
    assert ("2" in keys_in(wanted, Record.LEERLING)) is there
    assert wanted.gone[Record.LEERLING].to_dict() == ({} if there else {"2": "van_school"})


def test_a_pupil_of_a_combination_group_has_his_own_year() -> None:
    """In a combination group the pupil's own year counts, for the scope and in what is sent; C is nobody's year."""
    rows = [pupil(1, groep="g45", jaargroep="4"), pupil(2, groep="g45", jaargroep="5"), pupil(3, jaargroep=None)]
    wanted = projected(judged(school(rows)), agreement(SMALL, scope={"jaargroepen": ["3", "5"]}))
    assert wanted.records[Record.LEERLING]["jaargroep"].to_dict() == {"2": "5", "3": "3"}


def test_a_pupil_without_a_year_of_his_own_in_a_combination_group_is_uncertain() -> None:
    """Where nothing tells the year, he is neither in the set nor gone from it; without a scope he is in it."""
    data = judged(school([*pupils(2), pupil(3, groep="g45", jaargroep=None)]))
    wanted = projected(data, agreement(SMALL, scope={"jaargroepen": ["3"]}))
    assert keys_in(wanted, Record.LEERLING) == ["1", "2"]
    assert wanted.gone[Record.LEERLING].empty
    assert wanted.uncertain.keys[Record.LEERLING].tolist() == ["3"]
    assert keys_in(projected(data, agreement(SMALL)), Record.LEERLING) == ["1", "2", "3"]


def test_only_groups_in_use_are_in_the_set() -> None:
    """A group without pupils of this supplier is not sent; the plusklas of one pupil is."""
    wanted = projected(judged(school(pupils(3))), agreement(SMALL))
    assert keys_in(wanted, Record.GROEP) == ["g3"]
    assert keys_in(wanted, Record.SAMENGESTELDE_GROEP) == ["plus"]


def test_a_teacher_is_in_the_set_with_the_groups_of_its_pupils_only() -> None:
    """Of a teacher's groups only those of these pupils go along; who teaches none of them is gone."""
    wanted = projected(judged(school(pupils(3))), agreement(SMALL))
    groups = wanted.records[Record.LEERKRACHT]["groepen"].map(orjson.loads).to_dict()
    assert groups == {"t1": [{"groep": "g3"}], "t2": [{"samengestelde_groep": "plus"}]}
    assert wanted.gone[Record.LEERKRACHT].to_dict() == {"t3": "buiten_bereik"}


def test_the_eckid_is_the_id_and_takes_the_place_of_the_key() -> None:
    """Where there is an ECK iD it is the id and the key stays home; where there is none the key is both (UWLR 2.3)."""
    wanted = projected(judged(school(changed(pupils(2), 2, eckid=None))), agreement(SMALL))
    frame = wanted.records[Record.LEERLING]
    assert frame["id"].to_dict() == {"1": eck(1), "2": "2"}
    assert frame["key"].isna().to_dict() == {"1": True, "2": False}


def test_a_supplier_by_key_gets_no_eckid() -> None:
    """Where the leaflet has the key, the key is the id."""
    frame = projected(judged(school(pupils(2))), agreement(BASISPOORT)).records[Record.LEERLING]
    assert frame["id"].tolist() == frame["key"].tolist() == ["1", "2"]
    assert "eckid" not in frame


def test_a_withheld_eckid_is_no_id_either() -> None:
    """A school that withholds the ECK iD does not send it as the id of a record."""
    wanted = projected(judged(school(pupils(2))), agreement(SMALL, withhold=["ECK iD"]))
    assert wanted.records[Record.LEERLING]["id"].tolist() == ["1", "2"]


def test_a_quarantined_pupil_is_uncertain_and_his_group_stays() -> None:
    """A pupil without a name is out of the set; nobody concludes that he, his group or its teacher has gone."""
    rows = [*pupils(30), pupil(31, groep="g45", jaargroep="4", roepnaam=None, achternaam=None)]
    wanted = projected(judged(school(rows)), agreement(SMALL))
    assert "31" not in keys_in(wanted, Record.LEERLING)
    assert wanted.uncertain.keys[Record.LEERLING].tolist() == ["31"]
    assert "g45" in keys_in(wanted, Record.GROEP)
    assert wanted.uncertain.kinds == {Record.GROEP, Record.SAMENGESTELDE_GROEP, Record.LEERKRACHT}
    assert wanted.gone[Record.LEERKRACHT].empty


@pytest.mark.parametrize("key", [None, "#1"], ids=["without key", "dummy key"])
def test_a_pupil_without_a_usable_key_could_be_anyone(key: str | None) -> None:
    """Of his kind no record may be taken for absent."""
    rows = [*pupils(30), {**pupil(31), "key": key}]
    wanted = projected(judged(school(rows)), agreement(SMALL))
    assert Record.LEERLING in wanted.uncertain.kinds


def test_pupils_who_share_a_key_hide_somebody() -> None:
    """All but one of them bear another's key, so that whoever seems to be missing may be one of them."""
    rows = [*pupils(60), {**pupil(61), "key": "30"}]
    wanted = projected(judged(school(rows)), agreement(SMALL))
    assert "30" in wanted.uncertain.keys[Record.LEERLING]
    assert Record.LEERLING in wanted.uncertain.kinds


def test_a_teacher_without_a_usable_key_could_be_anyone_of_the_teachers() -> None:
    """Teachers are uncertain then; pupils are not."""
    teachers = [{"key": "#", "roepnaam": "Wie", "groepen": None}]
    wanted = projected(judged(school(pupils(3), teachers=teachers)), agreement(SMALL))
    assert wanted.uncertain.kinds == {Record.LEERKRACHT}


def test_a_pupil_in_an_unknown_group_keeps_what_he_had() -> None:
    """A group that is not in the export is taken out of the pupil's record, and leaves open which groups exist."""
    wanted = projected(judged(school(changed(pupils(30), 2, groep="weg"))), agreement(SMALL))
    assert "2" in wanted.uncertain.keys[Record.LEERLING]
    assert Record.GROEP in wanted.uncertain.kinds


def test_pupils_of_a_quarantined_group_wait_with_it() -> None:
    """They would refer to nothing: they are not in the set, and not gone."""
    groups = [
        {"soort": "groep", "key": "g3", "naam": "Groep 3", "jaargroep": "3"},
        {"soort": "groep", "key": "stuk", "naam": None, "jaargroep": "4"},
    ]
    rows = [*(pupil(n) for n in range(1, 30)), pupil(31, groep="stuk", jaargroep="4")]
    wanted = projected(judged(school(rows, groups, [])), agreement(SMALL))
    assert "31" not in keys_in(wanted, Record.LEERLING)
    assert "31" in wanted.uncertain.keys[Record.LEERLING]
    assert "stuk" in wanted.uncertain.keys[Record.GROEP]
    assert wanted.gone[Record.LEERLING].empty


def test_a_broken_last_school_day_makes_a_pupil_uncertain() -> None:
    """A date that is none leaves open whether he is still at school."""
    wanted = projected(judged(school(changed(pupils(30), 2, uitstroomdatum="2026-13-01"))), agreement(SMALL))
    assert "2" in wanted.uncertain.keys[Record.LEERLING]


AVAILABLE = [
    f"{kind}.{name}"
    for kind in Record
    if kind is not Record.SCHOOL
    for name in COLUMNS[kind.table]
    if f"{kind}.{name}" in CATALOGUE
]
MARKED = judged(school(pupils(4)))


@given(chosen=st.sets(st.sampled_from(AVAILABLE)), record_key=st.sampled_from(["key", "eckid"]))
def test_nothing_but_agreed_fields_is_ever_in_the_set(chosen: set[str], record_key: str) -> None:
    """Whatever is agreed: exactly those columns, and the id is a value that was agreed or the key."""
    ids = [f for f in CATALOGUE if f in chosen]
    fields = FieldSet(
        "proef",
        "1",
        record_key,  # type: ignore[arg-type]  one of the two
        tuple(AgreedField(f, f, CATALOGUE[f].name, None, "proef") for f in ids),
        (),
    )
    wanted = delivery_set(MARKED, fields, Scope(), Release(LegalBasis.PUBLIC_TASK), "99XX-00", DAY)
    assert set(wanted.records) == {CATALOGUE[f].record for f in ids}
    for kind, frame in wanted.records.items():
        assert frame.columns.tolist() == ["id", *(CATALOGUE[f].name for f in ids if CATALOGUE[f].record is kind)]
        by_eckid = record_key == "eckid" and f"{kind}.eckid" in chosen and kind is Record.LEERLING
        assert frame["id"].str.startswith("https://ketenid.nl/").all() == by_eckid


def test_what_decides_who_is_given_is_read_as_well() -> None:
    """Teachers go by the groups they teach, also to a supplier that is given no groups of teachers."""
    name = AgreedField("leerkracht.achternaam", "achternaam", "achternaam", None, "vast onderdeel")
    assert read_for([name]) == STEERING | {"leerkracht.achternaam", "leerkracht.groepen"}
    assert read_for([]) == STEERING
