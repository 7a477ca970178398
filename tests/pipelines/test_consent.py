"""Writing down what a parent chose: the commands, a file with answers, and the job in the web page."""

import getpass
import json
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from typer.testing import CliRunner

from mappings.choices import Choice
from pipelines.build import build_defs
from pipelines.cli import app
from pipelines.consent_lines import FileRefusedError, answers
from pipelines.rights.access import letter, write_letter
from pipelines.settings import load_settings
from tests.world import DAY, SCHOOL, World, a_world

pytestmark = pytest.mark.xdist_group("consent")

PUPIL, OTHER = "4711", "4712"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three suppliers: one by public task, one by consent, one by law; two pupils are known."""
    with a_world(tmp_path_factory.mktemp("consent") / "instance") as world:
        for supplier, ground in (("uwlr_smalle_set", "toestemming"), ("uwlr_lvs_set", "wettelijke_verplichting")):
            file = world.home / "agreements" / f"{supplier}.yaml"
            file.write_text(file.read_text(encoding="utf-8").replace("publieke_taak", ground), encoding="utf-8")
        world.instance.ledger.register_records(SCHOOL, "leerling", pd.Series([PUPIL, OTHER], dtype="str"))
        yield world


@pytest.fixture
def world(opened: World) -> World:
    """The same world, in which nobody has chosen anything."""
    ledger = opened.instance.ledger
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM choice")
    return opened


def asked(world: World, *words: str) -> tuple[int, str]:
    """Exit code, and everything that was said."""
    answer = CliRunner().invoke(app, [*words, "--instance", str(world.home)])
    return answer.exit_code, re.sub(r"\s+", " ", answer.output)


def listed(world: World, *words: str) -> list[dict[str, str]]:
    answer = CliRunner().invoke(app, ["consent", "list", SCHOOL, *words, "--json", "--instance", str(world.home)])
    assert answer.exit_code == 0
    rows: list[dict[str, str]] = json.loads(answer.stdout)
    return rows


def test_what_was_said_is_written_down_and_read_back(world: World) -> None:
    """Objection and consent, each taken back, with day, manner and person; one pupil and one supplier can be asked for."""
    options = ("--since", "2026-09-01", "--by", "directeur", "--how", "parro")
    for word, supplier in (
        ("object", "basispoort"),
        ("restore", "basispoort"),
        ("give", "uwlr_smalle_set"),
        ("withdraw", "uwlr_smalle_set"),
    ):
        code, said = asked(world, "consent", word, SCHOOL, PUPIL, supplier, *options)
        assert (code, "Het geldt vanaf de volgende levering." in said) == (0, True)
    rows = listed(world, PUPIL, "--subject", "basispoort")
    assert [(row["leerling"], row["keuze"], row["sinds"], row["hoe"], row["door"]) for row in rows] == [
        (PUPIL, "bezwaar", "2026-09-01", "parro", "directeur"),
        (PUPIL, "bezwaar_ingetrokken", "2026-09-01", "parro", "directeur"),
    ]
    assert [row["keuze"] for row in listed(world)][2:] == ["toestemming", "toestemming_ingetrokken"]
    assert listed(world, OTHER) == []
    assert asked(world, "consent", "list", "99ZZ-00")[0] == 3
    assert "bezwaar ingetrokken" in asked(world, "consent", "list", SCHOOL)[1]


def test_what_was_not_said_is_not_made_up(world: World) -> None:
    """Without `--how` nobody knows how the parent said it; the letter leaves that out, and names no login as a person."""
    assert asked(world, "consent", "object", SCHOOL, PUPIL, "basispoort")[0] == 0
    (row,) = listed(world, PUPIL)
    assert (row["hoe"], row["door"]) == ("onbekend", getpass.getuser())
    told = letter(world.instance, SCHOOL, PUPIL, DAY)
    text = write_letter(world.instance, told).read_text(encoding="utf-8")
    assert [one.how for one in told.choices] == [""]
    assert "bezwaar, over Basispoort (vastgelegd door de school)." in text


def test_saying_the_same_again_is_no_news(world: World) -> None:
    """The second time nothing is written, and that is said."""
    words = ("consent", "object", SCHOOL, PUPIL, "basispoort")
    asked(world, *words)
    assert asked(world, *words) == (0, f"Dit was al vastgelegd: bezwaar, basispoort, school {SCHOOL}. ")
    assert len(listed(world)) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("object", "99ZZ-00", PUPIL, "basispoort"), "99ZZ-00"),
        (("object", SCHOOL, PUPIL, "onzin"), "onzin"),
        (("object", SCHOOL, "4713", "basispoort"), "is bij deze school niet bekend"),
        (("object", SCHOOL, PUPIL, "uwlr_lvs_set"), "wettelijke verplichting"),
        (("give", SCHOOL, PUPIL, "uwlr_lvs_set"), "wettelijke verplichting"),
        (("object", SCHOOL, PUPIL, "uwlr_smalle_set"), "De grondslag is toestemming"),
        (("give", SCHOOL, PUPIL, "basispoort"), "De grondslag is publieke taak"),
        (("restore", SCHOOL, PUPIL, "basispoort"), "Er is geen bezwaar om in te trekken"),
        (("object", SCHOOL, PUPIL, "foto_website"), "Een foto gaat alleen met toestemming"),
        (("restore", SCHOOL, PUPIL, "foto_website"), "Een foto gaat alleen met toestemming"),
        (("give", SCHOOL, PUPIL, "Foto_website"), "andere hoofdletters: foto_website"),
        (("give", SCHOOL, "4713", "foto_parro"), "is bij deze school niet bekend"),
        (("object", SCHOOL, PUPIL, "basispoort", "--since", "gisteren"), "verwacht een datum"),
        (("object", SCHOOL, PUPIL, "basispoort", "--since", "2999-01-01"), "moet nog komen"),
        (
            ("object", SCHOOL, PUPIL, "basispoort", "--how", "telepathie"),
            "Zo begrijp ik het niet: de manier `telepathie` is er niet; kies uit formulier, bericht",
        ),
    ],
)
def test_what_cannot_be_written_down_is_told_in_dutch(world: World, words: tuple[str, ...], told: str) -> None:
    """Nothing is written, the reason is said, and the exit code is that of a mistake, in a name or in what was asked."""
    assert asked(world, "consent", *words)[0] == 3
    assert told in asked(world, "consent", *words)[1]
    assert listed(world) == []


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (f"leerling;naam;mag\n{PUPIL};A;ja\n{OTHER};B;nee\n9;C;\n".encode(), "leerling"),
        (f"leerling,naam,mag\r\n{PUPIL},A,JA\r\n{OTHER},B,Nee\r\n".encode("utf-8-sig"), "leerling"),
        (f"leerling\tnaam\tmag\n{PUPIL}\tA\t ja \n{OTHER}\tB\tnee\n".encode(), "leerling"),
        (f'sleutel één;naam;mag\n{PUPIL};"A;B";ja\n{OTHER};B;nee\n'.encode("cp1252"), "sleutel één"),
        (f"sleutel één\tnaam\tmag\n{PUPIL}\tA\tja\n{OTHER}\tB\tnee\n".encode("utf-16"), "sleutel één"),
    ],
)
def test_a_file_of_any_spreadsheet_is_read(world: World, tmp_path: Path, content: bytes, key: str) -> None:
    """Delimiter and encoding are found out; yes gives, no withdraws, an empty answer says nothing; twice is no news."""
    file = tmp_path / "antwoorden.csv"
    file.write_bytes(content)
    words = ("consent", "import", SCHOOL, str(file), "--key", key, "--column", "uwlr_smalle_set=mag")
    code, told = asked(world, *words)
    assert code == 0
    assert told == "uwlr_smalle_set: 1 keer ja, 1 keer nee. Het geldt vanaf de volgende levering. Nieuw vastgelegd: 2. "
    assert {row["leerling"]: row["keuze"] for row in listed(world)} == {
        PUPIL: "toestemming",
        OTHER: "toestemming_ingetrokken",
    }
    assert "Nieuw vastgelegd: 0" in asked(world, *words)[1]


_SHIFTED = "Regel {}: heeft {}, de eerste regel {}. {}?"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            f"leerling;mag\n{PUPIL};ja\nKanarie;ja\nPiet;nee\n",
            "Regels 3, 4: deze leerling is bij deze school niet bekend",
        ),
        (f"leerling;mag\n{PUPIL};ja\n{OTHER};Kanarie\n", "Regel 3: in de kolom `mag` hoort ja, nee of niets."),
        (f"leerling;mag\n{PUPIL};ja\n{PUPIL};nee\n", "Regel 3: deze leerling staat er al eerder in."),
        (f"leerling;mag\n{PUPIL};ja\n;ja\n", "Regel 3: de sleutel van de leerling ontbreekt."),
        (f"Kanarie;ja\n{PUPIL};ja\n", "De kolom `leerling` staat niet in de eerste regel"),
        (f"Kanarie;ja\n{PUPIL};ja\n", "Zet in de eerste regel de namen van de kolommen"),
        (f"leerling;gedicht\n{PUPIL};ja\n", "In de eerste regel staat: `leerling`, `gedicht`."),
        (f"kind;gedicht;mag;\n{PUPIL};a,b,c,d,e;ja;\n", "In de eerste regel staat: `kind`, `gedicht`, `mag`."),
        (f"Kanarie|{PUPIL}|ja\n{PUPIL}|ja|ja\n", "Zet in de eerste regel de namen van de kolommen"),
        (f"Kanarie;Lk{PUPIL};Ja, dat mag\n", "Zet in de eerste regel de namen van de kolommen"),
        (f"Foto's 2026;\n\nleerling;mag\n{PUPIL};ja\n", "kolommen staan in regel 3: haal de regels daarboven weg."),
        (f"leerling;mag;mag\n{PUPIL};ja;nee\n", "De kolom `mag` staat meer dan eens in de eerste regel"),
        (f"leerling;Mag;MAG\n{PUPIL};ja;nee\n", "De kolom `mag` staat meer dan eens in de eerste regel"),
        ("", "Het bestand is leeg."),
        (" \n\n", "Het bestand is leeg."),
        (
            f"leerling;tekst;mag;x\n{PUPIL};Kanarie; Piet;nee;ja\n",
            _SHIFTED.format(2, "5 vakken", 4, "Staat er een ; in een tekst"),
        ),
        (
            f"leerling,tekst,mag,x\n{OTHER},,ja,\n{PUPIL},Kanarie, Piet,ja,\n",
            _SHIFTED.format(3, "5 vakken", 4, "Staat er een , in een tekst"),
        ),
        (f"leerling\ttekst\tmag\n{PUPIL}\tnee\n", _SHIFTED.format(2, "2 vakken", 3, "Ontbreekt er een tab")),
        (f"leerling;mag\n{OTHER};nee\n{PUPIL}\n", _SHIFTED.format(3, "1 vak", 2, "Ontbreekt er een ;")),
        (f'leerling;mag\n{PUPIL};"ja"x\n', "Regel 2: de aanhalingstekens kloppen niet."),
        (f'"leer"ling;mag\n{PUPIL};ja\n', "de aanhalingstekens kloppen niet."),
    ],
)
def test_a_file_with_a_mistake_is_refused_whole(world: World, tmp_path: Path, content: str, told: str) -> None:
    """Nothing of it is written down; the line is named, and nothing that stands in it."""
    file = tmp_path / "antwoorden.csv"
    file.write_text(content, encoding="utf-8")
    words = ("consent", "import", SCHOOL, str(file), "--key", "leerling", "--column", "uwlr_smalle_set=mag")
    code, said = asked(world, *words)
    assert (code, told in said, "Er is niets vastgelegd" in said) == (3, True, True)
    assert not re.search(f"Kanarie|Piet|{PUPIL}|{OTHER}", said)
    assert listed(world) == []


@pytest.mark.parametrize("kind", [b"PK\x03\x04\x14\x00", b"\xd0\xcf\x11\xe0\xa1\xb1"])
def test_a_workbook_is_not_read_as_text(world: World, tmp_path: Path, kind: bytes) -> None:
    """Whatever its name: a person hears what to do with it."""
    file = tmp_path / "antwoorden.csv"
    file.write_bytes(kind)
    words = ("consent", "import", SCHOOL, str(file), "--key", "leerling", "--column", "uwlr_smalle_set=mag")
    assert asked(world, *words) == (
        3,
        "Er is niets vastgelegd: Dit is een Excel-bestand: sla het op als CSV (Bestand > Opslaan als), en lees dat bestand in. ",
    )


def test_all_that_is_wrong_in_a_file_is_told_at_once(world: World, tmp_path: Path) -> None:
    """Broken lines, unknown pupils, doubles and wrong answers: one look at the file mends them all."""
    rows = (
        "leerling;mag",
        '"1"x;ja',
        f"{PUPIL};a;ja",
        "9;ja",
        f"{OTHER};ja",
        f"{OTHER};ja",
        "8;misschien",
        ";nee",
        "8;nee",
    )
    file = tmp_path / "antwoorden.csv"
    file.write_text("\n".join(rows), encoding="utf-8")
    words = ("consent", "import", SCHOOL, str(file), "--key", "leerling", "--column", "uwlr_smalle_set=mag")
    code, said = asked(world, *words)
    assert code == 3
    assert re.findall(r"Regels? [\d, ]+: [^.]+", said) == [
        "Regel 2: de aanhalingstekens kloppen niet",
        "Regel 3: heeft 3 vakken, de eerste regel 2",
        "Regel 6: deze leerling staat er al eerder in",
        "Regel 7: in de kolom `mag` hoort ja, nee of niets",
        "Regel 8: de sleutel van de leerling ontbreekt",
        "Regel 9: deze leerling staat er al eerder in",
        "Regels 4, 7: deze leerling is bij deze school niet bekend",
    ]
    assert listed(world) == []


def test_other_capitals_are_the_same_column(world: World, tmp_path: Path) -> None:
    """Where that is unambiguous; a column under exactly the name goes first. Empty cells and lines mean nothing."""
    file = tmp_path / "antwoorden.csv"
    file.write_text(f"Sleutel;MAG ;Mag;\n{PUPIL};nee;ja;\n;;;\n;\n{OTHER};;;\n", encoding="utf-8")
    words = ("consent", "import", SCHOOL, str(file), "--key", "sleutel", "--column")
    assert asked(world, *words, "uwlr_smalle_set=mag")[0] == 3
    assert asked(world, *words, "uwlr_smalle_set=Mag")[0] == 0
    assert [(row["leerling"], row["keuze"]) for row in listed(world)] == [(PUPIL, "toestemming")]


def test_a_file_is_for_consent_only(world: World, tmp_path: Path) -> None:
    """Whether `ja` is an objection or the contrary nobody can tell, so those are written down one by one."""
    file = tmp_path / "antwoorden.csv"
    file.write_text(f"leerling;mag\n{PUPIL};ja\n", encoding="utf-8")
    words = ("--key", "leerling", "--column", "foto_website=mag", "--column", "basispoort=mag")
    code, said = asked(world, "consent", "import", SCHOOL, str(file), *words)
    assert (code, "De grondslag van basispoort is niet toestemming" in said) == (3, True)
    assert asked(world, "consent", "import", SCHOOL, str(tmp_path / "weg.csv"), *words)[0] == 3
    assert listed(world) == []


def test_the_answers_are_known_by_line() -> None:
    """A quoted line break makes a record of two lines; the number is that of its last."""
    found, wrong = answers(b'k;n;v;w\n1;"a\nb";ja;\n2;c;nee;ja\n3;d;;\n', "k", {"x": "v", "y": "w"})
    assert wrong == []
    assert [(key, line.number, line.choices) for key, line in found.items()] == [
        ("1", 3, {"x": Choice.GIVEN}),
        ("2", 4, {"x": Choice.WITHDRAWN, "y": Choice.GIVEN}),
    ]
    with pytest.raises(FileRefusedError, match="`x`"):
        answers(b"k;v\n1;ja\n", "x", {"y": "v"})


def test_one_pupil_under_two_keys_cannot_have_two_answers(world: World, tmp_path: Path) -> None:
    """Which of them came last the file does not say; the same answer twice is no matter."""
    for key in ("5001", "5002"):
        world.instance.ledger.meet_pupils(SCHOOL, [key], {key: "een-eckid"})
    file = tmp_path / "antwoorden.csv"
    words = ("consent", "import", SCHOOL, str(file), "--key", "leerling", "--column", "uwlr_smalle_set=mag")
    file.write_text(f"leerling;mag\n5001;ja\n{OTHER};ja\n5002;nee\n", encoding="utf-8")
    code, said = asked(world, *words)
    assert (code, "Regels 2, 4: dit is één leerling" in said, listed(world)) == (3, True, [])
    file.write_text(f"leerling;mag\n5001;nee\n{OTHER};ja\n5002;nee\n", encoding="utf-8")
    assert asked(world, *words)[0] == 0


LIST = f"Sleutel;Roepnaam;Foto website;Foto Parro\n{PUPIL};A;Ja;Nee\n{OTHER};B;;Ja\n"


def test_a_list_of_parnassys_is_read_with_all_its_purposes_at_once(world: World, tmp_path: Path) -> None:
    """Columns by mapping; each purpose is recorded, also one that no supplier has; the list gives what counts now."""
    file = tmp_path / "lijst.csv"
    file.write_text(LIST, encoding="utf-8")
    words = ("consent", "import", SCHOOL, str(file), "--key", "Sleutel")
    columns = ("--column", "foto_website=Foto website", "--column", "foto_parro=Foto Parro")
    code, told = asked(world, *words, *columns)
    nobody = "Geen leverancier krijgt hiervoor nu iets; de lijst is voor de school zelf."
    counts = f"foto_website: 1 keer ja, 0 keer nee. {nobody} foto_parro: 1 keer ja, 1 keer nee. {nobody} "
    assert (code, told) == (0, counts + "Nieuw vastgelegd: 3. ")
    assert asked(world, *words, *columns)[1] == counts + "Nieuw vastgelegd: 0; de rest stond er al zo. "
    assert asked(world, "consent", "withdraw", SCHOOL, PUPIL, "foto_website")[0] == 0
    assert [row["keuze"] for row in listed(world, "--subject", "foto_website")] == [
        "toestemming",
        "toestemming_ingetrokken",
    ]
    now = {(row["leerling"], row["onderwerp"]): row["keuze"] for row in listed(world, "--now")}
    assert now == {
        (PUPIL, "foto_website"): "toestemming_ingetrokken",
        (PUPIL, "foto_parro"): "toestemming_ingetrokken",
        (OTHER, "foto_parro"): "toestemming",
    }


@pytest.mark.parametrize(
    ("columns", "content", "told"),
    [
        (
            ("foto_website=Foto website", "foto_parro=Foto Parro"),
            LIST.replace("Nee", "Kanarie"),
            "`Foto Parro` hoort ja",
        ),
        (
            ("foto_website=Foto website", "foto_parro=Foto Parro"),
            LIST + "9;C;ja;\n",
            "Regel 4: deze leerling is bij",
        ),
        (("foto_website=Website",), LIST, "De kolom `Website` staat niet"),
        (("foto_onzin=Foto website",), LIST, "kies uit: basispoort, uwlr_lvs_set, uwlr_smalle_set, foto_website"),
        (("Foto website",), LIST, "verwacht iets als foto_website=Website"),
        (("foto_parro=Foto Parro", "foto_parro=Foto website"), LIST, "foto_parro staat er twee keer"),
    ],
)
def test_of_a_list_with_a_mistake_no_purpose_is_written_down(
    world: World, tmp_path: Path, columns: tuple[str, ...], content: str, told: str
) -> None:
    """Whatever column is wrong, nothing of any is recorded, and nothing that stands in the file is repeated."""
    file = tmp_path / "lijst.csv"
    file.write_text(content, encoding="utf-8")
    options = [word for column in columns for word in ("--column", column)]
    exit_code, said = asked(world, "consent", "import", SCHOOL, str(file), "--key", "Sleutel", *options)
    assert (exit_code, told in said) == (3, True), said
    assert not re.search(f"Kanarie|{PUPIL}|{OTHER}", said)
    assert listed(world) == []


def test_of_a_purpose_it_is_said_whether_a_supplier_gets_anything(world: World) -> None:
    """Here no supplier has a photo: what is recorded is for the school's own list."""
    assert "de lijst is voor de school zelf" in asked(world, "consent", "give", SCHOOL, PUPIL, "foto_nieuwsbrief")[1]


@pytest.mark.parametrize(
    ("supplier", "ground"),
    [("basispoort", "bezwaar"), ("uwlr_smalle_set", "alleen mee als"), ("uwlr_lvs_set", "wet verplicht")],
)
def test_explain_says_what_the_ground_means_for_pupils(world: World, supplier: str, ground: str) -> None:
    """Who goes out, and what a parent can do, per legal basis; the leaflet is named once, so that a line stays short."""
    code, said = asked(world, "explain", supplier)
    assert (code, ground in said) == (0, True)
    assert (said.count("Bijsluiter: "), said.count(", versie ")) == (1, 1)


@pytest.mark.parametrize(
    ("changed", "works"),
    [
        ({}, True),
        ({"hoe": "mondeling", "sinds": "2026-09-01"}, True),
        ({"onderwerp": "foto_parro", "keuze": "toestemming"}, True),
        ({"onderwerp": "foto_parro", "keuze": "toestemming_ingetrokken"}, True),
        ({"onderwerp": "foto_parro"}, False),
        ({"keuze": "toestemming"}, False),
        ({"keuze": "onzin"}, False),
        ({"leerling": "4713"}, False),
        ({"door": " "}, False),
    ],
)
def test_a_person_writes_it_down_in_the_web_page(world: World, changed: dict[str, str], *, works: bool) -> None:
    """The job does as the command does, and fails with a sentence where that refuses."""
    config = {"leerling": PUPIL, "onderwerp": "basispoort", "keuze": "bezwaar", "door": "directeur"}
    run_config = {
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        "ops": {"leg_vast": {"config": config | changed}},
    }
    job = build_defs(load_settings(world.home)).resolve_job_def("keuze_vastleggen")
    assert "Kies in de Launchpad eerst de school bij Partition, en vul dan in: leerling," in (job.description or "")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            run_config=run_config, partition_key=SCHOOL, instance=instance, raise_on_error=False
        )
    assert result.success is works
    told = [e.step_output_data.metadata["Samenvatting"].text for e in result.all_events if e.is_successful_output]
    chosen = (config | changed)["keuze"].replace(
        "toestemming_ingetrokken", "geen toestemming"
    )  # of which there was none
    what = f"{chosen}, {(config | changed)['onderwerp']}"
    assert [text.partition(".")[0] for text in told] == [f"Vastgelegd: {what}, school {SCHOOL}"] * works
    assert [row["keuze"] for row in listed(world)] == ([(config | changed)["keuze"]] if works else [])
