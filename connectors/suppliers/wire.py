"""What all wire formats share: the texts of a column, posting, reading receipts, and the refusal of a field not agreed on.

How a message looks is in the module of each wire format.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pandas as pd

from connectors.base import CannotListError, PermanentError, Receipts, TransientError
from connectors.http import HttpSession, failure, may_have_arrived
from data_contracts.fields import Record


@dataclass(frozen=True, slots=True)
class Door:
    """One supplier's address: how it is spoken to, where, and what the user calls it."""

    session: HttpSession
    base_url: str
    who: str

    def post(self, path: str, payload: bytes, content_type: str, idempotency_key: str) -> Any:
        """Post `payload` and give the answer's JSON.

        Raises:
            PermanentError, TransientError: as `failure` decides; transient also an answer that is no JSON, and a refusal
                after an attempt without answer, since neither tells whether the message was applied.
        """
        headers = {
            "Content-Type": content_type,
            "Accept": "application/json",
            "Idempotency-Key": idempotency_key,
        }
        response = self.session.post(f"{self.base_url}{path}", payload, headers)
        error = failure(response.status_code, self.who)
        if isinstance(error, PermanentError) and may_have_arrived(response):
            raise TransientError(error.code, error.message, error.action)
        if error:
            raise error
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError:
            raise unreadable(self.who) from None

    def get(self, path: str, parameters: Mapping[str, str]) -> Any:
        """The JSON that stands at `path`.

        Raises:
            CannotListError: there is no such place (404, 405, 501).
            PermanentError, TransientError: as `failure` decides; transient also an answer that is no JSON.
        """
        response = self.session.get(f"{self.base_url}{path}", {"Accept": "application/json"}, parameters)
        if response.status_code in (404, 405, 501):
            raise CannotListError(self.who)
        if error := failure(response.status_code, self.who):
            raise error
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError:
            raise not_listed(self.who) from None


@dataclass(frozen=True, slots=True)
class Words:
    """What an answer calls the key of a record, the supplier's own number, and a record that was accepted."""

    key: str
    own_number: str
    accepted: str


def receipts(answered: Iterable[tuple[Record, Any]], words: Words, who: str) -> Receipts:
    """Receipts out of an answer's lists of results, one list a kind.

    A result whose status is neither accepted nor `geweigerd` counts for nothing.

    Raises:
        TransientError: the answer has not the agreed shape.
    """
    accepted: dict[tuple[Record, str], str | None] = {}
    refused: dict[tuple[Record, str], str] = {}
    try:
        for kind, results in answered:
            for result in results:
                key, status = str(result[words.key]), result["status"]
                if status == words.accepted:
                    number = result.get(words.own_number)
                    accepted[kind, key] = None if number is None else str(number)
                elif status == "geweigerd":
                    refused[kind, key] = str(result.get("reden") or "geen reden gegeven")
    except (AttributeError, KeyError, TypeError):
        raise unreadable(who) from None
    for refusal in refused.keys() & accepted.keys():
        del accepted[refusal]
    return Receipts(accepted, refused)


def texts(column: pd.Series) -> list[str | None]:
    """The values of a text column, None where absent."""
    found: list[str | None] = column.array.to_numpy(dtype=object, na_value=None).tolist()
    return found


def unreadable(who: str) -> TransientError:
    """The answer cannot be read, so it is not known whether the message was applied."""
    return TransientError(
        "antwoord_onleesbaar",
        f"Het antwoord van {who} is niet te lezen; het is dus niet zeker of de gegevens zijn verwerkt.",
        "Dezelfde zending wordt de volgende keer opnieuw aangeboden; dat heeft geen dubbel effect.",
    )


def not_listed(who: str) -> TransientError:
    """The list of what the supplier holds cannot be read."""
    return TransientError(
        "overzicht_onleesbaar",
        f"Het overzicht van wat {who} heeft is niet te lezen.",
        "Probeer het later opnieuw; blijft het zo, meld het dan aan de leverancier.",
    )


def not_agreed(name: str, supplier: str) -> PermanentError:
    """The message holds `name` (a field, never a value), which `supplier` may not have; it was not sent."""
    return PermanentError(
        "veld_niet_afgesproken",
        f"Het bericht voor {supplier} bevat `{name}`, en dat is niet afgesproken; er is niets verstuurd.",
        "Dit is een fout in het programma; meld hem bij de makers.",
    )
