"""A dead letter never stops the loop: what hung on it ends, and the next cycle gets its time."""

from typing import Any

import pytest

from honed.approval.decisions import roll_back
from honed.core.verdict import Outcome, State
from honed.jobs.deadletters import dead_letters
from honed.jobs.queue import defer
from honed.loop.cycle import ENDED, Options, Phase
from honed.loop.events import Event, Failed, StepEnded
from honed.loop.messages import Act, Analyze, Learn
from honed.loop.pacing import AFTER_NOTHING
from honed.testing.pets import PetKind, PetShop

FREE = Options(dry_run=False, require_approval=False)


@pytest.fixture(autouse=True)
def impatient(pet_shop: PetShop) -> None:
    pet_shop.configure(max_attempts=1)


def waiting(shop: PetShop) -> list[dict[str, Any]]:
    with shop.store.transaction() as conn:
        return conn.execute(
            "SELECT task_name, scheduled_at > clock_timestamp() AS is_later"
            "  FROM honed.procrastinate_jobs WHERE status = 'todo'"
        ).fetchall()


def test_cycle_that_cannot_look_has_failed_and_the_next_is_scheduled(
    pet_shop: PetShop, door: Any
) -> None:
    pet_shop.read(2)
    cycle_id = pet_shop.ask(FREE)
    door.shut()
    pet_shop.work()
    cycle = pet_shop.cycle(cycle_id)
    assert cycle.phase is Phase.FAILED
    assert cycle.error.startswith("dead letter 1: TargetUnavailable")
    assert cycle.next_delay_s == AFTER_NOTHING * pet_shop.settings.cycle_interval_s
    assert waiting(pet_shop) == [{"task_name": "analyze", "is_later": True}]
    assert [event.cycle_id for event in pet_shop.events if isinstance(event, Failed)] == [cycle_id]


def test_improvement_whose_message_is_lost_has_failed(pet_shop: PetShop) -> None:
    class Slippery(PetKind):
        def trial(self, hypothesis: Any, target: Any) -> Any:
            msg = "not even an error that a trial may have"
            raise SystemExit(msg)

    pet_shop.kind = Slippery()
    cycle = pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.FAILED
    assert "dead letter 1: SystemExit" in pet_shop.improvement().error
    assert cycle.phase is Phase.FINISHED


def test_change_that_cannot_be_carried_through_is_taken_back(pet_shop: PetShop) -> None:
    def fail(event: Event) -> None:
        if isinstance(event, StepEnded) and event.direction == "do":
            msg = "nobody expects this"
            raise RuntimeError(msg)

    pet_shop.react = fail
    before = pet_shop.production.objects()
    pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (State.ROLLED_BACK, Outcome.FAILED)
    assert pet_shop.production.objects() == before
    with pet_shop.store.transaction() as conn:
        (letter,) = dead_letters(conn)
    assert "nobody expects this" in letter.error


def test_cycle_that_is_parked_where_another_one_waits_gives_way_to_it(pet_shop: PetShop) -> None:
    pet_shop.read(2)
    first = pet_shop.ask(FREE)
    with pet_shop.store.transaction() as conn:
        # As a job is put back whose place in the queue was taken meanwhile.
        conn.execute("UPDATE honed.procrastinate_jobs SET queueing_lock = NULL")
        conn.execute(
            "INSERT INTO honed.cycle (target_id, phase)"
            " SELECT target_id, 'acting' FROM honed.target"
        )
    second = pet_shop.ask(FREE)
    pet_shop.work()
    assert pet_shop.cycle(first).phase is Phase.SUPERSEDED
    assert pet_shop.cycle(second).phase is Phase.WAITING
    with pet_shop.store.transaction() as conn:
        conn.execute("UPDATE honed.cycle SET phase = 'finished' WHERE phase = 'acting'")
    pet_shop.work_until(lambda: pet_shop.cycle(second).phase in ENDED)


def test_message_for_a_cycle_that_is_gone_is_a_dead_letter(pet_shop: PetShop) -> None:
    with pet_shop.store.transaction() as conn:
        defer(conn, Analyze(target_id=1, cycle_id=99))
        defer(conn, Learn(target_id=1, cycle_id=98))
        defer(conn, Act(target_id=1, improvement_id=97))
    pet_shop.work()
    with pet_shop.store.transaction() as conn:
        letters = dead_letters(conn)
    assert len(letters) == 3
    assert {letter.task for letter in letters} == {"analyze", "learn", "act"}


def lose(shop: PetShop, task: str, message: str) -> None:
    """Make all messages of a task say something that no honed understands."""
    with shop.store.transaction() as conn:
        conn.execute(
            "UPDATE honed.procrastinate_jobs SET args = args || %s::jsonb, scheduled_at = NULL"
            " WHERE task_name = %s AND status = 'todo'",
            [message, task],
        )


@pytest.mark.parametrize("broken", ['{"odd": true}', '{"version": 2}'])
def test_cycle_whose_message_nobody_can_read_has_failed(
    pet_shop: PetShop, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setattr("honed.jobs.delivery.STRANGE_ATTEMPTS", 1)
    pet_shop.read(2)
    cycle_id = pet_shop.ask(FREE)
    lose(pet_shop, "analyze", broken)
    pet_shop.work()
    assert pet_shop.cycle(cycle_id).phase is Phase.FAILED
    assert waiting(pet_shop) == [{"task_name": "analyze", "is_later": True}]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("learn", '{"version": 2}'),
        ("look closer", '{"improvement_id": 1}'),
        ("look closer", '{"improvement_id": 1, "cycle_id": 1, "version": 7}'),
    ],
)
def test_change_whose_watch_nobody_understands_is_taken_back(
    pet_shop: PetShop, monkeypatch: pytest.MonkeyPatch, task: str, message: str
) -> None:
    monkeypatch.setattr("honed.jobs.delivery.STRANGE_ATTEMPTS", 1)
    pet_shop.read(10)
    pet_shop.ask(FREE)
    pet_shop.work()
    assert pet_shop.improvement().state is State.WATCHING
    with pet_shop.store.transaction() as conn:
        conn.execute(
            "UPDATE honed.procrastinate_jobs SET task_name = %s WHERE status = 'todo'"
            " AND task_name = 'learn'",
            [task],
        )
    lose(pet_shop, task, message)
    pet_shop.work()
    assert pet_shop.improvement().state is State.ROLLED_BACK


@pytest.mark.slow
def test_change_that_is_watched_does_not_end_with_a_message_that_came_too_late(
    pet_shop: PetShop,
) -> None:
    pet_shop.read(10)
    pet_shop.ask(FREE)
    pet_shop.work()
    with pet_shop.store.transaction() as conn:
        defer(conn, Act(target_id=1, improvement_id=1))
    lose(pet_shop, "act", '{"odd": true}')
    pet_shop.work_until(lambda: pet_shop.improvement().state is not State.WATCHING)
    assert pet_shop.improvement().state is State.KEPT


@pytest.mark.slow
@pytest.mark.parametrize(
    "message",
    [
        "[]",
        pytest.param('{"improvement_id": true}', marks=pytest.mark.slow),
        '{"improvement_id": 1e400}',
        pytest.param('{"cycle_id": -1}', marks=pytest.mark.slow),
        pytest.param('"text"', marks=pytest.mark.slow),
    ],
)
def test_message_that_says_nothing_ends_nothing(pet_shop: PetShop, message: str) -> None:
    pet_shop.turn(FREE)
    improvement, told = pet_shop.improvement(), len(pet_shop.events)
    with pet_shop.store.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.procrastinate_jobs (queue_name, task_name, args)"
            " VALUES ('act', 'act', %s::jsonb)",
            [message],
        )
    pet_shop.work()
    with pet_shop.store.transaction() as conn:
        assert len(dead_letters(conn)) == 1
    assert (pet_shop.improvement(), len(pet_shop.events)) == (improvement, told)


@pytest.mark.slow
def test_messages_that_come_twice_or_too_late_do_nothing(pet_shop: PetShop) -> None:
    cycle = pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    told = len(pet_shop.events)
    with pet_shop.store.transaction() as conn:
        defer(conn, Act(target_id=1, improvement_id=improvement.improvement_id))
        defer(conn, Learn(target_id=1, cycle_id=cycle.cycle_id))
        defer(conn, Learn(target_id=1, cycle_id=cycle.cycle_id, improvement_id=1))
    pet_shop.work()
    assert pet_shop.improvement() == improvement
    assert pet_shop.cycle(cycle.cycle_id) == cycle
    assert len(pet_shop.events) == told


@pytest.mark.slow
def test_second_request_to_take_back_does_nothing(pet_shop: PetShop) -> None:
    pet_shop.turn(FREE)
    with pet_shop.store.transaction() as conn:
        roll_back(conn, 1, "no")
        roll_back(conn, 1, "no, please")
    pet_shop.work()
    assert pet_shop.improvement().state is State.ROLLED_BACK
    with pet_shop.store.transaction() as conn:
        assert dead_letters(conn) == []
