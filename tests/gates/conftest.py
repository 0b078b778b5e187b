"""A small repository with a fault, and its judge in a real sandbox."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from honed.core.change import CodeChange, FileChange
from honed.core.gate import Thresholds
from honed.sandbox import box
from honed.sandbox.probe import probe
from honed.targets.repository.judging.judge import CodeJudge, Court

CART = """def total(prices):
    cents = 0
    for price in prices[1:]:
        cents += price
    return cents


def cheapest(prices):
    return min(prices)
"""
TESTS = """from shop.cart import cheapest, total


def test_total():
    assert total([1, 2, 3]) == 6


def test_cheapest():
    assert cheapest([3, 2]) == 2


def test_broken_for_long():
    assert total([]) == 1
"""
REPAIRED = CART.replace("prices[1:]", "prices")
BROKEN_TEST = "tests/test_cart.py::test_total"

MakeChange = Callable[..., CodeChange]
MakeJudge = Callable[[CodeChange], CodeJudge]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the repository's folder."""
    root = tmp_path / "shop-repository"
    for path, text in {
        "shop/__init__.py": "",
        "shop/cart.py": CART,
        "tests/test_cart.py": TESTS,
    }.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


@pytest.fixture
def make_change() -> MakeChange:
    """Return a maker of changes of the cart; by default the right one."""

    def make(after: str = REPAIRED, *others: FileChange, **more: object) -> CodeChange:
        files = (FileChange("shop/cart.py", CART, after), *others)
        said = {"repairs": (BROKEN_TEST,), "message": "Count the first price, too", **more}
        return CodeChange("0" * 40, files, **said)  # type: ignore[arg-type]  # by name

    return make


@pytest.fixture
def make_judge(folder: Path) -> MakeJudge:
    """Return a maker of judges in the sandbox."""
    found = probe()
    if not found.is_safe:
        pytest.skip(f"no sandbox: {'; '.join(found.reasons)}")
    court = Court(Path(sys.executable), box.Limits(cpu_s=30, wall_s=60))
    return lambda change: CodeJudge.of(folder, change, court)


@pytest.fixture
def thresholds() -> Thresholds:
    """Return the usual ones."""
    return Thresholds()
