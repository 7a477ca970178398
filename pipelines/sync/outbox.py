"""What lies in the vault for one supplier of one school: the parcels of the delivery under way, and the last whole set it took."""

import pickle  # the vault authenticates what it gives back: nobody else can have written it
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from data_contracts.fields import Record
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


def keep_parcels(vault: Vault, supplier: str, school: str, digest: str, parcels: Sequence[Parcel]) -> None:
    """Write the outbox before the first request; it replaces that of the delivery before."""
    needed = [replace(parcel, changes=parcel.changes[list(KEPT)]) for parcel in parcels]
    vault.put(_outbox(supplier, school), pickle.dumps((digest, needed), protocol=pickle.HIGHEST_PROTOCOL))


def kept_parcels(vault: Vault, supplier: str, school: str, digest: str) -> list[Parcel] | None:
    """The parcels of the plan with this digest, None where the vault no longer has them."""
    try:
        kept, parcels = pickle.loads(vault.get(_outbox(supplier, school)))  # noqa: S301  authenticated, see above
    except NotInVaultError:
        return None
    return parcels if kept == digest else None


def drop_parcels(vault: Vault, supplier: str, school: str) -> None:
    """Empty the outbox: everything in it was answered."""
    vault.remove(_outbox(supplier, school))


def keep_snapshot(vault: Vault, supplier: str, school: str, snapshot: Snapshot) -> None:
    """Remember what the supplier holds now."""
    vault.put(_snapshot(supplier, school), pickle.dumps(dict(snapshot), protocol=pickle.HIGHEST_PROTOCOL))


def kept_snapshot(vault: Vault, supplier: str, school: str) -> Snapshot | None:
    """What the supplier took last, None where the vault no longer has it."""
    try:
        snapshot: dict[Record, pd.DataFrame] = pickle.loads(vault.get(_snapshot(supplier, school)))  # noqa: S301  authenticated, see above
    except NotInVaultError:
        return None
    return snapshot


def touch_snapshot(vault: Vault, supplier: str, school: str) -> None:
    """It is still true today: let the vault keep it for another while."""
    try:
        vault.touch(_snapshot(supplier, school))
    except NotInVaultError:
        return


def _outbox(supplier: str, school: str) -> str:
    return f"uitgaand/{supplier}/{school}"


def _snapshot(supplier: str, school: str) -> str:
    return f"momentopname/{supplier}/{school}"
