"""A watch waits for what is away, and comes to an end where production says nothing."""

from typing import Any

from honed.core.verdict import State
from honed.jobs.deadletters import dead_letters
from honed.loop.cycle import Options
from honed.loop.events import Parked
from honed.testing.pets import PetKind, PetShop

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
