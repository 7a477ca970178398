"""`verify`: whether the ledger still says what it always said, and the newest link of its seals to be noted elsewhere."""

from pathlib import Path

from pipelines.commands.outcomes import write_json
from pipelines.commands.telling import FAILED, OK, out
from pipelines.instance import open_instance
from pipelines.names import UnknownNameError
from pipelines.settings import home_folder
from pipelines.verification import NoLinkError, Verified, verified


def verify_ledger(option: Path | None, noted: str, *, as_json: bool) -> int:
    """Walk the seals, and look for the link that was `noted` before, if any; 0 if all is whole."""
    ledger = open_instance(home_folder(option)).ledger
    try:
        found = verified(ledger, noted)
    except NoLinkError as error:
        raise UnknownNameError([f"bij `--head`: {error}."]) from None
    if as_json:
        write_json(_document(found))
    else:
        for line in found.told:
            out.print(line, markup=False, soft_wrap=True)
    return FAILED if found.broken else OK


def _document(found: Verified) -> dict[str, object]:
    broken = found.broken
    return {
        "whole": broken is None,
        "head": found.head,
        "seal": broken.seal_id if broken else None,
        "plan": broken.plan_id if broken else None,
        "at": broken.at.isoformat() if broken and broken.at else None,
        "reason": broken.reason if broken else "",
        "removed": found.removed,
        "removed_at": found.removed_at.isoformat() if found.removed_at else None,
        "resealed_at": found.resealed_at.isoformat() if found.resealed_at else None,
    }
