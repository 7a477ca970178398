"""`demo`: an example school through the whole nightly sync, against stand-ins for ParnasSys and suppliers on loopback."""

import secrets
import shlex
import shutil
from pathlib import Path

from connectors.sandbox.serving import running
from connectors.sandbox.together import SUPPLIERS, Sandbox, sandbox
from data_contracts.dutch_time import today_in_the_netherlands
from pipelines.commands.outcomes import tell
from pipelines.commands.sync import deliver
from pipelines.commands.telling import FAILED, err, out
from pipelines.commands.ui import free, serve
from pipelines.instance import open_instance
from pipelines.names import chosen_pairs
from pipelines.settings import Settings, load_settings
from pipelines.sync.case import Outcome

SCHOOL = "99XX-00"
PORT_IN_EXAMPLE = "127.0.0.1:8741"


def run_demo(folder: Path, port: int, ui_port: int | None) -> int:
    """Run the example in `folder`, which is made the first time and gone on with after that; or show its web page."""
    for taken, its_option in ((port, "--port"), (ui_port, "--ui-port")):
        if taken and not free(taken):
            err.print(_TAKEN.format(taken, "--ui " if ui_port else "", its_option), markup=False, soft_wrap=True)
            return FAILED
    home = folder / "instance"
    if not home.exists():
        _copied_example(home)
    tokens = _secrets(home)
    _at_port(home, port)
    settings = load_settings(home)
    school = settings.school(SCHOOL).id_on(today_in_the_netherlands())
    world = sandbox(school, tokens, folder)
    with running(world.app, port=port):
        if ui_port:
            out.print("Oefenen vanaf de opdrachtregel kan nu in een tweede venster, met:", markup=False)
            out.print(f"  --instance {shlex.quote(str(home))}", markup=False, soft_wrap=True)
            return serve(home, ui_port)
        return _delivered(settings, world)


_TAKEN = (
    "Poort {} is al in gebruik, misschien door een andere demo of webpagina. Stop die, of kies een andere poort: "
    "doorgeefluik demo {}{} POORT"
)


def _delivered(settings: Settings, world: Sandbox) -> int:
    before = world.messages()
    outcomes = _approving(settings, deliver(settings, chosen_pairs(settings, None, None)))
    code = tell(outcomes, "De voorbeeldschool", as_json=False)
    sent = world.messages() - before
    out.print()
    out.print(f"Berichten aan leveranciers in deze run: {sent}")
    for name, place in (
        ("Grootboek", settings.home / "ledger.db"),
        ("Rapport", settings.reports / f"{SCHOOL}.html"),
    ):
        out.print(f"{name + ':':<11}{place}", markup=False, soft_wrap=True)
    out.print("Webpagina: make ui (of: doorgeefluik demo --ui)")
    return code


def _approving(settings: Settings, outcomes: list[Outcome]) -> list[Outcome]:
    """Approve what waits, as somebody at school would after a look at it."""
    instance = open_instance(settings.home)
    waiting = instance.ledger.holds(state="open")
    for hold in waiting:
        out.print(f"Wacht op goedkeuring bij {hold.supplier}: {hold.reason}", markup=False)
        out.print(f"  In het echt: doorgeefluik hold approve {hold.id}. De demo keurt het nu zelf goed.", markup=False)
        instance.ledger.decide_hold(str(hold.id), "approved", "demo")
    if not waiting:
        return outcomes
    approved: dict[str, list[str]] = {}
    for school, supplier in dict.fromkeys((hold.school, hold.supplier) for hold in waiting):
        approved.setdefault(school, []).append(supplier)
    again = deliver(settings, approved)
    renewed = {(outcome.school, outcome.supplier): outcome for outcome in again}
    return [renewed.get((outcome.school, outcome.supplier), outcome) for outcome in outcomes]


def _copied_example(home: Path) -> None:
    """The example instance as it ships: in the checkout under `examples`, in an installed package beside this code."""
    packaged = Path(__file__).parent.parent / "example_instance"
    source = packaged if packaged.is_dir() else Path(__file__).parents[2] / "examples" / "instance"
    shutil.copytree(source, home)
    home.chmod(0o700)


def _secrets(home: Path) -> dict[str, str]:
    """A secret for each door, made the first time."""
    folder = home / "geheimen"
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("sleutel", *SUPPLIERS):
        if not (folder / name).exists():
            (folder / name).write_text(secrets.token_hex(16), encoding="ascii")
    (folder / "klantcode").write_text("doorgeefluik", encoding="ascii")
    for file in folder.iterdir():
        file.chmod(0o600)
    return {name: (folder / name).read_text(encoding="ascii") for name in ("sleutel", *SUPPLIERS)}


def _at_port(home: Path, port: int) -> None:
    """Let the settings point to the port that the stand-ins get."""
    example = Path(home / "port").read_text(encoding="ascii") if (home / "port").exists() else PORT_IN_EXAMPLE
    for file in [home / "schools.yaml", *(home / "agreements").iterdir()]:
        file.write_text(file.read_text(encoding="utf-8").replace(example, f"127.0.0.1:{port}"), encoding="utf-8")
    (home / "port").write_text(f"127.0.0.1:{port}", encoding="ascii")
