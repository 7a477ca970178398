"""Fingerprints: what a supplier holds of a record, remembered field by field without the values.

A record's fingerprint is the keyed digests of its fields side by side, eight bytes each, so that a changed one also
tells which fields changed. Each is hidden by a mask of the record's own: two children with one name look unlike.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.keys import Keys

Prints = npt.NDArray[np.uint64]
WIDTH = 8
"""Bytes of one field."""


def fingerprints(records: pd.DataFrame, refs: Sequence[bytes], keys: Keys) -> Prints:
    """Array of shape (records, columns): the masked digest of every value, in the order of the columns."""
    if not records.size:
        return np.empty(records.shape, dtype=np.uint64)
    values = np.column_stack([_digests(str(name), records[name], keys) for name in records])
    return values ^ _masks(refs, records.shape[1], keys)


def unmasked(prints: Prints, refs: Sequence[bytes], keys: Keys) -> Prints:
    """The bare digests, which can be compared where two fingerprints have other columns: a mask is of a place, not of a field."""
    return prints ^ _masks(refs, prints.shape[1], keys) if prints.size else prints


def absent(columns: Sequence[str], keys: Keys) -> Prints:
    """The bare digests of these columns for a record that has no value in any of them."""
    return np.frombuffer(b"".join(keys.mac(_prefix(name), WIDTH) for name in columns), dtype=np.uint64)


def packed(prints: Prints) -> list[bytes]:
    """One bytes object a record, as the ledger keeps it."""
    return [row.tobytes() for row in prints]


def unpacked(stored: Sequence[bytes], columns: int) -> Prints:
    """The array again; all of `stored` must have this number of columns."""
    return np.frombuffer(b"".join(stored), dtype=np.uint64).reshape(len(stored), columns)


def renewed(
    prints: Sequence[bytes], old: Sequence[bytes], now: Sequence[bytes], before: Keys, keys: Keys
) -> list[bytes]:
    """The same fingerprints under renewed keys, without the values: `old` and `now` are the refs that the records had and have."""
    found = list(prints)
    lengths = np.fromiter(map(len, prints), dtype=np.intp, count=len(prints))
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length).tolist()
        bare = unmasked(unpacked([prints[r] for r in rows], length // WIDTH), [old[r] for r in rows], before)
        digests, which = np.unique(bare, return_inverse=True)
        above = keys.renewed([digest.tobytes() for digest in digests], before)
        again = np.frombuffer(b"".join(above), dtype=np.uint64)[which].reshape(bare.shape)
        for row, one in zip(rows, packed(unmasked(again, [now[r] for r in rows], keys)), strict=True):
            found[row] = one
    return found


def _digests(name: str, column: pd.Series, keys: Keys) -> Prints:
    codes, values = pd.factorize(column)
    prefix = _prefix(name)
    texts = [
        *keys.macs(prefix + b"=", values.tolist(), WIDTH),
        keys.mac(prefix, WIDTH),
    ]  # absent has code -1: the last
    return np.frombuffer(b"".join(texts), dtype=np.uint64)[codes]


def _prefix(name: str) -> bytes:
    return f"veld\0{name}\0".encode()


def _masks(refs: Sequence[bytes], columns: int, keys: Keys) -> Prints:
    """One mask a field of each record. A ref is as long as a block of masks, which is enough for two fields."""
    blocks = -(-columns // 2)
    places = np.frombuffer(b"".join(refs), dtype=np.uint64).reshape(-1, 1, 2).repeat(blocks, axis=1)
    places[:, :, 1] ^= np.arange(blocks, dtype=np.uint64)
    return np.frombuffer(keys.masks(places.tobytes()), dtype=np.uint64).reshape(len(refs), -1)[:, :columns]
