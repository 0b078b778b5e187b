"""A change begins only when production allows it, and its history tells what it waits for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from honed.approval.decisions import reject, roll_back
from honed.core.verdict import State
from honed.improvement.record import events
from honed.loop.cycle import Options
from honed.loop.events import Parked
from honed.testing.pets import PetShop

FREE = Options(dry_run=False, require_approval=False)


def begin(shop: PetShop) -> None:
    """Take a turn until its change would begin."""
    shop.read(10)
    shop.ask(FREE)
    shop.work_until(lambda: any(isinstance(event, Parked) for event in shop.events))


def reasons(shop: PetShop) -> list[str]:
    """Return what the history says of the change's waiting."""
    with shop.store.transaction() as conn:
        found = events(conn, shop.improvement().improvement_id)
    return [str(each.detail["reason"]) for each in found if each.from_state == each.to_state]


def is_on_target(shop: PetShop) -> bool:
    return "honed_pet_owner" in shop.production.objects()


@pytest.mark.slow
def test_change_waits_for_the_end_of_an_old_transaction(pet_shop: PetShop) -> None:
    pet_shop.configure(max_transaction_s=1e-6)
    with psycopg.connect(pet_shop.production.url, application_name="report") as conn:
        conn.execute("SELECT 1")
        begin(pet_shop)
        pet_shop.work()
        assert pet_shop.improvement().state is State.APPROVED
        (reason,) = reasons(pet_shop)
        process = conn.info.backend_pid
        assert f"a transaction of process {process} (report) has been open since" in reason
        assert pet_shop.events[-1] == Parked("act", pet_shop.target.target_id, reason)
        assert not is_on_target(pet_shop)
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.KEPT)
    assert is_on_target(pet_shop)


@pytest.mark.slow
def test_transaction_of_another_database_holds_up_nothing(pet_shop: PetShop) -> None:
    pet_shop.configure(max_transaction_s=1e-6)
    with psycopg.connect(pet_shop.store.url) as conn:
        conn.execute("SELECT 1")
        pet_shop.turn(FREE)
        assert pet_shop.improvement().state is State.KEPT


@pytest.mark.slow
def test_change_waits_for_its_window(pet_shop: PetShop) -> None:
    production = pet_shop.production.client
    (row,) = production.execute("SELECT current_setting('TimeZone') AS zone, localtime AS now")
    begins = datetime.combine(datetime.now(tz=UTC), row["now"]) + timedelta(hours=3)
    window = f"{begins:%H:%M}-{begins + timedelta(hours=1):%H:%M}"
    pet_shop.configure(change_window=window)
    begin(pet_shop)
    (reason,) = reasons(pet_shop)
    assert f"changes begin at {window} only (time zone {row['zone']})" in reason
    assert pet_shop.improvement().state is State.APPROVED
    then = datetime.now(tz=UTC) + timedelta(hours=3, minutes=30)
    pet_shop.store = replace(pet_shop.store, fake_now=then)
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.WATCHING)
    assert is_on_target(pet_shop)


def test_what_waits_can_be_rejected(pet_shop: PetShop) -> None:
    pet_shop.configure(max_transaction_s=1e-6)
    with psycopg.connect(pet_shop.production.url) as holder:
        holder.execute("SELECT 1")
        begin(pet_shop)
        with pet_shop.store.transaction() as conn:
            reject(conn, pet_shop.improvement().improvement_id, "not today")
        pet_shop.work_until(lambda: pet_shop.improvement().state is State.REJECTED)
    assert not is_on_target(pet_shop)


@pytest.mark.slow
def test_production_is_asked_once_more_before_the_first_step(
    pet_shop: PetShop, switch: Callable[[str], None]
) -> None:
    pet_shop.configure(max_transaction_s=1e-6)
    with pet_shop.store.transaction() as conn:
        # honed is stopped between the decision to begin and the first step.
        conn.execute(
            "CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            " AS $$ BEGIN UPDATE honed.switch SET stopped = true; RETURN new; END $$"
        )
        conn.execute(
            "CREATE TRIGGER stop AFTER UPDATE ON honed.improvement FOR EACH ROW"
            " WHEN (new.state = 'applying') EXECUTE FUNCTION public.stop()"
        )
    begin(pet_shop)
    with psycopg.connect(pet_shop.production.url) as holder:
        holder.execute("SELECT 1")
        switch("start")
        pet_shop.work_until(lambda: bool(reasons(pet_shop)))
        assert pet_shop.improvement().state is State.APPLYING
        assert not is_on_target(pet_shop)
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.KEPT)


@pytest.mark.slow
def test_nothing_holds_up_a_rollback(pet_shop: PetShop) -> None:
    pet_shop.turn(FREE)
    pet_shop.configure(max_transaction_s=1e-6)
    with psycopg.connect(pet_shop.production.url) as holder:
        holder.execute("SELECT 1")
        assert pet_shop.target.obstacles(0)
        with pet_shop.store.transaction() as conn:
            roll_back(conn, pet_shop.improvement().improvement_id, "back")
        pet_shop.work_until(lambda: pet_shop.improvement().state is State.ROLLED_BACK)
    assert not is_on_target(pet_shop)
