"""Python's search for objects that hold each other in a circle, made rare.

A run makes hundreds of thousands of small objects and hardly a circle, and nothing large hangs in one: each search would look
at all of them and free next to nothing.
"""

import gc

_RARELY = 50_000
"""New objects between two searches; Python's own default is 700."""


def search_rarely() -> None:
    """Leave what this process has loaded by now out of every search, and search rarely; only the first call counts."""
    if not gc.get_freeze_count():
        gc.freeze()
        gc.set_threshold(_RARELY)
