"""What lies in the vault for one supplier of one school: the parcels of the delivery under way, and the last whole set it took."""

import pickle  # the vault authenticates what it gives back: nobody else can have written it
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import pandas as pd

from data_contracts.fields import Record
from mappings.agreement import Agreement
from pipelines.ledger.ledger import Ledger
from pipelines.sync.messages import Snapshot
from pipelines.vault import NotInVaultError, Vault

KEPT = ("record_id", "kind", "key", "id", "previous_id", "operation")
"""What must be known of a change to send it again, and to understand the answer."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message as bytes, and the changes that it carries out, with at least the columns of `KEPT`.

    `whole` is the content of a whole set, to know afterwards what the supplier holds.
    """

    payload: bytes = field(repr=False)
    changes: pd.DataFrame = field(repr=False)
    whole: Snapshot | None = field(default=None, repr=False)


def keep_parcel(vault: Vault, supplier: str, school: str, digest: str, batch: int, parcel: Parcel) -> None:
    """Put a parcel of the plan with this digest in the outbox, by the number of its batch, before it is sent."""
    needed = replace(parcel, changes=parcel.changes[list(KEPT)])
    content = pickle.dumps((digest, needed), protocol=pickle.HIGHEST_PROTOCOL)
    vault.put(_outgoing(supplier, school, batch), content)


def kept_parcel(vault: Vault, supplier: str, school: str, digest: str, batch: int) -> Parcel | None:
    """A parcel of the plan with this digest, None where the vault no longer has it."""
    try:
        kept, parcel = pickle.loads(vault.get(_outgoing(supplier, school, batch)))  # noqa: S301  authenticated, see above
    except NotInVaultError:
        return None
    return parcel if kept == digest else None


def drop_parcels(vault: Vault, supplier: str, school: str, batches: Iterable[int]) -> None:
    """Take parcels out of the outbox: they were answered, or are not to be sent any more."""
    for batch in batches:
        vault.remove(_outgoing(supplier, school, batch))


def keep_snapshot(vault: Vault, supplier: str, school: str, snapshot: Snapshot) -> None:
    """Remember what the supplier holds now."""
    vault.put(snapshot_name(supplier, school), pickle.dumps(dict(snapshot), protocol=pickle.HIGHEST_PROTOCOL))


def kept_snapshot(vault: Vault, supplier: str, school: str) -> Snapshot | None:
    """What the supplier took last, None where the vault no longer has it."""
    try:
        snapshot: dict[Record, pd.DataFrame] = pickle.loads(vault.get(snapshot_name(supplier, school)))  # noqa: S301  authenticated, see above
    except NotInVaultError:
        return None
    return snapshot


def still_needed(ledger: Ledger, agreements: Iterable[Agreement]) -> Iterator[str]:
    """What no sweep of the vault may take, however old, as long as the school has an agreement with the supplier.

    The last whole set while the supplier holds anything, and the outbox of a delivery that was broken off until that is
    resumed: under which ids its records went out stands nowhere else.
    """
    held = ledger.delivered_counts()
    for agreement in agreements:
        for school in agreement.schools:
            if (school, agreement.supplier) in held:
                yield snapshot_name(agreement.supplier, school)
            if ledger.unfinished_plan(agreement.supplier, school):
                yield _outbox(agreement.supplier, school)


def _outgoing(supplier: str, school: str, batch: int) -> str:
    return f"{_outbox(supplier, school)}/{batch}"


def _outbox(supplier: str, school: str) -> str:
    return f"uitgaand/{supplier}/{school}"


def snapshot_name(supplier: str, school: str) -> str:
    """Where the last whole set lies in the vault."""
    return f"momentopname/{supplier}/{school}"
