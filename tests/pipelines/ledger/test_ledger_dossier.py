"""What the ledger knows of one pupil: under all of his keys, at every supplier, and of nobody else."""

from datetime import date

from pipelines.ledger.choices import NewChoices
from pipelines.ledger.ledger import Ledger
from tests.pipelines.ledger.conftest import SCHOOL, Deliveries


def test_a_dossier_is_about_one_pupil_at_every_supplier(ledger: Ledger) -> None:
    """Who has him, what was sent, accepted and refused, also under an earlier key, and what was chosen; an unknown pupil has none."""
    een, twee, drie = (Deliveries(ledger, supplier=name) for name in ("een", "twee", "drie"))
    mine, other, earlier = een.pupils("4711", "4712", "4710")
    een.deliver([mine, other])
    twee.deliver([earlier])
    rekeyed = ledger.open_plan(twee.plan(supplier="twee"), twee.changes([mine], "update", replaces=earlier))
    ledger.settle_batch(rekeyed, 0, twee.accepted([mine]), {})
    ledger.finish_plan(rekeyed, "delivered")
    twee.deliver([mine], "delete")
    refused = ledger.open_plan(drie.plan(supplier="drie"), drie.changes([mine, other]))
    ledger.settle_batch(refused, 0, drie.accepted([other]), {mine: "Kanarie"})
    ledger.record_choices(NewChoices(SCHOOL, "twee", {"4711": "bezwaar"}, date(2026, 11, 1), "formulier", "directeur"))
    found = ledger.dossier(SCHOOL, "4711")
    assert found is not None
    assert {s: (h.record_id, h.presumed) for s, h in found.holdings.items()} == {"een": (mine, False)}
    assert [(p.supplier, p.operation, p.state) for p in found.passed] == [
        ("een", "create", "accepted"),
        ("twee", "create", "accepted"),
        ("twee", "update", "accepted"),
        ("twee", "delete", "accepted"),
        ("drie", "create", "refused"),
    ]
    assert [(entry.subject, entry.choice) for entry in found.choices] == [("twee", "bezwaar")]
    by_earlier_key = ledger.dossier(SCHOOL, "4710")
    assert by_earlier_key is not None
    assert by_earlier_key.passed == found.passed
    assert ledger.dossier(SCHOOL, "4713") is None
    assert ledger.dossier("99YY-00", "4711") is None
