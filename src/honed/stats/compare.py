"""Comparing two arms from the differences of their pairs: effect, interval, evidence, verdict."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from honed.core.canonical import Json
from honed.core.verdict import Verdict
from honed.stats.e_process import (
    half_width,
    mean_log_e,
    sign_below_log_e,
    sign_log_e,
)
from honed.stats.moments import Moments

BoolArray = NDArray[np.bool_]


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


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What a rule decides of each series; at most one of the three is true of a series."""

    improved: BoolArray
    worse: BoolArray
    equivalent: BoolArray


def compare(differences: ArrayLike, rule: Rule) -> Comparison:
    """Return what ``differences`` (one number a pair, shape (n,)) say under ``rule``.

    It may be asked after every pair; ``decide`` says what makes each verdict, and what is
    guaranteed.
    """
    values = np.asarray(differences, dtype=np.float64)
    moments = Moments.of(values)
    below, above = (values < 0).sum(), (values > 0).sum()
    width = float(half_width(moments, alpha=rule.alpha, prior_variance=rule.prior_variance))
    effect = float(moments.mean)
    return Comparison(
        pairs=len(values),
        effect=effect,
        median=float(np.median(values)) if len(values) else 0.0,
        low=effect - width,
        high=effect + width,
        log_e=float(mean_log_e(moments, prior_variance=rule.prior_variance)),
        sign_log_e=float(sign_log_e(below, above, prior_variance=rule.prior_variance)),
        verdict=_verdict(decide(moments, below, above, rule=rule)),
    )


def decide(moments: Moments, below: ArrayLike, above: ArrayLike, *, rule: Rule) -> Decisions:
    """Return what ``rule`` decides of each series, from its moments and the signs of its pairs.

    Args:
        moments: of the differences, for any number of series.

        below: how many differences of each are below 0.

        above: how many are above 0.

        rule: the numbers that decide.

    IMPROVED: the interval lies below log(1 - worthwhile), and the signs agree. WORSE: the interval
    lies above 0, and the signs agree. EQUIVALENT: the interval lies within log(1 -+ equivalence),
    and it is not IMPROVED. With more pairs, what is undecided may become decided.

    Signs agree when the e-value for the median lying on the verdict's side reaches 1/alpha. Where
    the mean decides and the signs do not, outliers or two modes make the mean, and nothing is
    decided.

    Guaranteed: if nothing changed at all and the order of arms is drawn at random, IMPROVED has
    probability at most alpha ever, for any noise, and so has WORSE (by the signs). If the
    differences are independent and normal, every verdict is right with probability 1 - alpha at
    all times at once (by the interval). Not guaranteed: the size of the effect under heavy tails,
    and anything where one pair influences the next.
    """
    enough = moments.count >= rule.min_pairs
    width = half_width(moments, alpha=rule.alpha, prior_variance=rule.prior_variance)
    low, high = moments.mean - width, moments.mean + width
    threshold = -math.log(rule.alpha)
    falls = sign_below_log_e(below, above, prior_variance=rule.prior_variance) >= threshold
    rises = sign_below_log_e(above, below, prior_variance=rule.prior_variance) >= threshold
    gains = high < math.log1p(-rule.worthwhile)
    within = (low > math.log1p(-rule.equivalence)) & (high < math.log1p(rule.equivalence))
    worse = enough & (low > 0.0) & rises
    return Decisions(
        improved=enough & gains & falls,
        worse=worse,
        equivalent=enough & within & ~gains & ~worse,
    )


def _verdict(decisions: Decisions) -> Verdict:
    if decisions.improved:
        return Verdict.IMPROVED
    if decisions.worse:
        return Verdict.WORSE
    return Verdict.EQUIVALENT if decisions.equivalent else Verdict.INCONCLUSIVE
