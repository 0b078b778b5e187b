"""A change that is to be faster is: by a trial on the inputs that tests have.

## What it does

It watches what tests call the touched functions with, and calls each function with those inputs
alone, without the change and with it, in turns whose order is drawn by a recorded seed, until the
evidence decides. A gain below 2 % is none.

## Why it helps

What is faster in a book may be slower on three elements. A change that gains nothing is only to be
read.

## Risk and rollback

Functions run in a sandbox, each block in a forked process of its own, on arguments of their own.

## How it is measured

In processor seconds of the calling thread, of one call with each input, as the median of five
turns; code without the change is compiled anew like the code with it. Pairs of adjacent blocks are
judged by the e-process that judges all trials, with a control that compares the code with itself.
What tests call with values that are not plain, methods for instance, is timed where they call it.
What no test calls and coroutines are not timed, and what is not timed is not let pass. The inputs
of tests are small, in most cases: a gain that only shows on large ones is not seen.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from honed.core.canonical import Json
from honed.core.change import CodeChange, Purpose
from honed.core.gate import Gate, GateResult, Judge, Thresholds
from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign, Unit
from honed.core.verdict import Verdict
from honed.errors import EvaluatorFailed
from honed.experiments.blocks import Block
from honed.experiments.trial import TrialResult, run_trial
from honed.repair.refactor.pace import Paced, obstacle, paced
from honed.repair.refactor.touched import touched_functions
from honed.repair.refactor.twins import Twins
from honed.targets.repository.judging.living import living, place_of

#: Functions that are timed: those that tests call most.
_MOST_FUNCTIONS: Final = 4
_MIN_PAIRS: Final = 8
_MAX_PAIRS: Final = 60
_TIME_BUDGET_S: Final = 180.0


class Faster(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "faster"
    order: ClassVar[int] = 90
    refutes: ClassVar[bool] = False
    purposes: ClassVar[frozenset[Purpose]] = frozenset({Purpose.OPTIMIZE})

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether what is touched takes at least 2 % less processor time."""
        del thresholds
        with living(judge.base) as twins:
            asked, untimed = _asked(twins, change)
            if not asked:
                return self.fails("no function that it touches can be timed", untimed=dict(untimed))
            trial = _Timing(twins, change, asked)
            result = run_trial(trial, (), seed=change.seed)
        if result.error:
            raise EvaluatorFailed(result.error)
        judgement = result.judgement
        evidence = _evidence(result, asked, untimed)
        if judgement.verdict is Verdict.IMPROVED:
            return self.passes(judgement.reason, **evidence)
        failed = self.fails(judgement.reason, **evidence)
        return replace(failed, refutes=judgement.verdict is Verdict.WORSE)


def _asked(twins: Twins, change: CodeChange) -> tuple[list[Paced], dict[str, str]]:
    """Return the functions that can be timed, and why others cannot be."""
    untimed: dict[str, str] = {}
    asked: list[Paced] = []
    called = twins.callings(touched_functions(change.files))
    for each in sorted(called, key=lambda each: (-each.count, each.function.name)):
        why = obstacle(each)
        if not why and len(asked) == _MOST_FUNCTIONS:
            why = f"{_MOST_FUNCTIONS} others are called more often"
        pace = why or paced(twins, change.files, each)
        if isinstance(pace, Paced):
            asked.append(pace)
        else:
            untimed[place_of(each.function)] = pace
    return asked, untimed


@dataclass(frozen=True, slots=True)
class _Timing:
    """A trial of functions on the inputs of tests; implements ``honed.core.trial.Trial``."""

    twins: Twins
    change: CodeChange
    asked: Sequence[Paced]

    @property
    def design(self) -> TrialDesign:
        """How it is run and judged: what trials of everything else are judged by."""
        return TrialDesign(
            # Forks have been warmed before the clock is looked at.
            tuple(Unit(_unit(each), weight=each.cpu_s, needs_washout=False) for each in self.asked),
            metric="cpu_s",
            min_pairs=_MIN_PAIRS,
            max_pairs=_MAX_PAIRS,
            time_budget_s=_TIME_BUDGET_S,
            washout=0,
        )

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Hand out both sides; the control is the code as it is, put in place once more."""
        del steps
        base, patched = _Arm(self, is_patched=False), _Arm(self, is_patched=True)
        yield Arms(base, patched, base)


@dataclass(frozen=True, slots=True)
class _Arm:
    """One side; implements ``honed.core.trial.Arm``."""

    trial: _Timing
    is_patched: bool

    def run(self, unit: str) -> float:
        """Return the processor time of one call with each input."""
        pace = next(each for each in self.trial.asked if _unit(each) == unit)
        files = self.trial.change.files
        taken = self.trial.twins.cpu_s(files, pace.calls, pace.passes, is_patched=self.is_patched)
        if taken.cpu_s is None:
            raise EvaluatorFailed(f"{unit} cannot be timed: {taken.why}")  # noqa: TRY003, EM102
        if taken.inputs != pace.inputs:
            msg = f"{unit} returns for {taken.inputs} inputs, and for {pace.inputs} before"
            raise EvaluatorFailed(msg)
        return taken.cpu_s


def _unit(pace: Paced) -> str:
    return place_of(pace.calls.function)


def _evidence(
    result: TrialResult, asked: Sequence[Paced], untimed: dict[str, str]
) -> dict[str, Any]:
    functions = [
        {
            "function": _unit(each),
            "is_by_itself": each.calls.is_callable,
            "inputs": each.inputs,
            "passes": each.passes,
        }
        for each in asked
    ]
    return {
        "seed": result.seed,
        "ending": result.ending.value,
        "judgement": result.judgement.to_json(),
        "functions": functions,
        "untimed": dict(untimed),
        "blocks": [_block(each) for each in result.blocks],
    }


def _block(block: Block) -> Json:
    return {
        "pair": block.pair,
        "position": block.position,
        "arm": block.arm.value,
        "purpose": block.purpose.value,
        "cpu_s": dict(block.costs),
    }
