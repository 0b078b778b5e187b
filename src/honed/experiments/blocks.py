"""Blocks: what a trial measured, in the form in which it is stored and judged again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from honed.core.trial import TrialDesign
from honed.core.verdict import Verdict
from honed.experiments.differences import Pair
from honed.experiments.judge import judge
from honed.experiments.judgement import Judgement
from honed.stats.sample_ratio import is_mismatched

_BLOCKS_OF_A_PAIR = 2


class ArmName(StrEnum):
    """Which of the worlds a block was measured in."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"
    #: A second copy of the baseline.
    CONTROL = "control"


class Purpose(StrEnum):
    """What a pair of blocks is for."""

    #: Baseline and candidate with every unit.
    OBJECTIVE = "objective"
    #: Baseline and candidate with the units that are not cleared yet.
    GUARDRAIL = "guardrail"
    #: Baseline and its second copy.
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Block:
    """One block: one arm measured for a while, one number a unit."""

    #: Position of the pair in the trial, from 0.
    pair: int
    #: 0 for the block that was measured first, 1 for the other.
    position: int
    arm: ArmName
    purpose: Purpose
    #: Median cost of each unit that was run, in the design's metric.
    costs: Mapping[str, float]


def recompute(blocks: Sequence[Block], design: TrialDesign) -> Judgement:
    """Return the judgement on ``blocks``: the identical one whenever it is asked.

    This is how a trial is judged while it runs, and how anybody judges it again from its stored
    rows. A pair of which only one block was measured (the trial was stopped in between) is left
    out. Where an arm was measured more often, or went first more often, than a fair coin explains,
    the verdict is INCONCLUSIVE: something other than chance chose what was measured.

    Not guaranteed: the last bits under another version of numpy, whose sums may be ordered
    differently.
    """
    complete = _pairs(blocks)
    judgement = judge(
        [pair for purpose, pair in complete if purpose is Purpose.OBJECTIVE],
        design,
        control=[pair for purpose, pair in complete if purpose is Purpose.CONTROL],
        guardrail_only=[pair for purpose, pair in complete if purpose is Purpose.GUARDRAIL],
    )
    mismatch = _mismatch(blocks)
    if not mismatch or judgement.verdict is Verdict.ERROR:
        return judgement
    return replace(judgement, verdict=Verdict.INCONCLUSIVE, reason=mismatch)


def _pairs(blocks: Sequence[Block]) -> list[tuple[Purpose, Pair]]:
    """Return the complete pairs, oldest first, the baseline's costs before the other arm's."""
    by_pair: dict[int, list[Block]] = {}
    for block in blocks:
        by_pair.setdefault(block.pair, []).append(block)
    pairs: list[tuple[Purpose, Pair]] = []
    for _, both in sorted(by_pair.items()):
        if len(both) == _BLOCKS_OF_A_PAIR:
            before, after = sorted(both, key=lambda block: block.arm is not ArmName.BASELINE)
            pairs.append((before.purpose, (before.costs, after.costs)))
    return pairs


def _mismatch(blocks: Sequence[Block]) -> str:
    compared = [block for block in blocks if block.purpose is not Purpose.CONTROL]
    first = [block for block in compared if block.position == 0]
    for counted, question in ((compared, "measured"), (first, "measured first")):
        baseline = sum(block.arm is ArmName.BASELINE for block in counted)
        candidate = len(counted) - baseline
        if is_mismatched(baseline, candidate):
            return (
                f"the arms were not treated alike: the baseline was {question} {baseline} times,"
                f" the candidate {candidate} times"
            )
    return ""
