"""`init`: a new instance folder, with examples that explain themselves."""

from importlib.resources import files
from pathlib import Path

from pipelines.commands.telling import OK, WRONG_SETTINGS, err, out
from pipelines.keys import Keys

FILES = {
    "schools.yaml": "schools.yaml",
    "instance.yaml": "instance.yaml",
    "agreements/basispoort.yaml.voorbeeld": "basispoort.yaml",
}
IGNORED = "# Niets uit deze map hoort in versiebeheer: er staan sleutels, geheimen en exports in.\n*\n"
FOLDERS = ("agreements", "inbox", "geheimen", "profiles")


def make_instance(folder: Path) -> int:
    """Make an instance in `folder`, which must be new or empty."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        err.print(f"{folder} is er al, en is geen lege map. Kies een nieuwe map.", markup=False, soft_wrap=True)
        return WRONG_SETTINGS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in FOLDERS:
        (folder / name).mkdir(mode=0o700)
    for name, template in FILES.items():
        text = files("pipelines").joinpath("templates", "instance", template).read_text(encoding="utf-8")
        (folder / name).write_text(text, encoding="utf-8")
    (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
    Keys.create(folder / "sleutels")
    out.print(NEXT.format(folder=folder), markup=False, soft_wrap=True)
    return OK


NEXT = """\
Klaar: {folder}

Wat nu:
 1. Vul je school in: schools.yaml.
 2. Maak in ParnasSys een export "EDEX & UWLR (nieuw)" en zet het bestand in de map inbox.
 3. Vul een overeenkomst in: agreements/basispoort.yaml.voorbeeld; haal daarna .voorbeeld van de naam.
 4. Zet het wachtwoord van de leverancier in de map geheimen.
 5. Kijk of alles klopt:       doorgeefluik doctor --instance {folder}
 6. Kijk wat er zou gebeuren:  doorgeefluik preview --instance {folder}
 7. Klopt dat, zet dan in de overeenkomst stage op full: met report_only wordt er niets verstuurd.
 8. Lever:                     doorgeefluik sync --instance {folder}
 9. De eerste keer wacht op je goedkeuring. Kijk wat er wacht, en keur het goed met het nummer dat er staat:
                               doorgeefluik hold list --instance {folder}
                               doorgeefluik hold approve 1 --instance {folder}

Bewaar een kopie van de map sleutels op een andere plaats: zonder sleutels is het grootboek niet te lezen."""
