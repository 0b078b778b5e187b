"""What is usual at an hour of the week, and how far a cost lies from it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from honed.core.target import Series
from honed.stats.moments import FloatArray

#: Fewer values say nothing of what is usual.
LEAST_VALUES = 8
#: An hour of the week is compared with itself where it was seen in so many weeks: of two, one that
#: was ill would be half of what is usual.
LEAST_WEEKS = 3
#: And with so many values: the median of 12 has a standard error of 1.25 / sqrt(12), a third of a
#: standard deviation.
LEAST_IN_HOUR = 12
#: Values are raised to this before the logarithm: a tenth of a microsecond, where they are ms.
SMALLEST = 1e-4
#: Median absolute deviation, and mean absolute deviation, of a standard normal variable.
_MEDIAN_DEVIATION = 0.6745
_MEAN_DEVIATION = 0.7979
_HOUR_S = 3600
_HOURS_OF_WEEK = 168


@dataclass(frozen=True, slots=True, eq=False)
class Departures:
    """How far the values of a series lie from what is usual, each shape (n,)."""

    #: Natural logarithm of the value over what is usual; above 0 is dearer.
    log_ratios: FloatArray
    #: What is usual of them, as a standard deviation of a normal variable.
    deviations: FloatArray

    @property
    def scores(self) -> FloatArray:
        """The log ratios in deviations; 0 where nothing differs."""
        zeros = np.zeros(len(self.log_ratios))
        return np.divide(self.log_ratios, self.deviations, out=zeros, where=self.deviations > 0)


def departures(series: Series) -> Departures:
    """Return how far each value of ``series`` lies from what is usual at its hour of the week.

    Logarithms, because latency is skewed. Usual is the median of the same hour of the week, and of
    all hours for one that is not known yet (``LEAST_WEEKS``, ``LEAST_IN_HOUR``); the deviation is
    the median absolute deviation / 0.6745 of the hour or of all hours about their own medians,
    whichever is larger, because that of few values is often too small by chance. So the scores are
    the modified z of Iglewicz and Hoaglin 1993, "How to detect and handle outliers", section 3,
    within the hour. All are 0 for fewer than ``LEAST_VALUES`` values.

    Hours are those of UTC: where clocks change twice a year, so does what is usual.
    """
    logs = np.log(np.maximum(np.asarray(series.values, dtype=np.float64), SMALLEST))
    if len(logs) < LEAST_VALUES:
        return Departures(np.zeros(len(logs)), np.zeros(len(logs)))
    ratios = logs - np.median(logs)
    hours = list(_known_hours(series))
    for hour in hours:
        ratios[hour] = logs[hour] - np.median(logs[hour])
    of_all = _deviation(ratios)
    deviations = np.full(len(logs), of_all)
    for hour in hours:
        deviations[hour] = max(of_all, _deviation(ratios[hour]))
    return Departures(ratios, deviations)


def _known_hours(series: Series) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of the values of each hour of the week that is known well enough."""
    passed = np.array([time.timestamp() for time in series.times]) // _HOUR_S
    weeks, hours = np.divmod(passed.astype(np.int64), _HOURS_OF_WEEK)
    order = np.argsort(hours, kind="stable")
    _, starts = np.unique(hours[order], return_index=True)
    for positions in np.split(order, starts[1:]):
        if len(positions) >= LEAST_IN_HOUR and len(np.unique(weeks[positions])) >= LEAST_WEEKS:
            yield positions


def _deviation(ratios: FloatArray) -> float:
    absolute = np.abs(ratios)
    median = float(np.median(absolute))
    # Where more than half of the values are equal, the mean distance says what is far.
    return median / _MEDIAN_DEVIATION if median > 0 else float(absolute.mean()) / _MEAN_DEVIATION
