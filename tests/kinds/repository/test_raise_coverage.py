import pytest

from honed.kinds.raise_coverage import RaiseCoverage
from honed.testing.contract import KindContract
from honed.testing.repository_worlds import (
    RepositoryPlan,
)

_PRICES = """import time


def total(prices):
    return sum(prices)


def discount(cents: int, level: str) -> int:
    if cents < 0:
        raise ValueError("negative")
    if level == "gold":
        return cents * 80 // 100
    if level == "silver" and cents > 1000:
        return cents * 90 // 100
    return cents


def age(since):
    now = time.time()
    seconds = now - since
    return seconds
"""
_TEST = """from shop.prices import total


def test_total():
    assert total([1, 2]) == 3
"""
ILL = RepositoryPlan({"shop/__init__.py": "", "shop/prices.py": _PRICES, "tests/test_p.py": _TEST})
#: What is left depends on the time.
WELL = RepositoryPlan(
    {
        "shop/__init__.py": "",
        "shop/prices.py": _PRICES[: _PRICES.index("def discount")]
        + _PRICES[_PRICES.index("def age") :],
        "tests/test_p.py": _TEST,
    }
)


@pytest.mark.slow
class TestRaiseCoverage(KindContract):
    kind = RaiseCoverage()
    ill = ILL
    well = WELL
