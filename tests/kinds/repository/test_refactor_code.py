"""Code that says twice what it does is made to say it once, and what tests do not see is left."""

from dataclasses import replace

import pytest

from honed.kinds.refactor_code import CODE_SMELL, RefactorCode
from honed.testing.contract import KindContract
from honed.testing.repository_worlds import (
    MakeRepositoryWorld,
    RepositoryPlan,
)

_COPIED = '''"""Prices."""

import json
import math


def total(prices, discount):
    cents = 0
    for price in prices:
        if price > 100:
            price -= discount
        cents += price
    return cents


def summed(prices, discount):
    cents = 0
    for price in prices:
        if price > 100:
            price -= discount
        cents += price
    return cents


def rounded(price):
    return math.floor(price)
    print(price)
'''
_ALONE = '''"""Prices."""


def total(prices, discount):
    cents = 0
    for price in prices:
        if price > 100:
            price -= discount
        cents += price
    return cents


def never(prices, discount):
    cents = 0
    for price in prices:
        if price > 100:
            price -= discount
        cents += price
    return cents
'''
_TESTS = """from shop.prices import rounded, summed, total


def test_sums():
    assert total([1, 200], 10) == summed([1, 200], 10) == 191


def test_rounded():
    assert rounded(2.5) == 2
"""

#: A copy, an import that nothing uses, and a line that nothing gets to; tests reach it all.
COPIED = RepositoryPlan(
    {"shop/__init__.py": "", "shop/prices.py": _COPIED, "tests/test_prices.py": _TESTS}
)
#: The copy is run by no test, and the tests have copies of their own.
UNTESTED = RepositoryPlan(
    {
        "shop/__init__.py": "",
        "shop/prices.py": _ALONE,
        "tests/test_prices.py": (
            "import json\n\nfrom shop.prices import total\n\n\n"
            "def test_total():\n    assert total([200], 10) == 190\n"
        ),
    }
)


@pytest.mark.slow
class TestRefactorCode(KindContract):
    kind = RefactorCode()
    ill = COPIED
    well = UNTESTED


@pytest.mark.slow
def test_a_cycle_on_the_same_commit_does_not_look_again(
    make_world: MakeRepositoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, kind = make_world(COPIED).target, RefactorCode()
    found = list(kind.look(target))
    assert {each.type for each in found} == {CODE_SMELL}
    assert [str(each.evidence["rule"]) for each in found] == [
        "merge_copies",
        "unreachable",
        "unused_names",
    ]
    monkeypatch.setattr("honed.kinds.refactor_code.simpler", None)
    assert list(kind.look(target)) == found
    # What was seen on another commit is not answered.
    stale = [replace(each, evidence={"commit": "0" * 40}) for each in found]
    assert list(kind.propose(stale, target)) == []
