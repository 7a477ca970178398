"""Secrets by reference: where they come from, and that an error never holds one."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from connectors.base import PermanentError
from connectors.secrets import private_file, public_file, resolve, resolve_token

SECRET = "kers-Appel-42"


class Ring(KeyringBackend):
    """A keyring in memory."""

    priority = 1  # type: ignore[assignment]
    locked = False

    def get_password(self, service: str, username: str) -> str | None:
        """The one secret, if the ring is open."""
        if self.locked:
            raise KeyringLocked(SECRET)
        return SECRET if (service, username) == ("doorgeefluik", "basispoort") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        """Nothing is kept."""

    def delete_password(self, service: str, username: str) -> None:
        """Nothing is kept."""


@pytest.fixture
def ring() -> Iterator[Ring]:
    """The keyring of this machine, for one test."""
    before = keyring.get_keyring()
    mine = Ring()
    keyring.set_keyring(mine)
    yield mine
    keyring.set_keyring(before)


def _file(folder: Path, text: str, mode: int) -> Path:
    path = folder / "geheim.txt"
    path.write_text(text)
    path.chmod(mode)
    return path


def _refusal(reference: str, base: Path, find: Callable[[str, Path], str] = resolve) -> str:
    with pytest.raises(PermanentError) as caught:
        find(reference, base)
    assert caught.value.code == "geheim_ontbreekt"
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_a_secret_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`env:NAME` is the value of a variable."""
    monkeypatch.setenv("DGL_TOKEN", SECRET)
    assert resolve("env:DGL_TOKEN", tmp_path) == SECRET


def test_a_secret_comes_from_a_private_file_of_the_instance(tmp_path: Path) -> None:
    """`file:PATH` counts from the instance folder, and the line end is no part of the secret."""
    _file(tmp_path, f"{SECRET}\n", 0o600)
    assert resolve("file:geheim.txt", tmp_path) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """A secret that group or others may read or write is no secret."""
    _file(tmp_path, SECRET, mode)
    assert "chmod 600" in _refusal("file:geheim.txt", tmp_path)


def test_a_secret_comes_from_the_keyring(tmp_path: Path, ring: Ring) -> None:
    """`keyring:SERVICE/NAME` asks the machine's keyring."""
    assert resolve("keyring:doorgeefluik/basispoort", tmp_path) == SECRET


def test_a_locked_keyring_is_an_error_without_its_cause(tmp_path: Path, ring: Ring) -> None:
    """A keyring that does not open is said so, and what it said itself is not passed on."""
    ring.locked = True
    assert "ontgrendel" in _refusal("keyring:doorgeefluik/basispoort", tmp_path).lower()


def test_without_the_package_keyring_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The optional package is asked for by name."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "doorgeefluik[keyring]" in _refusal("keyring:a/b", tmp_path)


@pytest.mark.parametrize("reference", ["env:DGL_IS_ER_NIET", "file:weg.txt", "keyring:doorgeefluik/weg"])
def test_a_missing_secret_is_named_by_its_reference(tmp_path: Path, ring: Ring, reference: str) -> None:
    """The error says which reference leads nowhere."""
    assert reference in _refusal(reference, tmp_path)


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    """An empty file is no secret."""
    _file(tmp_path, "\n", 0o600)
    assert "leeg" in _refusal("file:geheim.txt", tmp_path)


@pytest.mark.parametrize("literal", [SECRET, f"geheim:{SECRET}"])
def test_a_literal_secret_is_refused_without_repeating_it(tmp_path: Path, literal: str) -> None:
    """A secret where a reference belongs is not shown."""
    _refusal(literal, tmp_path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are an error without those bytes."""
    path = _file(tmp_path, "", 0o600)
    path.write_bytes(b"\xff\xfe" + SECRET.encode())
    _refusal("file:geheim.txt", tmp_path)


def test_a_certificate_with_its_key_must_be_private_and_an_authority_need_not(tmp_path: Path) -> None:
    """Only the file with a key in it is kept from others."""
    path = _file(tmp_path, "PEM", 0o644)
    assert public_file("file:geheim.txt", tmp_path) == path
    with pytest.raises(PermanentError):
        private_file("file:geheim.txt", tmp_path)
    path.chmod(0o600)
    assert private_file("file:geheim.txt", tmp_path) == path


def test_a_certificate_can_only_be_a_file(tmp_path: Path) -> None:
    """A certificate is named by `file:PATH`."""
    with pytest.raises(PermanentError):
        public_file("env:DGL_TOKEN", tmp_path)


@pytest.mark.parametrize("more", ["\n\nvan de website", "\t", "\u200b"])
def test_a_secret_is_one_line_of_what_can_be_seen(tmp_path: Path, more: str) -> None:
    """What came along with pasting is told when it is looked at, not when a message cannot be sent."""
    _file(tmp_path, f"{SECRET}{more}\n", 0o600)
    assert "meer dan één regel" in _refusal("file:geheim.txt", tmp_path)


def test_a_token_has_no_accents_and_another_secret_may(tmp_path: Path) -> None:
    """A header cannot carry them; the password of a database can have them."""
    _file(tmp_path, f"{SECRET}é\n", 0o600)
    assert resolve("file:geheim.txt", tmp_path) == f"{SECRET}é"
    assert "accent" in _refusal("file:geheim.txt", tmp_path, resolve_token)


def test_a_file_that_is_not_there_is_told_with_its_place(tmp_path: Path) -> None:
    """A person sees at once that it should have been somewhere else."""
    assert str(tmp_path / "weg.txt") in _refusal("file:weg.txt", tmp_path)
