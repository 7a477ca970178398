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


SecretReference = Annotated[str, AfterValidator(_secret_reference)]
Version = Annotated[str, AfterValidator(_version)]
HttpsAddress = Annotated[str, AfterValidator(_https)]
