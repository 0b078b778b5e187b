"""Whole turns of the loop on a real target, from the first look to what production says."""

from typing import Any

import pytest

from honed.approval.decisions import approve, reject, roll_back
from honed.config import Autonomy
from honed.core.verdict import Outcome, State, Verdict
from honed.experiments.record import load_last_trial
from honed.improvement.record import events
from honed.ledger.log import read_entries
from honed.ledger.statement import unseal
from honed.ledger.verify import verify_log
from honed.loop.cycle import Cycle, Options, Phase, cycles
from honed.loop.effects import Direction, StepOutcome, effects_of
from honed.testing.pets import BETTER, FALSE, WORSE, PetShop

FREE = Options(dry_run=False, require_approval=False)


def ledger(shop: PetShop) -> list[str]:
    """Return the events of the ledger, oldest first, after it was verified."""
    key = shop.parts.signer.public_key
    with shop.store.transaction() as conn:
        size = verify_log(conn, key, ()).size
        entries = read_entries(conn, 0, size)
    return [unseal(entry.envelope.encode(), key).event for entry in entries]


def waiting_cycle(shop: PetShop) -> Cycle:
    """Return the cycle that waits for its time."""
    with shop.store.transaction() as conn:
        (found,) = [each for each in cycles(conn) if each.phase is Phase.WAITING]
    return found


def pause_s(shop: PetShop) -> float:
    """Return the seconds until the next look at the target, rounded to minutes."""
    with shop.store.transaction() as conn:
        (row,) = conn.execute(
            "SELECT extract(epoch FROM scheduled_at - clock_timestamp())::float AS pause_s"
            "  FROM honed.procrastinate_jobs WHERE status = 'todo' AND task_name = 'analyze'"
        )
    return float(round(row["pause_s"] / 60) * 60)


def test_a_turn_is_a_dry_run_by_default(pet_shop: PetShop) -> None:
    before = pet_shop.production.objects(), pet_shop.target.fingerprint()
    cycle = pet_shop.turn(Options())
    improvement = pet_shop.improvement()
    assert (cycle.phase, cycle.error) == (Phase.FINISHED, "")
    assert improvement.state is State.DRY_RUN
    assert improvement.verdict is Verdict.IMPROVED
    assert (pet_shop.production.objects(), pet_shop.target.fingerprint()) == before
    assert ledger(pet_shop) == ["proposed", "trial_started", "measured", "dry_run"]
    assert pause_s(pet_shop) == 1800


def test_autonomy_observe_makes_every_turn_a_dry_run(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.OBSERVE)
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.DRY_RUN


def test_what_holds_up_in_production_is_kept(pet_shop: PetShop) -> None:
    before = pet_shop.production.objects()
    cycle = pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    assert improvement.state is State.KEPT
    assert improvement.outcome is Outcome.HIGH_SUCCESS
    assert improvement.production_log_ratio is not None
    assert improvement.production_log_ratio < -0.5
    assert pet_shop.production.objects() - before == {"honed_pet_owner", "honed_pet"}
    assert (cycle.phase, cycle.next_delay_s) == (Phase.FINISHED, 300)
    assert pause_s(pet_shop) == 300
    assert ledger(pet_shop) == [
        "proposed", "trial_started", "measured", "approved", "started",
        "step_started", "step_done", "step_started", "step_done", "applied", "kept",
    ]  # fmt: skip


def test_next_turn_begins_where_nobody_asks(pet_shop: PetShop) -> None:
    pet_shop.turn(Options())
    following = waiting_cycle(pet_shop)
    assert following.options == Options(dry_run=False, max_changes=1, require_approval=False)


def test_every_change_waits_for_a_person_who_approves_its_bytes(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    cycle = pet_shop.turn(FREE)
    waiting = pet_shop.improvement()
    assert (waiting.state, cycle.phase) == (State.AWAITING_APPROVAL, Phase.FINISHED)
    assert "honed_pet_owner" not in pet_shop.production.objects()
    with pet_shop.store.transaction() as conn:
        approve(conn, waiting.improvement_id, waiting.digest)
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.KEPT)
    assert "honed_pet_owner" in pet_shop.production.objects()
    assert ledger(pet_shop)[3:5] == ["awaiting_approval", "approved"]


@pytest.mark.slow
def test_what_a_person_rejects_is_neither_applied_nor_proposed_again(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    pet_shop.turn(FREE)
    with pet_shop.store.transaction() as conn:
        reject(conn, pet_shop.improvement().improvement_id, "we know better")
    pet_shop.work()
    assert pet_shop.improvement().state is State.REJECTED
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.REJECTED
    assert ledger(pet_shop)[-1] == "rejected"


def test_what_makes_production_worse_is_taken_back_by_itself(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (WORSE,)
    before = pet_shop.production.objects(), pet_shop.target.fingerprint()
    cycle = pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    assert improvement.verdict is Verdict.IMPROVED
    assert (improvement.state, improvement.outcome) == (State.ROLLED_BACK, Outcome.REGRESSED)
    assert improvement.production_log_ratio is not None
    assert improvement.production_log_ratio > 0
    assert (pet_shop.production.objects(), pet_shop.target.fingerprint()) == before
    assert cycle.next_delay_s == 3600
    assert ledger(pet_shop)[-4:] == ["applied", "undo_started", "undo_done", "rolled_back"]


@pytest.mark.slow
def test_person_takes_back_what_was_kept(pet_shop: PetShop) -> None:
    before = pet_shop.production.objects()
    pet_shop.turn(FREE)
    improvement_id = pet_shop.improvement().improvement_id
    with pet_shop.store.transaction() as conn:
        roll_back(conn, improvement_id, "Ada does not like it")
    pet_shop.work()
    assert pet_shop.improvement().state is State.ROLLED_BACK
    assert pet_shop.improvement().outcome is Outcome.HIGH_SUCCESS
    assert pet_shop.production.objects() == before
    with pet_shop.store.transaction() as conn:
        undone = [e for e in effects_of(conn, improvement_id) if e.direction is Direction.UNDO]
        assert "Ada" not in str([event.detail for event in events(conn, improvement_id)])
    assert [effect.outcome for effect in undone] == [StepOutcome.DONE, StepOutcome.DONE]
    assert [effect.step.do[0].split()[1] for effect in undone] == ["STATISTICS", "INDEX"]
    ledger(pet_shop)


@pytest.mark.slow
def test_refuted_claim_is_not_tried_again_while_nothing_changes(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (FALSE,)
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.REFUTED
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.REFUTED
    pet_shop.production.client.execute("CREATE INDEX pet_owner_name ON pet (owner, name)")
    pet_shop.turn(FREE)
    assert [each.state for each in pet_shop.improvements()] == [State.REFUTED, State.REFUTED]


@pytest.mark.slow
def test_one_change_is_applied_and_watched_at_a_time(pet_shop: PetShop) -> None:
    pet_shop.configure(max_changes_per_run=2)
    pet_shop.kind.claims = (BETTER, WORSE)
    pet_shop.turn(Options(dry_run=False, require_approval=False, max_changes=2))
    better, worse = pet_shop.improvements()
    assert (better.state, worse.state) == (State.KEPT, State.ROLLED_BACK)
    assert better.completed_at is not None
    assert worse.applying_at is not None
    assert better.completed_at <= worse.applying_at


@pytest.mark.slow
def test_what_is_beyond_the_limit_of_a_cycle_waits_for_the_next(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    pet_shop.kind.claims = (WORSE, BETTER)
    pet_shop.turn(FREE)
    with pet_shop.store.transaction() as conn:
        for each in pet_shop.improvements():
            approve(conn, each.improvement_id, each.digest)
    pet_shop.work_until(lambda: pet_shop.improvements()[0].state is State.ROLLED_BACK)
    pet_shop.work()
    assert pet_shop.improvements()[1].state is State.APPROVED
    pet_shop.turn(FREE)
    assert pet_shop.improvements()[1].state is State.KEPT


def approve_all(shop: PetShop) -> None:
    """Approve two claims in a cycle that may change one thing; the first is kept."""
    shop.configure(autonomy=Autonomy.SUPERVISED)
    shop.kind.claims = (BETTER, WORSE)
    shop.turn(FREE)
    with shop.store.transaction() as conn:
        for each in shop.improvements():
            approve(conn, each.improvement_id, each.digest)
    shop.work_until(lambda: shop.improvements()[0].state is State.KEPT)
    assert shop.improvements()[1].state is State.APPROVED


@pytest.mark.slow
def test_next_cycle_carries_out_what_was_approved_before_honeds_own_change(
    pet_shop: PetShop,
) -> None:
    approve_all(pet_shop)
    pet_shop.turn(FREE)
    assert pet_shop.improvements()[1].applied_at is not None
    assert pet_shop.improvements()[1].state is State.ROLLED_BACK


@pytest.mark.slow
def test_change_of_somebody_else_makes_an_approval_stale_beside_honeds_own(
    pet_shop: PetShop,
) -> None:
    approve_all(pet_shop)
    pet_shop.production.client.execute("CREATE INDEX somebody_elses ON pet (name, owner)")
    pet_shop.turn(FREE)
    assert pet_shop.improvements()[1].state is State.EXPIRED


def test_analysis_has_what_the_seed_asks_for(pet_shop: PetShop) -> None:
    cycle = pet_shop.turn(Options())
    with pet_shop.store.transaction() as conn:
        (row,) = conn.execute("SELECT * FROM honed.analysis")
    record: dict[str, Any] = row["record"]
    assert row["cycle_id"] == cycle.cycle_id
    assert record["analysisId"] == row["analysis_id"]
    assert record["totalInferences"] > 0
    assert record["avgDurationMs"] > 0
    assert record["anomalyCount"] == len(record["anomalies"]) == 0
    assert {"queryStoreRecommendations", "patterns"} <= record.keys()


def test_stored_verdict_can_be_made_again(pet_shop: PetShop) -> None:
    pet_shop.turn(Options())
    with pet_shop.store.transaction() as conn:
        trial = load_last_trial(conn, pet_shop.improvement().improvement_id)
    assert trial is not None
    assert trial.is_confirmed()


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT count(*) FROM pet"])
def test_turn_on_a_well_target_proposes_nothing(pet_shop: PetShop, statement: str) -> None:
    pet_shop.kind.claims = ()
    pet_shop.production.client.execute(statement.encode())
    cycle = pet_shop.turn(FREE)
    assert (cycle.phase, cycle.next_delay_s) == (Phase.FINISHED, 1800)
    assert pet_shop.improvements() == []
