"""Comparing two arms from the differences of their pairs: effect, interval, evidence, verdict."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from honed.core.canonical import Json
from honed.core.verdict import Verdict
from honed.stats.e_process import (
    average_log_e,
    half_width,
    mean_log_e,
    sign_below_log_e,
    sign_log_e,
)
from honed.stats.moments import Moments


@dataclass(frozen=True, slots=True)
class Rule:
    """When differences of logarithms of cost (after - before, negative is better) decide."""

    #: Bound on the probability that the interval ever misses the true effect.
    alpha: float
    #: Prior variance of the standardised effect in the t-mixture.
    prior_variance: float
    #: Smallest gain worth a change, as a share.
    worthwhile: float = 0.0
    #: Effects within +- this share count as equal; 0: nothing is ever called equal.
    equivalence: float = 0.0
    #: Fewer pairs never decide.
    min_pairs: int = 2

    def __post_init__(self) -> None:
        """Refuse shares and levels that are none."""
        if not 0 < self.alpha < 1 or self.prior_variance <= 0:
            msg = f"alpha is within 0 and 1 and the prior variance above 0, not {self}"
            raise ValueError(msg)
        if not 0 <= self.worthwhile < 1 or not 0 <= self.equivalence < 1:
            msg = f"worthwhile and equivalence are shares from 0 up to 1, not {self}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the differences of some pairs say. Effects are natural logarithms of after / before."""

    pairs: int
    #: Mean of the differences; 0 without a pair.
    effect: float
    #: Median of the differences; 0 without a pair.
    median: float
    #: The confidence sequence at the rule's alpha; infinite with little data.
    low: float
    high: float
    #: Natural logarithm of the e-value against "the mean is 0" (t-mixture).
    log_e: float
    #: Natural logarithm of the e-value against "above 0 is as likely as below" (signs).
    sign_log_e: float
    verdict: Verdict

    @property
    def interval(self) -> tuple[float, float]:
        """The confidence sequence, low and high."""
        return self.low, self.high

    def moves(self, alpha: float) -> bool:
        """Return whether mean and signs together refute, at level ``alpha``, that nothing moved."""
        both = average_log_e(self.log_e, self.sign_log_e)
        return bool(both >= -math.log(alpha))

    def to_json(self) -> dict[str, Json]:
        """Return the comparison as plain JSON; an infinite bound becomes null."""
        return {
            "pairs": self.pairs,
            "effect": self.effect,
            "median": self.median,
            "low": self.low if math.isfinite(self.low) else None,
            "high": self.high if math.isfinite(self.high) else None,
            "log_e": self.log_e,
            "sign_log_e": self.sign_log_e,
            "verdict": self.verdict.value,
        }


def compare(differences: ArrayLike, rule: Rule) -> Comparison:
    """Return what ``differences`` (one number a pair, shape (n,)) say under ``rule``.

    IMPROVED: the interval lies below log(1 - worthwhile), and the signs agree.
    WORSE: the interval lies above 0, and the signs agree.
    EQUIVALENT: the interval lies within log(1 -+ equivalence).
    INCONCLUSIVE: anything else; with more pairs it may change.

    Signs agree when the e-value for the median lying on the verdict's side reaches 1/alpha. Where
    the mean decides and the signs do not, outliers or two modes make the mean, and the verdict is
    INCONCLUSIVE. It may be asked after every pair.

    Guaranteed: if nothing changed at all and the order of arms is drawn at random, IMPROVED has
    probability at most alpha ever, for any noise, and so has WORSE (by the signs). If the
    differences are independent and normal, every verdict is right with probability 1 - alpha at
    all times at once (by the interval). Not guaranteed: the size of the effect under heavy tails,
    and anything where one pair influences the next.
    """
    values = np.asarray(differences, dtype=np.float64)
    moments = Moments.of(values)
    below, above = int((values < 0).sum()), int((values > 0).sum())
    width = float(half_width(moments, alpha=rule.alpha, prior_variance=rule.prior_variance))
    effect = float(moments.mean)
    low, high = effect - width, effect + width
    return Comparison(
        pairs=len(values),
        effect=effect,
        median=float(np.median(values)) if len(values) else 0.0,
        low=low,
        high=high,
        log_e=float(mean_log_e(moments, prior_variance=rule.prior_variance)),
        sign_log_e=float(sign_log_e(below, above, prior_variance=rule.prior_variance)),
        verdict=_verdict(low, high, _side_of_signs(below, above, rule), rule)
        if len(values) >= rule.min_pairs
        else Verdict.INCONCLUSIVE,
    )


def _verdict(low: float, high: float, signs_side: int, rule: Rule) -> Verdict:
    if high < math.log1p(-rule.worthwhile):
        return Verdict.IMPROVED if signs_side < 0 else Verdict.INCONCLUSIVE
    if low > 0.0:
        return Verdict.WORSE if signs_side > 0 else Verdict.INCONCLUSIVE
    if low > math.log1p(-rule.equivalence) and high < math.log1p(rule.equivalence):
        return Verdict.EQUIVALENT
    return Verdict.INCONCLUSIVE


def _side_of_signs(below: int, above: int, rule: Rule) -> int:
    """Return -1 or 1 where the signs show that the median is below or above 0, else 0."""
    threshold = -math.log(rule.alpha)
    if sign_below_log_e(below, above, prior_variance=rule.prior_variance) >= threshold:
        return -1
    if sign_below_log_e(above, below, prior_variance=rule.prior_variance) >= threshold:
        return 1
    return 0
