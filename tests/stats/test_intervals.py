"""Intervals for one look: against scipy's own, and how often they hold the truth."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from honed.stats.intervals import mean_interval, welch

VALUES = st.lists(st.floats(-100.0, 100.0), min_size=2, max_size=30)
ALPHAS = st.floats(0.001, 0.4)


@given(VALUES, VALUES, ALPHAS)
def test_the_difference_of_means_is_that_of_scipy(
    before: list[float], after: list[float], alpha: float
) -> None:
    # Where a side has no spread, scipy warns of it.
    assume(min(np.var(before), np.var(after)) > 1e-6)
    found = welch(before, after, alpha=alpha)
    peer = stats.ttest_ind(after, before, equal_var=False).confidence_interval(1.0 - alpha)
    assert (found.low, found.high) == pytest.approx((peer.low, peer.high), rel=1e-6, abs=1e-6)


@given(VALUES, VALUES, ALPHAS)
def test_swapping_the_sides_mirrors_the_interval(
    before: list[float], after: list[float], alpha: float
) -> None:
    there, back = welch(before, after, alpha=alpha), welch(after, before, alpha=alpha)
    assert (there.effect, there.low, there.high) == (-back.effect, -back.high, -back.low)


@given(VALUES, VALUES, st.floats(-10.0, 10.0))
def test_what_is_added_to_one_side_is_added_to_the_interval(
    before: list[float], after: list[float], more: float
) -> None:
    plain = welch(before, after, alpha=0.05)
    raised = welch(before, [value + more for value in after], alpha=0.05)
    assert raised.low == pytest.approx(plain.low + more, abs=1e-6)
    assert raised.high == pytest.approx(plain.high + more, abs=1e-6)


@given(VALUES, ALPHAS)
def test_the_mean_is_in_its_interval(values: list[float], alpha: float) -> None:
    found = mean_interval(values, alpha=alpha)
    assert found.low <= found.effect <= found.high


@pytest.mark.parametrize(("before", "after"), [([], [1.0]), ([1.0], [2.0, 3.0]), ([], [])])
def test_too_few_values_bound_nothing(before: list[float], after: list[float]) -> None:
    found = welch(before, after, alpha=0.05)
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert mean_interval(before, alpha=0.05).high == math.inf


def test_values_without_spread_are_certain() -> None:
    found = welch([1.0] * 4, [0.5] * 4, alpha=0.05)
    assert (found.low, found.effect, found.high) == (-0.5, -0.5, -0.5)


def test_one_interval_in_twenty_misses_the_truth() -> None:
    random = np.random.default_rng(20261121)
    missed = 0
    for _ in range(2000):
        found = welch(random.normal(0, 1, 6), random.normal(1, 3, 15), alpha=0.05)
        missed += not found.low <= 1.0 <= found.high
    assert 0.035 <= missed / 2000 <= 0.065
