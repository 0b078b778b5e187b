"""Time is counted for the function that takes it."""

import pytest

from honed.repair.refactor.profile import shares
from honed.repair.refactor.twins import Own

TEXT = """import functools


@functools.cache
def outer(n):
    def inner():
        return n
    return [m for m in range(n)], inner()


class Cart:
    def total(self):
        return sum(map(lambda e: e, self))


LIMIT = (lambda: 3)()
"""


def test_each_piece_of_code_counts_for_what_it_stands_in() -> None:
    own = [
        Own("a.py", 4, 1.0, 1),
        Own("a.py", 6, 2.0, 1),
        Own("a.py", 8, 0.5, 1),
        Own("a.py", 12, 0.25, 1),
        Own("a.py", 13, 0.25, 1),
        Own("a.py", 16, 1.0, 1),
        Own("gone.py", 1, 1.0, 1),
        Own("", 0, 4.0, 1),
    ]
    found = shares(own, {"a.py": TEXT, "b.py": ""})
    assert found == {
        ("a.py", "outer"): pytest.approx(0.15),
        ("a.py", "outer.<locals>.inner"): pytest.approx(0.2),
        ("a.py", "Cart.total"): pytest.approx(0.05),
    }


def test_nothing_took_nothing() -> None:
    assert shares([], {}) == shares([Own("a.py", 4, 0.0, 1)], {"a.py": TEXT}) == {}
