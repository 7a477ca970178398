"""What a person decides on a hold, by command or in the web page."""

import logging

from pipelines.instance import Instance
from pipelines.ledger.holds import Decision, Hold
from pipelines.names import RefusedError
from pipelines.reports import renew_report


class NoAgreementError(RefusedError):
    """What was to be approved can be delivered to nobody; the message says so in Dutch."""


def decide(instance: Instance, which: str, decision: Decision, by: str, log: logging.Logger) -> Hold:
    """Write a decision down, in the report too: a run need not follow. `which` is a number, or the beginning of a digest.

    Raises:
        HoldNotFoundError: nothing, or more than one thing, that waits goes by that name.
        NoAgreementError: an approval where there is no agreement to deliver by any more.
    """
    hold = instance.ledger.hold(which)
    if decision == "approved" and instance.settings.agreement(hold.supplier, hold.school) is None:
        raise NoAgreementError(_NONE.format(supplier=hold.supplier, school=hold.school, number=hold.id))
    hold = instance.ledger.decide_hold(which, decision, by)
    renew_report(instance, hold.school, log)
    return hold


_NONE = (
    "Er is geen overeenkomst meer tussen {supplier} en school {school}, dus er valt niets te leveren en er is niets goedgekeurd. "
    "Zet de overeenkomst terug, of wijs dit af: doorgeefluik hold discard {number}."
)
