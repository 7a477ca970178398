"""The notes of a renewal of the keys: when all seals were made anew, and what their links were until then.

Each note has a keyed proof that covers the note before it, and the chain begins with the newest proof: a note that is altered or
taken away shows. How seals are made is in `seals`.
"""

from collections.abc import Iterator
from datetime import datetime

import orjson
import sqlalchemy as sa

from pipelines.ledger.tables import CHAIN_SIZE, resealing
from pipelines.ledger.transaction import AnyRow, Transaction

_NEWEST_FIRST = resealing.c.id.desc()


def beginning(transaction: Transaction) -> bytes:
    """What the first seal of the chain follows on."""
    proof = transaction.connection.scalar(sa.select(resealing.c.proof).order_by(_NEWEST_FIRST).limit(1))
    return proof or bytes(CHAIN_SIZE)


def note_resealing(transaction: Transaction, links: bytes) -> bytes:
    """Note that these are the links of the chain until now, one after another; the new beginning.

    `transaction` has the new keys. Earlier notes get a new proof as well: the old key proves nothing any more.
    """
    note = {"seals": len(links) // CHAIN_SIZE, "links": links, "resealed_at": transaction.now, "proof": b""}
    transaction.execute(sa.insert(resealing).values(**note))
    for row, proof in list(_proofs(transaction)):
        transaction.execute(sa.update(resealing).where(resealing.c.id == row.id).values(proof=proof))
    return beginning(transaction)


def why_broken(transaction: Transaction, seals: int) -> str | None:
    """What is wrong with the notes, in Dutch, where there are so many seals now; None if nothing is."""
    for row, proof in _proofs(transaction):
        if row.proof != proof:
            return "De aantekening van een vernieuwing van de sleutels is later veranderd of weggehaald."
        if row.seals > seals:
            return "Er zijn zegels weggehaald van voor een vernieuwing van de sleutels."
    return None


def last_resealed(transaction: Transaction) -> datetime | None:
    """When the keys were last renewed; None if they never were."""
    moment: datetime | None = transaction.connection.scalar(
        sa.select(resealing.c.resealed_at).order_by(_NEWEST_FIRST).limit(1)
    )
    return moment


def was_link(transaction: Transaction, noted: bytes) -> bool:
    """Whether this was a link of the chain at a renewal of the keys."""
    every = transaction.execute(sa.select(resealing.c.links)).scalars()
    return any(noted == links[at : at + CHAIN_SIZE] for links in every for at in range(0, len(links), CHAIN_SIZE))


def _proofs(transaction: Transaction) -> Iterator[tuple[AnyRow, bytes]]:
    """The notes, oldest first, each with the proof that it must have."""
    proof = b""
    for row in transaction.execute(sa.select(resealing).order_by(resealing.c.id)):
        content = proof + orjson.dumps([row.seals, row.resealed_at]) + row.links
        proof = transaction.keys.mac(content, CHAIN_SIZE, purpose=b"zegel-opnieuw")
        yield row, proof
