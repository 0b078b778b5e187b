"""Tests reach what a change touches.

## What it does

It runs all tests with the change and looks which of the new and changed lines ran.

## Why it helps

What no test reaches no test has judged.

## Risk and rollback

Tests run in a sandbox, in fresh copies.

## How it is measured

As the share of touched lines that can run, and did; the setting ``test_coverage`` says how much is
enough (0.8 in the seed's configuration).
"""

from typing import ClassVar

from honed.core.canonical import Json
from honed.core.change import CodeChange
from honed.core.gate import Gate, GateResult, Judge, Thresholds, whole_run
from honed.repair.refactor.reach import runnable


class TestCoverage(Gate):
    """See the module's docstring."""

    __test__ = False  # it is no test of ours

    name: ClassVar[str] = "test_coverage"
    order: ClassVar[int] = 70

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether tests reach enough of what is touched."""
        run = whole_run(judge.patched, lines=True)
        touched = {
            file.path: file.touched & runnable(file.path, file.after or "")
            for file in change.python_files()
        }
        missed = {
            path: sorted(lines - run.lines.get(path, frozenset()))
            for path, lines in touched.items()
        }
        count = sum(map(len, touched.values()))
        reached = count - sum(map(len, missed.values()))
        share = reached / count if count else 1.0
        evidence = dict[str, Json](
            {
                "share": share,
                "wanted": thresholds.test_coverage,
                "missed": {path: list(lines) for path, lines in missed.items() if lines},
            }
        )
        words = f"tests reach {reached} of {count} touched lines"
        if share < thresholds.test_coverage:
            return self.fails(f"{words}, and {thresholds.test_coverage:.0%} are wanted", **evidence)
        return self.passes(words, **evidence)
