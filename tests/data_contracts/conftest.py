"""A small factory of rosters for the tests of the contracts; what a test breaks, it breaks itself."""

from collections.abc import Callable

import pandas as pd
import pytest

from data_contracts.roster import Roster

MakeRoster = Callable[[int], Roster]


def _text(columns: dict[str, list[str | None]]) -> pd.DataFrame:
    return pd.DataFrame(columns).astype("str")


def _pupils(number: int) -> pd.DataFrame:
    numbers = range(number)
    return _text(
        {
            "key": [f"leerling-{n}" for n in numbers],
            "eckid": [f"https://ketenid.nl/201703/{n:0128x}" for n in numbers],
            "achternaam": [f"Achternaam{n}" for n in numbers],
            "voorvoegsel": ["van der" if n % 2 else None for n in numbers],
            "roepnaam": [f"Roepnaam{n}" for n in numbers],
            "geboortedatum": [f"201{n % 10}-02-28" for n in numbers],
            "geslacht": [str(n % 3) for n in numbers],
            "jaargroep": [str(1 + n % 8) for n in numbers],
            "groep": [f"groep-{n % 2}" for n in numbers],
            "samengestelde_groepen": ['["plus-0","plus-1"]' if n % 3 else None for n in numbers],
            "vestiging": ["vestiging-0" for _ in numbers],
            "uitstroomdatum": [None for _ in numbers],
            "mutatiedatum": ["2026-09-01T08:15:30.5+02:00" for _ in numbers],
        }
    )


def _roster(pupils: int) -> Roster:
    return Roster(
        school=_text(
            {
                "schooljaar": ["2026-2027"],
                "peildatum": ["2026-10-01"],
                "brincode": ["99XX"],
                "vestigingen": ['[{"key":"vestiging-0","naam":"Hoofdgebouw"}]'],
            }
        ),
        groepen=_text(
            {
                "soort": ["groep", "groep", "samengestelde_groep", "samengestelde_groep"],
                "key": ["groep-0", "groep-1", "plus-0", "plus-1"],
                "naam": ["Groep 1/2", "Groep 3", "Plusklas", "Schaken"],
                "jaargroep": ["C", "3", None, None],
            }
        ),
        leerlingen=_pupils(pupils),
        leerkrachten=_text(
            {
                "key": ["leerkracht-0", "leerkracht-1"],
                "eckid": [None, None],
                "achternaam": ["Achternaam", None],
                "roepnaam": [None, "Roepnaam"],
                "rollen": ['[{"rol":"LRK"},{"rolomschrijving":"Leest voor"}]', None],
                "groepen": ['[{"groep":"groep-0","rollen":[{"rol":"LRK"}]},{"samengestelde_groep":"plus-0"}]', None],
            }
        ),
    )


@pytest.fixture(scope="session")
def make_roster() -> MakeRoster:
    """A function from a number of pupils to a roster without a fault."""
    return _roster
