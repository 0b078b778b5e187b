"""Mending: from failing tests to a change that every gate has looked at."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from honed.config import Settings
from honed.core.canonical import Json
from honed.core.change import CodeChange, FileChange
from honed.core.gate import Gate, GateResult, Judge, Thresholds
from honed.repair.engine import repair
from honed.repair.suite import Budget, Outcome, Patch, Suite
from honed.sandbox.box import Box
from honed.targets.repository.judge import Checkout, CodeJudge, Court

#: Ids of tests that a message names.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """What is to be mended: tests that fail on one commit."""

    #: The files of that commit; only read.
    folder: Path
    commit: str
    #: Ids of the tests that must pass; empty: all that fail.
    failing: tuple[str, ...] = ()
    #: Files, folders or ids of the tests to search with; empty: all.
    tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mended:
    """What came of it."""

    #: What the search found, best first, and what it doubts.
    outcome: Outcome
    #: The best change; None: nothing passes the tests.
    change: CodeChange | None
    #: What the gates said of it, in their order, up to the first that it does not pass.
    results: tuple[GateResult, ...] = ()
    #: Digest of what judged.
    judge: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether every gate let it pass."""
        return bool(self.results) and all(each.passed for each in self.results)

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return {
            "is_sound": self.is_sound,
            "change": self.change.to_json() if self.change else None,
            "diff": self.change.diff if self.change else "",
            "gates": [each.to_json() for each in self.results],
            "judge": self.judge,
            "patches": len(self.outcome.patches),
            "abstained": self.outcome.abstained,
            "examined": {
                name: number
                for name, number in self.outcome.examined.items()
                if math.isfinite(number)
            },
        }


def mend(
    fault: Fault, court: Court, budget: Budget, gates: Mapping[str, Gate], settings: Settings
) -> Mended:
    """Return the most natural change after which the failing tests pass, judged by every gate.

    Nothing is written; whoever asked decides what becomes of the change.

    Raises:
        RepairFailed: no test fails, or the tests cannot be collected.
        SandboxMissing: there is no sandbox; nothing was run.
        EvaluatorFailed: a gate could not find out what it looks for.
    """
    failing = fault.failing or tuple(
        sorted(Checkout(fault.folder, {}, court).run_tests(fault.tests).broken)
    )
    suite = Suite(
        root=fault.folder,
        python=court.python,
        tests=fault.tests or court.tests,
        failing=failing,
    )
    box = Box(court.python, sockets=court.sockets, environment=court.environment or {})
    outcome = repair(suite, box, budget)
    if not outcome.patches:
        return Mended(outcome, None)
    change = _change(fault.commit, failing, outcome)
    judge = CodeJudge.of(fault.folder, change, court)
    results = tuple(judged(change, judge, gates.values(), settings))
    return Mended(outcome, change, results, judge.digest)


def judged(
    change: CodeChange, judge: Judge, gates: Iterable[Gate], settings: Settings
) -> Iterator[GateResult]:
    """Yield what each gate says of ``change``, the cheap ones first, up to the first that fails."""
    thresholds = Thresholds(test_coverage=settings.test_coverage)
    switched_on = {name.strip() for name in settings.quality_gates.split(",")}
    for gate in sorted(gates, key=lambda each: (each.order, each.name)):
        if not gate.is_always and gate.name not in switched_on:
            continue
        result = gate.check(change, judge, thresholds)
        yield result
        if not result.passed:
            return


def _change(commit: str, failing: tuple[str, ...], outcome: Outcome) -> CodeChange:
    patch, question = outcome.patches[0], outcome.question
    return CodeChange(
        base_commit=commit,
        files=(FileChange(patch.path, patch.before, patch.after),),
        repairs=failing,
        message=_message(patch, failing),
        doubt=outcome.abstained,
        question={}
        if question is None
        else {
            "function": question.function,
            "arguments": list(question.arguments),
            "outputs": {str(number): said for number, said in question.outputs.items()},
        },
    )


def _message(patch: Patch, failing: tuple[str, ...]) -> str:
    named = ", ".join(failing[:_NAMED])
    more = f" and {len(failing) - _NAMED} more" if len(failing) > _NAMED else ""
    return (
        f"Repair {patch.path}\n\n"
        f"Without this change these tests fail: {named}{more}.\n"
        f"Found by the template {patch.template}."
    )
