"""Running a trial in simulated worlds whose truth is known."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign, Unit
from honed.core.verdict import Verdict
from honed.errors import EvaluatorFailed, Stopped
from honed.experiments.blocks import ArmName, Block, Purpose, recompute
from honed.experiments.trial import Ending, run_trial
from honed.testing.simulated import Noise, SimulatedTrial, WarmUp

UNITS = tuple(Unit(f"q{number}") for number in range(1, 6))
DESIGN = TrialDesign(units=UNITS, metric="s")
QUIET = Noise(environment=0.02, correlation=0.9, execution=0.03, spikes=0.0)
FASTER = {"q1": math.log(0.3), "q2": math.log(0.5), "q3": math.log(0.2)}


def simulated(
    effects: dict[str, float], design: TrialDesign = DESIGN, seed: int = 1
) -> SimulatedTrial:
    return SimulatedTrial(design, effects=effects, noise=QUIET, seed=seed)


class CountingArm:
    """An arm that says which execution of a unit it is, and can fail."""

    def __init__(self, log: list[str], name: str, fails_at: int = 10**9) -> None:
        self._log, self._name, self._fails_at = log, name, fails_at
        self._calls: Counter[str] = Counter()

    def run(self, unit: str) -> float:
        self._log.append(f"{self._name} {unit}")
        self._calls[unit] += 1
        if sum(self._calls.values()) > self._fails_at:
            msg = f"{unit} always fails"
            raise EvaluatorFailed(msg)
        return float(self._calls[unit])


class CountingTrial:
    """A trial of counting arms."""

    def __init__(self, design: TrialDesign, fails_at: int = 10**9) -> None:
        self.design = design
        self.log: list[str] = []
        self.opened: list[Sequence[Step]] = []
        self.is_open = False
        self._fails_at = fails_at

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        self.opened.append(steps)
        self.is_open = True
        try:
            yield Arms(
                CountingArm(self.log, "baseline"),
                CountingArm(self.log, "candidate", self._fails_at),
                CountingArm(self.log, "control"),
                facts={"index_bytes": 8192},
            )
        finally:
            self.is_open = False


class SlowedTrial:
    """A trial on a machine on which everything takes ``factor`` times as long."""

    def __init__(self, trial: SimulatedTrial, factor: float) -> None:
        self.design = trial.design
        self._trial = trial
        self._factor = factor

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        with self._trial.open(steps) as arms:
            yield replace(arms, slowdown=lambda: self._factor)


@pytest.mark.parametrize("wanted", [4.7, 8.0])
def test_a_trial_goes_on_until_its_evidence_suffices(wanted: float) -> None:
    short = run_trial(simulated(FASTER), [], seed=7)
    assert short.judgement.log_e < wanted
    result = run_trial(simulated(FASTER), [], seed=7, wanted_log_e=wanted)
    assert (result.verdict, result.ending) == (Verdict.IMPROVED, Ending.DECIDED)
    assert result.judgement.log_e >= wanted
    assert result.blocks[: len(short.blocks)] == short.blocks
    compared = sum(block.purpose is not Purpose.CONTROL for block in result.blocks) / 2
    assert compared <= 30


def test_evidence_that_the_budget_does_not_reach_leaves_the_verdict() -> None:
    result = run_trial(simulated(FASTER), [], seed=7, wanted_log_e=1000.0)
    assert (result.verdict, result.ending) == (Verdict.IMPROVED, Ending.PAIRS_SPENT)


@pytest.mark.parametrize("effects", [{}, {"q1": 2.0}])
def test_what_is_not_improved_ends_as_soon_as_it_is_decided(effects: dict[str, float]) -> None:
    result = run_trial(simulated(effects), [], seed=7, wanted_log_e=1000.0)
    assert result == replace(run_trial(simulated(effects), [], seed=7), elapsed_s=result.elapsed_s)


def test_a_gain_is_proven_in_few_pairs() -> None:
    result = run_trial(simulated(FASTER), [], seed=7)
    assert result.verdict is Verdict.IMPROVED
    assert result.ending is Ending.DECIDED
    assert 8 <= result.judgement.pairs <= 14
    assert result.facts["simulated"] is True


def test_nothing_is_found_where_nothing_changed() -> None:
    result = run_trial(simulated({}), [], seed=7)
    assert result.verdict is Verdict.EQUIVALENT


def test_a_loser_is_found() -> None:
    result = run_trial(simulated({**FASTER, "q4": math.log(2.0)}), [], seed=7)
    assert result.verdict is Verdict.WORSE


def test_the_seed_makes_the_same_trial_again() -> None:
    first, second = (run_trial(simulated(FASTER), [], seed=7) for _ in range(2))
    other = run_trial(simulated(FASTER), [], seed=8)
    assert first.blocks == second.blocks
    assert first.judgement == second.judgement
    assert first.seed == 7
    assert [block.arm for block in first.blocks] != [block.arm for block in other.blocks]


def test_the_blocks_alone_give_the_same_judgement() -> None:
    for effects in (FASTER, {}, {"q1": 0.5}):
        result = run_trial(simulated(effects), [], seed=3)
        assert recompute(result.blocks, DESIGN) == result.judgement


def test_every_block_is_recorded_as_soon_as_it_is_measured() -> None:
    recorded: list[Block] = []
    result = run_trial(simulated(FASTER), [], seed=7, record=recorded.append)
    assert tuple(recorded) == result.blocks


def test_a_pair_is_two_adjacent_blocks_of_both_arms() -> None:
    blocks = run_trial(simulated({}), [], seed=7).blocks
    for first, second in zip(blocks[::2], blocks[1::2], strict=True):
        assert (first.pair, first.position) == (second.pair, 0)
        assert second.position == 1
        assert ArmName.BASELINE in {first.arm, second.arm}
        assert first.arm is not second.arm
        assert list(first.costs) == list(second.costs), "both blocks run the units in one order"


def test_each_arm_goes_first_about_as_often() -> None:
    design = replace(DESIGN, equivalence=0.0, max_pairs=200)
    blocks = run_trial(simulated({}, design), [], seed=7).blocks
    compared = [block for block in blocks if block.purpose is Purpose.OBJECTIVE]
    firsts = [block.arm for block in compared if block.position == 0]
    assert len(firsts) == 200
    assert 75 <= firsts.count(ArmName.BASELINE) <= 125


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.1, 5, 7), (0.5, 59, 61)])
def test_a_share_of_the_pairs_are_controls(share: float, least: int, most: int) -> None:
    design = replace(DESIGN, equivalence=0.0, max_pairs=60, control_share=share)
    blocks = run_trial(simulated({}, design), [], seed=7).blocks
    controls = {block.pair for block in blocks if block.purpose is Purpose.CONTROL}
    assert least <= len(controls) <= most
    assert len(blocks) == 2 * (60 + len(controls))


def test_a_copy_of_the_baseline_that_differs_blocks_the_verdict() -> None:
    design = replace(DESIGN, control_share=0.5, max_pairs=30)
    trial = SimulatedTrial(design, effects=FASTER, noise=QUIET, seed=1, control_bias=-0.2)
    result = run_trial(trial, [], seed=7)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "differs from its own copy" in result.judgement.reason


def test_once_the_objective_is_decided_only_open_units_go_on() -> None:
    effects = {**FASTER, "q5": math.log(1.06)}
    noise = Noise(environment=0.02, correlation=0.9, execution=0.06, spikes=0.0)
    trial = SimulatedTrial(DESIGN, effects=effects, noise=noise, seed=1)
    result = run_trial(trial, [], seed=7)
    late = [block for block in result.blocks if block.purpose is Purpose.GUARDRAIL]
    assert late
    assert all("q1" not in block.costs for block in late)
    assert all("q5" in block.costs for block in late)
    assert result.verdict is Verdict.IMPROVED


def test_a_block_begins_with_washout_and_takes_the_median() -> None:
    design = TrialDesign((Unit("q1", repeats=3),), "s", max_pairs=1, washout=2, control_share=0.0)
    trial = CountingTrial(design)
    result = run_trial(trial, [], seed=1)
    # Executions 1 and 2 are dropped; the median of 3, 4, 5 is 4.
    assert [dict(block.costs) for block in result.blocks] == [{"q1": 4.0}, {"q1": 4.0}]
    assert len(trial.log) == 10


def test_a_warm_up_that_outlasts_nothing_is_washed_out() -> None:
    design = replace(DESIGN, washout=4, control_share=0.0)
    warm_up = WarmUp(extra=2.0, decay=0.2)
    trial = SimulatedTrial(design, effects=FASTER, noise=QUIET, seed=1, warm_up=warm_up)
    washed = run_trial(trial, [], seed=7).judgement
    plain = run_trial(simulated(FASTER, design), [], seed=7).judgement
    assert washed.effect == pytest.approx(plain.effect, abs=0.005)


def test_the_steps_are_tried_and_the_worlds_are_closed() -> None:
    design = replace(DESIGN, max_pairs=1)
    trial, steps = CountingTrial(design), [Step("an index", do=("CREATE INDEX ...",))]
    result = run_trial(trial, steps, seed=1)
    assert trial.opened == [steps]
    assert not trial.is_open
    assert result.facts == {"index_bytes": 8192}


def test_the_budget_of_pairs_ends_a_trial() -> None:
    result = run_trial(simulated({}, replace(DESIGN, equivalence=0.0, max_pairs=12)), [], seed=7)
    assert result.ending is Ending.PAIRS_SPENT
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.judgement.pairs == 12


def test_the_budget_of_time_ends_a_trial_after_the_pair_that_spends_it() -> None:
    # The clock is read when the worlds are opened, when measuring begins, and once a pair.
    ticks = itertools.count(start=0.0, step=10.0)
    design = replace(DESIGN, time_budget_s=35.0, control_share=0.0)
    result = run_trial(simulated(FASTER, design), [], seed=7, clock=lambda: next(ticks))
    assert result.ending is Ending.TIME_SPENT
    assert result.judgement.pairs == 3
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.elapsed_s == 50.0


def test_time_that_neighbours_take_away_does_not_count() -> None:
    ticks = itertools.count(start=0.0, step=10.0)
    design = replace(DESIGN, time_budget_s=35.0, control_share=0.0)
    trial = SlowedTrial(simulated(FASTER, design), factor=2.0)
    result = run_trial(trial, [], seed=7, clock=lambda: next(ticks))
    assert result.ending is Ending.TIME_SPENT
    assert result.judgement.pairs == 6, "twice the time, for everything takes twice as long"


def test_a_failing_evaluator_is_an_error_and_never_worse() -> None:
    trial = CountingTrial(replace(DESIGN, washout=0, control_share=0.0), fails_at=12)
    result = run_trial(trial, [], seed=1)
    assert result.verdict is Verdict.ERROR
    assert result.ending is Ending.FAILED
    assert result.error.endswith("always fails")
    assert result.error in result.judgement.reason
    assert not trial.is_open
    assert result.blocks, "what was measured before is kept"


def test_an_evaluator_that_measures_nothing_is_an_error() -> None:
    trial = SimulatedTrial(DESIGN, effects={"q1": -2000.0}, noise=QUIET, seed=1)
    result = run_trial(trial, [], seed=1)
    assert result.verdict is Verdict.ERROR
    assert "q1 was measured as 0.0" in result.error


def test_a_trial_that_is_told_to_stop_stops_before_the_next_block() -> None:
    trial = CountingTrial(replace(DESIGN, washout=0))
    recorded: list[Block] = []

    def should_stop() -> None:
        if len(recorded) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        run_trial(trial, [], seed=1, record=recorded.append, should_stop=should_stop)
    assert len(recorded) == 3
    assert len(trial.log) == 3 * len(UNITS)
    assert not trial.is_open
