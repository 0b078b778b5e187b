"""No test that passed fails because of a change, and none disappears.

## What it does

It runs all tests twice on the base and once with the change. What differs between the two runs of
the base is flaky: it is listed, and says nothing. What else fails only with the change is new, and
is run once more before it counts.

## Why it helps

A repair that breaks something else is none.

## Risk and rollback

Tests run in a sandbox, in fresh copies.

## How it is measured

By the test's id.
"""

from typing import ClassVar, Final

from honed.core.canonical import Json
from honed.core.change import CodeChange
from honed.core.counted import counted
from honed.core.gate import Gate, GateResult, Judge, Thresholds, whole_run

#: Tests that the reason names.
_NAMED: Final = 3


class TestSuite(Gate):
    """See the module's docstring."""

    __test__ = False  # it is no test of ours

    name: ClassVar[str] = "test_suite"
    order: ClassVar[int] = 60

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether everything that passed still does."""
        del thresholds
        first, second = whole_run(judge.base), whole_run(judge.base)
        patched = judge.patched.run_tests()
        flaky = (first.broken ^ second.broken) | (first.passed ^ second.passed)
        steady = (first.passed & second.passed) - flaky
        lost = sorted(steady - patched.passed)
        if lost:
            # A test that fails now and then may have passed twice before.
            again = judge.patched.run_tests(lost)
            flaky |= again.passed & set(lost)
            lost = sorted(set(lost) - again.passed)
        evidence = dict[str, Json](
            {
                "passed": len(patched.passed),
                "failed_before_too": sorted(patched.broken & first.broken & second.broken),
                "flaky": sorted(flaky - set(change.repairs)),
                "lost": list(lost),
            }
        )
        if patched.error:
            return self.fails(f"with the change {patched.error}", **evidence)
        if lost:
            return self.fails(f"it breaks {', '.join(lost[:_NAMED])}", **evidence)
        passing = counted(len(patched.passed), "test passes", "tests pass")
        return self.passes(f"{passing}, none is lost", **evidence)
