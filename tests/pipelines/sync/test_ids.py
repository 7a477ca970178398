"""Who takes whose id: found in one walk, however long the row of people is."""

from pipelines.sync.ids import _circles


def test_circles_are_found_and_who_only_leads_to_one_is_not_in_it() -> None:
    """Two who exchange, three who go round, one who waits for the three, and a row that ends."""
    takes = {1: 2, 2: 1, 3: 4, 4: 5, 5: 3, 6: 3, 7: 8, 8: 9}
    assert set(_circles(takes)) == {frozenset({1, 2}), frozenset({3, 4, 5})}


def test_a_whole_school_that_shifted_by_one_is_one_circle() -> None:
    """A million at once, more than any board has: each is looked at once, or this would take hours."""
    many = 1_000_000
    assert list(_circles({n: (n + 1) % many for n in range(many)})) == [frozenset(range(many))]
    assert list(_circles({n: n + 1 for n in range(many)})) == []
