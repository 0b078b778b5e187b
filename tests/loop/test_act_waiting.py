"""A change that waits, for its first step or for a worker that knows its kind, ends truly."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from honed.config import Autonomy
from honed.core.verdict import State
from honed.loop.cycle import Options, Phase
from honed.loop.effects import Effect, effects_of
from honed.loop.events import (
    Applied,
    Decided,
    Event,
    Proposed,
)
from honed.loop.work import WAIT_FOR_KIND
from honed.testing.pets import (
    PetShop,
    once,
    pet_worker,
    when,
)

FREE = Options(dry_run=False, require_approval=False)
TWO = replace(FREE, max_changes=2)


def effects(shop: PetShop) -> list[Effect]:
    with shop.store.transaction() as conn:
        return effects_of(conn, shop.improvement().improvement_id)


def begin(shop: PetShop) -> None:
    """Take a turn as far as the first worker comes."""
    shop.read(10)
    shop.ask(FREE)
    shop.work()


@pytest.fixture
def begun(pet_shop: PetShop) -> PetShop:
    """Return a shop in which honed was stopped at the moment when an approved change began."""
    with pet_shop.store.transaction() as conn:
        conn.execute(
            "CREATE FUNCTION public.enough() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            " AS $$ BEGIN UPDATE honed.switch SET stopped = true; RETURN NULL; END $$"
        )
        conn.execute(
            "CREATE TRIGGER enough AFTER UPDATE ON honed.improvement FOR EACH ROW"
            " WHEN (new.state = 'applying') EXECUTE FUNCTION public.enough()"
        )
    begin(pet_shop)
    assert pet_shop.improvement().state is State.APPLYING
    assert effects(pet_shop) == []
    with pet_shop.store.transaction() as conn:
        conn.execute("DROP TRIGGER enough ON honed.improvement")
    return pet_shop


def drift(shop: PetShop) -> None:
    shop.production.client.execute("CREATE INDEX somebody_elses ON pet (name, owner)")


def let_the_approval_end(shop: PetShop) -> None:
    with shop.store.transaction() as conn:
        conn.execute("UPDATE honed.approval SET expires_at = honed.now()")


def change_the_policy(shop: PetShop) -> None:
    shop.configure(autonomy=Autonomy.OBSERVE)


@pytest.mark.parametrize("happens", [drift, let_the_approval_end, change_the_policy])
def test_change_that_waited_too_long_for_its_first_step_expires(
    begun: PetShop, switch: Callable[[str], None], happens: Callable[[PetShop], None]
) -> None:
    happens(begun)
    before = begun.production.objects()
    switch("start")
    begun.work_until(lambda: begun.improvement().state is not State.APPLYING)
    assert begun.improvement().state is State.EXPIRED
    assert begun.production.objects() == before
    assert effects(begun) == []
    begun.work_until(lambda: begun.cycle(1).phase is Phase.FINISHED)


def test_change_that_waited_for_its_first_step_goes_on(
    begun: PetShop, switch: Callable[[str], None]
) -> None:
    switch("start")
    begun.work_until(lambda: begun.improvement().state is State.KEPT)


def work_without_the_kind(shop: PetShop, *, after: timedelta = timedelta(0)) -> None:
    """Let a worker on which the kind is not installed handle what is due, so much later."""
    with shop.store.transaction() as conn:
        conn.execute("UPDATE honed.procrastinate_jobs SET scheduled_at = NULL")
    parts = replace(shop.parts, kinds={})
    now = shop.improvement().updated_at + after
    pet_worker(replace(parts, store=replace(parts.store, fake_now=now))).run(until_idle=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "state"),
    [
        (when(Proposed), State.PROPOSED),
        (when(Decided), State.APPROVED),
        (when(Applied), State.WATCHING),
    ],
)
def test_improvement_waits_for_a_worker_that_has_its_kind(
    pet_shop: PetShop, switch: Callable[[str], None], moment: Callable[[Event], bool], state: State
) -> None:
    pet_shop.configure(max_attempts=1)
    pet_shop.react = once(moment, lambda: switch("stop"))
    begin(pet_shop)
    pet_shop.read(5)
    switch("start")
    work_without_the_kind(pet_shop)
    assert pet_shop.improvement().state is state
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.KEPT)


def test_improvement_does_not_wait_for_ever_for_a_kind_that_is_gone(
    pet_shop: PetShop, switch: Callable[[str], None]
) -> None:
    pet_shop.react = once(when(Proposed), lambda: switch("stop"))
    begin(pet_shop)
    switch("start")
    work_without_the_kind(pet_shop, after=WAIT_FOR_KIND - timedelta(seconds=1))
    assert pet_shop.improvement().state is State.PROPOSED
    work_without_the_kind(pet_shop, after=WAIT_FOR_KIND)
    assert pet_shop.improvement().state is State.FAILED
    assert "not installed here" in pet_shop.improvement().error
