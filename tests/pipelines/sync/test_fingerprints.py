"""Fingerprints: what they tell of a record, and what they do not."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from pipelines.keys import Keys
from pipelines.sync.fingerprint import WIDTH, absent, fingerprints, packed, unmasked, unpacked

KEYS = Keys(b"e" * 32, b"v" * 32)
OTHERS = Keys(b"e" * 32, b"w" * 32)
REFS = [bytes([n]) * 16 for n in (1, 2)]
VALUES = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)


def _rows(*rows: tuple[str | None, ...]) -> pd.DataFrame:
    names = ["id", "roepnaam", "groep"][: len(rows[0])]
    return pd.DataFrame({n: pd.array(v, dtype="str") for n, v in zip(names, zip(*rows, strict=True), strict=True)})


def test_equal_rows_of_one_record_are_equal() -> None:
    """The same values give the same bytes, also beside other records and after having been stored."""
    alone = fingerprints(_rows(("1", "Jan", "g3")), REFS[:1], KEYS)
    beside = fingerprints(_rows(("1", "Jan", "g3"), ("2", "Piet", "g4")), REFS, KEYS)
    assert np.array_equal(alone[0], beside[0])
    assert np.array_equal(unpacked(packed(beside), 3), beside)


@given(old=st.tuples(VALUES, VALUES, VALUES), new=st.tuples(VALUES, VALUES, VALUES))
def test_a_changed_field_shows_as_exactly_that_field(old: tuple[str | None, ...], new: tuple[str | None, ...]) -> None:
    """The fields that differ between two states of a record are the ones whose digests differ."""
    before, after = (fingerprints(_rows(row), REFS[:1], KEYS) for row in (old, new))
    assert (before != after).tolist() == [[a != b for a, b in zip(old, new, strict=True)]]


def test_two_pupils_with_one_name_look_unlike() -> None:
    """No digest of one pupil is found at another with the same values."""
    prints = fingerprints(_rows(("1", "Jan", "g3"), ("1", "Jan", "g3")), REFS, KEYS)
    assert not set(prints[0].tolist()) & set(prints[1].tolist())


def test_one_value_in_two_fields_looks_unlike() -> None:
    """That two fields of a pupil are equal is not seen."""
    prints = fingerprints(_rows(("x", "x", "x")), REFS[:1], KEYS)
    assert len(set(prints[0].tolist())) == 3


def test_absent_is_not_empty() -> None:
    """A value that is taken away is a change; an absent column is as one without values."""
    rows = _rows(("1", None, ""))
    bare = unmasked(fingerprints(rows, REFS[:1], KEYS), REFS[:1], KEYS)
    nothing = absent(["id", "roepnaam", "groep"], KEYS)
    assert (bare == nothing).tolist() == [[False, True, False]]


def test_without_its_mask_a_digest_is_the_same_at_every_place() -> None:
    """So that a field keeps its digest when one before it is added or withdrawn."""
    wide, narrow = _rows(("1", "Jan", "g3")), _rows(("1", "Jan", "g3"))[["groep"]]
    wide_bare, narrow_bare = (unmasked(fingerprints(rows, REFS[:1], KEYS), REFS[:1], KEYS) for rows in (wide, narrow))
    assert wide_bare[0, 2] == narrow_bare[0, 0]


def test_another_key_gives_another_fingerprint() -> None:
    """Without the key of the instance nobody can make or compare them."""
    rows = _rows(("1", "Jan", "g3"))
    assert not (fingerprints(rows, REFS[:1], KEYS) == fingerprints(rows, REFS[:1], OTHERS)).any()


def test_no_records_and_no_columns_have_no_fingerprint() -> None:
    """Empty frames keep their shape."""
    assert fingerprints(_rows(("1", "Jan", "g3")).iloc[:0], [], KEYS).shape == (0, 3)
    assert packed(fingerprints(_rows(("1", "Jan", "g3")).iloc[:0], [], KEYS)) == []


def test_zeros_at_the_end_are_part_of_a_fingerprint() -> None:
    """What ends in zero bytes is stored and read back whole."""
    prints = np.array([[1, 2**63], [0, 0], [7, 255]], dtype=np.uint64)
    stored = packed(prints)
    assert {len(each) for each in stored} == {2 * WIDTH}
    assert np.array_equal(unpacked(stored, 2), prints)
