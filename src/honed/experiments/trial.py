"""Running a trial: interleaved blocks in drawn order, judged after every pair."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from honed.core.canonical import Json
from honed.core.step import Step
from honed.core.trial import Arm, Arms, Trial, TrialDesign, Unit
from honed.core.verdict import Verdict
from honed.errors import EvaluatorFailed
from honed.experiments.blocks import ArmName, Block, Purpose, recompute
from honed.experiments.differences import checked_cost
from honed.experiments.judge import failure
from honed.experiments.judgement import Guardrail, Judgement

#: With more controls than comparisons a trial would not get on.
_LARGEST_CONTROL_SHARE = 0.5


class Ending(StrEnum):
    """Why a trial stopped measuring."""

    #: The judge had its answer.
    DECIDED = "decided"
    #: The design's ``max_pairs`` were measured.
    PAIRS_SPENT = "pairs_spent"
    #: The design's ``time_budget_s`` was over.
    TIME_SPENT = "time_spent"
    #: The evaluator failed.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What a trial found, with everything that it takes to judge it again."""

    judgement: Judgement
    blocks: tuple[Block, ...]
    #: Of every random choice: the order of arms, the order of units, which pairs are controls.
    seed: int
    ending: Ending
    #: Seconds of measuring, without building the worlds.
    elapsed_s: float
    #: What building the candidate cost and what it was built on.
    facts: Mapping[str, Json] = field(default_factory=dict)
    #: What made the evaluator fail; empty unless the ending is FAILED.
    error: str = ""

    @property
    def verdict(self) -> Verdict:
        """The judgement's verdict."""
        return self.judgement.verdict


def run_trial(  # noqa: PLR0913 - three of them are for whoever runs it, or owns the time of a test
    trial: Trial,
    steps: Sequence[Step],
    *,
    seed: int,
    wanted_log_e: float = -math.inf,
    record: Callable[[Block], None] = lambda _: None,
    should_stop: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> TrialResult:
    """Return the verdict on ``steps``, measured in the worlds that ``trial`` opens.

    Pairs of adjacent blocks, baseline and candidate, in an order drawn anew for each pair. A block
    runs each unit ``washout`` times without counting, if it needs that, and then ``repeats`` times,
    of which the median counts. A share of the pairs compares the baseline with its own copy. The
    judge is asked after every pair. Once the objective is decided, only units whose guardrail is
    undecided go on.

    Args:
        trial: opens the worlds, and says how they are compared.

        steps: the change that is tried; they are done in the candidate's world.

        seed: of every random choice; the same seed and the same costs give the same trial.

        wanted_log_e: IMPROVED ends the trial only with that much evidence (natural logarithm of
            the e-value), as far as the budget goes. An e-process may be followed for as long as
            one likes, so this makes no verdict less certain.

        record: is handed every block as soon as it is complete.

        should_stop: is called before every block and raises what shall end the trial.

        clock: seconds, from any origin.

    The time budget counts measuring, not the building of worlds, as long as it would have taken
    without neighbours on the machine. It is looked at before each pair, so a trial overruns it by
    less than one pair. A failing evaluator gives ERROR, never WORSE;
    every other exception, and what ``should_stop`` raises, goes through to the caller.
    """
    blocks: list[Block] = []
    facts: Mapping[str, Json] = {}
    failed = ""
    started = clock()

    def keep(block: Block) -> None:
        record(block)
        blocks.append(block)

    try:
        with trial.open(steps) as arms:
            facts, started = arms.facts, clock()
            random = np.random.default_rng(seed)
            measuring = _Measuring(trial.design, arms, random, should_stop, wanted_log_e)
            ending = _measure(
                measuring, keep, blocks, lambda: (clock() - started) / arms.slowdown()
            )
    except EvaluatorFailed as error:
        judgement = failure(str(error), trial.design)
        ending, failed = Ending.FAILED, str(error)
    else:
        judgement = recompute(blocks, trial.design)
    return TrialResult(judgement, tuple(blocks), seed, ending, clock() - started, facts, failed)


@dataclass(frozen=True, slots=True)
class _Measuring:
    """What measuring a block needs."""

    design: TrialDesign
    arms: Arms
    random: np.random.Generator
    should_stop: Callable[[], None]
    #: What IMPROVED takes, beyond what makes it the verdict.
    wanted_log_e: float


def _measure(
    measuring: _Measuring,
    keep: Callable[[Block], None],
    blocks: Sequence[Block],
    elapsed_s: Callable[[], float],
) -> Ending:
    """Measure pairs until the judge or the budget says enough."""
    design = measuring.design
    is_control = _control_schedule(design, float(measuring.random.random()))
    purpose, units = Purpose.OBJECTIVE, design.units
    compared = pair = 0
    while compared < design.max_pairs:
        if elapsed_s() >= design.time_budget_s:
            return Ending.TIME_SPENT
        if purpose is Purpose.OBJECTIVE and next(is_control):
            _measure_pair(measuring, pair, Purpose.CONTROL, units, keep)
            pair += 1
            continue
        _measure_pair(measuring, pair, purpose, units, keep)
        pair, compared = pair + 1, compared + 1
        if compared < design.min_pairs:
            continue
        judgement = recompute(blocks, design)
        if _is_decided(judgement, measuring.wanted_log_e):
            return Ending.DECIDED
        purpose, units = _next(judgement, design, measuring.wanted_log_e)
    return Ending.PAIRS_SPENT


def _is_decided(judgement: Judgement, wanted_log_e: float) -> bool:
    if judgement.verdict is Verdict.IMPROVED:
        return judgement.log_e >= wanted_log_e
    return judgement.verdict is not Verdict.INCONCLUSIVE


def _next(
    judgement: Judgement, design: TrialDesign, wanted_log_e: float
) -> tuple[Purpose, tuple[Unit, ...]]:
    """Return what the next pair is for, and which units it runs."""
    open_units = frozenset(judgement.named(Guardrail.UNDECIDED))
    if judgement.verdict is Verdict.IMPROVED:
        within = {unit.unit: unit.within_log_e for unit in judgement.units}
        if judgement.log_e < min(within.values()):
            # The gain itself is what lacks evidence.
            return Purpose.OBJECTIVE, design.units
        open_units = frozenset(name for name, log_e in within.items() if log_e < wanted_log_e)
    if judgement.objective.verdict is Verdict.IMPROVED and open_units:
        return Purpose.GUARDRAIL, tuple(unit for unit in design.units if unit.name in open_units)
    return Purpose.OBJECTIVE, design.units


def _control_schedule(design: TrialDesign, chance: float) -> Iterator[bool]:
    """Yield whether the next pair is a control: the design's share of all, from a random start.

    Systematic sampling: controls lie evenly over the trial, and the first one lies within the
    first ``min_pairs`` pairs, so that no verdict is given without one.
    """
    share = min(max(design.control_share, 0.0), _LARGEST_CONTROL_SHARE)
    position = 1.0 - (1.0 - chance) * min(share * design.min_pairs, 1.0)
    while True:
        following = position + share
        yield int(following) > int(position)
        position = following


def _measure_pair(
    measuring: _Measuring,
    pair: int,
    purpose: Purpose,
    units: tuple[Unit, ...],
    keep: Callable[[Block], None],
) -> None:
    other = ArmName.CONTROL if purpose is Purpose.CONTROL else ArmName.CANDIDATE
    order = [ArmName.BASELINE, other]
    if measuring.random.integers(2):
        order.reverse()
    # Both blocks run the units in one order, so what one unit leaves in a cache for the next is
    # the same on both sides.
    shuffled = [units[index] for index in measuring.random.permutation(len(units))]
    for position, name in enumerate(order):
        measuring.should_stop()
        arm: Arm = getattr(measuring.arms, name.value)
        costs = {unit.name: _cost(arm, unit, measuring.design.washout) for unit in shuffled}
        keep(Block(pair, position, name, purpose, costs))


def _cost(arm: Arm, unit: Unit, washout: int) -> float:
    """Return the median cost of ``unit`` after the washout.

    Every block begins with it, also one that follows a block of the same arm: otherwise the second
    block of a pair would start colder than the first.
    """
    for _ in range(washout if unit.needs_washout else 0):
        arm.run(unit.name)
    return statistics.median(
        checked_cost(unit.name, arm.run(unit.name)) for _ in range(unit.repeats)
    )
