"""Non-inferiority: whether series of differences stay below a margin, or are above it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from honed.stats.e_process import (
    average_log_e,
    mean_above_log_e,
    mean_below_log_e,
    sign_below_log_e,
)
from honed.stats.moments import FloatArray, Moments


@dataclass(frozen=True, slots=True, eq=False)
class NonInferiority:
    """Evidence for both sides of a margin, one element a series."""

    moments: Moments
    median: FloatArray
    #: Natural logarithm of the e-value for "below the margin".
    below_log_e: FloatArray
    #: Natural logarithm of the e-value for "above the margin".
    above_log_e: FloatArray


def against_margin(
    differences: ArrayLike, *, margin: float, prior_variance: float
) -> NonInferiority:
    """Return the evidence that each series lies below, and above, ``margin``.

    Args:
        differences: shape (series, pairs), logarithms of cost ratios; NaN was not measured.

        margin: a difference, for instance log(1.10).

        prior_variance: of the standardised effect, as in ``mean_log_e``.

    Both average a one-sided t-mixture with a one-sided sign process: where the noise is normal the
    first decides early, where a few pairs are spikes the second still does. "Below" refutes that
    mean and median both lie at or above the margin; "above" that both lie at or below it.

    Not guaranteed: with skewed noise mean and median may lie on different sides, and then neither
    null is true; so who claims a side also asks that both estimates lie there. Testing many series
    needs a correction where one of them suffices for the claim (see ``experiments.judge``).
    """
    values = np.asarray(differences, dtype=np.float64)
    moments = Moments.of(values)
    below, above = (values < margin).sum(axis=-1), (values > margin).sum(axis=-1)
    return NonInferiority(
        moments=moments,
        median=np.array([_median(series) for series in values], dtype=np.float64),
        below_log_e=average_log_e(
            mean_below_log_e(moments, null=margin, prior_variance=prior_variance),
            sign_below_log_e(below, above, prior_variance=prior_variance),
        ),
        above_log_e=average_log_e(
            mean_above_log_e(moments, null=margin, prior_variance=prior_variance),
            sign_below_log_e(above, below, prior_variance=prior_variance),
        ),
    )


def _median(series: FloatArray) -> float:
    measured = series[~np.isnan(series)]
    return float(np.median(measured)) if len(measured) else 0.0
