"""A file that is written in one go: never half there."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipelines.files import write_whole


def test_who_reads_while_others_write_finds_the_whole_of_one_of_them(tmp_path: Path) -> None:
    """Two writers in turn and at once: each look gives all that one of them wrote, and nothing stays beside it."""
    file = tmp_path / "rapport.html"
    texts = [b"a" * 300_000, b"b" * 200_000]
    write_whole(file, [texts[0]])
    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write_whole, file, [texts[n % 2][:1000], texts[n % 2][1000:]]) for n in range(40)]
        seen = set()
        while not all(each.done() for each in writing):
            seen.add(file.read_bytes())
        assert [each.result() for each in writing] == [None] * 40
    assert seen <= set(texts)
    assert list(tmp_path.iterdir()) == [file]
    assert file.stat().st_mode & 0o777 == 0o600
