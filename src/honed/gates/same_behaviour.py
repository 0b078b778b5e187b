"""Functions that are rewritten answer as before, on inputs that tests have and on others like them.

## What it does

It watches what tests call the touched functions with, makes more inputs of those, and calls each
function with all of them without the change and with it. What one answers otherwise is refused,
with the shortest such input.

## Why it helps

Tests see a few inputs. Code that is to do the same has no excuse on any other.

## Risk and rollback

Functions run in a sandbox, in forked processes. What cannot be called by itself is named and left
to the tests: methods, what is asynchronous or decorated, what stands within another function, and
what tests call with values that are not plain.

## How it is measured

By what comes out: the value returned, the type of the exception, and what became of the arguments.
What answers one input in two ways without the change says nothing there. Of objects only the type
is seen.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from honed.core.canonical import Json
from honed.core.change import CodeChange, Purpose
from honed.core.counted import counted
from honed.core.gate import Gate, GateResult, Judge, Thresholds
from honed.repair.refactor.touched import Touched, touched_functions
from honed.repair.refactor.twins import Calls, Likeness
from honed.targets.repository.judging.living import living, place_of

#: Functions that are compared: those that tests call most.
_MOST_FUNCTIONS: Final = 8


class SameBehaviour(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "same_behaviour"
    order: ClassVar[int] = 65
    purposes: ClassVar[frozenset[Purpose]] = frozenset({Purpose.REFACTOR, Purpose.OPTIMIZE})

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether what is touched does the same."""
        del thresholds
        touched = touched_functions(change.files)
        seed = change.seed
        if not touched:
            return self.passes("no function is touched that could do otherwise", seed=seed)
        with living(judge.base) as twins:
            called = twins.callings(touched)
            asked = sorted((each for each in called if each.is_callable), key=_most_called)
            asked = asked[:_MOST_FUNCTIONS]
            alike = twins.likenesses(change.files, asked, seed) if asked else []
        left = _left_to_tests(called, alike)
        evidence = dict[str, Json](
            {
                "seed": seed,
                "functions": [_evidence(each) for each in alike],
                "left_to_tests": {place_of(function): why for function, why in left},
            }
        )
        for each in alike:
            if each.difference is not None:
                found = each.difference
                call = f"{each.function.name}({', '.join(found.arguments)})"
                return self.fails(
                    f"{call} was {found.before} and is {found.after}",
                    **evidence,
                    arguments=list(found.arguments),
                    before=found.before,
                    after=found.after,
                )
        return self.passes(_words(alike, len(left)), **evidence)


def _most_called(calls: Calls) -> tuple[int, str, str]:
    return (-calls.count, calls.function.path, calls.function.name)


def _left_to_tests(called: Sequence[Calls], alike: Sequence[Likeness]) -> list[tuple[Touched, str]]:
    compared = {each.function: each for each in alike}
    left = []
    for each in called:
        found = compared.get(each.function)
        if found is not None and found.compared:
            continue
        left.append((each.function, each.function.obstacle or _why(each, found)))
    return left


def _why(calls: Calls, likeness: Likeness | None) -> str:
    if likeness is not None:
        return (
            "it answers no input twice in the same way"
            if likeness.is_unsteady
            else "it cannot be called on both sides"
        )
    if not calls.count:
        return "no test calls it"
    if not calls.inputs:
        return "tests call it with values that are not plain"
    return f"{_MOST_FUNCTIONS} others are called more often"


def _evidence(likeness: Likeness) -> Json:
    return {
        "function": place_of(likeness.function),
        "compared": likeness.compared,
        "from_tests": likeness.known,
        "is_unsteady": likeness.is_unsteady,
    }


def _words(alike: Sequence[Likeness], left: int) -> str:
    compared = [each for each in alike if each.compared]
    inputs = sum(each.compared for each in compared)
    answering = counted(len(compared), "function answers", "functions answer")
    words = f"{answering} {counted(inputs, 'input')} as before"
    return f"{words}, {counted(left, 'is', 'are')} left to the tests" if left else words
