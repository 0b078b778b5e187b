"""Gates that run tests, in a real sandbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.gates.conftest import BROKEN_TEST, CART, REPAIRED, MakeChange, MakeJudge

from honed.core.change import FileChange
from honed.core.gate import Side, TestRun, Thresholds
from honed.errors import ConfigurationError, EvaluatorFailed
from honed.gates.cost import Cost
from honed.gates.red_green import RedGreen
from honed.gates.test_coverage import TestCoverage
from honed.gates.test_suite import TestSuite

#: What it measures is time.
pytestmark = pytest.mark.alone


@pytest.mark.slow
def test_a_right_change_passes_every_gate(
    make_change: MakeChange, make_judge: MakeJudge, thresholds: Thresholds, folder: Path
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    change = make_change()
    judge = make_judge(change)
    for gate in (RedGreen(), TestSuite(), TestCoverage(), Cost()):
        result = gate.check(change, judge, thresholds)
        assert result.passed, result.reason
    suite = TestSuite().check(change, judge, thresholds)
    assert suite.evidence["failed_before_too"] == ["tests/test_cart.py::test_broken_for_long"]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_what_repairs_nothing_is_refused(
    make_change: MakeChange, make_judge: MakeJudge, thresholds: Thresholds
) -> None:
    same = make_change(CART.replace("cents = 0", "cents = 0  # money"))
    result = RedGreen().check(same, make_judge(same), thresholds)
    assert "does not always pass" in result.reason
    green = make_change(repairs=("tests/test_cart.py::test_cheapest",))
    result = RedGreen().check(green, make_judge(green), thresholds)
    assert "does not always fail" in result.reason
    assert not RedGreen().check(make_change(repairs=()), make_judge(same), thresholds).passed


@pytest.mark.slow
def test_a_test_that_breaks_is_named(
    make_change: MakeChange, make_judge: MakeJudge, thresholds: Thresholds
) -> None:
    change = make_change(REPAIRED.replace("min(prices)", "max(prices)"))
    result = TestSuite().check(change, make_judge(change), thresholds)
    assert result.evidence["lost"] == ["tests/test_cart.py::test_cheapest"]
    assert not result.passed


@pytest.mark.slow
def test_a_flaky_test_is_listed_and_blames_nobody(
    make_change: MakeChange, make_judge: MakeJudge, thresholds: Thresholds, folder: Path
) -> None:
    flaky = "import time\n\ndef test_now_and_then():\n    assert time.time_ns() // 1000 % 2\n" * 1
    (folder / "tests/test_flaky.py").write_text(flaky)
    change = make_change()
    for _ in range(4):
        result = TestSuite().check(change, make_judge(change), thresholds)
        assert result.passed or result.evidence["lost"] == [
            "tests/test_flaky.py::test_now_and_then"
        ]
    assert BROKEN_TEST not in str(result.evidence["lost"])


@pytest.mark.slow
def test_a_change_that_leaves_the_process_has_passed_nothing(
    make_change: MakeChange, make_judge: MakeJudge, thresholds: Thresholds
) -> None:
    leaving = make_change("import os\n" + REPAIRED.replace("    cents = 0\n", "    os._exit(0)\n"))
    result = RedGreen().check(leaving, make_judge(leaving), thresholds)
    assert not result.passed
    assert "ended with code 0" in result.reason


@pytest.mark.parametrize("name", ["honed_report.py", "pytest.py", "json.py"])
def test_nothing_of_a_repository_stands_in_for_the_judge(
    name: str, make_change: MakeChange, make_judge: MakeJudge, folder: Path
) -> None:
    (folder / name).write_text("raise SystemExit('I am the judge')\n")
    run = make_judge(make_change()).patched.run_tests()
    assert (run.error, len(run.passed)) == ("", 2)


def test_a_report_that_would_be_waited_for_is_none(
    folder: Path, make_judge: MakeJudge, make_change: MakeChange
) -> None:
    (folder / "tests/test_pipe.py").write_text(
        "import atexit, os\n\n\ndef test_it():\n    atexit.register(lambda:"
        " (os.unlink('/report/report.json'), os.mkfifo('/report/report.json')))\n"
    )
    run = make_judge(make_change()).base.run_tests()
    assert run.error
    assert not run.outcomes


@pytest.mark.slow
def test_thousands_of_tests_are_named_in_a_file(
    folder: Path, make_judge: MakeJudge, make_change: MakeChange
) -> None:
    (folder / "tests/test_many.py").write_text(
        "import pytest\n\n\n@pytest.mark.parametrize('number', range(2_000))\n"
        "def test_one_with_a_long_name_" + "of_many_" * 20 + "(number):\n    assert number >= 0\n"
    )
    side = make_judge(make_change()).base
    tests = sorted(side.run_tests().passed)
    assert len(" ".join(tests)) > 1 << 18
    assert side.run_tests(tests).passed == set(tests)


@dataclass
class Tired:
    """A side whose first runs do not come to their end."""

    side: Side
    errors: int

    def run_tests(self, tests: Sequence[str] = (), *, lines: bool = False) -> TestRun:
        self.errors -= 1
        if self.errors >= 0:
            return TestRun({}, 1.0, error="the run of tests met its limit of wall")
        return self.side.run_tests(tests, lines=lines)


@pytest.mark.slow
def test_a_run_that_does_not_end_proves_nothing(
    make_change: MakeChange, make_judge: MakeJudge, thresholds: Thresholds
) -> None:
    change = make_change(REPAIRED.replace("min(prices)", "max(prices)"))
    judge = make_judge(change)
    once: Any = SimpleNamespace(base=Tired(judge.base, 1), patched=judge.patched)
    assert not TestSuite().check(change, once, thresholds).passed
    for gate in (TestSuite(), TestCoverage(), Cost()):
        never: Any = SimpleNamespace(base=Tired(judge.base, 99), patched=Tired(judge.patched, 99))
        with pytest.raises(EvaluatorFailed, match="limit of wall"):
            gate.check(change, never, thresholds)


@pytest.mark.slow
def test_lines_that_no_test_reaches_are_too_many(
    make_change: MakeChange, make_judge: MakeJudge, thresholds: Thresholds
) -> None:
    dead = "\n\ndef unused(prices):\n    a = 1\n    b = 2\n    return a + b + len(prices)\n"
    change = make_change(REPAIRED + dead)
    result = TestCoverage().check(change, make_judge(change), thresholds)
    assert not result.passed
    assert result.evidence["missed"] == {"shop/cart.py": [13, 14, 15]}


@pytest.mark.slow
def test_a_change_that_makes_tests_dear_is_refused(
    make_change: MakeChange, make_judge: MakeJudge, thresholds: Thresholds
) -> None:
    slow = "    for _ in range(30_000_000):\n        pass\n    return min(prices)"
    change = make_change(REPAIRED.replace("    return min(prices)", slow))
    result = Cost().check(change, make_judge(change), thresholds)
    assert not result.passed
    assert "more than noise" in result.reason


def test_a_change_for_other_files_or_elsewhere_is_refused(
    make_change: MakeChange, make_judge: MakeJudge, folder: Path, tmp_path: Path
) -> None:
    change = make_change()
    (folder / "shop/cart.py").write_text(CART + "\n")
    with pytest.raises(ConfigurationError, match="not as it was"):
        make_judge(change)
    (folder / "shop/cart.py").write_text(CART)
    for path in ("../out.py", "/elsewhere/out.py", ".git/config"):
        with pytest.raises(ConfigurationError, match="leads out"):
            make_judge(make_change(REPAIRED, FileChange(path, None, "x")))
    (folder / "linked").symlink_to(tmp_path)
    behind = make_change(REPAIRED, FileChange("linked/out.py", None, "x"))
    with pytest.raises(ConfigurationError, match="behind a link"):
        make_judge(behind).patched.run_tests()
    assert not (tmp_path / "out.py").exists()
