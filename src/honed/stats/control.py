"""The A/A control: whether something that was not changed moves all the same."""

import numpy as np
from numpy.typing import ArrayLike

from honed.stats.moments import FloatArray, Moments

#: Prior variance of the control's standardised shift. A machine that misleads is off by several
#: deviations of a pair; a smaller shift also needs more pairs than a trial has controls.
PRIOR_VARIANCE = 10.0


def shift_log_e(control: ArrayLike, others: ArrayLike) -> float:
    """Return the evidence that the mean of the ``control`` differences is not 0.

    Args:
        control: the few differences of the baseline with its copy, shape (m,).

        others: the many differences of the trial, shape (n,), which tell only how much pairs vary;
            their own mean does not matter.

    The t-mixture of a linear model: with the sums of squares of both about their own means, on
    v = m + n - 2 degrees of freedom, t = mean * sqrt(m v / squares), and k = 1 + m g::

        log e = -log(k) / 2 + (v + 1) / 2 * log((1 + t^2 / v) / (1 + t^2 / (k v)))

    So one control pair can already say something, which it could not by itself. Source: Lindon,
    Ham, Tingley, Bojinov 2022, "Anytime-valid linear models and regression adjusted causal
    inference in randomized experiments", arXiv:2210.08589.

    Not guaranteed: the bound holds for normal differences that vary alike in both. One spike among
    few controls can reach it; more controls take that back.
    """
    shifted, reference = Moments.of(control), Moments.of(others)
    squares = _squares(shifted) + _squares(reference)
    degrees = float(np.maximum(shifted.count - 1, 0) + np.maximum(reference.count - 1, 0))
    if shifted.count == 0 or degrees == 0 or squares == 0:
        return 0.0
    between = float(shifted.count * np.square(shifted.mean)) / squares
    shrink = float(1.0 + shifted.count * PRIOR_VARIANCE)
    ratio = np.log1p(between) - np.log1p(between / shrink)
    return float((degrees + 1.0) / 2.0 * ratio - np.log(shrink) / 2.0)


def _squares(moments: Moments) -> float:
    count: FloatArray = np.maximum(moments.count - 1, 0)
    return float(count * np.square(moments.deviation))
