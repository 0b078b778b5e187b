"""Changes that wait for people: looked at for as long as it takes, and in nobody's way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from honed.config import Settings
from honed.core.aftermath import HIGH_SCORE, Aftermath, Standing
from honed.core.verdict import Outcome, State
from honed.errors import TargetUnavailable
from honed.loop.aftermath import outcome_of, pause_s
from honed.loop.cycle import ENDED, Options
from honed.loop.events import Applied, Kept, Parked
from honed.loop.learn import LONGEST_WATCH
from honed.testing.pets import INDEX_OWNER, STATISTICS, Claim, PetKind, PetShop

FREE = Options(dry_run=False, require_approval=False)
WAITS = Aftermath(Standing.WAITING, "nobody has looked at it yet")


@dataclass
class PatientKind(PetKind):
    """A kind whose changes people let in; the test says what becomes of them."""

    said: Aftermath | None = WAITS
    asked: int = 0

    def aftermath(self, hypothesis: Any, target: Any, since: datetime) -> Aftermath | None:
        assert hypothesis.subject
        assert since.tzinfo is not None
        self.asked += 1
        if self.said is None:
            msg = "nobody answers"
            raise TargetUnavailable(msg)
        return self.said


def look(shop: PetShop) -> None:
    """Let the loop look at its changes once more; the next cycle keeps to its time."""
    with shop.store.transaction() as conn:
        conn.execute(
            "UPDATE honed.procrastinate_jobs SET scheduled_at = NULL WHERE task_name = 'learn'"
        )
    shop.work()


def waiting_looks(shop: PetShop) -> int:
    """Return how many looks wait for their time."""
    with shop.store.transaction() as conn:
        (row,) = conn.execute(
            "SELECT count(*) AS n FROM honed.procrastinate_jobs"
            " WHERE task_name = 'learn' AND status = 'todo'"
        )
    count: int = row["n"]
    return count


@pytest.fixture
def kind(pet_shop: PetShop) -> PatientKind:
    """Return the kind of the shop, whose change was handed over to people."""
    made = PatientKind(claims=[Claim("better", (STATISTICS,))])
    pet_shop.kind = made
    pet_shop.configure(sample_interval_s=30.0)
    pet_shop.read(2)
    pet_shop.ask(FREE)
    pet_shop.work()
    assert pet_shop.improvement().state is State.WATCHING
    return made


def details(shop: PetShop, state: State) -> Sequence[Any]:
    """Return what history says of the arrival in a state, oldest first."""
    with shop.store.transaction() as conn:
        rows = conn.execute(
            "SELECT detail FROM honed.improvement_event WHERE to_state = %s ORDER BY event_id",
            [state.value],
        )
        return [row["detail"] for row in rows]


def test_it_waits_as_long_as_people_need_and_is_in_nobodys_way(
    pet_shop: PetShop, kind: PatientKind
) -> None:
    with pet_shop.store.transaction() as conn:
        conn.execute(
            "UPDATE honed.improvement SET applied_at = applied_at - %s", [10 * LONGEST_WATCH]
        )
    look(pet_shop)
    look(pet_shop)
    assert kind.asked >= 2
    assert waiting_looks(pet_shop) == 1, "one look waits, and no thread"
    kind.claims = [*kind.claims, Claim("another", (INDEX_OWNER,))]
    cycle_id = pet_shop.ask(FREE)
    pet_shop.work()
    assert [each.state for each in pet_shop.improvements()] == [State.WATCHING] * 2
    assert pet_shop.cycle(cycle_id).phase in ENDED

    kind.said = Aftermath(Standing.WELL, "the fault is gone", 0.95, {"errors_before": 7})
    look(pet_shop)
    for improvement in pet_shop.improvements():
        assert (improvement.state, improvement.outcome) == (State.KEPT, Outcome.HIGH_SUCCESS)
    detail = details(pet_shop, State.KEPT)[0]
    assert detail["reason"] == "the fault is gone"
    assert (detail["decided_by"], detail["success_score"]) == ("aftermath", 0.95)
    assert detail["aftermath"] == {"errors_before": 7}
    assert "honed_pet" in pet_shop.production.objects()
    told = [event for event in pet_shop.events if isinstance(event, Applied | Kept)]
    assert told[0] == Applied(1, waits_for_people=True)
    assert Kept(1, Outcome.HIGH_SUCCESS, None, "the fault is gone") in told


def test_what_harms_is_taken_back_by_itself(pet_shop: PetShop, kind: PatientKind) -> None:
    kind.said = Aftermath(Standing.HARMED, "a new fault is in its file", facts={"new": ["x"]})
    look(pet_shop)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (State.ROLLED_BACK, Outcome.REGRESSED)
    (detail,) = details(pet_shop, State.ROLLED_BACK)
    assert detail["reason"] == "a new fault is in its file"
    assert detail["aftermath"] == {"new": ["x"]}
    assert "honed_pet" not in pet_shop.production.objects()


def test_what_a_person_ended_has_no_outcome_and_a_forge_that_is_away_costs_nothing(
    pet_shop: PetShop, kind: PatientKind
) -> None:
    kind.said = None
    look(pet_shop)
    assert any(isinstance(event, Parked) for event in pet_shop.events)
    assert pet_shop.improvement().state is State.WATCHING
    kind.said = Aftermath(Standing.ENDED, "a person closed it")
    look(pet_shop)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (State.ROLLED_BACK, None)
    (detail,) = details(pet_shop, State.ROLLED_BACK)
    assert (detail["reason"], detail["standing"]) == ("a person closed it", "ended")


def test_an_outcome_follows_from_the_score() -> None:
    def outcome(score: float | None) -> Outcome | None:
        return outcome_of(Aftermath(Standing.WELL, "well", score))

    assert outcome(None) is None
    assert outcome(HIGH_SCORE) is Outcome.HIGH_SUCCESS
    assert outcome(0.0) is Outcome.SUCCESS


def test_the_longer_it_waits_the_rarer_it_is_looked_at() -> None:
    settings = Settings(sample_interval_s=60.0, cycle_interval_s=900)
    begin = datetime(2026, 1, 1, tzinfo=UTC)

    def pause(**since: float) -> float:
        return pause_s(begin + timedelta(**since), begin, settings)

    assert [pause(seconds=0), pause(hours=1), pause(days=30)] == [60.0, 360.0, 900.0]
    assert pause(seconds=-5) == 60.0
