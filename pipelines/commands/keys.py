"""`keys`: which keys there are, and new ones in the place of those that somebody else may know."""

from dataclasses import asdict
from pathlib import Path

from pipelines.commands.outcomes import write_json
from pipelines.commands.telling import OK, out, table
from pipelines.instance import open_instance
from pipelines.rotation import KeyUse, key_uses, rotate
from pipelines.settings import home_folder


def show_keys(option: Path | None, *, as_json: bool) -> int:
    """List the keys by their ids, with what needs them; never a key itself."""
    uses = list(key_uses(open_instance(home_folder(option))))
    if as_json:
        write_json([asdict(use) for use in uses])
    else:
        rows = [(use.purpose, use.key_id, _needed(use)) for use in uses]
        out.print(table("Sleutels", ("waarvoor", "nummer", "waar nog nodig"), rows))
    return OK


def rotate_keys(option: Path | None) -> int:
    """Renew both keys, and tell what to do now."""
    instance = open_instance(home_folder(option))
    before = instance.ledger.head()
    files = rotate(instance)
    head = instance.ledger.head()
    out.print(
        f"De sleutels zijn vernieuwd. Het grootboek en {files} bestanden in de kluis staan onder de nieuwe; er is niets verstuurd.\n"
        "Maak nu een kopie van de map met sleutels, en van het grootboek. De oude kopieën horen bij elkaar: bewaar of vernietig ze samen.\n"
        "Wat wachtte op goedkeuring, of was afgewezen, wordt bij de volgende levering opnieuw gevraagd.",
        markup=False,
        soft_wrap=True,
    )
    if head:
        out.print(f"Nieuwste schakel: {head} (tot nu: {before})", markup=False, soft_wrap=True)
    return OK


def _needed(use: KeyUse) -> str:
    if use.waiting:
        return "nog niet in gebruik: het vernieuwen is afgebroken, doe het opnieuw"
    if use.in_use:
        return "in gebruik"
    if use.underneath:
        return "oud: ligt onder de nieuwe, en blijft daarvoor nodig"
    if use.files:
        return f"oud: om {use.files} bestanden in de kluis te lezen"
    return "oud en niet meer nodig; `doorgeefluik clean` haalt een oude sleutel na de bewaartermijn van de kluis weg"
