"""A change makes nothing dearer than noise does.

## What it does

It runs the tests that pass on both sides some times in turns, and compares their processor time.

## Why it helps

A repair may be right and turn the square root of n into n.

## Risk and rollback

Tests run in a sandbox, in fresh copies. Tests that take milliseconds see only what becomes many
times dearer.

## How it is measured

By the least processor time of each side, in seconds of the whole run: whatever disturbs a run makes
it dearer.
"""

from typing import ClassVar, Final

from honed.core.change import CodeChange
from honed.core.gate import Gate, GateResult, Judge, Thresholds, whole_run

_TURNS: Final = 3
#: What the least of three runs differs by where nothing changed, as a share and in seconds.
_NOISE, _NOISE_S = 0.25, 0.1


class Cost(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "cost"
    order: ClassVar[int] = 80

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether the tests take no more time than before."""
        del thresholds
        steady = sorted(whole_run(judge.base).passed - set(change.repairs))
        if not steady:
            return self.passes("no test passes without the change, so there is nothing to compare")
        turns = [
            (whole_run(judge.base, steady).cpu_s, whole_run(judge.patched, steady).cpu_s)
            for _ in range(_TURNS)
        ]
        before_s, after_s = (min(side) for side in zip(*turns, strict=True))
        evidence = {"before_cpu_s": before_s, "after_cpu_s": after_s, "tests": len(steady)}
        words = f"{after_s:.2f} s of processor time instead of {before_s:.2f} s"
        if after_s > (1 + _NOISE) * before_s + _NOISE_S:
            return self.fails(f"{words}, more than noise", **evidence)
        return self.passes(words, **evidence)
