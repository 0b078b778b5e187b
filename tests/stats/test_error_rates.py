"""Error rates and power of the rule under continuous looks, on noise like that of real latencies.

A look after every pair, up to 1,000 pairs of single executions or 60 pairs of blocks. The numbers
beside them, and the naive methods, are in ``benchmarks/false_positives.py``.
"""

import math

import numpy as np
import pytest

from honed.stats.compare import Rule, decide
from honed.stats.moments import FloatArray, Moments
from honed.testing.simulated import Noise, WarmUp, log_costs, paired_by_chance, simulated_blocks

SYSTEMS = 300
REQUESTS = Rule(alpha=0.05, prior_variance=0.05, min_pairs=8)
BLOCKS = Rule(alpha=0.05, prior_variance=0.4, min_pairs=8)
NOISES = {
    "independent": Noise(correlation=0.0),
    "autocorrelated": Noise(correlation=0.9),
    "drifting": Noise(correlation=0.9, drift=0.5),
    "spiky": Noise(correlation=0.9, drift=0.5, spikes=0.05),
}


def _ever(differences: FloatArray, rule: Rule) -> tuple[float, float]:
    """Return the share of systems that were ever called improved, and worse."""
    decisions = decide(
        Moments.of_prefixes(differences),
        np.cumsum(differences < 0, axis=-1),
        np.cumsum(differences > 0, axis=-1),
        rule=rule,
    )
    return float(decisions.improved.any(axis=-1).mean()), float(decisions.worse.any(axis=-1).mean())


def _requests(noise: Noise) -> FloatArray:
    random = np.random.default_rng(20261121)
    return paired_by_chance(log_costs(noise, (SYSTEMS, 2000), random), random)


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_at_most_one_in_twenty_nulls_is_ever_called_anything(noise: Noise) -> None:
    improved, worse = _ever(_requests(noise), REQUESTS)
    assert improved + worse <= 0.05


@pytest.mark.parametrize("name", ["autocorrelated", "drifting"])
def test_a_gain_of_5_percent_is_found_within_1000_pairs(name: str) -> None:
    improved, worse = _ever(_requests(NOISES[name]) + math.log(0.95), REQUESTS)
    assert improved >= 0.9
    assert worse == 0.0


def _blocks(washout: int) -> FloatArray:
    blocks = simulated_blocks(
        Noise(environment=0.1, correlation=0.5, execution=0.6),
        (SYSTEMS, 60, 40),
        warm_up=WarmUp(extra=1.0, decay=0.9),
        random=np.random.default_rng(20261121),
    )
    return blocks.differences(washout=washout)


def test_a_switch_that_warms_up_makes_no_false_verdict_after_washout() -> None:
    improved, worse = _ever(_blocks(washout=15), BLOCKS)
    assert improved + worse <= 0.05
    improved, worse = _ever(_blocks(washout=15) + math.log(0.8), BLOCKS)
    assert improved >= 0.9
    assert worse == 0.0
