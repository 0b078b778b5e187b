"""Error rates and power of the product's own path: ``run_trial`` with 22 units and its judge.

More runs, rougher machines and the customary methods are in ``benchmarks/false_positives.py``.
"""

import math
import statistics
from collections import Counter
from collections.abc import Mapping

import pytest

from honed.core.trial import TrialDesign, Unit
from honed.core.verdict import Verdict
from honed.experiments.blocks import Purpose
from honed.experiments.trial import TrialResult, run_trial
from honed.testing.simulated import Noise, SimulatedTrial, WarmUp

UNITS = tuple(Unit(f"q{number}") for number in range(1, 23))
DESIGN = TrialDesign(UNITS, "backend_cpu_s")
#: About 4 % noise of a block for each unit.
NOISE = Noise(environment=0.03, correlation=0.99, execution=0.035, spikes=0.0)
GAINS = (2, 3, 5, 10, 20, 2, 4, 1.5, 1.2, 8)
SOME_FASTER = {f"q{number}": -math.log(gain) for number, gain in enumerate(GAINS, start=1)}


def trials(
    effects: Mapping[str, float], count: int, *, design: TrialDesign = DESIGN, bias: float = 0.0
) -> list[TrialResult]:
    return [
        run_trial(
            SimulatedTrial(
                design,
                effects=effects,
                noise=NOISE,
                seed=seed,
                warm_up=WarmUp(extra=0.5, decay=0.05),
                control_bias=bias,
            ),
            [],
            seed=1000 + seed,
        )
        for seed in range(count)
    ]


def compared(result: TrialResult) -> int:
    """Return how many pairs compared baseline and candidate."""
    return sum(block.purpose is not Purpose.CONTROL for block in result.blocks) // 2


def test_a_change_that_does_nothing_is_hardly_ever_called_anything() -> None:
    verdicts = Counter(result.verdict for result in trials({}, 60))
    assert verdicts[Verdict.IMPROVED] + verdicts[Verdict.WORSE] <= 3
    assert verdicts[Verdict.EQUIVALENT] >= 50


def test_a_gain_of_many_times_is_proven_with_all_guardrails_in_about_ten_pairs() -> None:
    results = trials(SOME_FASTER, 40)
    assert {result.verdict for result in results} == {Verdict.IMPROVED}
    assert 8 <= statistics.median(compared(result) for result in results) <= 14


def test_a_unit_that_loses_2_percent_is_cleared_in_about_25_pairs() -> None:
    results = trials({**SOME_FASTER, "q22": math.log(1.02)}, 40)
    assert {result.verdict for result in results} == {Verdict.IMPROVED}
    assert statistics.quantiles((compared(result) for result in results), n=20)[-1] <= 25


def test_a_change_of_state_by_20_percent_is_found_within_20_pairs() -> None:
    design = TrialDesign(UNITS, "backend_cpu_s", max_pairs=20)
    results = trials(dict.fromkeys((unit.name for unit in UNITS), math.log(0.8)), 30, design=design)
    assert sum(result.verdict is Verdict.IMPROVED for result in results) >= 28


def test_one_loser_among_winners_is_never_overlooked() -> None:
    results = trials({**SOME_FASTER, "q22": math.log(1.5)}, 30)
    assert {result.verdict for result in results} == {Verdict.WORSE}


@pytest.mark.parametrize("bias", [-0.22, 0.22])
@pytest.mark.slow
def test_a_gain_that_a_mere_copy_has_too_is_not_believed(bias: float) -> None:
    everywhere = dict.fromkeys((unit.name for unit in UNITS), -0.22)
    verdicts = Counter(result.verdict for result in trials(everywhere, 20, bias=bias))
    assert verdicts[Verdict.IMPROVED] <= 3
