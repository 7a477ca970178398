"""Changes as messages: what goes together whatever the size of a batch."""

import pandas as pd

from connectors.base import Capabilities
from data_contracts.fields import Record
from mappings.projection import DeliverySet, Uncertain
from pipelines.sync.messages import deltas

ONE_A_MESSAGE = Capabilities(whole_set=False, assigns_ids=True, lists=False, batch_size=1)


def test_those_who_take_each_others_ids_are_in_one_message() -> None:
    """Three go round and one moves; of the four only the three must be together."""
    ids = pd.DataFrame({"id": ["B", "new", "C", "A"]}, index=["1", "2", "3", "4"], dtype="str")
    wanted = DeliverySet("proef", "99XX-00", {}, {Record.LEERLING: ids}, {}, Uncertain({}, frozenset()))
    changes = pd.DataFrame(
        {"kind": Record.LEERLING, "key": ids.index, "operation": "update", "id": ids["id"].array}
    ).assign(previous_id=pd.Series(["A", "old", "B", "C"], dtype=object))
    messages = list(deltas(changes, [{0, 2, 3}], wanted, ONE_A_MESSAGE))
    assert [message.changes["key"].tolist() for message in messages] == [["1", "3", "4"], ["2"]]
    assert [m.content.records["previous_id"].tolist() for m in messages] == [["A", "B", "C"], ["old"]]  # type: ignore[union-attr]
