"""Who takes whose id: found in one walk, however long the row of people is."""

from pipelines.sync.ids import _lines


def test_each_takes_from_the_one_before() -> None:
    """Two who exchange, three who go round, and a row of three that ends at one who takes from nobody."""
    lines = [tuple(line) for line in _lines({1: 2, 2: 1, 3: 4, 4: 5, 5: 3, 7: 8, 8: 9})]
    assert lines == [(9, 8, 7), (1, 2), (3, 5, 4)]


def test_a_whole_school_that_shifted_by_one_is_one_line() -> None:
    """A million at once, more than any board has: each is looked at once, or this would take hours."""
    many = 1_000_000
    assert [len(line) for line in _lines({n: (n + 1) % many for n in range(many)})] == [many]
    assert [len(line) for line in _lines({n: n + 1 for n in range(many)})] == [many + 1]
