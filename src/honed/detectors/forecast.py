"""A limit that a series will cross in the next two weeks, if it goes on as it did.

What it does: it draws a line through the medians of the last days, at most 90, with what is usual
for each weekday, draws 400 futures from it and what it left unexplained, and scores the newest day
by the share of them that cross the limit within 14 days. The limit is the one that was set for the
series; where none was, twice its usual value.

Why it helps: it sees trouble before there is any, and says when: "crosses its target in 9 days,
90 % interval 6 to 14 days".

Risk and rollback: it opens findings and does nothing else. A level that changed at once is taken
for a trend until it fills the window. Fewer than 28 days of history say nothing.

How it is measured: Theil-Sen trend, medians of weekdays and a block bootstrap of the residuals
(sources in ``honed.stats.forecast``). Above 0.9 is told: of 100 such foretellings on simulated
series 68 came true with 28 days of history in which a day resembles the one before, 85 where it
does not, and with 70 days 95 and 99 (``benchmarks/detectors.py``).
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from honed.core.detector import Detector
from honed.core.target import Series
from honed.stats.forecast import Crossing, crossing

#: How far it looks ahead; what comes later can wait for another look.
HORIZON_DAYS = 14
#: Without a limit of its own, a series is expected to stay below so many times its median.
USUAL_TIMES = 2.0
#: The futures are the same for the same values.
SEED = 20261121
_DAY_S = 86_400


class Forecast(Detector):
    """How likely a series crosses its limit within two weeks."""

    name: ClassVar[str] = "forecast"
    threshold: ClassVar[float] = 0.9

    def scores(self, series: Series) -> NDArray[np.float64]:
        """Return one score a value, shape (n,), 0 to 1; 0 before the newest 24 hours."""
        found = np.zeros(len(series.values))
        seen = _crossing(series)
        if seen is not None:
            found[_days(series) > -1] = seen.by_day[HORIZON_DAYS]
        return found

    def explain(self, series: Series) -> str:
        """Return when it crosses what, with the interval."""
        seen = _crossing(series)
        if seen is None:
            return ""
        return seen.tell("twice its usual level" if series.limit is None else "its target")


def _crossing(series: Series) -> Crossing | None:
    limit = series.limit
    if limit is None:
        limit = USUAL_TIMES * float(np.median(series.values)) if series.values else 0.0
        if limit <= 0:
            return None
    return crossing(_days(series), series.values, limit, seed=SEED)


def _days(series: Series) -> NDArray[np.float64]:
    """Return when the values were, in days before the newest one."""
    seconds = np.array([time.timestamp() for time in series.times])
    days: NDArray[np.float64] = (seconds - seconds[-1:]) / _DAY_S
    return days
