"""Values far from the median, in units of the median distance from it.

What it does: it takes the logarithm of each value, because latency is skewed, and scores its
distance from the median by the median absolute deviation. One far value moves neither.

Why it helps: a single statement that took ten times as long is seen, however rare; a few slow calls
cannot hide each other by inflating a standard deviation.

Risk and rollback: it opens findings and does nothing else. Latency is autocorrelated, so the share
of false alarms is not what independent values would give.

How it is measured: the score is 0.6745 times the distance over the median absolute deviation; above
3.5 it is an anomaly (Iglewicz and Hoaglin, "How to detect and handle outliers", 1993, section 3).
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from honed.core.detector import Detector

#: Fewer values say nothing of what is usual.
MIN_VALUES = 8
#: Values are raised to this before the logarithm: a tenth of a microsecond, where they are ms.
SMALLEST = 1e-4
#: Median absolute deviation, and mean absolute deviation, of a standard normal variable.
_MEDIAN_DEVIATION = 0.6745
_MEAN_DEVIATION = 0.7979


class RobustZ(Detector):
    """Distance from the median of the logarithms, in median absolute deviations."""

    name: ClassVar[str] = "robust_z"
    threshold: ClassVar[float] = 3.5

    def scores(self, values: Sequence[float]) -> NDArray[np.float64]:
        """Return one score a value, shape (n,), at least 0; 0 for fewer than ``MIN_VALUES``."""
        if len(values) < MIN_VALUES:
            return np.zeros(len(values))
        logs = np.log(np.maximum(np.asarray(values, dtype=np.float64), SMALLEST))
        distances: NDArray[np.float64] = np.abs(logs - np.median(logs))
        scale = float(np.median(distances)) / _MEDIAN_DEVIATION
        if scale == 0:
            # More than half of the values are equal: the mean distance then says what is far.
            scale = float(np.mean(distances)) / _MEAN_DEVIATION
        return distances / scale if scale > 0 else np.zeros(len(values))
