"""Which functions have lines that no test reaches, and how much tests of them are worth."""

import pytest

from honed.repair.characterise.functions import functions_of, gaps, is_source

SHOP = '''import functools


def price(cents, level="new"):
    """Say what it costs."""
    if level == "gold" and cents > 100:
        return cents // 2
    return cents


@functools.lru_cache(
    maxsize=3
)
def cached(n):
    return n


class Cart:
    limit = 3

    def add(self, line):
        def inner():
            return line

        return inner()

    @property
    def size(self):
        return 0

    def _hidden(self):
        return 1


async def later():
    return 2
'''


def test_lines_are_those_of_bodies() -> None:
    found = {each.name: each for each in functions_of("shop.py", SHOP)}
    assert found["price"].lines == {6, 7, 8}
    assert found["Cart.add"].lines == {22, 23, 25}
    assert found["cached"].lines == {15}


def test_only_what_a_test_can_call_and_compare_is_callable() -> None:
    assert [each.name for each in functions_of("shop.py", SHOP) if each.is_callable] == [
        "price",
        "Cart.add",
        "Cart.size",
    ]


def test_constants_are_those_that_comparisons_have_with_what_lies_beside() -> None:
    found = functions_of("shop.py", SHOP)[0]
    assert found.constants == ("'gold'", "100", "101", "99", "2", "3", "1")


@pytest.mark.parametrize("text", ["def f(:\n", "\0", "x = 1\n"])
def test_what_has_no_functions_has_none(text: str) -> None:
    assert functions_of("shop.py", text) == []


def test_what_is_called_by_reached_code_is_worth_more() -> None:
    text = "def a():\n    return b()\n\n\ndef b():\n    return 1\n\n\ndef c():\n    return 1\n"
    found = gaps(functions_of("shop.py", text), {"shop.py": frozenset({2})})
    assert [(each.function.name, each.worth) for each in found] == [("b", 2.0), ("c", 1.0)]


def test_what_is_complex_is_worth_more_and_what_is_reached_nothing() -> None:
    found = gaps(functions_of("shop.py", SHOP), {"shop.py": frozenset({22, 23, 25, 8})})
    worth = {each.function.name: each for each in found}
    assert "Cart.add" not in worth
    assert worth["price"].missed == {6, 7}
    # Two lines, and one branch with two conditions.
    assert worth["price"].worth == pytest.approx(2 * 3**0.5)


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("shop/cart.py", True),
        ("src/shop/cart.py", True),
        ("tests/data.py", False),
        ("shop/test_cart.py", False),
        ("shop/migrations/0001.py", False),
        ("setup.py", False),
        ("docs/conf.py", False),
        ("README.md", False),
    ],
)
def test_sources_are_what_tests_are_written_for(path: str, *, is_one: bool) -> None:
    assert is_source(path) is is_one
