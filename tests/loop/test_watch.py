"""What becomes of a watched change, and which stretches of production it is judged by."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from honed.core.trial import TrialDesign, Unit
from honed.core.verdict import State, Verdict
from honed.experiments.judge import judge
from honed.experiments.judgement import Judgement
from honed.jobs.deadletters import dead_letters
from honed.loop.cycle import Options
from honed.loop.events import Kept, RolledBack, WatchPair
from honed.loop.learn import Course, rule
from honed.loop.watch import MIN_PAIRS, PATIENCE, stored_pairs
from honed.testing.pets import PetKind, PetShop

NEEDED = 10
FREE = Options(dry_run=False, require_approval=False)
UNDECIDED = judge([({"q": 1.0}, {"q": 1.0})], TrialDesign(units=(Unit("q"),), metric="production"))


def judgement(verdict: Verdict, effect: float) -> Judgement:
    objective = replace(UNDECIDED.objective, effect=effect)
    return replace(UNDECIDED, verdict=verdict, reason="because", objective=objective)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_too_few_pairs_decide_nothing(verdict: Verdict) -> None:
    ruling = rule(judgement(verdict, 3.0), MIN_PAIRS - 1, 3, needed=NEEDED)
    assert ruling.course is Course.GO_ON


@pytest.mark.parametrize("pairs", [MIN_PAIRS, NEEDED])
def test_worse_is_taken_back_at_once(pairs: int) -> None:
    ruling = rule(judgement(Verdict.WORSE, 0.2), pairs, pairs, needed=NEEDED)
    assert (ruling.course, ruling.effect) == (Course.ROLL_BACK, 0.2)


@pytest.mark.parametrize("verdict", [Verdict.IMPROVED, Verdict.EQUIVALENT, Verdict.INCONCLUSIVE])
@pytest.mark.parametrize(
    ("effect", "at_the_end"), [(-0.5, Course.KEEP), (0.0, Course.KEEP), (0.1, Course.ROLL_BACK)]
)
def test_what_is_not_shown_to_be_worse_is_watched_to_the_end(
    verdict: Verdict, effect: float, at_the_end: Course
) -> None:
    said = judgement(verdict, effect)
    assert rule(said, NEEDED - 1, NEEDED, needed=NEEDED).course is Course.GO_ON
    assert rule(said, NEEDED, NEEDED, needed=NEEDED).course is at_the_end


def test_what_production_does_not_exercise_is_kept_in_the_end() -> None:
    assert rule(None, 0, PATIENCE * NEEDED - 1, needed=NEEDED).course is Course.GO_ON
    ruling = rule(None, 0, PATIENCE * NEEDED, needed=NEEDED)
    assert (ruling.course, ruling.effect) == (Course.KEEP, None)


def test_stretches_in_which_honed_itself_was_at_work_do_not_count(pet_shop: PetShop) -> None:
    pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    with pet_shop.store.transaction() as conn:
        pairs = stored_pairs(conn, improvement.improvement_id)
    assert len(pairs) == pet_shop.settings.watch_intervals
    trial = improvement.trial_started_at, improvement.tried_at
    assert trial[0] is not None
    assert trial[1] is not None
    assert improvement.applying_at is not None
    assert improvement.applied_at is not None
    for pair in pairs:
        assert pair.before_at.end <= trial[0] or pair.before_at.start >= trial[1]
        assert pair.before_at.end <= improvement.applying_at
        assert pair.after_at.start >= improvement.applied_at
    starts = [pair.after_at.start for pair in pairs]
    assert starts == sorted(set(starts))


def test_every_pair_is_told_with_its_interval(pet_shop: PetShop) -> None:
    pet_shop.turn(FREE)
    told = [event for event in pet_shop.events if isinstance(event, WatchPair)]
    assert told[-1].pairs == told[-1].needed == pet_shop.settings.watch_intervals
    assert told[-1].low < told[-1].effect < told[-1].high
    (kept,) = [event for event in pet_shop.events if isinstance(event, Kept)]
    assert kept.effect == told[-1].effect == pet_shop.improvement().production_log_ratio


def test_change_that_nobody_can_measure_is_kept_without_an_outcome(pet_shop: PetShop) -> None:
    class Blind(PetKind):
        def measure(self, hypothesis: Any, target: Any) -> dict[str, float]:
            return {}

    pet_shop.kind = Blind()
    pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (State.KEPT, None)


def test_change_that_cannot_be_watched_is_taken_back(pet_shop: PetShop) -> None:
    class Broken(PetKind):
        def measure(self, hypothesis: Any, target: Any) -> dict[str, float]:
            msg = "no scales"
            raise RuntimeError(msg)

    pet_shop.configure(max_attempts=1)
    pet_shop.kind = Broken()
    before = pet_shop.production.objects()
    pet_shop.turn(FREE)
    assert pet_shop.improvement().state is State.ROLLED_BACK
    assert pet_shop.production.objects() == before
    (told,) = [event for event in pet_shop.events if isinstance(event, RolledBack)]
    assert "no scales" in told.reason
    with pet_shop.store.transaction() as conn:
        (letter,) = dead_letters(conn)
    assert letter.task == "learn"


def test_costs_that_have_no_logarithm_are_left_out(pet_shop: PetShop) -> None:
    class Odd(PetKind):
        def measure(self, hypothesis: Any, target: Any) -> dict[str, float]:
            odd = {"zero": 0.0, "not a number": float("nan"), "endless": float("inf")}
            return {**super().measure(hypothesis, target), **odd}

    pet_shop.kind = Odd()
    pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    assert improvement.state is State.KEPT
    with pet_shop.store.transaction() as conn:
        pairs = stored_pairs(conn, improvement.improvement_id)
    assert not {"zero", "not a number", "endless"} & {name for p in pairs for name in p.after}


def test_production_before_the_change_counts_as_far_as_a_cycle_looks_back(
    pet_shop: PetShop,
) -> None:
    pet_shop.configure(lookback_hours=1.0)
    pet_shop.read(10)
    shift = timedelta(hours=2)
    with pet_shop.store.transaction() as conn:
        conn.execute(
            "UPDATE honed.reading"
            "   SET started_at = started_at - %(by)s, ended_at = ended_at - %(by)s",
            {"by": shift},
        )
    pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    assert improvement.applying_at is not None
    with pet_shop.store.transaction() as conn:
        pairs = stored_pairs(conn, improvement.improvement_id)
    assert all(improvement.applying_at - p.before_at.start < shift for p in pairs)
