"""A watch waits for what is away, and comes to an end where production says nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from honed.core.verdict import State
from honed.jobs.deadletters import dead_letters
from honed.loop.cycle import Options
from honed.loop.events import Parked
from honed.loop.learn import LONGEST_WATCH
from honed.loop.watch import disturbances
from honed.testing.pets import PetKind, PetShop, pet_worker

FREE = Options(dry_run=False, require_approval=False)


class LookingKind(PetKind):
    """Looks at the target itself, and not only at honed's record of it, when it measures."""

    def measure(self, hypothesis: Any, target: Any) -> Any:
        target.query("SELECT 1")
        return super().measure(hypothesis, target)


def make_due(shop: PetShop) -> None:
    """Let the time pass for which messages are delayed."""
    with shop.store.transaction() as conn:
        conn.execute("UPDATE honed.procrastinate_jobs SET scheduled_at = NULL")


def begin(shop: PetShop) -> None:
    """Take a turn until its change is applied."""
    shop.read(10)
    shop.ask(FREE)
    shop.work()
    assert shop.improvement().state is State.WATCHING


@pytest.mark.slow
def test_change_is_not_taken_back_because_its_target_is_away(pet_shop: PetShop, door: Any) -> None:
    pet_shop.configure(max_attempts=1)
    pet_shop.kind = LookingKind()
    begin(pet_shop)
    pet_shop.read(3)
    door.shut()
    make_due(pet_shop)
    pet_shop.work()
    assert any(isinstance(event, Parked) for event in pet_shop.events)
    door.open()
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.KEPT)
    with pet_shop.store.transaction() as conn:
        assert dead_letters(conn) == []


def look_after(shop: PetShop, time: timedelta) -> None:
    """Look at the change as if so much time had passed since it was applied."""
    applied_at = shop.improvement().applied_at
    assert applied_at is not None
    make_due(shop)
    store = replace(shop.parts.store, fake_now=applied_at + time)
    pet_worker(replace(shop.parts, store=store)).run(until_idle=True)


def test_watch_ends_where_production_asks_nothing(pet_shop: PetShop) -> None:
    begin(pet_shop)
    look_after(pet_shop, LONGEST_WATCH)
    assert pet_shop.improvement().state is State.WATCHING
    look_after(pet_shop, LONGEST_WATCH + timedelta(seconds=1))
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (State.KEPT, None)


@pytest.mark.slow
def test_step_that_nobody_settles_disturbs_no_longer_than_its_improvement_lasts(
    pet_shop: PetShop,
) -> None:
    pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    assert improvement.completed_at is not None
    with pet_shop.store.transaction() as conn:
        conn.execute("UPDATE honed.improvement SET state = 'failed'")
        conn.execute("UPDATE honed.effect SET outcome = NULL, ended_at = NULL WHERE ordinal = 0")
        found = disturbances(conn, improvement.target_id, improvement.proposed_at)
    assert max(each.end for each in found) == improvement.completed_at
