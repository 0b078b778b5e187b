"""Claims that gates prove: right, wrong or left open, and never carried out unless right."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from honed.core.gate import Examination, GateResult
from honed.core.step import Step
from honed.core.verdict import State, Verdict
from honed.errors import EvaluatorFailed
from honed.loop.cycle import Options
from honed.loop.events import Event, GateChecked
from honed.testing.pets import PetKind, PetShop

DRY = Options()
PASSED = GateResult("first", passed=True, reason="it is small", evidence={"lines": 3})
WRONG = GateResult("second", passed=False, reason="it breaks a test")
OPEN = GateResult("second", passed=False, reason="two answers", refutes=False)
NEVER = GateResult("third", passed=True, reason="asked after one that failed")


class Said(Examination):
    """Gates that say what a test tells them."""

    judge = "d" * 64

    def __init__(self, say: Callable[[], Iterator[GateResult]]) -> None:
        self._say = say

    def examine(self, steps: Sequence[Step]) -> Iterator[GateResult]:
        assert steps
        return self._say()


@dataclass
class GatedKind(PetKind):
    """A kind whose claims are proven by gates."""

    say: Callable[[], Iterator[GateResult]] = lambda: iter(())

    def trial(self, hypothesis: Any, target: Any) -> Any:
        del hypothesis, target
        return Said(self.say)


def failing() -> Iterator[GateResult]:
    yield PASSED
    msg = "the sandbox is gone"
    raise EvaluatorFailed(msg)


@pytest.mark.parametrize(
    ("results", "verdict", "state", "reason"),
    [
        ([PASSED], Verdict.IMPROVED, State.DRY_RUN, "every gate"),
        ([PASSED, WRONG, NEVER], Verdict.WORSE, State.REFUTED, "second: it breaks a test"),
        ([OPEN, NEVER], Verdict.INCONCLUSIVE, State.INCONCLUSIVE, "second: two answers"),
        ([], Verdict.INCONCLUSIVE, State.INCONCLUSIVE, "no gate"),
    ],
)
def test_gates_give_the_verdict_and_leave_their_evidence(
    pet_shop: PetShop,
    results: list[GateResult],
    verdict: Verdict,
    state: State,
    reason: str,
) -> None:
    told: list[Event] = []
    pet_shop.kind = GatedKind(say=lambda: iter(results))
    pet_shop.react = told.append
    pet_shop.turn(DRY)
    improvement = pet_shop.improvement()
    assert (improvement.verdict, improvement.state) == (verdict, state)
    asked = [each for each in results if each is not NEVER]
    evidence: Any = improvement.evidence
    assert evidence["gates"] == [each.to_json() for each in asked]
    assert evidence["judge"] == "d" * 64
    assert [each.gate for each in told if isinstance(each, GateChecked)] == [
        each.gate for each in asked
    ]
    with pet_shop.store.transaction() as conn:
        rows = conn.execute(
            "SELECT detail ->> 'reason' AS reason FROM honed.improvement_event"
            " WHERE improvement_id = %s AND detail ->> 'reason' LIKE %s",
            (improvement.improvement_id, f"{reason}%"),
        ).fetchall()
    assert rows, "the history says why"


def test_a_gate_that_cannot_look_refutes_nothing(pet_shop: PetShop) -> None:
    pet_shop.kind = GatedKind(say=failing)
    pet_shop.turn(DRY)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.verdict) == (State.INCONCLUSIVE, Verdict.ERROR)
    assert "the sandbox is gone" in improvement.error


def test_what_gates_have_proven_waits_for_a_person(pet_shop: PetShop) -> None:
    pet_shop.kind = GatedKind(say=lambda: iter([PASSED]))
    pet_shop.turn(replace(DRY, dry_run=False))
    assert pet_shop.improvement().state is State.AWAITING_APPROVAL
