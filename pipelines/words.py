"""What the program names, in the Dutch that a user reads: on the screen, in the web page and on every page the same word."""

from pipelines.ledger.holds import Hold
from pipelines.sync.case import State

OPERATIONS = {
    "create": "toevoegen",
    "update": "wijzigen",
    "delete": "verwijderen",
    "clear_out": "leegruimen",
    "add_fields": "velden toevoegen",
}
"""What a plan does, and what can wait besides."""

STATES: dict[State, str] = {
    "delivered": "afgeleverd",
    "unchanged": "ongewijzigd",
    "held": "wacht op goedkeuring",
    "preview": "voorbeeld, niets verstuurd",
    "blocked": "tegengehouden",
    "failed": "mislukt",
}
"""How it ended for a supplier, or would end."""


def spaced(name: str) -> str:
    """A cause, or another name of several words, as people write it."""
    return name.replace("_", " ")


def hold_in_words(hold: Hold) -> str:
    """What a hold is about, within a sentence."""
    return f"{OPERATIONS[hold.operation]} ({hold.number}) bij {hold.supplier}, school {hold.school}"


def as_sentence(text: str) -> str:
    """With a capital."""
    return text[:1].upper() + text[1:]


def within_sentence(text: str) -> str:
    """Without a capital, to go on after a colon."""
    return text[:1].lower() + text[1:]
