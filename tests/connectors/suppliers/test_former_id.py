"""A pupil who goes by another id from now on: the former one goes along, and nothing else does."""

import orjson
import pandas as pd
import pytest

from connectors.base import Delta, Envelope, Operation, PermanentError
from connectors.sandbox.supplier_state import SupplierState, UnknownContentError, read_delta
from connectors.suppliers.json_delta import JsonDelta
from connectors.suppliers.wire import Door
from data_contracts.fields import Record
from mappings.agreement import AgreedField, FieldSet

FIELDS = FieldSet(
    "proef",
    "1",
    "eckid",
    tuple(
        AgreedField(f, f, f.split(".")[1], None, "proef")
        for f in ("school.brincode", "leerling.key", "leerling.roepnaam")
    ),
    (),
)
FORMAT = JsonDelta(Door(None, "", "proef"), None)  # type: ignore[arg-type]  nothing is sent here
ENVELOPE = Envelope("proef", "99XX-00", {"brincode": "99XX"})


def _encoded(operation: Operation, former: list[str | None] | None = None) -> bytes:
    records = pd.DataFrame({"id": ["eck-1", "eck-2"], "key": [None, None], "roepnaam": ["A", "B"]}, dtype="str")
    if former:
        records = records.assign(previous_id=former)
    return FORMAT.encode(ENVELOPE, Delta(Record.LEERLING, operation, records), FIELDS)


def test_a_former_id_goes_along_only_where_there_is_one() -> None:
    """Of two updates only the one whose id changed tells the former id."""
    payload = _encoded("update", ["7", None])
    FORMAT.check(payload, FIELDS)
    assert [record.get("vorig_id") for record in orjson.loads(payload)["records"]] == ["7", None]
    assert "vorig_id" not in orjson.loads(payload)["records"][1]


def test_a_former_id_is_refused_in_a_creation() -> None:
    """Only an update may name a former id: elsewhere it would be a key that was not agreed."""
    with pytest.raises(PermanentError) as caught:
        FORMAT.check(_encoded("create", ["7", None]), FIELDS)
    assert caught.value.code == "veld_niet_afgesproken"


def test_a_former_id_is_text_and_hides_nothing() -> None:
    """Anything but text as former id is refused before it is sent."""
    payload = _encoded("update", ["7", None]).replace(b'"vorig_id":"7"', b'"vorig_id":{"bsn":"7"}')
    with pytest.raises(PermanentError):
        FORMAT.check(payload, FIELDS)


def _batch(operation: str, *records: dict[str, str]) -> dict[str, object]:
    body = {"school": {"brincode": "99XX"}, "soort": "leerling", "bewerking": operation, "records": list(records)}
    return read_delta(orjson.dumps(body))


def test_the_stand_in_moves_a_record_and_keeps_its_number() -> None:
    """After the update the pupil is there once, under the new id and the number that he had."""
    state = SupplierState(prefix="jd")
    state.take_delta(_batch("create", {"id": "7", "roepnaam": "A"}))
    update = {"id": "eck-1", "vorig_id": "7", "roepnaam": "A"}
    answers = [state.take_delta(_batch("update", dict(update))) for _ in range(2)]
    assert [answer["resultaten"][0]["eigen_id"] for answer in answers] == ["jd-1", "jd-1"]
    assert state.schools["99XX-00"]["leerling"] == {"eck-1": {"id": "eck-1", "roepnaam": "A"}}


def test_the_stand_in_knows_former_ids_in_updates_only() -> None:
    """A creation with a former id is a message that the stand-in refuses."""
    with pytest.raises(UnknownContentError, match="vorig_id"):
        _batch("create", {"id": "eck-1", "vorig_id": "7"})
