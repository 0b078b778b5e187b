"""From a failing test to a change that every gate has passed, in a real sandbox."""

import sys
from pathlib import Path

import pytest

from honed.config import Settings
from honed.core.change import CodeChange, Purpose
from honed.core.gate import GateResult
from honed.repair.suite import Budget
from honed.sandbox.box import Limits
from honed.sandbox.probe import probe
from honed.targets.repository.judging.judge import Court
from honed.targets.repository.judging.mend import Attempt, Mended, installed_gates, mend
from honed.targets.repository.judging.proposer import Bench, Proposed, Trouble

PRICES = """def total(prices):
    cents = 0
    for price in prices[1:]:
        cents += price
    return cents


def cheapest(prices):
    return min(prices)
"""
TESTS = """import pytest

from shop.prices import cheapest, total


@pytest.mark.parametrize(("prices", "cents"), [([1, 2, 3], 6), ([5], 5), ([], 0), ([4, 4], 8)])
def test_total(prices, cents):
    assert total(prices) == cents


def test_cheapest():
    assert cheapest([3, 2]) == 2
"""
GATES = installed_gates()
BUDGET = Budget(seconds=40, processes=1, seed=7)


@pytest.fixture
def court() -> Court:
    found = probe()
    if not found.is_safe:
        pytest.skip(f"no sandbox: {'; '.join(found.reasons)}")
    return Court(Path(sys.executable), Limits(cpu_s=60, wall_s=120), tests=("tests",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    for path, text in {
        "shop/__init__.py": "",
        "shop/prices.py": PRICES,
        "tests/test_prices.py": TESTS,
    }.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


@pytest.mark.slow
def test_a_fault_is_mended_and_every_gate_has_looked(folder: Path, court: Court) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    mended = mend(Trouble(folder, "0" * 40), Bench(court, BUDGET, Settings()), GATES)
    assert mended.change is not None
    assert mended.is_sound, mended.results[-1]
    assert {each.gate for each in mended.results} == {
        name for name, gate in GATES.items() if Purpose.REPAIR in gate.purposes
    }
    assert "-    for price in prices[1:]:" in mended.change.diff
    assert len(mended.change.repairs) == 3
    assert len(mended.judge) == 64
    again = mend(Trouble(folder, "0" * 40), Bench(court, BUDGET, Settings()), GATES)
    assert again.change == mended.change, "the same seed gives the same change"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_what_no_edit_mends_stays_as_it_is(folder: Path, court: Court) -> None:
    (folder / "tests/test_prices.py").write_text(
        "from shop.prices import total\n\n\ndef test_it():\n    assert total([1]) == object()\n"
    )
    mended = mend(Trouble(folder, "0" * 40), Bench(court, Budget(20, 1, 7), Settings()), GATES)
    assert (mended.change, mended.is_sound) == (None, False)
    assert mended.why_none


def test_a_change_tells_what_came_of_the_others() -> None:
    change = CodeChange("0" * 40, ())
    stopped = GateResult("size", passed=False, reason="212 lines are more than 200")
    attempts = (
        Attempt("revert_commit", Proposed(why_none="no commit brought it")),
        Attempt("template_repair", Proposed((change,)), change, (stopped,)),
        Attempt("language_model", Proposed(why_none="none is named")),
    )
    mended = Mended(attempts, "0" * 64)
    assert mended.change == change
    assert mended.change.tried == (
        "revert_commit: no commit brought it",
        "language_model: none is named",
    )
