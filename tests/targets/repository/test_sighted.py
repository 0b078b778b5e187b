"""Of what failing tests run, what is nearest to the fault comes first."""

import sys
from pathlib import Path

from honed.core.gate import TestRun
from honed.core.testrun import Outcome
from honed.sandbox.box import Limits
from honed.targets.repository.evidence.sighted import functions, sighted, texts_of_tests
from honed.targets.repository.judging.judge import Checkout, Court

CART = """import functools


class Cart:
    @functools.cache
    def total(self):
        return add(1)

    def other(self):
        return 0


def add(x):
    return x / 0
"""
TEST = """class TestCart:
    def test_total(self):
        assert Cart().total()


def test_more():
    pass
"""
FILES: dict[str, str | None] = {
    "shop/cart.py": CART,
    "shop/names.py": "NAME = 1\n\n\ndef f():\n    return 1\n",
    "tests/test_cart.py": TEST,
    "odd.py": "no python (",
}
WORDS = """tests/test_cart.py:3: in test_total
    assert Cart().total()
shop/cart.py:7: in total
    return add(1)
shop/cart.py:14: in add
    return x / 0
E   ZeroDivisionError: division by zero"""
ID = "tests/test_cart.py::TestCart::test_total"


def side(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path, FILES, Court(Path(sys.executable), Limits()))


def test_functions_that_ran_are_told_the_innermost_first(tmp_path: Path) -> None:
    lines = {
        "tests/test_cart.py": frozenset({1, 2, 3, 6}),
        "shop/names.py": frozenset({1, 4}),
        "shop/cart.py": frozenset({1, 4, 5, 6, 7, 9, 13, 14}),
        "odd.py": frozenset({1}),
        "gone.py": frozenset({1}),
    }
    run = TestRun({ID: Outcome.FAILED}, 0.0, lines=lines, messages={ID: WORDS})
    found = sighted(side(tmp_path), run)
    assert [each.name for each in found.functions] == ["add", "Cart.total", "TestCart.test_total"]
    assert found.text(found.functions[1]) == (
        "    @functools.cache\n    def total(self):\n        return add(1)\n"
    )
    assert list(found.files) == ["shop/cart.py", "tests/test_cart.py", "odd.py", "shop/names.py"]


def test_texts_of_tests_are_found_by_their_ids(tmp_path: Path) -> None:
    named = [f"{ID}[1]", f"{ID}[2]", "tests/test_cart.py::test_more", "nowhere.py::test"]
    first, second = texts_of_tests(side(tmp_path), named)
    assert first.startswith("    def test_total(self):")
    assert second == "def test_more():\n    pass\n"
    assert functions("odd.py", "no python (") == ()
