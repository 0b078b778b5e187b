"""Properties of the evidence that every verdict rests on."""

import math

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from honed.stats.compare import Rule, compare
from honed.stats.e_process import (
    half_width,
    mean_above_log_e,
    mean_below_log_e,
    mean_log_e,
    sign_below_log_e,
    sign_log_e,
)
from honed.stats.moments import Moments

_EFFECTS = st.floats(-5.0, 5.0, allow_subnormal=False).map(lambda value: round(value, 6))
DIFFERENCES = st.lists(_EFFECTS, min_size=2, max_size=40)
VARIANCES = st.floats(0.01, 10.0)
ALPHAS = st.floats(0.001, 0.4)


@given(DIFFERENCES, VARIANCES)
def test_an_e_value_is_never_negative(differences: list[float], variance: float) -> None:
    moments = Moments.of(differences)
    for log_e in (
        mean_log_e(moments, prior_variance=variance),
        mean_below_log_e(moments, prior_variance=variance),
        mean_above_log_e(moments, prior_variance=variance),
    ):
        assert math.isfinite(log_e)
        assert np.exp(log_e) >= 0.0


@given(DIFFERENCES, VARIANCES)
def test_both_halves_of_the_mixture_make_the_whole(
    differences: list[float], variance: float
) -> None:
    moments = Moments.of(differences)
    halves = np.logaddexp(
        mean_below_log_e(moments, prior_variance=variance),
        mean_above_log_e(moments, prior_variance=variance),
    )
    whole = mean_log_e(moments, prior_variance=variance)
    assert math.isclose(halves - math.log(2.0), whole, abs_tol=1e-9)


@given(DIFFERENCES, st.floats(0.001, 1000.0), VARIANCES)
def test_an_e_value_does_not_know_the_unit_of_the_differences(
    differences: list[float], factor: float, variance: float
) -> None:
    assume(np.std(differences) > 1e-6)
    plain = mean_log_e(Moments.of(differences), prior_variance=variance)
    scaled = mean_log_e(Moments.of(np.multiply(differences, factor)), prior_variance=variance)
    assert math.isclose(plain, scaled, rel_tol=1e-6, abs_tol=1e-6)


@given(DIFFERENCES, VARIANCES, ALPHAS)
def test_swapping_the_arms_mirrors_everything(
    differences: list[float], variance: float, alpha: float
) -> None:
    rule = Rule(alpha=alpha, prior_variance=variance)
    there, back = compare(differences, rule), compare(np.negative(differences), rule)
    assert (back.effect, back.median) == (-there.effect, -there.median)
    assert (back.low, back.high) == (-there.high, -there.low)
    assert (back.log_e, back.sign_log_e) == (there.log_e, there.sign_log_e)
    mirrored = {"improved": "worse", "worse": "improved"}
    assert back.verdict == mirrored.get(there.verdict, there.verdict)


@given(DIFFERENCES, VARIANCES, ALPHAS)
def test_the_interval_contains_the_mean(
    differences: list[float], variance: float, alpha: float
) -> None:
    comparison = compare(differences, Rule(alpha=alpha, prior_variance=variance))
    assert comparison.low <= np.mean(differences) <= comparison.high


@given(DIFFERENCES, VARIANCES, ALPHAS, st.floats(0.1, 0.99))
def test_the_interval_is_wider_for_a_smaller_alpha(
    differences: list[float], variance: float, alpha: float, share: float
) -> None:
    moments = Moments.of(differences)
    wide = half_width(moments, alpha=alpha * share, prior_variance=variance)
    narrow = half_width(moments, alpha=alpha, prior_variance=variance)
    assert wide >= narrow
    if np.isfinite(narrow) and moments.deviation > 0:
        assert wide > narrow


@given(DIFFERENCES, _EFFECTS, VARIANCES, ALPHAS)
def test_the_interval_holds_exactly_what_the_e_value_does_not_refute(
    differences: list[float], null: float, variance: float, alpha: float
) -> None:
    moments = Moments.of(differences)
    log_e = mean_log_e(moments, null=null, prior_variance=variance)
    distance = abs(moments.mean - null)
    width = half_width(moments, alpha=alpha, prior_variance=variance)
    # On the border itself rounding decides.
    assume(abs(log_e + math.log(alpha)) > 1e-9)
    assert (distance > width) == (log_e > -math.log(alpha))


@given(DIFFERENCES, VARIANCES, st.floats(0.0, 3.0))
def test_raising_all_costs_never_helps_to_claim_that_they_are_lower(
    differences: list[float], variance: float, rise: float
) -> None:
    before = mean_below_log_e(Moments.of(differences), prior_variance=variance)
    after = mean_below_log_e(Moments.of(np.add(differences, rise)), prior_variance=variance)
    assert after <= before + 1e-6


@given(st.integers(0, 200), st.integers(0, 200), VARIANCES)
def test_the_signs_make_a_martingale(below: int, above: int, variance: float) -> None:
    now = sign_log_e(below, above, prior_variance=variance)
    coming = np.logaddexp(
        sign_log_e(below + 1, above, prior_variance=variance),
        sign_log_e(below, above + 1, prior_variance=variance),
    )
    assert math.isclose(coming - math.log(2.0), now, abs_tol=1e-8)


@given(st.integers(0, 100), st.integers(0, 100), VARIANCES)
def test_the_one_sided_signs_make_a_martingale(below: int, above: int, variance: float) -> None:
    now = sign_below_log_e(below, above, prior_variance=variance)
    coming = np.logaddexp(
        sign_below_log_e(below + 1, above, prior_variance=variance),
        sign_below_log_e(below, above + 1, prior_variance=variance),
    )
    assert math.isclose(coming - math.log(2.0), now, abs_tol=1e-6)
