"""The A/A control."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from honed.stats.control import PRIOR_VARIANCE, shift_log_e

ENOUGH = math.log(20.0)


def test_it_is_the_mixed_likelihood_ratio_of_the_pooled_t_statistic() -> None:
    random = np.random.default_rng(1)
    control, others = random.normal(1.5, 1.0, 3), random.normal(-4.0, 1.0, 9)
    degrees = 10
    squares = control.var() * 3 + others.var() * 9
    t = control.mean() * math.sqrt(3 / (squares / degrees))
    density = stats.norm(0.0, math.sqrt(PRIOR_VARIANCE)).pdf

    def ratio(shift: float) -> float:
        likelihood = stats.nct.pdf(t, degrees, shift * math.sqrt(3)) / stats.t.pdf(t, degrees)
        return float(density(shift) * likelihood)

    expected, _ = integrate.quad(ratio, -15.0, 15.0)
    assert math.exp(shift_log_e(control, others)) == pytest.approx(expected)


def test_one_control_that_is_far_off_is_enough() -> None:
    others = np.random.default_rng(2).normal(-1.0, 0.02, 8)
    assert shift_log_e([0.2], others) >= ENOUGH
    assert shift_log_e([-0.2], others) >= ENOUGH
    assert shift_log_e([0.02], others) < 0.0


def test_without_a_control_or_without_a_spread_there_is_no_evidence() -> None:
    assert shift_log_e([], [0.1, 0.2]) == 0.0
    assert shift_log_e([0.5], []) == 0.0
    assert shift_log_e([0.5], [0.5]) == 0.0


def test_controls_that_rest_hardly_ever_block_a_trial() -> None:
    random = np.random.default_rng(3)
    blocked = 0
    for _ in range(400):
        control, others = random.normal(0.0, 1.0, 6), random.normal(-3.0, 1.0, 60)
        blocked += any(
            shift_log_e(control[: 1 + pairs // 10], others[:pairs]) >= ENOUGH
            for pairs in range(8, 60)
        )
    assert blocked / 400 <= 0.05
