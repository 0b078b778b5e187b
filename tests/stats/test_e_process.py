"""The closed forms against numerical integration of what they are the closed form of."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from honed.stats.e_process import (
    average_log_e,
    half_width,
    mean_above_log_e,
    mean_below_log_e,
    mean_log_e,
    sign_below_log_e,
    sign_log_e,
)
from honed.stats.moments import Moments

CASES = [(5, 0.0, 0.4), (9, -0.6, 0.4), (20, 0.3, 0.05), (40, 1.2, 1.0)]


def _likelihood_ratio(standardised: float, t: float, count: int) -> float:
    degrees = count - 1
    return float(
        stats.nct.pdf(t, degrees, standardised * math.sqrt(count)) / stats.t.pdf(t, degrees)
    )


def _mixture(moments: Moments, variance: float, low: float, high: float) -> float:
    count = int(moments.count)
    t = float(moments.mean / moments.deviation * math.sqrt(count))
    density = stats.norm(0.0, math.sqrt(variance)).pdf
    area, _ = integrate.quad(
        lambda effect: density(effect) * _likelihood_ratio(effect, t, count), low, high
    )
    return float(area)


@pytest.mark.parametrize(("count", "effect", "variance"), CASES)
def test_the_t_mixture_is_the_mixed_likelihood_ratio(
    count: int, effect: float, variance: float
) -> None:
    moments = Moments.of(np.random.default_rng(count).normal(effect, 1.0, count))
    reach = 8.0 * math.sqrt(variance)
    lower, upper = _mixture(moments, variance, -reach, 0.0), _mixture(moments, variance, 0.0, reach)
    assert math.exp(mean_log_e(moments, prior_variance=variance)) == pytest.approx(lower + upper)
    assert math.exp(mean_below_log_e(moments, prior_variance=variance)) == pytest.approx(2 * lower)
    assert math.exp(mean_above_log_e(moments, prior_variance=variance)) == pytest.approx(2 * upper)


@pytest.mark.parametrize(("below", "above"), [(0, 0), (8, 0), (3, 9), (50, 30)])
def test_the_sign_evidence_is_the_mixed_likelihood_ratio(below: int, above: int) -> None:
    def ratio(p: float) -> float:
        return float(p**below * (1.0 - p) ** above * 2.0 ** (below + above))

    whole = integrate.quad(ratio, 0.0, 1.0)[0]
    upper = integrate.quad(ratio, 0.5, 1.0)[0]
    assert math.exp(sign_log_e(below, above)) == pytest.approx(whole)
    assert math.exp(sign_below_log_e(below, above)) == pytest.approx(2 * upper)


def test_the_prior_of_the_signs_varies_like_the_prior_of_the_effect() -> None:
    # Two like signs tell the prior variance of p: e = 4 E[p^2 or (1-p)^2] / 1 = 4 (1/4 + var).
    for variance in (0.05, 0.4, 1.0):
        effects = np.random.default_rng(1).normal(0.0, math.sqrt(variance), 400_000)
        simulated = stats.norm.cdf(effects).var()
        exact = math.exp(sign_log_e(2, 0, prior_variance=variance)) / 4.0 - 0.25
        assert exact == pytest.approx(simulated, rel=0.02)


def test_fewer_than_two_differences_say_nothing() -> None:
    for differences in ([], [3.0]):
        moments = Moments.of(differences)
        assert mean_log_e(moments, prior_variance=0.4) == 0.0
        assert mean_below_log_e(moments, prior_variance=0.4) == pytest.approx(0.0)
        assert half_width(moments, alpha=0.05, prior_variance=0.4) == np.inf


def test_equal_differences_are_bounded_evidence_not_infinite() -> None:
    moments = Moments.of([0.5] * 8)
    # The limit of the ratio for a spread of nothing: k^((n - 1) / 2) with k = 1 + n g.
    assert math.exp(mean_log_e(moments, prior_variance=0.4)) == pytest.approx(4.2**3.5)
    assert half_width(moments, alpha=0.05, prior_variance=0.4) == 0.0
    assert mean_log_e(Moments.of([0.0] * 8), prior_variance=0.4) == pytest.approx(
        -0.5 * math.log(4.2)
    )


def test_eight_like_pairs_of_many_fold_gain_are_enough() -> None:
    moments = Moments.of(np.log([0.2, 0.21, 0.19, 0.2, 0.22, 0.2, 0.18, 0.2]))
    assert mean_below_log_e(moments, prior_variance=0.4) > math.log(1 / 0.045)
    assert sign_below_log_e(8, 0, prior_variance=0.4) > math.log(1 / 0.045)


def test_the_mean_of_two_e_values_is_taken_of_the_values() -> None:
    assert math.exp(average_log_e(math.log(3.0), math.log(9.0))) == pytest.approx(6.0)


def test_the_bound_holds_at_all_times_for_normal_differences() -> None:
    random = np.random.default_rng(7)
    moments = Moments.of_prefixes(random.normal(0.0, 1.0, (2000, 400)))
    ever = (mean_log_e(moments, prior_variance=0.4) >= math.log(20.0)).any(axis=-1)
    # Three standard errors above 5 %.
    assert ever.mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    assert ever.mean() > 0.01, "a test that never refutes proves nothing"
