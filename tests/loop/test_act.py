"""What changes a target: stopped, gone, failing or drifted, it ends in a state that is true."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from honed.approval.decisions import approve, roll_back
from honed.config import Autonomy
from honed.core.step import Step
from honed.core.verdict import Outcome, State
from honed.errors import WrongState
from honed.jobs.deadletters import dead_letters, replay
from honed.ledger.log import read_entries
from honed.ledger.statement import unseal
from honed.ledger.verify import verify_log
from honed.loop.cycle import Options, Phase
from honed.loop.effects import Direction, StepOutcome, effects_of
from honed.loop.events import (
    Applied,
    Decided,
    Event,
    Parked,
    Proposed,
    StepEnded,
    StepStarted,
    TrialPair,
)
from honed.testing.pets import (
    BETTER,
    IMPOSSIBLE,
    INDEX_OWNER,
    STATISTICS,
    WORSE,
    Claim,
    PetKind,
    PetShop,
    once,
    when,
)

FREE = Options(dry_run=False, require_approval=False)
TWO = replace(FREE, max_changes=2)
#: Leaves an invalid index behind: owners are not unique.
HALF = Step(
    description="index the owner as if it were unique",
    do=("CREATE UNIQUE INDEX CONCURRENTLY honed_pet_owner ON public.pet (owner)",),
    undo=INDEX_OWNER.undo,
    inspect=INDEX_OWNER.inspect,
    in_transaction=False,
)
#: Leaves an invalid index behind, which cannot be taken away until the table ``free`` is there.
STAYING = replace(
    HALF,
    undo=("SELECT 1 / count(*) FROM pg_class WHERE relname = 'free'", *INDEX_OWNER.undo),
)
#: Can be done, and not undone while the table ``guard`` is there.
STUCK = Step(
    description="make a table that something hangs on",
    do=("CREATE TABLE public.base (n int)",),
    undo=("DROP TABLE public.base",),
    inspect="SELECT CASE WHEN to_regclass('public.base') IS NULL THEN 'absent' ELSE 'done' END",
)


def effects(shop: PetShop) -> list[tuple[Direction, StepOutcome | None]]:
    with shop.store.transaction() as conn:
        found = effects_of(conn, shop.improvement().improvement_id)
    return [(each.direction, each.outcome) for each in found]


def ledger(shop: PetShop) -> list[str]:
    key = shop.parts.signer.public_key
    with shop.store.transaction() as conn:
        entries = read_entries(conn, 0, verify_log(conn, key, ()).size)
    return [unseal(entry.envelope.encode(), key).event for entry in entries]


def begin(shop: PetShop) -> None:
    """Take a turn as far as the first worker comes."""
    shop.read(10)
    shop.ask(FREE)
    shop.work()


def test_step_that_fails_takes_the_others_back(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (Claim("bad end", (INDEX_OWNER, STATISTICS, IMPOSSIBLE)),)
    before = pet_shop.production.objects(), pet_shop.target.fingerprint()
    cycle = pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (State.ROLLED_BACK, Outcome.FAILED)
    assert "division by zero" in improvement.error
    assert (pet_shop.production.objects(), pet_shop.target.fingerprint()) == before
    assert effects(pet_shop) == [
        (Direction.DO, StepOutcome.DONE),
        (Direction.DO, StepOutcome.DONE),
        (Direction.DO, StepOutcome.FAILED),
        (Direction.UNDO, StepOutcome.DONE),
        (Direction.UNDO, StepOutcome.DONE),
    ]
    assert ledger(pet_shop)[-7:] == [
        "step_started", "step_failed", "undo_started", "undo_done",
        "undo_started", "undo_done", "rolled_back",
    ]  # fmt: skip
    assert cycle.phase is Phase.FINISHED


@pytest.mark.slow
def test_step_that_always_fails_is_not_tried_in_every_cycle(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (Claim("impossible", (IMPOSSIBLE,)),)
    pet_shop.turn(FREE)
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.ROLLED_BACK


def test_step_that_nobody_here_can_run_takes_the_others_back(pet_shop: PetShop) -> None:
    odd = replace(STATISTICS, runner="git")
    pet_shop.kind.claims = (Claim("odd", (INDEX_OWNER, odd)),)
    before = pet_shop.production.objects()
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.ROLLED_BACK
    assert "'git'" in pet_shop.improvement().error
    assert pet_shop.production.objects() == before


@pytest.mark.slow
def test_half_built_index_is_cleared_away(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (Claim("half", (STATISTICS, HALF)),)
    before = pet_shop.production.objects()
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.ROLLED_BACK
    assert pet_shop.production.invalid_indexes() == 0
    assert pet_shop.production.objects() == before


@pytest.mark.slow
def test_what_is_there_already_is_not_honeds_to_take_back(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (Claim("there", (STATISTICS, IMPOSSIBLE)),)
    pet_shop.production.client.execute(STATISTICS.do[0].encode())
    pet_shop.turn(FREE)
    assert effects(pet_shop)[0] == (Direction.DO, StepOutcome.NOT_NEEDED)
    assert "honed_pet" in pet_shop.production.objects()


@pytest.mark.slow
def test_what_was_there_is_nobodys_to_take_back_after_a_crash_either(pet_shop: PetShop) -> None:
    pet_shop.configure(max_attempts=1)
    pet_shop.kind.claims = (Claim("there", (STATISTICS,)),)
    pet_shop.production.client.execute(STATISTICS.do[0].encode())
    with pet_shop.store.transaction() as conn:
        # The first outcome of a step cannot be written; a sequence remembers what was rolled back.
        conn.execute("CREATE SEQUENCE public.outcomes")
        conn.execute(
            "CREATE FUNCTION public.fail_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            " AS $$ BEGIN IF nextval('public.outcomes') = 1 THEN RAISE 'crash'; END IF;"
            " RETURN new; END $$"
        )
        conn.execute(
            "CREATE TRIGGER crash BEFORE UPDATE ON honed.effect FOR EACH ROW"
            " EXECUTE FUNCTION public.fail_once()"
        )
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.ROLLED_BACK
    assert "honed_pet" in pet_shop.production.objects()


@pytest.mark.slow
def test_stop_takes_effect_before_the_next_step(
    pet_shop: PetShop, switch: Callable[[str], None]
) -> None:
    first_done = when(StepEnded, direction="do", ordinal=0)
    pet_shop.react = once(first_done, lambda: switch("stop"))
    begin(pet_shop)
    assert pet_shop.improvement().state is State.APPLYING
    assert "honed_pet_owner" in pet_shop.production.objects()
    assert "honed_pet" not in pet_shop.production.objects()
    assert any(isinstance(event, Parked) for event in pet_shop.events)
    pet_shop.work()
    assert "honed_pet" not in pet_shop.production.objects()
    switch("start")
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.KEPT)
    assert ledger(pet_shop).count("step_done") == 2


@pytest.mark.slow
def test_stop_ends_a_trial(
    pet_shop: PetShop, switch: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("honed.loop.prove.SWITCH_EVERY_S", 0.0)
    pet_shop.react = once(when(TrialPair, pairs=2), lambda: switch("stop"))
    begin(pet_shop)
    assert pet_shop.improvement().state is State.ON_TRIAL
    assert not any(isinstance(e, TrialPair) and e.pairs > 3 for e in pet_shop.events)
    switch("start")
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.KEPT)


@pytest.mark.slow
def test_nothing_is_taken_back_while_stopped(
    pet_shop: PetShop, switch: Callable[[str], None]
) -> None:
    pet_shop.turn(FREE)
    with pet_shop.store.transaction() as conn:
        roll_back(conn, pet_shop.improvement().improvement_id, "no")
    switch("stop")
    pet_shop.work()
    assert "honed_pet_owner" in pet_shop.production.objects()
    switch("start")
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.ROLLED_BACK)


@pytest.mark.slow
def test_target_that_goes_away_between_steps_is_waited_for(pet_shop: PetShop, door: Any) -> None:
    pet_shop.react = once(when(StepStarted, direction="do", ordinal=1), door.shut)
    begin(pet_shop)
    assert pet_shop.improvement().state is State.APPLYING
    pet_shop.work()
    assert pet_shop.improvement().state is State.APPLYING
    door.open()
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.KEPT)
    assert ledger(pet_shop).count("step_done") == 2
    with pet_shop.store.transaction() as conn:
        assert dead_letters(conn) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "state"),
    [
        (when(Proposed), State.PROPOSED),
        (when(Decided), State.APPROVED),
        (when(StepEnded, direction="do", ordinal=1), State.WATCHING),
    ],
    ids=["before its steps are fixed", "before it begins", "after its last step"],
)
def test_improvement_waits_for_a_target_that_is_away(
    pet_shop: PetShop, door: Any, moment: Callable[[Event], bool], state: State
) -> None:
    pet_shop.configure(max_attempts=1)
    pet_shop.react = once(moment, door.shut)
    begin(pet_shop)
    pet_shop.work()
    assert pet_shop.improvement().state is state
    door.open()
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.KEPT)
    assert not any(event.startswith("undo") for event in ledger(pet_shop))
    with pet_shop.store.transaction() as conn:
        assert dead_letters(conn) == []


@pytest.mark.slow
def test_approval_outlives_the_absence_of_the_target(pet_shop: PetShop, door: Any) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED, max_attempts=1)
    pet_shop.turn(FREE)
    waiting = pet_shop.improvement()
    door.shut()
    with pet_shop.store.transaction() as conn:
        approve(conn, waiting.improvement_id, waiting.digest)
    pet_shop.work()
    assert pet_shop.improvement().state is State.AWAITING_APPROVAL
    door.open()
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.KEPT)


def test_drift_after_the_approval_makes_it_stale(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    pet_shop.turn(FREE)
    waiting = pet_shop.improvement()
    with pet_shop.store.transaction() as conn:
        approve(conn, waiting.improvement_id, waiting.digest)
    pet_shop.production.client.execute("CREATE INDEX somebody_elses ON pet (name, owner)")
    pet_shop.work()
    assert pet_shop.improvement().state is State.EXPIRED
    assert pet_shop.production.objects() >= {"somebody_elses"}
    assert "honed_pet_owner" not in pet_shop.production.objects()
    assert effects(pet_shop) == []


def test_what_a_failed_step_left_is_recorded_and_can_be_taken_back_later(
    pet_shop: PetShop,
) -> None:
    pet_shop.configure(max_attempts=1)
    pet_shop.kind.claims = (Claim("half", (STAYING,)),)
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.FAILED
    assert effects(pet_shop)[0] == (Direction.DO, StepOutcome.FAILED)
    assert None not in [outcome for _, outcome in effects(pet_shop)]
    assert pet_shop.production.invalid_indexes() == 1
    pet_shop.production.client.execute("CREATE TABLE free ()")
    with pet_shop.store.transaction() as conn:
        roll_back(conn, pet_shop.improvement().improvement_id, "now it can be")
    pet_shop.work()
    assert pet_shop.improvement().state is State.ROLLED_BACK
    assert pet_shop.production.invalid_indexes() == 0
    assert effects(pet_shop)[-1] == (Direction.UNDO, StepOutcome.DONE)


@pytest.mark.slow
def test_change_goes_on_after_one_that_left_something_behind(pet_shop: PetShop) -> None:
    pet_shop.configure(max_attempts=1)
    pet_shop.kind.claims = (Claim("half", (STAYING,)),)
    pet_shop.turn(FREE)
    pet_shop.kind.claims = (BETTER,)
    cycle = pet_shop.turn(FREE)
    assert (pet_shop.improvements()[-1].state, cycle.phase) == (State.KEPT, Phase.FINISHED)


def test_what_a_failed_undo_left_can_be_asked_to_be_taken_back(stuck: PetShop) -> None:
    improvement_id = stuck.improvement().improvement_id
    with stuck.store.transaction() as conn:
        roll_back(conn, improvement_id, "no")
    stuck.work()
    assert stuck.improvement().state is State.FAILED
    stuck.production.client.execute("DROP VIEW guard")
    with stuck.store.transaction() as conn:
        roll_back(conn, improvement_id, "now it can be")
    stuck.work()
    assert stuck.improvement().state is State.ROLLED_BACK
    (row,) = stuck.production.client.execute("SELECT to_regclass('base') IS NULL AS is_gone")
    assert row["is_gone"]
    with pytest.raises(WrongState), stuck.store.transaction() as conn:
        roll_back(conn, improvement_id, "once more")


def test_what_failed_before_it_touched_the_target_cannot_be_taken_back(pet_shop: PetShop) -> None:
    pet_shop.kind = _Forgetful((BETTER,))
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.FAILED
    with pytest.raises(WrongState), pet_shop.store.transaction() as conn:
        roll_back(conn, pet_shop.improvement().improvement_id, "no")


@pytest.mark.slow
def test_drift_is_noticed_before_anybody_approves(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    pet_shop.turn(FREE)
    pet_shop.production.client.execute("CREATE INDEX somebody_elses ON pet (name, owner)")
    pet_shop.turn(FREE)
    states = [each.state for each in pet_shop.improvements()]
    assert states == [State.EXPIRED, State.AWAITING_APPROVAL]


def somebody_changes_it(shop: PetShop) -> None:
    shop.production.client.execute("CREATE INDEX somebody_elses ON pet (name, owner)")


@pytest.mark.slow
def test_change_of_somebody_else_during_a_step_is_not_taken_for_honeds_own(
    pet_shop: PetShop,
) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED, max_changes_per_run=2)
    pet_shop.kind.claims = (Claim("first", (INDEX_OWNER,)), Claim("second", (STATISTICS,)))
    pet_shop.turn(TWO)
    pet_shop.react = once(when(StepStarted), lambda: somebody_changes_it(pet_shop))
    approve_all(pet_shop)
    pending = {State.AWAITING_APPROVAL, State.APPROVED}
    pet_shop.work_until(lambda: pet_shop.improvements()[1].state not in pending)
    assert pet_shop.improvements()[0].state is State.KEPT
    assert pet_shop.improvements()[1].state is State.EXPIRED


@pytest.mark.slow
def test_steps_of_honed_lead_on_in_the_same_cycle_and_back(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED, max_changes_per_run=2)
    pet_shop.kind.claims = (WORSE, Claim("second", (INDEX_OWNER,)))
    pet_shop.turn(TWO)
    approve_all(pet_shop)
    pet_shop.work_until(lambda: pet_shop.improvements()[1].state is State.KEPT)
    assert pet_shop.improvements()[0].state is State.ROLLED_BACK


def approve_all(shop: PetShop) -> None:
    with shop.store.transaction() as conn:
        for each in shop.improvements():
            approve(conn, each.improvement_id, each.digest)


def test_target_that_honed_may_not_change_is_left_alone(pet_shop: PetShop) -> None:
    with pet_shop.store.transaction() as conn:
        conn.execute("UPDATE honed.target SET act_url = ''")
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.FAILED
    assert "no URL for changing it" in pet_shop.improvement().error
    assert effects(pet_shop) == []


@dataclass
class _Forgetful(PetKind):
    """Cannot say how to take its steps back."""

    def rollback(self, steps: Any) -> list[Step]:
        msg = "no idea"
        raise KeyError(msg)


def test_what_cannot_be_taken_back_is_never_applied(pet_shop: PetShop) -> None:
    pet_shop.kind = _Forgetful((BETTER,))
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.FAILED
    assert "no idea" in pet_shop.improvement().error
    assert effects(pet_shop) == []


@pytest.fixture
def stuck(pet_shop: PetShop) -> PetShop:
    """Return a shop with an applied change that cannot be undone until ``guard`` is gone."""
    pet_shop.configure(max_attempts=1)
    pet_shop.kind.claims = (Claim("stuck", (STUCK,)),)
    begin(pet_shop)
    assert any(isinstance(event, Applied) for event in pet_shop.events)
    pet_shop.production.client.execute("CREATE VIEW guard AS SELECT n FROM base")
    return pet_shop


def test_undo_that_fails_is_a_dead_letter_that_can_be_replayed(stuck: PetShop) -> None:
    improvement_id = stuck.improvement().improvement_id
    with stuck.store.transaction() as conn:
        roll_back(conn, improvement_id, "no")
    stuck.work()
    assert stuck.improvement().state is State.FAILED
    assert "other objects depend on it" in stuck.improvement().error
    stuck.production.client.execute("DROP VIEW guard")
    with stuck.store.transaction() as conn:
        (letter,) = dead_letters(conn)
        replay(conn, letter.dead_letter_id)
    stuck.work()
    assert stuck.improvement().state is State.ROLLED_BACK
    assert effects(stuck)[-1] == (Direction.UNDO, StepOutcome.DONE)
    (row,) = stuck.production.client.execute("SELECT to_regclass('base') IS NULL AS is_gone")
    assert row["is_gone"]
