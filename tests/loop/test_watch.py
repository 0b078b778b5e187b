"""What becomes of a watched change, and which stretches of production it is judged by."""

import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import pytest

from honed.approval.decisions import roll_back
from honed.core.hypothesis import Hypothesis
from honed.core.target import Interval
from honed.core.trial import GUARD, Trial
from honed.core.verdict import Outcome, State, Verdict
from honed.improvement.record import events
from honed.jobs.deadletters import dead_letters
from honed.loop.cycle import Options, Phase
from honed.loop.events import CycleEnded, Event, Kept, RolledBack, TrialStarted, WatchPair
from honed.loop.evidence import MIN_PAIRS, Pair, stored_pairs, weigh
from honed.loop.pacing import AFTER_NOTHING
from honed.testing.pets import BETTER, WORSE, Claim, PetKind, PetShop
from honed.testing.simulated import SimulatedTrial

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = Interval(START, START + timedelta(hours=1))
ALPHA = 0.05
FREE = Options(dry_run=False, require_approval=False)


@pytest.mark.slow
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


GUARDED = f"{GUARD}w"


@pytest.mark.parametrize(
    ("read", "write", "verdict"),
    [
        (0.5, 1.0, Verdict.IMPROVED),
        (0.5, 1.05, Verdict.IMPROVED),
        (0.5, 1.5, Verdict.WORSE),
        (1.0, 0.1, Verdict.EQUIVALENT),
    ],
)
def test_a_guard_can_take_a_change_back_and_cannot_speak_for_it(
    read: float, write: float, verdict: Verdict
) -> None:
    wobble = np.random.default_rng(5).normal(1.0, 0.01, (20, 2))
    pairs = [
        Pair(n, HOUR, HOUR, {"q": 1.0, GUARDED: 1.0}, {"q": read * w[0], GUARDED: write * w[1]})
        for n, w in enumerate(wobble)
    ]
    said = weigh(pairs, None, alpha=ALPHA)
    assert said is not None
    assert said.time.verdict is verdict
    assert said.time.effect == pytest.approx(math.log(read), abs=0.01)


@pytest.mark.slow
def test_readings_in_which_only_guards_were_measured_make_no_pair(pet_shop: PetShop) -> None:
    class OnlyGuards(PetKind):
        def measure(self, hypothesis: Any, target: Any) -> dict[str, float]:
            return {f"{GUARD}{name}": c for name, c in super().measure(hypothesis, target).items()}

    pet_shop.kind = OnlyGuards()
    pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (State.KEPT, None)
    with pet_shop.store.transaction() as conn:
        assert stored_pairs(conn, improvement.improvement_id) == []


def shop_that_knows(pet_shop: PetShop, readings: int) -> None:
    """Take a turn of the loop with so many readings of production before it."""
    pet_shop.target.sample()
    pet_shop.read(readings)
    pet_shop.ask(FREE)
    resting = {State.KEPT, State.ROLLED_BACK, State.FAILED}
    pet_shop.work()
    pet_shop.work_until(lambda: pet_shop.improvement().state in resting)


@pytest.mark.slow
def test_production_before_the_moment_that_a_claim_answers_is_not_compared(
    pet_shop: PetShop,
) -> None:
    class Late(PetKind):
        def compares_from(self, hypothesis: Hypothesis) -> datetime | None:
            return pet_shop.target.intervals()[4].start

    pet_shop.kind = Late()
    shop_that_knows(pet_shop, 9)
    improvement = pet_shop.improvement()
    with pet_shop.store.transaction() as conn:
        pairs = stored_pairs(conn, improvement.improvement_id)
    moment = pet_shop.target.intervals()[4].start
    assert improvement.state is State.KEPT
    assert len(pairs) >= MIN_PAIRS
    assert min(pair.before_at.start for pair in pairs) == moment


@pytest.mark.slow
def test_no_stretch_of_production_is_compared_twice(pet_shop: PetShop) -> None:
    shop_that_knows(pet_shop, 5)
    improvement = pet_shop.improvement()
    with pet_shop.store.transaction() as conn:
        pairs = stored_pairs(conn, improvement.improvement_id)
    assert (improvement.state, len(pairs)) == (State.KEPT, 5)
    assert len({pair.before_at for pair in pairs}) == 5
    assert improvement.applied_at is not None
    after = pet_shop.target.intervals(since=improvement.applied_at, until=None)
    compared = [
        sum(pair.after_at.start <= each.start and each.end <= pair.after_at.end for each in after)
        for pair in pairs
    ]
    assert sum(compared) == pet_shop.settings.watch_intervals
    assert set(compared) == {1, 2}


@pytest.mark.parametrize(
    ("claim", "state", "outcome"),
    [(BETTER, State.KEPT, None), (WORSE, State.ROLLED_BACK, Outcome.REGRESSED)],
)
@pytest.mark.slow
def test_where_all_readings_were_disturbed_harm_is_seen_and_no_gain_counts(
    pet_shop: PetShop, claim: Claim, state: State, outcome: Outcome | None
) -> None:
    pet_shop.kind.claims = (claim,)

    def try_for_long(event: Event) -> None:
        if isinstance(event, TrialStarted):
            pet_shop.read(8)

    pet_shop.react = try_for_long
    shop_that_knows(pet_shop, 1)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (state, outcome)


def test_change_without_production_before_it_is_kept_and_says_why(pet_shop: PetShop) -> None:
    shop_that_knows(pet_shop, MIN_PAIRS - 1)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (State.KEPT, None)
    with pet_shop.store.transaction() as conn:
        last = events(conn, improvement.improvement_id)[-1]
    assert f"only {MIN_PAIRS - 1} readings of production before it" in str(last.detail["reason"])


@pytest.mark.slow
def test_every_pair_is_told_with_its_interval(pet_shop: PetShop) -> None:
    pet_shop.turn(FREE)
    told = [event for event in pet_shop.events if isinstance(event, WatchPair)]
    assert told[-1].pairs == told[-1].needed == pet_shop.settings.watch_intervals
    assert told[-1].low < told[-1].effect < told[-1].high
    (kept,) = [event for event in pet_shop.events if isinstance(event, Kept)]
    assert kept.effect == told[-1].effect == pet_shop.improvement().production_log_ratio


@pytest.mark.slow
def test_what_the_trial_foretold_stands_beside_what_production_showed(pet_shop: PetShop) -> None:
    pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    with pet_shop.store.transaction() as conn:
        last = events(conn, improvement.improvement_id)[-1]
        (row,) = conn.execute("SELECT * FROM honed.prediction_quality")
    said: Any = last.detail["production"]
    assert last.detail["decided_by"] == row["decided_by"] == "pages and time"
    assert said["pages"]["high"] < -1.0
    assert {unit["pairs"] for unit in said["units"]} == {pet_shop.settings.watch_intervals}
    assert row["foretold_delta"] == pytest.approx(50, abs=3)
    shown = improvement.production_log_ratio
    assert shown is not None
    assert row["production_delta"] == pytest.approx(-100 * math.expm1(shown))
    assert row["is_within_fifth"] == (0.8 <= row["foretold_by_shown"] <= 1.2)


class NoisyKind(PetKind):
    """What it measures became dearer by 0.4 %, give or take 11 %."""

    measures_time: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        # Of each pair the stretch after the change is measured first.
        self._costs = itertools.cycle([1.12, 1.0, 0.9, 1.0])

    def measure(self, hypothesis: Hypothesis, target: Any) -> dict[str, float]:
        del hypothesis, target
        return {"q": next(self._costs)}


def judged(pet_shop: PetShop) -> int:
    """Return how many changes tell how well trials foretell."""
    with pet_shop.store.transaction() as conn:
        (row,) = conn.execute("SELECT count(*) AS n FROM honed.prediction_quality")
    count: int = row["n"]
    return count


@pytest.mark.slow
def test_a_change_that_shows_nothing_has_not_regressed(pet_shop: PetShop) -> None:
    pet_shop.kind = NoisyKind()
    cycle = pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (State.ROLLED_BACK, None)
    assert improvement.production_log_ratio == pytest.approx(0.004, abs=0.001)
    assert judged(pet_shop) == 0
    (end,) = [event for event in pet_shop.events if isinstance(event, CycleEnded)]
    assert cycle.phase is Phase.FINISHED
    assert end.next_delay_s == AFTER_NOTHING * pet_shop.settings.cycle_interval_s


@pytest.mark.slow
def test_a_person_who_takes_back_what_shows_nothing_has_not_seen_it_regress(
    pet_shop: PetShop,
) -> None:
    pet_shop.kind = NoisyKind()
    pet_shop.read(10)
    pet_shop.ask(FREE)

    def is_compared() -> bool:
        return any(isinstance(e, WatchPair) and e.pairs >= MIN_PAIRS for e in pet_shop.events)

    pet_shop.work_until(is_compared)
    with pet_shop.store.transaction() as conn:
        roll_back(conn, pet_shop.improvement().improvement_id, "no")
    pet_shop.work()
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (State.ROLLED_BACK, None)
    assert improvement.production_log_ratio is not None
    assert improvement.production_log_ratio > 0


@pytest.mark.slow
def test_of_what_improves_by_itself_neither_effect_nor_outcome_is_recorded(
    pet_shop: PetShop,
) -> None:
    class Warming(PetKind):
        improves_by_itself: ClassVar[bool] = True

    pet_shop.kind = Warming()
    pet_shop.turn(FREE)
    for state in State.KEPT, State.ROLLED_BACK:
        improvement = pet_shop.improvement()
        said = improvement.state, improvement.outcome, improvement.production_log_ratio
        assert said == (state, None, None)
        if state is State.KEPT:
            with pet_shop.store.transaction() as conn:
                roll_back(conn, improvement.improvement_id, "no")
            pet_shop.work()
    assert judged(pet_shop) == 0


@pytest.mark.slow
def test_what_is_foretold_forgives_nothing_that_the_trial_tolerated(pet_shop: PetShop) -> None:
    class Lenient(PetKind):
        def trial(self, hypothesis: Hypothesis, target: Any) -> Trial:
            trial = super().trial(hypothesis, target)
            assert isinstance(trial, SimulatedTrial)
            trial.design = replace(trial.design, tolerated=0.1)
            return trial

    pet_shop.kind = Lenient()
    pet_shop.turn(FREE)
    improvement = pet_shop.improvement()
    with pet_shop.store.transaction() as conn:
        last = events(conn, improvement.improvement_id)[-1]
    assert improvement.measured_log_ratio is not None
    foretold = improvement.measured_log_ratio + math.log(1.1)
    assert last.detail["foretold_log_ratio"] == pytest.approx(foretold)


@pytest.mark.slow
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
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.outcome) == (State.ROLLED_BACK, None)
    assert pet_shop.production.objects() == before
    (told,) = [event for event in pet_shop.events if isinstance(event, RolledBack)]
    assert "no scales" in told.reason
    with pet_shop.store.transaction() as conn:
        (letter,) = dead_letters(conn)
    assert letter.task == "learn"


@pytest.mark.slow
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


@pytest.mark.slow
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
