"""Judging stored blocks."""

from dataclasses import replace

from honed.core.trial import TrialDesign, Unit
from honed.core.verdict import Verdict
from honed.experiments.blocks import ArmName, Block, Purpose, recompute
from honed.experiments.trial import run_trial
from honed.testing.simulated import Noise, SimulatedTrial

DESIGN = TrialDesign((Unit("q1"), Unit("q2")), "s")
NOISE = Noise(environment=0.02, correlation=0.9, execution=0.03, spikes=0.0)


def measured() -> tuple[Block, ...]:
    trial = SimulatedTrial(DESIGN, effects={"q1": -0.7}, noise=NOISE, seed=1)
    return run_trial(trial, [], seed=1).blocks


def test_the_order_of_rows_does_not_matter() -> None:
    blocks = measured()
    assert recompute(blocks[::-1], DESIGN) == recompute(blocks, DESIGN)


def test_a_pair_that_was_cut_in_half_is_left_out() -> None:
    blocks = measured()
    half = replace(blocks[0], pair=len(blocks))
    assert recompute([*blocks, half], DESIGN).pairs == recompute(blocks, DESIGN).pairs


def test_one_changed_value_is_seen() -> None:
    blocks = measured()
    changed = replace(blocks[3], costs={**blocks[3].costs, "q1": blocks[3].costs["q1"] * 1.000001})
    assert recompute([*blocks[:3], changed, *blocks[4:]], DESIGN) != recompute(blocks, DESIGN)


def test_an_arm_that_always_goes_first_decides_nothing() -> None:
    fast, slow = {"q1": 1.0, "q2": 1.0}, {"q1": 2.0, "q2": 2.0}
    blocks = [
        Block(pair, position, arm, Purpose.OBJECTIVE, costs)
        for pair in range(20)
        for position, (arm, costs) in enumerate(
            [(ArmName.BASELINE, slow), (ArmName.CANDIDATE, fast)]
        )
    ]
    judgement = recompute(blocks, DESIGN)
    assert judgement.objective.verdict is Verdict.IMPROVED
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "measured first 20 times, the candidate 0 times" in judgement.reason


def test_an_arm_whose_blocks_are_missing_decides_nothing() -> None:
    blocks = measured()
    lost = [
        replace(block, pair=1000 + number)
        for number, block in enumerate(blocks * 4)
        if block.arm is ArmName.BASELINE
    ]
    judgement = recompute([*blocks, *lost], DESIGN)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "the arms were not treated alike" in judgement.reason
