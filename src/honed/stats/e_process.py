"""E-processes for a mean and for a median, with the confidence sequence that inverts the first.

An e-process is evidence against a null hypothesis: it is never negative, and if the null is true
the probability that it *ever* reaches 1/alpha is at most alpha (Ville 1939, "Etude critique de la
notion de collectif"). So one may look after every pair and stop at will. Everything here returns
natural logarithms of e-values, because the values themselves overflow.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from honed.stats.moments import FloatArray, Moments

#: Probabilities below it count as this one, so that a logarithm stays finite.
_SMALLEST = 1e-300
_LOG_2 = float(np.log(2.0))
#: With fewer differences there is no spread to measure an effect by.
_LEAST = 2


def mean_log_e(moments: Moments, *, null: float = 0.0, prior_variance: float) -> FloatArray:
    r"""Return the evidence that the mean of the differences is not ``null``: the t-mixture.

    The likelihood ratio of the t statistic, mixed over a standardised effect (mean - null) / sigma
    that is normal with mean 0 and variance ``prior_variance``. With n differences, k = 1 + n g,
    S = sum of squares about their mean and D = n (mean - null)^2::

        log e = -log(k) / 2 + n / 2 * log((S + D) / (S + D / k))

    Source: Goenen, Johnson, Lu, Westfall 2005, "The Bayesian two-sample t test", The American
    Statistician 59(3), for the ratio; Wang, Ramdas 2023, arXiv:2310.03722, section 4, and
    Perez-Ortiz, Lardy, de Heide, Gruenwald 2022, arXiv:2208.07610, for its being an e-process.

    Not guaranteed: the bound holds for independent normal differences. With other symmetric noise
    it is approximate (``benchmarks/false_positives.py`` measures it), and the test is not valid
    for stopping rules that look at the scale of the differences (it is a martingale in the
    filtration of scale-invariant statistics only). Fewer than two differences say nothing: 0.
    """
    inside, between = _squares(moments, null)
    shrink = 1.0 + moments.count * prior_variance
    nothing = (moments.count < _LEAST) | (inside + between == 0.0)
    total = np.where(nothing, 1.0, inside + between)
    shrunk = np.where(nothing, 1.0, inside + between / shrink)
    log_ratio = 0.5 * moments.count * (np.log(total) - np.log(shrunk))
    return np.where(moments.count < _LEAST, 0.0, log_ratio - 0.5 * np.log(shrink))


def mean_below_log_e(moments: Moments, *, null: float = 0.0, prior_variance: float) -> FloatArray:
    """Return the evidence that the mean of the differences is below ``null``.

    The t-mixture of ``mean_log_e`` with the half of its prior that lies below: twice the two-sided
    e-value times the posterior probability of that half. The posterior of the mean is Student's t
    with n degrees of freedom (normal inverse gamma model with the prior 1 / sigma).

    Valid for every mean at or above ``null``: the value falls when all differences are raised by a
    constant, so no larger mean makes the threshold easier to reach. Otherwise as ``mean_log_e``.
    """
    inside, between = _squares(moments, null)
    count = moments.count
    shrink = 1.0 + count * prior_variance
    spread = np.sqrt(shrink * inside + between)
    known = (count >= _LEAST) & (spread > 0.0)
    location = np.sqrt(prior_variance) * count**1.5 * (moments.mean - null)
    location = np.where(known, location / np.where(known, spread, 1.0), 0.0)
    half = np.asarray(special.stdtr(np.maximum(count, 1.0), -location), dtype=np.float64)
    two_sided = mean_log_e(moments, null=null, prior_variance=prior_variance)
    return two_sided + _LOG_2 + np.log(np.maximum(half, _SMALLEST))


def mean_above_log_e(moments: Moments, *, null: float = 0.0, prior_variance: float) -> FloatArray:
    """Return the evidence that the mean is above ``null``: ``mean_below_log_e`` mirrored."""
    mirrored = Moments(moments.count, -moments.mean, moments.deviation)
    return mean_below_log_e(mirrored, null=-null, prior_variance=prior_variance)


def half_width(moments: Moments, *, alpha: float, prior_variance: float) -> FloatArray:
    """Return half the width of the confidence sequence for the mean; infinite with little data.

    The interval mean +- half width holds every null whose two-sided e-value is below 1/alpha, and
    covers the true mean at all times at once with probability 1 - alpha. Closed form, from solving
    ``mean_log_e`` = -log(alpha): with c = (sqrt(k) / alpha)^(2/n) it is unbounded where c >= k,
    else ``deviation * sqrt((n - 1) u / n)`` with u = (c - 1) / (1 - c / k).

    Not guaranteed: as ``mean_log_e``.
    """
    count = np.maximum(moments.count, 1.0)
    log_shrink = np.log1p(count * prior_variance)
    log_c = (log_shrink - 2.0 * np.log(alpha)) / count
    bounded = (moments.count >= _LEAST) & (log_c < log_shrink)
    gap = np.where(bounded, -np.expm1(log_c - log_shrink), 1.0)
    squared_t = np.where(bounded, np.expm1(np.where(bounded, log_c, 0.0)), 1.0) / gap
    width = moments.deviation * np.sqrt((count - 1.0) * squared_t / count)
    return np.where(bounded, width, np.inf)


def sign_log_e(below: ArrayLike, above: ArrayLike, *, prior_variance: float = 1.0) -> FloatArray:
    """Return the evidence that a difference is not as likely ``below`` as ``above`` a value.

    The likelihood ratio of the two counts, mixed over a probability that is Beta(a, a): with n =
    below + above it is 2^n B(a + below, a + above) / B(a, a). Differences equal to the value are
    left out. ``prior_variance`` is that of the standardised effect, as in ``mean_log_e``: a normal
    difference with that effect is below with probability Phi(effect), and a is chosen so that the
    Beta has the variance of that, arcsin(g / (1 + g)) / (2 pi); g = 1 is the uniform prior.

    Source: Robbins 1970, "Statistical methods related to the law of the iterated logarithm", The
    Annals of Mathematical Statistics 41(5); Lindon, Malek 2020, arXiv:2011.03567, for the mixture
    of counts and its validity at all times.

    No distribution is assumed: it suffices that each next difference, given the past, is below
    with probability 1/2. In a trial whose order is drawn at random that is so whenever the change
    does nothing at all, whatever the noise. It says nothing about the size of the mean.
    """
    fewer, more = np.asarray(below, dtype=np.float64), np.asarray(above, dtype=np.float64)
    prior = _sign_prior(prior_variance)
    mixed = special.betaln(prior + fewer, prior + more) - special.betaln(prior, prior)
    return np.asarray((fewer + more) * _LOG_2 + mixed, dtype=np.float64)


def sign_below_log_e(
    below: ArrayLike, above: ArrayLike, *, prior_variance: float = 1.0
) -> FloatArray:
    """Return the evidence that the median is below the value: the half of the mixture that says so.

    Valid for every probability of lying below that is, given the past, at most 1/2.
    """
    fewer, more = np.asarray(below, dtype=np.float64), np.asarray(above, dtype=np.float64)
    prior = _sign_prior(prior_variance)
    half = np.asarray(special.betainc(prior + more, prior + fewer, 0.5), dtype=np.float64)
    two_sided = sign_log_e(fewer, more, prior_variance=prior_variance)
    return two_sided + _LOG_2 + np.log(np.maximum(half, _SMALLEST))


def average_log_e(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Return the mean of two e-values that test one null: an e-value, however they depend.

    Source: Vovk, Wang 2021, "E-values: calibration, combination and applications", The Annals of
    Statistics 49(3), section 3.
    """
    both = np.logaddexp(np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64))
    return np.asarray(both - _LOG_2, dtype=np.float64)


def _squares(moments: Moments, null: float) -> tuple[FloatArray, FloatArray]:
    """Return the sums of squares of differences about their mean, and of the mean about null."""
    inside = np.maximum(moments.count - 1.0, 0.0) * np.square(moments.deviation)
    between = moments.count * np.square(moments.mean - null)
    return inside, between


def _sign_prior(prior_variance: float) -> float:
    """Return the parameter a of the Beta(a, a) that ``sign_log_e`` mixes over."""
    correlation = prior_variance / (1.0 + prior_variance)
    return float((np.pi / (2.0 * np.arcsin(correlation)) - 1.0) / 2.0)
