"""Records: the numbers under which the ledger knows them, and the one place where their keys stand, encrypted."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import sqlalchemy as sa

from pipelines.keys import Keys
from pipelines.ledger.frames import among
from pipelines.ledger.tables import change, record
from pipelines.ledger.transaction import Transaction

PUPIL = "leerling"


def refs_of(school: str, kind: str, record_keys: Iterable[str], keys: Keys) -> list[bytes]:
    """How the ledger names records without their key: a keyed digest (16 bytes) of school, kind and key."""
    return list(keys.macs(f"{school}\0{kind}\0".encode(), list(record_keys)))


def register_records(transaction: Transaction, school: str, kind: str, record_keys: pd.Series) -> pd.DataFrame:
    """A frame `key, record_id` with the index of `record_keys`; what the ledger did not know yet gets a number."""
    keys = record_keys.tolist()
    refs = refs_of(school, kind, keys, transaction.keys)
    ids = numbers(transaction, school, kind, dict(zip(refs, keys, strict=True)))
    found = pd.Series([ids[ref] for ref in refs], index=record_keys.index, dtype="int64")
    return pd.DataFrame({"key": record_keys, "record_id": found})


def numbers(
    transaction: Transaction,
    school: str,
    kind: str,
    keys_by_ref: Mapping[bytes, str],
    eckids: Mapping[bytes, bytes] | None = None,
) -> dict[bytes, int]:
    """The numbers of these records by ref, among others of their kind; what the ledger did not know yet gets one.

    One whose key was shredded keeps its number, and has its key again. `eckids` are kept of who is new, by ref.
    """
    ids = _ids(transaction, school, kind)
    new = {ref: key for ref, key in keys_by_ref.items() if ref not in ids}
    if new:
        known_by = eckids or {}
        rows = [
            (school, kind, ref, transaction.keys.encrypt(key.encode(), ref), known_by.get(ref))
            for ref, key in new.items()
        ]
        # Another run may have put the same record in since we looked; a key is bound to its own record.
        transaction.insert_many(record, ("school", "kind", "ref", "key_encrypted", "eckid"), rows)
        _know_again(transaction, rows)
        ids = _ids(transaction, school, kind)
    return ids


def known(transaction: Transaction, school: str, kind: str, refs: Iterable[bytes]) -> dict[bytes, int]:
    """The numbers of those of these records that the ledger knows by their key."""
    ids = _ids(transaction, school, kind)
    return {ref: ids[ref] for ref in refs if ref in ids}


def record_keys(transaction: Transaction, record_ids: Iterable[int]) -> dict[int, str]:
    """The keys of these records, decrypted; one whose key was shredded is left out."""
    found: dict[int, str] = {}
    for condition in among(record.c.id, record_ids):
        query = sa.select(record.c.id, record.c.ref, record.c.key_encrypted).where(condition)
        rows = transaction.execute(query.where(record.c.key_encrypted.is_not(None)))
        found |= {number: transaction.keys.decrypt(encrypted, ref).decode() for number, ref, encrypted in rows}
    return found


def shred_keys(transaction: Transaction, record_ids: Iterable[int]) -> None:
    """Forget the keys of these records for good: what was delivered stays provable, but names nobody any more."""
    rows = [{"number": int(number)} for number in record_ids]
    forget = sa.update(record).where(record.c.id == sa.bindparam("number")).values(key_encrypted=None)
    transaction.execute_many(forget, rows)


def meet_pupils(transaction: Transaction, school: str, keys: Sequence[str], eckid_of: Mapping[str, str]) -> None:
    """Let the ledger know these pupils of one export by key, and those of `eckid_of` under any other key by their ECK iD.

    Who is in the export without the ECK iD that another in it has, is somebody else: it was not his. Where somebody gets another
    ECK iD, that of his former keys goes with it, unless the one that he had stays with another.
    """
    refs = dict(zip(keys, refs_of(school, PUPIL, keys, transaction.keys), strict=True))
    found = zip(eckid_of, refs_of(school, "eckid", eckid_of.values(), transaction.keys), strict=True)
    eckids = {refs[key]: eckid for key, eckid in found}
    numbers(transaction, school, PUPIL, {ref: key for key, ref in refs.items()}, eckids)
    query = sa.select(record.c.ref, record.c.eckid).where(record.c.school == school, record.c.kind == PUPIL)
    told = dict(transaction.execute(query).all())
    taken = set(eckids.values())
    now = {ref: eckids.get(ref, None if told[ref] in taken else told[ref]) for ref in refs.values()}
    kept = {eckid for ref, eckid in now.items() if told[ref] == eckid}
    instead = {told[ref]: eckid for ref, eckid in now.items() if told[ref] and told[ref] != eckid}
    gone = {ref: instead[had] for ref, had in told.items() if ref not in now and had in instead.keys() - kept}
    news = [{"name": ref, "known_by": eckid} for ref, eckid in (now | gone).items() if told[ref] != eckid]
    write = sa.update(record).where(record.c.school == school, record.c.kind == PUPIL)
    write = write.where(record.c.ref == sa.bindparam("name")).values(eckid=sa.bindparam("known_by"))
    transaction.execute_many(write, news)


def same_person(transaction: Transaction, school: str, number: int) -> frozenset[int]:
    """The record with this number, and those of the same person under other keys."""
    return identities(transaction, school).get(number, frozenset({number}))


def refs_of_person(transaction: Transaction, school: str, key: str) -> set[bytes]:
    """The refs of the pupil with this key, that of the key itself among them, known or not."""
    (ref,) = refs_of(school, PUPIL, [key], transaction.keys)
    here = (record.c.school == school) & (record.c.kind == PUPIL) & (record.c.ref == ref)
    if (number := transaction.connection.scalar(sa.select(record.c.id).where(here))) is None:
        return {ref}
    his = record.c.id.in_(same_person(transaction, school, number))
    return {ref, *transaction.execute(sa.select(record.c.ref).where(his)).scalars()}


def identities(transaction: Transaction, school: str) -> dict[int, frozenset[int]]:
    """Of everybody at a school with more than one record all of them, by each: under another key he has the same ECK iD, or a
    supplier took the one in the place of the other, and they have no two ECK iDs.
    """
    found: dict[int, frozenset[int]] = {}
    for together in (*_one_in_the_place_of_another(transaction), *_sharing_an_eckid(transaction, school)):
        person = frozenset(number for one in together for number in found.get(one, {one}))
        found |= dict.fromkeys(person, person)
    return found


def ties(transaction: Transaction) -> list[tuple[int, int]]:
    """Each record that took the place of another, and that other: one person under two keys."""
    query = sa.select(change.c.record_id, change.c.replaces_id).where(change.c.replaces_id.is_not(None)).distinct()
    return [(new, old) for new, old in transaction.execute(query)]


def _one_in_the_place_of_another(transaction: Transaction) -> list[tuple[int, int]]:
    """As `ties`, without those that an ECK iD given to the wrong child for a while made: each has his own since."""
    new, old = record.alias(), record.alias()
    query = sa.select(change.c.record_id, change.c.replaces_id).where(change.c.replaces_id.is_not(None)).distinct()
    query = query.join(new, new.c.id == change.c.record_id).join(old, old.c.id == change.c.replaces_id)
    same = sa.or_(new.c.eckid.is_(None), old.c.eckid.is_(None), new.c.eckid == old.c.eckid)
    return [(one, other) for one, other in transaction.execute(query.where(same))]


def _sharing_an_eckid(transaction: Transaction, school: str) -> list[list[int]]:
    """The records that have the same ECK iD, together."""
    pupils = (record.c.school == school, record.c.kind == PUPIL)
    shared = sa.select(record.c.eckid).where(*pupils, record.c.eckid.is_not(None))
    shared = shared.group_by(record.c.eckid).having(sa.func.count() > 1)
    query = sa.select(record.c.id, record.c.eckid).where(*pupils, record.c.eckid.in_(shared))
    by_eckid: dict[bytes, list[int]] = {}
    for number, eckid in transaction.execute(query.order_by(record.c.id)):
        by_eckid.setdefault(eckid, []).append(number)
    return list(by_eckid.values())


def _ids(transaction: Transaction, school: str, kind: str) -> dict[bytes, int]:
    query = sa.select(record.c.ref, record.c.id).where(record.c.school == school, record.c.kind == kind)
    return dict(transaction.execute(query.where(record.c.key_encrypted.is_not(None))).all())


def _know_again(transaction: Transaction, rows: Sequence[tuple[str, str, bytes, bytes, bytes | None]]) -> None:
    """Write the keys of those of these records, all of one school and kind, whose key was shredded."""
    shredded = sa.select(record.c.ref).where(record.c.school == rows[0][0], record.c.kind == rows[0][1])
    again = set(transaction.execute(shredded.where(record.c.key_encrypted.is_(None))).scalars())
    know = sa.update(record).where(record.c.school == sa.bindparam("of"), record.c.kind == sa.bindparam("sort"))
    know = know.where(record.c.ref == sa.bindparam("name")).values(key_encrypted=sa.bindparam("key"))
    found = [
        {"of": school, "sort": kind, "name": ref, "key": key} for school, kind, ref, key, _ in rows if ref in again
    ]
    transaction.execute_many(know, found)
