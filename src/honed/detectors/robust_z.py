"""Values far from what is usual at that hour of the week, in units of the usual distance from it.

What it does: it takes the logarithm of each value, because latency is skewed, and scores its
distance from the median of the same hour of the week by the median absolute deviation. One far
value moves neither. Until an hour was seen in three weeks, it is compared with all hours.

Why it helps: a single statement that took ten times as long is seen, however rare; a few slow calls
cannot hide each other by inflating a standard deviation, and a call that is slow for three in the
morning is not hidden by how slow calls are at noon.

Risk and rollback: it opens findings and does nothing else. Latency is autocorrelated, so the share
of false alarms is not what independent values would give.

How it is measured: the score is 0.6745 times the distance over the median absolute deviation; above
3.5 it is an anomaly (Iglewicz and Hoaglin, "How to detect and handle outliers", 1993, section 3).
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from honed.core.detector import Detector
from honed.core.target import Series
from honed.stats.season import departures


class RobustZ(Detector):
    """Distance from the usual logarithm of the hour, in median absolute deviations."""

    name: ClassVar[str] = "robust_z"
    threshold: ClassVar[float] = 3.5

    def scores(self, series: Series) -> NDArray[np.float64]:
        """Return one score a value, shape (n,), at least 0; 0 for fewer than 8 values."""
        return np.abs(departures(series).scores)
