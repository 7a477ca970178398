"""Renewing the keys: a new encryption key and a new fingerprint key, without losing state and without sending anything again.

The new keys are in their files before the ledger uses them, and the ledger goes over in one transaction: whoever breaks off in
between has the old keys still, and goes on with the same new ones.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from pipelines.instance import Instance
from pipelines.keys import Keys, add_new, changing, drop
from pipelines.sync.fingerprint import renewed
from pipelines.vault import Vault


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One key: what for, by which id, whether new things are written with it, it is still `waiting` for that, or lies `underneath` the one that is.

    `files`: how many files in the vault only it can read.
    """

    purpose: str
    key_id: str
    in_use: bool
    waiting: bool
    underneath: bool
    files: int


def rotate(instance: Instance) -> int:
    """Give the ledger and the vault new keys; how many files in the vault were encrypted anew.

    `instance` must be opened again to be used.

    Raises:
        KeysBusyError, BusyError: somebody else is at the keys, or a delivery is going on.
        LedgerBrokenError: a seal does not hold.
    """
    folder = instance.settings.sleutels
    with changing(folder):
        new = add_new(folder, instance.keys)
        instance.ledger.renew_keys(new, partial(renewed, before=instance.keys, keys=new))
        return Vault(instance.settings.vault, new).encrypt_again()


def key_uses(instance: Instance) -> Iterator[KeyUse]:
    """Every key in the files, oldest first."""
    known, used = Keys.open(instance.settings.sleutels), instance.keys
    files = Counter(instance.vault.key_ids())
    now = known.encryption_ids.index(used.encryption_id)
    for place, key_id in enumerate(known.encryption_ids):
        yield KeyUse("versleuteling", key_id, place == now, place > now, underneath=False, files=files[key_id])
    for key_id in known.fingerprint_ids:
        in_use, known_to_ledger = key_id == used.fingerprint_id, key_id in used.fingerprint_ids
        yield KeyUse("vingerafdruk", key_id, in_use, not known_to_ledger, known_to_ledger and not in_use, 0)


def drop_old_keys(instance: Instance, now: datetime) -> int:
    """Encrypt anew what in the vault is under an old key, and take away the keys under which nothing is any more; how many.

    Not within the life of the vault after a renewal: a run that began before it may write with the old key until it ends.

    Raises:
        KeysBusyError: somebody else is at the keys.
    """
    folder, renewed_at = instance.settings.sleutels, instance.ledger.keys_renewed()
    if renewed_at is None:
        return 0
    with changing(folder):
        instance.vault.encrypt_again()
        if now - renewed_at < timedelta(days=instance.settings.instance.retention.vault_days):
            return 0
        ids = Keys.open(folder).encryption_ids
        older = ids[: ids.index(instance.keys.encryption_id)]
        unneeded = set(older) - set(instance.vault.key_ids())
        if unneeded:
            drop(folder, unneeded)
        return len(unneeded)
