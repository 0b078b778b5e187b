"""What an improvement waits for is said, as it is now."""

from collections.abc import Callable

import pytest

from honed.approval.policy import write_policy
from honed.config import Autonomy, Settings
from honed.core.verdict import State
from honed.improvement.record import Improvement
from honed.loop.switch import stop
from honed.loop.waiting import why_it_waits
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.testing.improvements import Cycle, Improvements

Ask = Callable[[Improvement], str]


@pytest.fixture
def ask(daemon: Database) -> Ask:
    def asked(improvement: Improvement) -> str:
        with daemon.transaction() as conn:
            return why_it_waits(conn, improvement, {"fix_exception"})

    return asked


def test_one_that_a_person_decides_about_names_the_command(
    improvements: Improvements, ask: Ask
) -> None:
    assert "`honed improvement approve 1`" in ask(improvements.create(State.AWAITING_APPROVAL))


@pytest.mark.parametrize("state", [State.ON_TRIAL, State.WATCHING, State.KEPT, State.REFUTED])
def test_one_that_is_at_work_or_over_waits_for_nothing(
    improvements: Improvements, ask: Ask, state: State
) -> None:
    assert ask(improvements.create(state)) == ""


def test_one_that_may_begin_waits_for_a_worker_or_for_what_held_it_up_last(
    improvements: Improvements, ask: Ask, daemon: Database
) -> None:
    approved = improvements.create(State.APPROVED)
    assert "`honed run`" in ask(approved)
    said = "production allows no change now: a person closed a change a short while ago"
    with daemon.transaction() as conn:
        note = load_queries("honed.loop")["note_wait"]
        conn.execute(note, {"improvement_id": approved.improvement_id, "reason": said})
    assert ask(approved) == said


def test_one_behind_another_names_that(improvements: Improvements, ask: Ask) -> None:
    watched = improvements.create(State.WATCHING).improvement_id
    assert f"improvement {watched} of this target" in ask(improvements.create(State.APPROVED))


def test_one_beyond_the_limit_of_its_cycle_waits_for_the_next(
    improvements: Improvements, ask: Ask
) -> None:
    cycle_id = improvements.cycle(Cycle(max_changes=1))
    improvements.create(State.KEPT, cycle_id=cycle_id)
    said = ask(improvements.create(State.APPROVED, cycle_id=cycle_id))
    assert said.startswith("the next cycle, which carries it out")
    assert "(1, max_changes_per_run)" in said


def test_what_stops_everything_comes_first(
    improvements: Improvements, ask: Ask, store: Database
) -> None:
    approved = improvements.create(State.APPROVED)
    with store.transaction() as conn:
        write_policy(conn, Settings(autonomy=Autonomy.OBSERVE))
    assert "the autonomy is observe" in ask(approved)
    with store.transaction() as conn:
        stop(conn, "a migration runs")
    assert ask(approved) == "`honed start`: honed is stopped, because a migration runs"
