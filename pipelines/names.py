"""The schools, suppliers and purposes that a person named, in a command or in the web page, held against those that there are."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mappings.purposes import Purpose
from pipelines.settings import Settings


class UnknownNameError(Exception):
    """A name that this instance does not know; the message says what it does know, a line each."""

    code = "onbekende_naam"

    def __init__(self, told: Sequence[str]) -> None:
        super().__init__("\n".join(told))


class RefusedError(Exception):
    """What a person asked cannot be done, whenever it is asked; the message is a Dutch sentence."""

    code = "geweigerd"


@contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Let errors of these kinds count as a mistake of who asked, and not as a failure.

    Raises:
        RefusedError: one of them came.
    """
    try:
        yield
    except kinds as error:
        raise RefusedError(str(error)) from None


def refuse_unknown(
    settings: Settings, schools: Sequence[str], suppliers: Sequence[str] = (), subjects: Sequence[str] = ()
) -> None:
    """Let only names through that are in the settings; a subject of a choice is a supplier or a purpose.

    Raises:
        UnknownNameError: each name that is not there.
    """
    asked = [("school", name, settings.school_keys) for name in schools]
    asked += [("leverancier", name, settings.suppliers) for name in suppliers]
    asked += [("onderwerp", name, (*settings.suppliers, *Purpose)) for name in subjects]
    told = [_unknown(kind, name, known) for kind, name, known in asked if name not in known]
    if told:
        raise UnknownNameError(told)


def chosen_pairs(
    settings: Settings, schools: Sequence[str] | None, suppliers: Sequence[str] | None
) -> dict[str, list[str]]:
    """The suppliers of each school, of those that were asked for and have an agreement.

    Raises:
        UnknownNameError: a school or supplier that is not there.
    """
    refuse_unknown(settings, schools or (), suppliers or ())
    every = {
        school: [s for s in dict.fromkeys(suppliers or settings.suppliers) if settings.agreement(s, school)]
        for school in (schools or settings.school_keys)
    }
    return {school: found for school, found in every.items() if found}


def _unknown(kind: str, name: str, known: Sequence[str]) -> str:
    same = next((other for other in known if other.casefold() == name.casefold()), None)
    if same:
        return f"{kind} {name} schrijf je met andere hoofdletters: {same}."
    return f"{kind} {name} {_WHERE[kind]}; " + (f"kies uit: {', '.join(known)}." if known else "er is er nog geen.")


_WHERE = {
    "school": "staat niet in schools.yaml",
    "leverancier": "heeft hier geen overeenkomst",
    "onderwerp": "is geen leverancier met een overeenkomst, en geen doel",
}
