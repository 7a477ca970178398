"""What a person writes in a settings file, whatever it is about: the strict model, and texts that have a form of their own.

What profiles and agreements say is in `agreement`.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Strict(BaseModel):
    """A model that a person writes in YAML: unknown keys are errors, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _secret_reference(text: str) -> str:
    if not re.match(r"^(env|file|keyring):.+", text):
        raise ValueError(
            "hier hoort een verwijzing: env:NAAM, file:PAD of keyring:DIENST/NAAM; een wachtwoord zelf mag hier niet staan"
        )
    return text


def _https(url: str) -> str:
    if re.match(r"^\w+://[^/]*@", url):
        raise ValueError("zet geen naam of wachtwoord in het adres")
    if not re.match(r"^(https://[^/]|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|$))", url):
        raise ValueError("gebruik een adres dat met https:// begint")
    return url


def numbered(version: str) -> tuple[int, ...]:
    """A version as numbers, so that 1.10 comes after 1.9; a nought at the end makes no difference."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _version(text: str) -> str:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})*", text):
        raise ValueError("een versie bestaat uit getallen met punten ertussen, zoals 1.0")
    return text


_CRON = {"minuut": (0, 59), "uur": (0, 23), "dag": (1, 31), "maand": (1, 12), "weekdag": (0, 7)}


def _schedule(text: str) -> str:
    parts = text.split()
    if len(parts) != len(_CRON):
        raise ValueError(f'verwacht vijf delen: {", ".join(_CRON)}, zoals "30 2 * * *"')
    for part, (name, (first, last)) in zip(parts, _CRON.items(), strict=True):
        numbers = [int(number) for number in re.findall(r"\d+", re.sub(r"/\d+", "", part))]
        shape = re.fullmatch(r"(\*|\d+(-\d+)?)(/[1-9]\d*)?(,\d+(-\d+)?)*", part)
        if shape is None or not all(first <= number <= last for number in numbers):
            raise ValueError(f"`{part}` kan niet bij {name}; verwacht {first} tot en met {last}, of *")
    return text


Schedule = Annotated[str, AfterValidator(_schedule)]
SecretReference = Annotated[str, AfterValidator(_secret_reference)]
Version = Annotated[str, AfterValidator(_version)]
HttpsAddress = Annotated[str, AfterValidator(_https)]
