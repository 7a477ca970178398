"""The vault: what is put comes out, only under its own name, and not for ever."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.keys import DamagedError, Keys
from pipelines.vault import BadNameError, NotInVaultError, Vault

NAME = "momentopname/basispoort/99XX-00"


@pytest.fixture
def vault(tmp_path: Path, keys: Keys) -> Vault:
    return Vault(tmp_path / "kluis", keys)


def files(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "kluis").rglob("*") if path.is_file())


def test_the_last_content_comes_out(vault: Vault) -> None:
    """A second `put` takes the place of the first."""
    vault.put(NAME, b"oud")
    vault.put(NAME, b"nieuw" * 100_000)
    assert vault.get(NAME) == b"nieuw" * 100_000


def test_nothing_readable_lies_on_disk(vault: Vault, tmp_path: Path) -> None:
    """No file holds the content, only the owner may enter, and no half file stays behind."""
    before = os.umask(0)
    try:
        vault.put(NAME, b"KANARIEPIET" * 10)
    finally:
        os.umask(before)
    assert len(files(tmp_path)) == 1
    assert b"KANARIEPIET" not in files(tmp_path)[0].read_bytes()
    everything = [tmp_path / "kluis", *(tmp_path / "kluis").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in everything} == {0o700, 0o600}


def test_a_name_and_a_name_below_it_do_not_clash(vault: Vault) -> None:
    """`rooster` and `rooster/99XX-00` may both be kept."""
    vault.put("rooster", b"een")
    vault.put("rooster/99XX-00", b"twee")
    assert (vault.get("rooster"), vault.get("rooster/99XX-00")) == (b"een", b"twee")


def test_what_is_not_there_is_said_to_be_not_there(vault: Vault) -> None:
    """Never put, and removed, are the same; removing twice is no mistake."""
    with pytest.raises(NotInVaultError, match=NAME):
        vault.get(NAME)
    vault.put(NAME, b"x")
    vault.remove(NAME)
    vault.remove(NAME)
    with pytest.raises(NotInVaultError):
        vault.get(NAME)


def test_a_file_that_was_moved_to_another_name_is_not_read(vault: Vault, tmp_path: Path) -> None:
    """One school's pupils cannot be passed off as another's by a rename."""
    vault.put("set/99XX-00", b"x")
    files(tmp_path)[0].rename(tmp_path / "kluis" / "set" / "99YY-00.kluis")
    with pytest.raises(DamagedError, match="99YY-00"):
        vault.get("set/99YY-00")


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", ".a", "a/.b", "a\\b", "a\0", "a b", "é", "a\n"]
)
def test_a_name_that_leaves_the_vault_is_refused(vault: Vault, name: str) -> None:
    """Only plain paths inside the vault are names."""
    for use in (vault.get, vault.remove, lambda odd: vault.put(odd, b"")):
        with pytest.raises(BadNameError):
            use(name)


def test_a_put_that_fails_leaves_the_old_content(vault: Vault, tmp_path: Path) -> None:
    """A content that cannot be written is as if it was never offered."""
    vault.put(NAME, b"oud")
    with pytest.raises(TypeError):
        vault.put(NAME, "geen bytes")  # type: ignore[arg-type]
    assert vault.get(NAME) == b"oud"
    assert len(files(tmp_path)) == 1


def test_a_sweep_takes_what_is_old_and_names_it(vault: Vault, tmp_path: Path) -> None:
    """Old content and old half-written files go; what was put lately stays, and what is spared, by its name or its folder."""
    for name in ("oud/a", "oud/b", "oud/bc", "oud/c/1", "nieuw"):
        vault.put(name, b"x")
    half = tmp_path / "kluis" / "oud" / ".nieuw-afgebroken"
    half.touch()
    long_ago = datetime.now(UTC).timestamp() - 10 * 86_400
    for file in [*files(tmp_path), half]:
        if "nieuw.kluis" not in file.name:
            os.utime(file, (long_ago, long_ago))
    assert vault.sweep(timedelta(days=7), datetime.now(UTC), ["oud/b", "oud/c"]) == ["oud/a", "oud/bc"]
    assert vault.get("oud/b") == vault.get("oud/c/1") == vault.get("nieuw") == b"x"
    assert not half.exists()


def test_a_sweep_of_a_vault_that_was_never_used_finds_nothing(vault: Vault) -> None:
    """An instance without a vault folder is no error."""
    assert vault.sweep(timedelta(0), datetime.now(UTC)) == []
