"""A target is removed with nothing of it left half done, and its messages end quietly."""

import pytest

from honed.core.verdict import State
from honed.errors import WrongState
from honed.improvement.record import events, get
from honed.jobs.deadletters import dead_letters
from honed.ledger.verify import verify_log
from honed.loop.cycle import Options, Phase
from honed.loop.events import Dropped
from honed.loop.removal import end_all, loose_ends
from honed.storage.db import Database
from honed.targets.registry import get_target, remove_target
from honed.testing.improvements import Improvements
from honed.testing.pets import SHOP, PetShop

FREE = Options(dry_run=False, require_approval=False)


@pytest.mark.parametrize(
    ("state", "ends", "way"),
    [
        (State.PROPOSED, State.FAILED, ""),
        (State.ON_TRIAL, State.FAILED, ""),
        (State.AWAITING_APPROVAL, State.EXPIRED, ""),
        (State.APPROVED, State.EXPIRED, "honed improvement reject 1"),
        (State.APPLYING, State.FAILED, "honed improvement rollback 1"),
        (State.WATCHING, State.FAILED, "honed improvement rollback 1"),
    ],
)
def test_what_is_under_way_ends_in_history_and_ledger(
    store: Database,
    daemon: Database,
    improvements: Improvements,
    *,
    state: State,
    ends: State,
    way: str,
) -> None:
    made = improvements.create(state)
    record = get_target(store, "shop")
    with daemon.transaction() as conn:
        loose = loose_ends(conn, record)
        assert [each.improvement_id for each in loose.improvements] == [made.improvement_id]
        if way:
            with pytest.raises(WrongState, match=f"improvement 1 is {state.value}") as refused:
                loose.check_settled("shop")
            assert way in refused.value.hint
            assert "--force" in refused.value.hint
        else:
            loose.check_settled("shop")
        end_all(conn, improvements.signer, record)
    with daemon.transaction() as conn:
        assert get(conn, made.improvement_id).state is ends
        last = events(conn, made.improvement_id)[-1]
        assert last.to_state is ends
        assert last.ledger_index >= 0
        (cycle,) = conn.execute("SELECT phase, error FROM honed.cycle")
        assert cycle == {"phase": "superseded", "error": "its target was removed"}
        assert not loose_ends(conn, record)
        verify_log(conn, improvements.signer.public_key, [])


@pytest.mark.parametrize("state", [State.KEPT, State.ROLLED_BACK, State.REJECTED, State.DRY_RUN])
def test_what_has_ended_holds_nothing_up(
    store: Database, improvements: Improvements, state: State
) -> None:
    improvements.create(state)
    with store.transaction() as conn:
        assert not loose_ends(conn, get_target(store, "shop"))


def test_messages_of_a_target_that_is_gone_end_quietly(
    pet_shop: PetShop, caplog: pytest.LogCaptureFixture
) -> None:
    pet_shop.read(10)
    cycle_id = pet_shop.ask(FREE)
    pet_shop.work()
    assert pet_shop.improvement().state is State.WATCHING
    # As somebody removes it from psql, who knows of nothing under way.
    remove_target(pet_shop.store, SHOP)
    with pet_shop.store.transaction() as conn:
        conn.execute("UPDATE honed.procrastinate_jobs SET scheduled_at = NULL")
    caplog.clear()
    pet_shop.work()
    assert pet_shop.improvement().state is State.FAILED
    assert pet_shop.improvement().error.startswith("its target was removed while it was watching")
    assert pet_shop.cycle(cycle_id).phase is Phase.SUPERSEDED
    (said,) = [each for each in pet_shop.events if isinstance(each, Dropped)]
    assert (said.target, said.reason) == (SHOP, "its target was removed")
    assert caplog.records == []
    with pet_shop.store.transaction() as conn:
        assert dead_letters(conn) == []
