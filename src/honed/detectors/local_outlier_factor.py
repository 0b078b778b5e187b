"""Values that lie in a thinner neighbourhood than their neighbours do.

What it does: it compares how close each value is to its 20 nearest with how close those are to
theirs, as logarithms relative to what is usual at that hour of the week.

Why it helps: it sees a value that is near to a crowd and not of it, where one measure of distance
for all values does not.

Risk and rollback: it opens findings and does nothing else. It runs only where the settings name it:
more than 20 like troubles are a neighbourhood of their own and hide each other, the ends of every
usual distribution are thin, and it is the slowest of the detectors.

How it is measured: the score is the mean density of the 20 nearest over the value's own (Breunig,
Kriegel, Ng and Sander, "LOF: identifying density-based local outliers", SIGMOD 2000, definition 7),
about 1 in a crowd; above 1.5 it is an anomaly (seed 001, phase 1).
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from honed.core.detector import Detector
from honed.core.target import Series
from honed.stats.season import departures

NEIGHBOURS = 20
#: Of fewer values, up to a tenth lie at the ends, where neighbourhoods are thin.
MIN_VALUES = 25 * NEIGHBOURS
#: The newest values that are looked at.
MOST_VALUES = 20_000
#: Values that lie closer, in robust deviations, count as equally far apart: with ties the density
#: would be infinite.
RESOLUTION = 0.1
#: The scores are the same for the same values.
SEED = 20261121


class LocalOutlierFactor(Detector):
    """How much thinner a value's neighbourhood is than those of its neighbours."""

    name: ClassVar[str] = "local_outlier_factor"
    threshold: ClassVar[float] = 1.5
    runs_by_default: ClassVar[bool] = False

    def scores(self, series: Series) -> NDArray[np.float64]:
        """Return one score a value, shape (n,), more than 0; 0 for fewer than ``MIN_VALUES``.

        Values before the newest ``MOST_VALUES`` have NaN.
        """
        scores = departures(series).scores
        recent = scores[-MOST_VALUES:]
        if len(recent) < MIN_VALUES or np.ptp(recent) == 0:
            return np.zeros(len(scores))
        # It takes a second to import, and few ask for it.
        from sklearn.neighbors import LocalOutlierFactor as Neighbourhoods  # noqa: PLC0415

        noise = np.random.default_rng(SEED).uniform(-RESOLUTION / 2, RESOLUTION / 2, len(recent))
        neighbourhoods = Neighbourhoods(n_neighbors=NEIGHBOURS)
        neighbourhoods.fit((recent + noise).reshape(-1, 1))
        found = np.full(len(scores), np.nan)
        found[-len(recent) :] = -neighbourhoods.negative_outlier_factor_
        return found
