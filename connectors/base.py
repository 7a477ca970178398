"""What every source and every supplier looks like from outside: two protocols, what goes in and what comes out, and two kinds of failure.

No HTTP, no XML and no Dagster here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

import pandas as pd

from data_contracts.fields import Record
from mappings.agreement import AgreedField, FieldSet


class ConnectorError(Exception):
    """A failure at the border, safe to show: neither text nor cause holds a value from an export.

    `code` is stable and short (`verkeerde_school`), `message` says in Dutch what happened, `action` what to do.
    """

    def __init__(self, code: str, message: str, action: str) -> None:
        super().__init__(f"{message} {action}")
        self.code = code
        self.message = message
        self.action = action


class PermanentError(ConnectorError):
    """Trying again does not help: a person must act."""


class CannotListError(PermanentError):
    """A supplier cannot be asked what it holds; nothing is wrong with that."""

    def __init__(self, who: str) -> None:
        super().__init__(
            "kan_niet_teruglezen",
            f"Bij {who} is niet op te vragen wat daar staat.",
            "Vraag het overzicht zo nodig aan de leverancier zelf.",
        )


class TransientError(ConnectorError):
    """Trying again later may help; the connector has already tried as often as it may."""


class NeverSentError(TransientError):
    """No attempt got a connection: the other party has nothing of what was to be sent."""


@dataclass(frozen=True, slots=True)
class SchoolId:
    """Which school, and which school year, an export must be about."""

    brincode: str  # 99XX
    dependancecode: str  # two digits; 00 is the main location
    schooljaar: str  # 2026-2027
    schoolkey: str | None = None

    @property
    def key(self) -> str:
        """`99XX-00`: the school's partition, folder and name in the ledger."""
        return f"{self.brincode}-{self.dependancecode}"


@dataclass(frozen=True, slots=True)
class Export:
    """One pull for one school: raw bytes as they came (an EDEXML file, or a whole SOAP answer)."""

    school: SchoolId
    content: bytes = field(repr=False)
    origin: str  # "uwlr 2.3", "edexml EDEX.XML"
    received_at: datetime  # aware; of an answer, when it was asked (sent back as `laatstontvangengegevens`); of a file, when it was made


@dataclass(frozen=True, slots=True)
class NothingChanged:
    """The source says that nothing changed since the moment it was told (UWLR `geenwijzigingen`)."""

    school: SchoolId
    received_at: datetime


class Source(Protocol):
    """A door through which a school's pupils come in."""

    def pull(self, school: SchoolId, since: datetime | None, /) -> Export | NothingChanged:
        """Fetch the whole school, or nothing if the source says that it did not change after `since` (None: send everything).

        Raises:
            PermanentError: refused, not found, no data (`geengegevens`); nothing was lost.
            TransientError: not reachable now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a wire format can do, as data."""

    whole_set: bool  # a message is the whole set: what is not in it is removed at the supplier
    assigns_ids: bool  # the receipt carries the supplier's own number of a record
    lists: bool  # it can be asked what the supplier holds
    batch_size: int  # records in one message; a whole set, and those who exchange ids, go in one message all the same


Operation = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Delta:
    """Records of one kind with one operation. `records` has the column `id` (the key the supplier knows a record by),
    then the agreed fields in the order of the field set; a delete has `id` alone. An update may also have the column
    `previous_id`, where the supplier knows the record by another id so far: as it was before this message, in which
    two may take each other's. All text, absent is NaN.
    """

    kind: Record
    operation: Operation
    records: pd.DataFrame = field(repr=False)


@dataclass(frozen=True, slots=True)
class WholeSet:
    """Everything the supplier may hold after this message: per kind a frame as in `Delta`."""

    records: Mapping[Record, pd.DataFrame] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a message says about itself: the school fields of the field set, by EDEXML name."""

    supplier: str
    school: str  # 99XX-00
    school_fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Receipts:
    """The supplier's answer, by kind and `id`: own number (or None) where accepted, reason in its words where refused.

    A record that is in neither was not answered; one that was not in the message counts for nothing.
    """

    accepted: Mapping[tuple[Record, str], str | None] = field(repr=False)
    refused: Mapping[tuple[Record, str], str] = field(repr=False)


class Supplier(Protocol):
    """A door through which records go out, for one connection of one agreement."""

    capabilities: Capabilities

    def encode(self, envelope: Envelope, message: Delta | WholeSet, field_set: FieldSet) -> bytes:
        """The message as it goes over the wire."""
        ...

    def check(self, payload: bytes, field_set: FieldSet) -> None:
        """Read `payload` back and refuse any name in it that the field set does not allow (design rule 1).

        Raises:
            PermanentError: code `veld_niet_afgesproken`, naming the field, never its value.
        """
        ...

    def send(self, payload: bytes, idempotency_key: str) -> Receipts:
        """Deliver `payload`. The same key with the same bytes has one effect, however often it is sent.

        Raises:
            PermanentError: refused as a whole; nothing of it was applied.
            TransientError: unknown whether it was applied; send the same bytes with the same key again.
        """
        ...

    def held(self, school: str, asked: Mapping[Record, Sequence[AgreedField]]) -> Iterator[tuple[Record, pd.DataFrame]]:
        """What the supplier says it holds of `school` (`99XX-00`): of each kind in `asked` frames as in `Delta`, of these
        fields only, in parts.

        Raises:
            CannotListError: this supplier does not tell.
            PermanentError, TransientError: it refuses, or does not answer now.
        """
        ...
