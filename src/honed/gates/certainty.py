"""Where equally good changes do different things, a person decides which of them is right.

## What it does

It refuses a change that its author has doubts about: several changes pass all tests and answer
some input differently, or the change answers otherwise than before where nothing was wrong.

## Why it helps

Tests that pass do not make a change right: of changes that pass, a third to a half are wrong.
Saying nothing is better than being wrong, and the input on which they differ is the question whose
answer settles it.

## Risk and rollback

It only reads what the search for the change found out.

## How it is measured

By the behaviour on inputs that are made from those of the tests.
"""

from typing import ClassVar

from honed.core.change import CodeChange
from honed.core.gate import Gate, GateResult, Judge, Thresholds


class Certainty(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "certainty"
    order: ClassVar[int] = 45
    refutes: ClassVar[bool] = False

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether nothing speaks against the change."""
        del judge, thresholds
        if change.doubt:
            return self.fails(change.doubt, question=dict(change.question))
        return self.passes("every change that passes the tests does the same")
