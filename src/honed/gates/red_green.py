"""The tests that a change repairs fail without it and pass with it, every time.

## What it does

It runs those tests several times on the base, where each must fail each time, and as often with the
change, where each must pass each time.

## Why it helps

A test that was never red proves nothing when it is green; one that is red now and then repairs
itself.

## Risk and rollback

Tests run in a sandbox, in fresh copies.

## How it is measured

In runs: k of k red, k of k green. A test that fails three times in ten passes this by chance with
0.3^3 x 0.7^3 = 0.9 %.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from honed.core.change import CodeChange, Purpose
from honed.core.counted import counted
from honed.core.gate import Gate, GateResult, Judge, Side, TestRun, Thresholds

#: Runs on each side.
_RUNS: Final = 3


class RedGreen(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "red_green"
    order: ClassVar[int] = 50
    purposes: ClassVar[frozenset[Purpose]] = frozenset({Purpose.REPAIR})

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether what the change repairs is red without it and green with it."""
        del thresholds
        if not change.repairs:
            return self.fails("it repairs no test, so nothing shows that it repairs anything")
        for run in _runs(judge.base, change.repairs):
            well = sorted(set(change.repairs) - run.broken)
            if well and not run.error:
                return self.fails(
                    f"{well[0]} does not always fail without the change", test=well[0]
                )
        for run in _runs(judge.patched, change.repairs):
            ill = sorted(set(change.repairs) - run.passed)
            if ill or run.error:
                why = run.error or f"{ill[0]} does not always pass"
                return self.fails(f"with the change {why}", tests=list(ill))
        return self.passes(
            f"{counted(len(change.repairs), 'test is', 'tests are')} red {_RUNS} of {_RUNS} times"
            f" without it and green {_RUNS} of {_RUNS} times with it",
            runs=_RUNS,
            tests=list(change.repairs),
        )


def _runs(side: Side, tests: Sequence[str]) -> Sequence[TestRun]:
    return [side.run_tests(tests) for _ in range(_RUNS)]
