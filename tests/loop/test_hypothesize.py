"""Which claims become improvements: new ones, attempted ones, of kinds that fit."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from honed.approval.decisions import approve, reject
from honed.config import Autonomy
from honed.core.canonical import canonical_json
from honed.core.finding import INVALID_INDEX, Finding
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Danger, Risk
from honed.core.verdict import State
from honed.loop.cycle import Options, Phase
from honed.loop.events import LeftOut, PluginFailed, Proposed
from honed.loop.hypothesize import MAX_CLAIM_BYTES
from honed.loop.undo import on_target
from honed.storage.db import Database
from honed.targets.postgres.target import PostgresTarget
from honed.testing.pets import (
    BETTER,
    FALSE,
    IMPOSSIBLE,
    INDEX_OWNER,
    STATISTICS,
    Claim,
    PetKind,
    PetShop,
)

DRY = Options()


def left_out(shop: PetShop) -> list[str]:
    return [event.reason for event in shop.events if isinstance(event, LeftOut)]


def test_kind_that_raises_costs_that_kind_and_not_the_cycle(pet_shop: PetShop) -> None:
    class Broken(PetKind):
        def propose(self, findings: Any, target: Any) -> Any:
            yield from super().propose(findings, target)
            msg = "broken"
            raise RuntimeError(msg)

    pet_shop.kind = Broken()
    cycle = pet_shop.turn(DRY)
    assert cycle.phase is Phase.FINISHED
    assert cycle.error == "pets: pets raised RuntimeError: broken"
    assert [e.plugin for e in pet_shop.events if isinstance(e, PluginFailed)] == ["pets"]
    assert pet_shop.improvements() == []


ODD_VALUES: dict[str, dict[str, Any]] = {
    "a promise that is no number": {"predicted_log_ratio": math.nan},
    "an endless parameter": {"parameters": {"statements": [], "size": math.inf}},
    "a parameter that is no JSON": {"parameters": {"statements": [], "tree": object()}},
    "more than the ledger takes": {"parameters": {"statements": [], "text": "x" * MAX_CLAIM_BYTES}},
    "what no text of the store can hold": {"claim": "nothing\0 at all"},
    "half a character": {"claim": "\ud800"},
    "a finding that nobody found": {"finding_ids": (4711,)},
    "the name of another kind": {"kind": "cats"},
}


@pytest.mark.parametrize("odd", ODD_VALUES.values(), ids=ODD_VALUES)
def test_claim_that_cannot_be_recorded_costs_its_kind_and_not_the_cycle(
    pet_shop: PetShop, odd: dict[str, Any]
) -> None:
    class Odd(PetKind):
        def propose(self, findings: Any, target: Any) -> Any:
            for claim in super().propose(findings, target):
                yield replace(claim, **odd)

    pet_shop.kind = Odd()
    cycle = pet_shop.turn(DRY)
    assert cycle.phase is Phase.FINISHED
    assert cycle.error.startswith("pets: pets raised ")
    assert [e.plugin for e in pet_shop.events if isinstance(e, PluginFailed)] == ["pets"]
    assert pet_shop.improvements() == []


def test_the_longest_claim_can_be_signed(pet_shop: PetShop) -> None:
    class Wordy(PetKind):
        def propose(self, findings: Any, target: Any) -> Any:
            for claim in super().propose(findings, target):
                room = MAX_CLAIM_BYTES - len(canonical_json(claim.to_json()))
                yield replace(claim, claim=claim.claim + "x" * room)

    pet_shop.kind = Wordy()
    pet_shop.turn(DRY)
    assert pet_shop.improvement().state is State.DRY_RUN


def test_kind_that_cannot_say_its_undo_costs_what_waits_and_not_the_cycle(
    pet_shop: PetShop,
) -> None:
    class Forgetful(PetKind):
        def rollback(self, steps: Any) -> Any:
            msg = "forgotten"
            raise LookupError(msg)

    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    pet_shop.turn(Options(dry_run=False))
    waiting = pet_shop.improvement()
    pet_shop.kind = Forgetful()
    cycle = pet_shop.turn(Options(dry_run=False))
    assert cycle.phase is Phase.FINISHED
    assert pet_shop.improvement() == waiting
    (told,) = [event for event in pet_shop.events if isinstance(event, PluginFailed)]
    assert "forgotten" in told.error


def test_claim_that_is_too_risky_is_recorded_and_never_attempted(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (replace(BETTER, risk=8),)
    pet_shop.turn(DRY)
    improvement = pet_shop.improvement()
    assert improvement.state is State.FAILED
    assert "never attempted" in improvement.error
    assert improvement.trial_started_at is None
    pet_shop.turn(DRY)
    assert pet_shop.improvement() == improvement


def test_kind_that_is_too_risky_is_never_attempted_either(pet_shop: PetShop) -> None:
    class Daring(PetKind):
        risk: ClassVar[Risk] = Risk(level=9)

    pet_shop.kind = Daring()
    pet_shop.turn(DRY)
    improvement = pet_shop.improvement()
    assert (improvement.risk, improvement.trial_started_at) == (9, None)
    pet_shop.turn(DRY)
    assert pet_shop.improvement() == improvement


@pytest.mark.parametrize(("of_claim", "of_kind", "stored"), [(1, 5, 5), (5, 1, 5)])
def test_the_higher_risk_of_claim_and_kind_is_stored(
    pet_shop: PetShop, of_claim: int, of_kind: int, stored: int
) -> None:
    class Cautious(PetKind):
        risk: ClassVar[Risk] = Risk(level=of_kind)

    pet_shop.kind = Cautious(claims=(replace(BETTER, risk=of_claim),))
    pet_shop.turn(DRY)
    improvement = pet_shop.improvement()
    assert (improvement.risk, improvement.hypothesis.risk) == (stored, stored)


def test_danger_of_the_kind_goes_with_the_claim(pet_shop: PetShop) -> None:
    class Deleting(PetKind):
        risk: ClassVar[Risk] = Risk(level=3, danger=Danger.DELETION)

    pet_shop.kind = Deleting()
    pet_shop.turn(Options(dry_run=False, require_approval=False))
    improvement = pet_shop.improvement()
    assert improvement.danger is Danger.DELETION
    # The policy approves everything that is not dangerous; this waits for a person.
    assert improvement.state is State.AWAITING_APPROVAL


@pytest.mark.parametrize("area", ["quality", "features"])
def test_kind_of_another_area_is_not_asked(pet_shop: PetShop, area: str) -> None:
    pet_shop.turn(Options(target_area=area))
    assert pet_shop.improvements() == []


def test_kind_that_wants_other_findings_is_not_asked(pet_shop: PetShop) -> None:
    class Picky(PetKind):
        wants = frozenset({INVALID_INDEX})

    pet_shop.kind = Picky()
    pet_shop.turn(DRY)
    assert pet_shop.improvements() == []


def test_kind_of_another_sort_of_target_is_not_asked(pet_shop: PetShop) -> None:
    class Foreign(PetKind):
        sort: ClassVar[str] = "repository"

    pet_shop.kind = Foreign()
    pet_shop.turn(DRY)
    assert pet_shop.improvements() == []


def test_the_daemons_role_may_ask_what_is_left_on_a_target(store: Database) -> None:
    with replace(store, role="honed_daemon").transaction() as conn:
        assert on_target(conn, 1) == []


def test_claim_that_a_dry_run_has_proven_is_not_proven_again(pet_shop: PetShop) -> None:
    pet_shop.turn(DRY)
    pet_shop.turn(DRY)
    assert pet_shop.improvement().state is State.DRY_RUN
    (why,) = left_out(pet_shop)
    assert why == "improvement 1 has proven it already, and nothing may be changed now"


@pytest.mark.slow
def test_dry_run_is_followed_by_the_real_one(pet_shop: PetShop) -> None:
    pet_shop.turn(DRY)
    pet_shop.turn(Options(dry_run=False, require_approval=False))
    assert [each.state for each in pet_shop.improvements()] == [State.DRY_RUN, State.KEPT]


def test_claim_that_waits_for_a_person_is_not_made_twice(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    real = Options(dry_run=False)
    pet_shop.turn(real)
    pet_shop.turn(real)
    assert pet_shop.improvement().state is State.AWAITING_APPROVAL
    assert left_out(pet_shop) == ["improvement 1 makes it already and is awaiting_approval"]


def test_a_no_counts_whatever_has_changed_since(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    pet_shop.turn(Options(dry_run=False))
    with pet_shop.store.transaction() as conn:
        reject(conn, 1, "it is not wanted")
    pet_shop.work()
    assert pet_shop.improvement().state is State.REJECTED
    pet_shop.production.client.execute("CREATE TABLE cage (cage_id integer)")
    pet_shop.turn(DRY)
    assert len(pet_shop.improvements()) == 1
    assert left_out(pet_shop) == ["improvement 1 was rejected, which counts for 7 days"]


class Answered(PetKind):
    """Its claims rest on what a person has told."""

    told = ""

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield the claims with it."""
        for each in super().propose(findings, target):
            yield replace(each, parameters={**each.parameters, "told": self.told})


@pytest.mark.slow
@pytest.mark.parametrize("is_dry", [True, False], ids=["proven dry", "waiting"])
def test_what_a_person_has_told_since_makes_a_claim_a_new_one(
    pet_shop: PetShop, *, is_dry: bool
) -> None:
    kind = pet_shop.kind = Answered()
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    before, after = (
        (State.DRY_RUN, State.DRY_RUN) if is_dry else (State.EXPIRED, State.AWAITING_APPROVAL)
    )
    pet_shop.turn(Options(dry_run=is_dry))
    kind.told = "0a1b"
    pet_shop.turn(Options(dry_run=is_dry))
    assert [each.state for each in pet_shop.improvements()] == [before, after]
    pet_shop.turn(Options(dry_run=is_dry))
    assert len(pet_shop.improvements()) == 2
    assert len(left_out(pet_shop)) == 1


@pytest.mark.slow
def test_a_no_to_what_a_person_had_not_answered_yet_is_none_to_the_answer(
    pet_shop: PetShop,
) -> None:
    kind = pet_shop.kind = Answered()
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    pet_shop.turn(Options(dry_run=False))
    with pet_shop.store.transaction() as conn:
        reject(conn, 1, "it is wrong")
    pet_shop.work()
    kind.told = "0a1b"
    pet_shop.turn(Options(dry_run=False))
    states = [each.state for each in pet_shop.improvements()]
    assert states == [State.REJECTED, State.AWAITING_APPROVAL]


@pytest.mark.slow
def test_a_change_of_honeds_own_does_not_end_what_waits(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (replace(BETTER, steps=(INDEX_OWNER,)), Claim("other", (STATISTICS,)))
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    pet_shop.turn(Options(dry_run=False))
    first, second = sorted(pet_shop.improvements(), key=lambda each: each.improvement_id)
    with pet_shop.store.transaction() as conn:
        approve(conn, first.improvement_id, first.digest or "")
    pet_shop.work()
    pet_shop.turn(Options(dry_run=False))
    states = {each.improvement_id: each.state for each in pet_shop.improvements()}
    assert states[first.improvement_id] is State.KEPT
    assert states[second.improvement_id] is State.AWAITING_APPROVAL


@pytest.mark.slow
def test_a_dry_cycle_ends_nothing_that_waits(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    pet_shop.turn(Options(dry_run=False))
    pet_shop.production.client.execute("CREATE TABLE cage (cage_id integer)")
    pet_shop.turn(DRY)
    assert pet_shop.improvement().state is State.AWAITING_APPROVAL
    pet_shop.turn(Options(dry_run=False))
    assert State.EXPIRED in {each.state for each in pet_shop.improvements()}


def test_where_nothing_may_change_a_proof_is_not_made_twice(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.OBSERVE)
    pet_shop.turn(Options(dry_run=False))
    pet_shop.turn(Options(dry_run=False))
    assert pet_shop.improvement().state is State.DRY_RUN


def test_refuted_claim_may_be_made_again_after_a_while(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (FALSE,)
    pet_shop.turn(DRY)
    with pet_shop.store.transaction() as conn:
        conn.execute("UPDATE honed.improvement SET completed_at = completed_at - interval '8 days'")
    pet_shop.turn(DRY)
    assert len(pet_shop.improvements()) == 2


@pytest.mark.slow
def test_claim_whose_steps_failed_is_tried_again_after_a_growing_pause(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (replace(BETTER, steps=(INDEX_OWNER, IMPOSSIBLE)),)
    freely = Options(dry_run=False, require_approval=False)
    for hours, count in ((0, 1), (0.9, 1), (0.2, 2), (1.1, 2)):
        with pet_shop.store.transaction() as conn:
            conn.execute(
                "UPDATE honed.improvement SET completed_at"
                " = completed_at - make_interval(secs => %(s)s)",
                {"s": hours * 3600},
            )
        pet_shop.turn(freely)
        assert len(pet_shop.improvements()) == count
        assert {each.state for each in pet_shop.improvements()} == {State.ROLLED_BACK}


@pytest.mark.slow
def test_what_is_done_once_only_is_not_done_again_after_it_was_kept(pet_shop: PetShop) -> None:
    class Once(PetKind):
        is_once: ClassVar[bool] = True

    pet_shop.turn(Options(dry_run=False, require_approval=False))
    assert pet_shop.improvement().state is State.KEPT
    pet_shop.kind = Once()
    pet_shop.turn(DRY)
    assert pet_shop.improvement().state is State.KEPT
    assert left_out(pet_shop) == ["improvement 1 did it, which is done once only"]


def test_claims_are_tried_by_priority_then_by_what_they_promise(pet_shop: PetShop) -> None:
    claims = [
        Claim("late", BETTER.steps, effect=-0.9, priority=2),
        Claim("second", BETTER.steps, effect=-0.2, priority=4),
        Claim("first", BETTER.steps, effect=-0.6, priority=4),
    ]
    pet_shop.kind.claims = claims
    pet_shop.turn(DRY)
    proposed = [e.hypothesis.subject for e in pet_shop.events if isinstance(e, Proposed)]
    assert proposed == ["first", "second", "late"]
    assert {each.propensity for each in pet_shop.improvements()} == {1.0}


def test_improvement_answers_the_findings_that_led_to_it(pet_shop: PetShop) -> None:
    pet_shop.turn(DRY)
    with pet_shop.store.transaction() as conn:
        rows = conn.execute(
            "SELECT finding.type FROM honed.improvement_finding"
            "  JOIN honed.finding USING (finding_id) WHERE improvement_id = 1"
        ).fetchall()
    assert {row["type"] for row in rows} == {"slow_statement"}
