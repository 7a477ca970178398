"""The wire format `json_delta`: batches of creates, updates and deletes of one kind of record, as JSON.

`POST {base_url}/records` with
`{"school": {…}, "soort": …, "bewerking": "create|update|delete", "records": [{"id": …, wire names …}]}`
answers `{"resultaten": [{"id": …, "status": "ok|geweigerd", "eigen_id": …, "reden": …}]}`.
An update of a record that goes by another id from now on has the former one as `vorig_id`: the one before this message.
Those who take each other's ids, by twos or in a row, are in one message, and are accepted or refused together; others in
that message do not share their fate. A creation of what is there already replaces it, a deletion of what is not there is
accepted: after a broken-off delivery nobody knows which.

`GET {base_url}/records?school=99XX-00&soort=…` answers `{"records": [{"id": …, wire names …}], "volgende": …}`: what the
supplier holds, a page at a time; `volgende`, where it is a text, goes back as `vanaf` for the next page.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType, NoneType
from typing import Any, get_args

import orjson
import pandas as pd

from connectors.base import Capabilities, Delta, Envelope, Operation, PermanentError, Receipts, WholeSet
from connectors.suppliers.wire import Door, Words, not_agreed, not_listed, receipts, texts, unreadable
from data_contracts.fields import Record
from mappings.agreement import AgreedField, FieldSet

PARTS = MappingProxyType(
    {
        "school.vestigingen": frozenset({"key", "naam", "omschrijving", "mutatiedatum"}),
        "leerling.samengestelde_groepen": frozenset[str](),
        "leerkracht.rollen": frozenset({"rol", "rolomschrijving"}),
        "leerkracht.groepen": frozenset({"groep", "samengestelde_groep", "rollen", "rol", "rolomschrijving"}),
    }
)
"""Names that may stand inside the list fields (`Kind.LIST` in the catalogue); agreed with the field itself."""

_TOP = frozenset({"school", "soort", "bewerking", "records"})
_KINDS = tuple(kind for kind in Record if kind is not Record.SCHOOL)
_PLAIN = frozenset((str, NoneType))
_WORDS = Words(key="id", own_number="eigen_id", accepted="ok")


class JsonDelta:
    """A supplier that takes changes, record by record, and answers record by record."""

    def __init__(self, door: Door, batch_size: int | None) -> None:
        self._door = door
        self.capabilities = Capabilities(whole_set=False, assigns_ids=True, lists=True, batch_size=batch_size or 2000)

    def encode(self, envelope: Envelope, message: Delta | WholeSet, field_set: FieldSet) -> bytes:
        """The batch as JSON; an absent value is null, and a list field a JSON array.

        Raises:
            TypeError: a whole set, which this format does not have.
        """
        if isinstance(message, WholeSet):
            raise TypeError("json_delta sends changes, not whole sets")
        fields = () if message.operation == "delete" else field_set.of(message.kind)
        return orjson.dumps(
            {
                "school": {
                    f.wire: _value(f, envelope.school_fields.get(f.name) or None) for f in field_set.of(Record.SCHOOL)
                },
                "soort": message.kind,
                "bewerking": message.operation,
                "records": _records(message.records, fields),
            }
        )

    def check(self, payload: bytes, field_set: FieldSet) -> None:
        """Refuse every name in `payload` that is not a wire name of the field set, and every value of another shape."""
        body = _read(payload, field_set.supplier)
        operation, kind = body.get("bewerking"), body.get("soort")
        if extra := body.keys() - _TOP:
            raise not_agreed(min(extra), field_set.supplier)
        kinds = _KINDS if operation == "delete" else field_set.kinds  # a kind given no more goes away by its ids alone
        if kind not in kinds or operation not in get_args(Operation):
            raise not_agreed("soort, bewerking", field_set.supplier)
        agreed: dict[str, AgreedField | None] = {"id": None}
        if operation == "update":
            agreed["vorig_id"] = None
        if operation != "delete":
            agreed |= {f.wire: f for f in field_set.of(Record(kind))}
        for name in _unknown(body["records"], agreed):
            raise not_agreed(f"{kind}.{name}", field_set.supplier)
        for name in _unknown([body["school"]], {f.wire: f for f in field_set.of(Record.SCHOOL)}):
            raise not_agreed(f"school.{name}", field_set.supplier)

    def send(self, payload: bytes, idempotency_key: str) -> Receipts:
        """Deliver one batch; the supplier applies the same key once only."""
        who = self._door.who
        answer = self._door.post("/records", payload, "application/json", idempotency_key)
        if not isinstance(answer, dict):
            raise unreadable(who)
        head, _, _ = payload.partition(b',"records":')
        return receipts([(Record(orjson.loads(head + b"}")["soort"]), answer.get("resultaten"))], _WORDS, who)

    def held(self, school: str, asked: Mapping[Record, Sequence[AgreedField]]) -> Iterator[tuple[Record, pd.DataFrame]]:
        """Page after page, kind after kind. What the supplier holds besides these fields is left unread."""
        for kind, fields in asked.items():
            question, seen = {"school": school, "soort": str(kind)}, set[str]()
            while True:
                answer = self._door.get("/records", question)
                try:
                    page = _page(answer["records"], fields)
                    following = answer.get("volgende")
                except (AttributeError, KeyError, TypeError):
                    raise not_listed(self._door.who) from None
                yield kind, page
                if following is None:
                    break
                if not isinstance(following, str) or following in seen:
                    raise not_listed(self._door.who)
                seen.add(following)
                question["vanaf"] = following


def _page(records: list[dict[str, Any]], fields: Sequence[AgreedField]) -> pd.DataFrame:
    """The records as a frame like that of a delta, column by column."""
    columns = {"id": [_read_back(record["id"]) for record in records]}
    columns |= {field.name: [_read_back(record.get(field.wire)) for record in records] for field in fields}
    return pd.DataFrame({name: pd.Series(texts, dtype="str") for name, texts in columns.items()})


def _read_back(value: Any) -> str | None:
    """A value as the delivery set would have it: text, a list as JSON, nothing for what is empty."""
    if isinstance(value, str) or not value:
        return value or None
    return orjson.dumps(value).decode()


def _records(frame: pd.DataFrame, fields: tuple[AgreedField, ...]) -> list[dict[str, Any]]:
    """The rows as dictionaries by wire name, built column by column."""
    columns = {"id": texts(frame["id"])}
    for field in fields:
        column = texts(frame[field.name])
        columns[field.wire] = [_value(field, text) for text in column] if field.id in PARTS else column
    names = list(columns)
    records = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if "previous_id" in frame:
        for record, previous in zip(records, texts(frame["previous_id"]), strict=True):
            if previous is not None:
                record["vorig_id"] = previous
    return records


def _value(field: AgreedField, text: str | None) -> Any:
    """`text` as it goes over the wire: a list field holds JSON already."""
    return orjson.Fragment(text) if text is not None and field.id in PARTS else text


def _read(payload: bytes, supplier: str) -> dict[str, Any]:
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict) or not body.keys() >= _TOP:
        raise PermanentError(
            "bericht_onleesbaar",
            f"Het bericht voor {supplier} is zelf niet terug te lezen; er is niets verstuurd.",
            "Dit is een fout in het programma; meld hem bij de makers.",
        )
    return body


def _unknown(records: list[dict[str, Any]], agreed: Mapping[str, AgreedField | None]) -> Iterator[str]:
    """Names in `records` that are not agreed, and agreed names whose values have a shape that could hide others."""
    yield from sorted(set().union(*records) - agreed.keys())
    if _PLAIN.issuperset(map(type, chain.from_iterable(map(dict.values, records)))):
        return
    lists = {name: field.id for name, field in agreed.items() if field is not None and field.id in PARTS}
    types = Counter(map(type, chain.from_iterable(map(dict.values, records))))
    for name, field_id in lists.items():
        values = [record[name] for record in records if name in record]
        types.subtract(map(type, values))
        yield from (f"{name}.{part}" for value in filter(None, values) for part in _unknown_parts(value, field_id))
    if any(number for kind, number in types.items() if kind not in _PLAIN):
        yield from (n for n in agreed if n not in lists and any(type(r.get(n)) not in _PLAIN for r in records))


def _unknown_parts(value: Any, field_id: str) -> Iterator[str]:
    """Names inside a list field that do not belong there."""
    if isinstance(value, dict):
        yield from sorted(value.keys() - PARTS[field_id])
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _unknown_parts(part, field_id)
