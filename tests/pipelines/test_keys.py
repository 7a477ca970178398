"""Keys: what they make, what they refuse, and how they lie on disk."""

import os
import stat
import threading
from pathlib import Path

import pytest

from pipelines.keys import ENCRYPTION_FILE, FINGERPRINT_FILE, DamagedError, KeyMissingError, Keys


def test_opening_twice_gives_the_same_keys(tmp_path: Path) -> None:
    """What was encrypted before a restart can be read after it, and a fingerprint stays what it was."""
    first, again = Keys.open(tmp_path / "sleutels"), Keys.open(tmp_path / "sleutels")
    assert again.decrypt(first.encrypt(b"inhoud", b"plaats"), b"plaats") == b"inhoud"
    assert again.mac(b"inhoud") == first.mac(b"inhoud")


def test_key_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Folder and files give nothing to group and others, whatever the umask."""
    before = os.umask(0)
    try:
        Keys.open(tmp_path / "sleutels")
    finally:
        os.umask(before)
    made = [tmp_path / "sleutels", *(tmp_path / "sleutels").iterdir()]
    assert [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in made] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [tmp_path / "sleutels"]


def test_a_second_creation_overwrites_nothing(tmp_path: Path) -> None:
    """Keys that are there stay, for what was written with them is lost without them."""
    first = Keys.create(tmp_path / "sleutels")
    assert Keys.create(tmp_path / "sleutels").encryption_id == first.encryption_id


def test_two_first_uses_at_once_agree(tmp_path: Path) -> None:
    """Runs that start together on a new instance end with one pair of keys."""
    found: list[tuple[str, str]] = []

    def opened() -> None:
        keys = Keys.open(tmp_path / "sleutels")
        found.append((keys.encryption_id, keys.fingerprint_id))

    threads = [threading.Thread(target=opened) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("name", [ENCRYPTION_FILE, FINGERPRINT_FILE])
def test_a_lost_key_file_is_not_silently_replaced(tmp_path: Path, name: str) -> None:
    """A new key in the place of a lost one would make every record look new."""
    Keys.open(tmp_path)
    folder = tmp_path / "sleutels"
    Keys.open(folder)
    (folder / name).unlink()
    with pytest.raises(KeyMissingError, match=name):
        Keys.open(folder)


@pytest.mark.parametrize("content", ["", "doorgeefluik-1 00", "doorgeefluik-1 00000000 zz", "é"])
def test_a_damaged_key_file_is_refused(tmp_path: Path, content: str) -> None:
    """A file that is no key file is named, and not quoted."""
    folder = tmp_path / "sleutels"
    Keys.open(folder)
    (folder / ENCRYPTION_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(DamagedError, match=ENCRYPTION_FILE):
        Keys.open(folder)


def test_one_changed_digit_in_a_key_file_is_noticed(tmp_path: Path) -> None:
    """The number of the key is made from the key."""
    folder = tmp_path / "sleutels"
    Keys.open(folder)
    text = (folder / FINGERPRINT_FILE).read_text()
    (folder / FINGERPRINT_FILE).write_text(text[:-2] + ("0" if text[-2] != "0" else "1") + "\n")
    with pytest.raises(DamagedError, match=FINGERPRINT_FILE):
        Keys.open(folder)


def test_every_changed_byte_is_noticed(keys: Keys) -> None:
    """Whatever byte of a ciphertext is altered, it is not read as something else."""
    content = keys.encrypt(b"leerling-1")
    for place in range(len(content)):
        altered = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        with pytest.raises((DamagedError, KeyMissingError)):
            keys.decrypt(altered)


def test_every_cut_is_noticed(keys: Keys) -> None:
    """A ciphertext that was cut off anywhere is refused."""
    content = keys.encrypt(b"leerling-1")
    for length in range(len(content)):
        with pytest.raises(DamagedError):
            keys.decrypt(content[:length])


def test_another_place_or_another_key_does_not_decrypt(keys: Keys, tmp_path: Path) -> None:
    """A ciphertext is tied to its place and to its key, and a missing key is called by its number."""
    content = keys.encrypt(b"leerling-1", b"hier")
    with pytest.raises(DamagedError):
        keys.decrypt(content, b"daar")
    with pytest.raises(KeyMissingError, match=keys.encryption_id):
        Keys.create(tmp_path / "andere").decrypt(content, b"hier")


def test_equal_texts_look_unlike(keys: Keys) -> None:
    """Two ciphertexts of one text do not tell that it was the same text."""
    assert len({keys.encrypt(b"leerling-1") for _ in range(100)}) == 100


def test_a_mac_follows_data_key_purpose_and_size(keys: Keys, tmp_path: Path) -> None:
    """No two of these may be confused, and none is made without the key."""
    other = Keys.create(tmp_path / "andere")
    macs = [keys.mac(b"a"), keys.mac(b"b"), keys.mac(b"a", purpose=b"x"), other.mac(b"a"), keys.mac(b"a", 32)[:16]]
    assert len(set(macs)) == len(macs)
    assert len(keys.mac(b"a")) == 16


def test_a_kept_answer_is_the_same_and_not_that_of_other_texts() -> None:
    """Long questions are answered once; another of the same length, and what came between, change nothing."""
    keys = Keys(b"e" * 32, b"v" * 32)
    first, other = (tuple(f"{start}-{number}" for number in range(1000)) for start in "ab")
    expected = [keys.mac(b"veld" + text.encode()) for text in first]
    assert list(keys.macs(b"veld", first)) == expected
    assert keys.macs(b"veld", other)[0] == keys.mac(b"veldb-0")
    for number in range(20):
        keys.macs(b"ander%d" % number, first)
    assert list(keys.macs(b"veld", first)) == expected
