"""Intervals for one look at the end: of a mean, and of the difference of two means (Welch)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from honed.stats.moments import FloatArray

#: With fewer values there is no spread.
_LEAST = 2


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval; infinite where there are too few values."""

    effect: float
    low: float
    high: float


def mean_interval(values: ArrayLike, *, alpha: float) -> Interval:
    """Return the mean of ``values`` and its interval by Student's t.

    Args:
        values: independent and normal, shape (n,).

        alpha: probability of missing the true mean, of one look; who looks again and again needs
            ``stats.e_process``.
    """
    given = np.asarray(values, dtype=np.float64)
    count = len(given)
    if count < _LEAST:
        return Interval(float(given.mean()) if count else 0.0, -math.inf, math.inf)
    return _interval(float(given.mean()), float(given.var(ddof=1)) / count, count - 1, alpha)


def welch(before: ArrayLike, after: ArrayLike, *, alpha: float) -> Interval:
    """Return the mean of ``after`` minus that of ``before``; their spreads may differ.

    With the degrees of freedom of Welch 1947, "The generalization of Student's problem when
    several different population variances are involved", Biometrika 34. Holds for one look, and
    for values that are independent and normal: of production these are readings, never calls, of
    which one follows from another.

    Args:
        before: shape (m,).

        after: shape (n,).

        alpha: probability of missing the true difference.
    """
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if not len(old) or not len(new):
        return Interval(0.0, -math.inf, math.inf)
    effect = float(new.mean() - old.mean())
    if min(len(old), len(new)) < _LEAST:
        return Interval(effect, -math.inf, math.inf)
    shares = np.array([_share(old), _share(new)])
    degrees = np.array([len(old) - 1, len(new) - 1])
    total = float(shares.sum())
    # As shares of the total, whose squares do not vanish however small the spread is.
    parts = shares / total if total > 0 else shares
    freedom = 1.0 / float((parts**2 / degrees).sum()) if total > 0 else float(degrees.sum())
    return _interval(effect, total, freedom, alpha)


def _share(values: FloatArray) -> float:
    return float(values.var(ddof=1)) / len(values)


def _interval(effect: float, variance: float, degrees: float, alpha: float) -> Interval:
    width = float(special.stdtrit(degrees, 1.0 - alpha / 2.0)) * math.sqrt(variance)
    return Interval(effect, effect - width, effect + width)
