"""New keys for a whole instance: the nights go on as if nothing happened, also when it was broken off anywhere."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.sandbox.school import example_school, renamed
from pipelines.keys import ENCRYPTION_FILE, Keys, drop
from pipelines.rotation import drop_old_keys, key_uses, rotate
from tests.e2e.nights import causes, numbers, seen, states
from tests.e2e.test_nightly_sync import pupils_in_groups
from tests.pipelines.test_cli import asked
from tests.world import World, a_world

pytestmark = pytest.mark.slow

ROSTER = example_school(60)
FORMATS = {"basispoort": "edexml_whole_set", "uwlr_lvs_set": "json_delta"}

BROKEN_OFF = """\
import os, signal, sys
from pathlib import Path
import pipelines.keys, pipelines.ledger.renewal, pipelines.ledger.seals, pipelines.rotation, pipelines.vault
from pipelines.instance import open_instance

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def then_die(call):
    return lambda *a, **k: (call(*a, **k), die())

moment = sys.argv[2]
if moment == "one key file":
    pipelines.keys.write_whole = then_die(pipelines.keys.write_whole)
elif moment == "both key files":
    pipelines.rotation.add_new = then_die(pipelines.rotation.add_new)
elif moment == "in the transaction":
    pipelines.ledger.renewal.reseal = then_die(pipelines.ledger.renewal.reseal)
elif moment == "the ledger":
    pipelines.vault.Vault.encrypt_again = die
elif moment == "one file of the vault":
    pipelines.vault.os.utime = then_die(pipelines.vault.os.utime)
pipelines.rotation.rotate(open_instance(Path(sys.argv[1])))
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school that was delivered."""
    with a_world(tmp_path / "instance", FORMATS) as world:
        world.export(ROSTER)
        assert states(world.sync()) == {"delivered"}
        yield world


def goes_on(world: World) -> None:
    """An equal export sends nothing; of one with a new name only that goes out; and the ledger is whole."""
    sent = seen(world)
    world.day += timedelta(days=1)
    assert states(world.sync()) == {"unchanged"}
    assert seen(world) == sent
    world.export(renamed(ROSTER, pupils_in_groups(ROSTER)[7], "Fenna"))
    assert {numbers(o) for o in world.sync().values()} == {(0, 1, 0)}
    assert {tuple(causes(world, s)) for s in world.urls} == {("gegevens_gewijzigd",)}
    assert world.instance.ledger.verify() is None


def test_after_new_keys_nothing_is_sent_again(world: World) -> None:
    """Twice in a row; the old encryption key can go at once, for nothing is under it any more."""
    for _ in range(2):
        before = world.instance
        rotate(before)
        after = world.instance
        assert after.keys.encryption_id != before.keys.encryption_id
        assert after.keys.fingerprint_id != before.keys.fingerprint_id
        assert set(after.vault.key_ids()) == {after.keys.encryption_id}
        drop(after.settings.sleutels, {before.keys.encryption_id})
    goes_on(world)


@pytest.mark.parametrize(
    "moment", ["one key file", "both key files", "in the transaction", "the ledger", "one file of the vault"]
)
def test_broken_off_anywhere_it_is_finished_by_doing_it_again(world: World, moment: str) -> None:
    """Whether or not it is done again, the school is delivered as before."""
    before = world.instance.keys
    killed = subprocess.run([sys.executable, "-c", BROKEN_OFF, str(world.home), moment], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    over = moment in {"the ledger", "one file of the vault"}
    assert (world.instance.keys.fingerprint_id != before.fingerprint_id) == over
    assert world.instance.ledger.verify() is None
    if not over:
        waiting = Keys.open(world.home / "sleutels").encryption_id
        rotate(world.instance)
        assert world.instance.keys.encryption_id == waiting, "the key that was made is used, and no other one"
    goes_on(world)


def test_an_old_key_goes_when_nothing_needs_it(world: World) -> None:
    """Not within the week; what a run of before put in the vault since is encrypted anew first."""
    before = world.instance
    rotate(before)
    before.vault.put("assets/van-gisteren", b"inhoud")
    after = world.instance
    assert [use.files for use in key_uses(after)][:2] == [1, len(list(after.vault.key_ids())) - 1]
    assert drop_old_keys(after, datetime.now(UTC) + timedelta(days=6)) == 0
    assert drop_old_keys(after, datetime.now(UTC) + timedelta(days=8)) == 1
    assert before.keys.encryption_id not in (world.home / "sleutels" / ENCRYPTION_FILE).read_text()
    assert after.vault.get("assets/van-gisteren") == b"inhoud"
    goes_on(world)


def test_the_commands_list_and_renew_and_never_show_a_key(world: World) -> None:
    """A head noted before is explained afterwards; the age of what is in the vault stays."""
    old = datetime.now(UTC).timestamp() - 5 * 86_400
    kept = next((world.home / "vault").rglob("*.kluis"))
    os.utime(kept, (old, old))
    noted = json.loads(asked("verify", "--json", instance=world.home).stdout)["head"]
    answer = asked("keys", "rotate", instance=world.home)
    assert answer.returncode == 0, answer.stderr
    assert kept.stat().st_mtime == pytest.approx(old)
    listed = asked("keys", "list", instance=world.home)
    uses = json.loads(asked("keys", "list", "--json", instance=world.home).stdout)
    assert [(use["in_use"], use["underneath"]) for use in uses] == [
        (False, False),
        (True, False),
        (False, True),
        (True, False),
    ]
    assert [line.count("oud") for line in listed.stdout.splitlines() if line.split()[:1] == ["vingerafdruk"]] == [1, 0]
    for file in (world.home / "sleutels").iterdir():
        for line in file.read_text().splitlines():
            assert line.split()[2] not in answer.stdout + listed.stdout
    verified = asked("verify", "--head", noted, instance=world.home)
    assert verified.returncode == 0, verified.stdout
    assert "stond toen in de keten" in verified.stdout
    assert asked("verify", "--head", "ab" * 32, instance=world.home).returncode == 1
