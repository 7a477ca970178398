"""The instance folder read once: schools, agreements and profiles, checked against each other, and where things stand.

Reads settings files only: no secret is resolved here until someone asks for it, and importing reads nothing.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, field_validator

from connectors.base import SchoolId
from connectors.secrets import resolve
from data_contracts.dutch_time import today_in_the_netherlands
from mappings.agreement import Agreement, FieldSet, SchoolKey, field_set, narrowing_errors
from mappings.profile import Profile
from mappings.profiles import profile_texts
from mappings.projection import read_for
from mappings.purposes import Purpose
from mappings.written import HttpsAddress, Schedule, SecretReference, Strict
from mappings.yaml_source import Document, Problem, SettingsError, document, validated

M = TypeVar("M", bound=BaseModel)
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class EdexmlSource(Strict):
    """EDEXML files that someone exports from ParnasSys and puts in a folder, or one file; relative to the instance."""

    kind: Literal["edexml"] = "edexml"
    path: Path = Path("inbox")


class UwlrSource(Strict):
    """The UWLR web service of ParnasSys; the two keys are references, `klantnaam` is what the school is called there."""

    kind: Literal["uwlr"] = "uwlr"
    url: HttpsAddress
    version: Literal["2.2", "2.3"] = "2.3"
    autorisatiesleutel: SecretReference
    klantcode: SecretReference
    klantnaam: ShortText
    gegevenssetid: ShortText | None = None
    client_certificate: SecretReference | None = None


def _one_source(value: object) -> object:
    """`{edexml: {path: inbox}}` as pydantic tells kinds apart: `{kind: edexml, path: inbox}`."""
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("noem precies één bron: edexml of uwlr, met de instellingen daaronder")
    kind, inner = next(iter(value.items()))
    if kind not in {"edexml", "uwlr"}:
        raise ValueError(f"`{kind}` is geen bron; kies edexml of uwlr")
    if not isinstance(inner, dict | None) or "kind" in (inner or {}):
        raise ValueError(f"zet onder {kind} de instellingen van de bron, elk op een eigen regel")
    return {**(inner or {}), "kind": kind}


SourceSettings = Annotated[EdexmlSource | UwlrSource, Field(discriminator="kind"), BeforeValidator(_one_source)]


class SchoolSettings(Strict):
    """One school, which is one location of a BRIN, and the one door through which its pupils come in."""

    school: SchoolKey
    name: str
    schoolkey: str | None = None
    contact: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None  # whom parents can ask
    source: SourceSettings

    def id_on(self, day: date) -> SchoolId:
        """Which school, and which school year, an export that is pulled on `day` must be about."""
        return SchoolId(self.school[:4], self.school[5:], schooljaar_on(day), self.schoolkey)


class Schools(Strict):
    """The file `schools.yaml`."""

    schools: tuple[SchoolSettings, ...] = Field(min_length=1)

    @field_validator("schools")
    @classmethod
    def _once(cls, schools: tuple[SchoolSettings, ...]) -> tuple[SchoolSettings, ...]:
        keys = [school.school for school in schools]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise ValueError(f"school staat er twee keer: {', '.join(twice)}")
        return schools


class Retention(Strict):
    """How long things are kept, in days or years, before the daily cleaning takes them away."""

    vault_days: int = Field(7, ge=1, le=366)
    findings_days: int = Field(30, ge=1, le=3660)
    runs_days: int = Field(30, ge=1, le=3660)
    letters_days: int = Field(30, ge=1, le=366)  # letters with the data of one pupil
    changes_years: int = Field(2, ge=1, le=100)  # since the last change about a record that no supplier holds any more


class InstanceSettings(Strict):
    """The file `instance.yaml`, which may be left out."""

    ledger: SecretReference | None = None  # where a PostgreSQL address is found; else SQLite in the instance folder
    schedule: Schedule = "30 2 * * *"  # when the nightly sync starts, as cron, in Dutch time
    on: bool = True  # whether the nightly sync starts by itself
    retention: Retention = Retention()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a person wrote in the instance folder, proved to fit together."""

    home: Path
    instance: InstanceSettings
    schools: tuple[SchoolSettings, ...]
    day: date  # for which it was read
    agreements: tuple[Agreement, ...]  # of a supplier and a school the one that counts on that day
    others: tuple[Agreement, ...]  # those that it took the place of, or that will take its place
    files: Mapping[tuple[str, str, date], str]  # where each is written, by supplier, school and first day
    profiles: Mapping[str, Profile]  # by supplier: those shipped, and the instance's own

    @property
    def ledger_url(self) -> str:
        """The SQLAlchemy address of the ledger; a reference is resolved here and now.

        Raises:
            PermanentError: the reference names a secret that is not there.
        """
        if self.instance.ledger is None:
            return f"sqlite:///{self.home / 'ledger.db'}"
        return resolve(self.instance.ledger, self.home)

    @property
    def vault(self) -> Path:
        """The folder with the encrypted copies."""
        return self.home / "vault"

    @property
    def inbox(self) -> Path:
        """The folder in which a person puts exports."""
        return self.home / "inbox"

    @property
    def reports(self) -> Path:
        """The folder with the reports for the school."""
        return self.home / "reports"

    @property
    def letters(self) -> Path:
        """The folder with the letters for access, each with the data of one pupil."""
        return self.reports / "inzage"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own folder, with `dagster.yaml` and its databases."""
        return self.home / "dagster"

    @property
    def sleutels(self) -> Path:
        """The folder with the keys of vault and ledger."""
        return self.home / "sleutels"

    @property
    def suppliers(self) -> tuple[str, ...]:
        """Every supplier that some agreement names, in order of name."""
        return tuple(sorted({agreement.supplier for agreement in self.agreements}))

    @property
    def school_keys(self) -> tuple[str, ...]:
        """`99XX-00` of every school, in the order of `schools.yaml`."""
        return tuple(school.school for school in self.schools)

    @property
    def delivering(self) -> frozenset[str]:
        """`99XX-00` of every school with an agreement that runs."""
        return frozenset(s for a in self.agreements if a.active_on(self.day) for s in a.schools)

    def school(self, key: str) -> SchoolSettings:
        """The school `99XX-00`.

        Raises:
            LookupError: it is not in `schools.yaml`.
        """
        for school in self.schools:
            if school.school == key:
                return school
        raise LookupError(f"school {key} staat niet in schools.yaml")

    def agreement(self, supplier: str, school: str) -> Agreement | None:
        """The agreement between this supplier and this school that counts on the day, in force or not."""
        return next((a for a in self.agreements if a.supplier == supplier and school in a.schools), None)

    def next_begins(self, agreement: Agreement, school: str) -> date | None:
        """When the next agreement with its supplier begins for a school, if that is written already."""
        same = (a for a in self.others if a.supplier == agreement.supplier and school in a.schools)
        return min((a.signed for a in same if a.signed > agreement.valid_until), default=None)

    def file_of(self, agreement: Agreement) -> str:
        """In which file of the instance an agreement is written."""
        return self.files[agreement.supplier, agreement.schools[0], agreement.signed]

    def field_set(self, supplier: str, school: str) -> FieldSet:
        """What this school gives this supplier while their agreement is in force.

        Raises:
            LookupError: they have no agreement.
        """
        agreement = self.agreement(supplier, school)
        if agreement is None:
            raise LookupError(f"school {school} heeft geen overeenkomst met {supplier}")
        return field_set(self.profiles[supplier], agreement)

    def wanted_fields(self, school: str, today: date) -> frozenset[str]:
        """The field ids that the agreements of this school need; no others enter the program.

        Also those of an agreement that has ended: corrections and deletes go on after it (design rule 7).
        """
        begun = [a for a in self.agreements if school in a.schools and a.signed <= today]
        return read_for(f for a in begun for f in field_set(self.profiles[a.supplier], a).fields)


def load_settings(home: Path, day: date | None = None) -> Settings:
    """Read and check every settings file under `home`, as they count on `day` (in the Netherlands; else today).

    Of agreements that follow each other the newest that has begun counts, also once it has ended; else the first to come.

    Raises:
        SettingsError: all problems of all files, each with file, line and key.
    """
    files = _Files(home)
    instance = files.model(files.document("instance.yaml", optional=True), InstanceSettings)
    schools = files.model(files.document("schools.yaml"), Schools)
    profiles = _profiles(files)
    agreements = [(source, found) for source in files.folder("agreements") if (found := files.model(source, Agreement))]
    files.problems += _at_the_same_time(agreements)
    for source, agreement in agreements:
        files.problems += _supplier_problems(source, agreement, profiles)
        files.problems += _unknown_schools(source, agreement, schools)
    if files.problems or instance is None or schools is None:
        raise SettingsError(tuple(sorted(files.problems, key=lambda problem: (problem.file, problem.line or 0))))
    day = day or today_in_the_netherlands()
    counting, others = _counting([found for _, found in agreements], day)
    written = {(a.supplier, school, a.signed): source.file for source, a in agreements for school in a.schools}
    return Settings(
        home=home,
        instance=instance,
        schools=schools.schools,
        day=day,
        agreements=counting,
        others=others,
        files=MappingProxyType(written),
        profiles=MappingProxyType(profiles),
    )


def home_folder(option: Path | None) -> Path:
    """The instance folder: what was asked for, else `DOORGEEFLUIK_HOME`, else `./instance`; always absolute."""
    return (option or Path(os.environ.get("DOORGEEFLUIK_HOME") or "instance")).absolute()


def schooljaar_on(day: date) -> str:
    """`2026-2027`: the school year of `day`; it rolls over on 1 August (WPO art. 1)."""
    first = day.year if day.month >= 8 else day.year - 1
    return f"{first}-{first + 1}"


_NO_HOME = (
    "deze map is er niet; geef `--instance MAP` of zet DOORGEEFLUIK_HOME op de map van je installatie. Is er nog geen, maak "
    "haar dan met `doorgeefluik init MAP`"
)


class _Files:
    """The settings files of one instance, and every problem met in them so far."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.problems: list[Problem] = []
        if not home.is_dir():
            self._report(str(home), _NO_HOME)
            raise SettingsError(tuple(self.problems))

    def document(self, name: str, *, optional: bool = False) -> Document | None:
        if optional and not (self.home / name).exists():
            return document("", name)
        try:
            return document((self.home / name).read_text(encoding="utf-8-sig"), name)
        except SettingsError as error:
            self.problems += error.problems
        except UnicodeDecodeError:
            self._report(name, "dit bestand is geen tekst in UTF-8; sla het als UTF-8 op")
        except OSError:
            self._report(name, "dit bestand is er niet, of is niet te lezen")
        return None

    def folder(self, name: str) -> list[Document]:
        paths = sorted(path for path in (self.home / name).glob("*") if path.suffix in {".yaml", ".yml"})
        found = [self.document(path.relative_to(self.home).as_posix()) for path in paths]
        return [source for source in found if source is not None]

    def model(self, source: Document | None, model: type[M]) -> M | None:
        if source is None:
            return None
        try:
            return validated(source, model)
        except SettingsError as error:
            self.problems += error.problems
            return None

    def _report(self, name: str, message: str) -> None:
        self.problems.append(Problem(name, None, "", None, message))


def _profiles(files: _Files) -> dict[str, Profile]:
    """Profiles by supplier. An own profile may not replace one that is shipped: that would widen a leaflet unseen."""
    shipped = [document(text, f"mappings/profiles/{name}") for name, text in profile_texts().items()]
    profiles: dict[str, Profile] = {}
    for source in [*shipped, *files.folder("profiles")]:
        profile = files.model(source, Profile)
        if profile and profile.supplier in profiles:
            files.problems.append(source.problem(("supplier",), "voor deze leverancier is er al een profiel"))
        elif profile and profile.supplier in set(Purpose):
            message = "zo heet een doel waarvoor ouders toestemming geven; kies een andere naam"
            files.problems.append(source.problem(("supplier",), message))
        elif profile:
            profiles[profile.supplier] = profile
    return profiles


def _supplier_problems(source: Document, agreement: Agreement, profiles: Mapping[str, Profile]) -> Iterator[Problem]:
    profile = profiles.get(agreement.supplier)
    if profile is None:
        message = f"voor deze leverancier is er geen profiel; {_choice(agreement.supplier, profiles)}"
        yield source.problem(("supplier",), message, f"`{agreement.supplier}`")
        return
    for error in narrowing_errors(profile, agreement):
        items = getattr(agreement, error.key)
        place = (error.key, items.index(error.value)) if isinstance(items, tuple) else (error.key,)
        yield source.problem(place, str(error))


def _unknown_schools(source: Document, agreement: Agreement, schools: Schools | None) -> Iterator[Problem]:
    if schools is None:
        return
    known = [school.school for school in schools.schools]
    for index, key in enumerate(agreement.schools):
        if key not in known:
            message = f"deze school staat niet in schools.yaml; {_choice(key, known)}"
            yield source.problem(("schools", index), message, f"`{key}`")


def _at_the_same_time(agreements: list[tuple[Document, Agreement]]) -> Iterator[Problem]:
    """Two agreements of a school and a supplier of which the one has not ended when the other begins."""
    seen: dict[tuple[str, str], list[tuple[str, Agreement]]] = {}
    for source, agreement in agreements:
        for index, school in enumerate(agreement.schools):
            earlier = seen.setdefault((agreement.supplier, school), [])
            for file, other in earlier:
                if agreement.signed <= other.valid_until and other.signed <= agreement.valid_until:
                    message = (
                        f"{school} heeft al een overeenkomst met {agreement.supplier}, in {file}, van {other.signed:%d-%m-%Y} "
                        f"tot en met {other.valid_until:%d-%m-%Y}; zet `valid_until` van de ene vóór `signed` van de andere"
                    )
                    yield source.problem(("schools", index), message)
                    break
            earlier.append((source.file, agreement))


def _counting(agreements: list[Agreement], day: date) -> tuple[tuple[Agreement, ...], tuple[Agreement, ...]]:
    """The agreements that count on a day, each for the schools that it counts for, and the rest."""
    newest: dict[tuple[str, str], Agreement] = {}
    for agreement in sorted(agreements, key=lambda one: one.signed):
        for school in agreement.schools:
            if agreement.signed <= day or (agreement.supplier, school) not in newest:
                newest[agreement.supplier, school] = agreement
    counting, others = [], []
    for agreement in agreements:
        mine = tuple(school for school in agreement.schools if newest[agreement.supplier, school] is agreement)
        rest = tuple(school for school in agreement.schools if school not in mine)
        counting += [agreement.model_copy(update={"schools": mine})] if mine else []
        others += [agreement.model_copy(update={"schools": rest})] if rest else []
    return tuple(counting), tuple(others)


def _choice(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"bedoeld is misschien `{near[0]}`" if near else f"kies uit: {', '.join(sorted(known)) or 'niets'}"
