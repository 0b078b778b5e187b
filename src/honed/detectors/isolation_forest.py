"""Values that random cuts separate from the others after few cuts.

What it does: it grows 100 random trees over the values, as logarithms relative to what is usual at
that hour of the week, and scores each by how few cuts part it from the rest.

Why it helps: it needs no idea of what is normal, so it sees a value between two usual levels, which
a distance from the middle does not.

Risk and rollback: it opens findings and does nothing else. Its score has no error rate.

How it is measured: the score is 2 to the power of minus the mean depth over the mean depth of a
random search tree, between 0 and 1 (Liu, Ting and Zhou, "Isolation forest", ICDM 2008, equation 2);
above 0.7 it is an anomaly (seed 001, phase 1).
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from honed.core.detector import Detector
from honed.core.target import Series
from honed.stats.season import departures

#: Fewer values say nothing of what is usual.
MIN_VALUES = 16
#: The newest values that are looked at.
MOST_VALUES = 20_000
TREES = 100
#: The forest is the same for the same values.
SEED = 20261121


class IsolationForest(Detector):
    """How few random cuts part a value from the others."""

    name: ClassVar[str] = "isolation_forest"
    threshold: ClassVar[float] = 0.7

    def scores(self, series: Series) -> NDArray[np.float64]:
        """Return one score a value, shape (n,), 0 to 1; 0 for fewer than ``MIN_VALUES``.

        Values before the newest ``MOST_VALUES`` have NaN.
        """
        scores = departures(series).scores
        recent = scores[-MOST_VALUES:].reshape(-1, 1)
        if len(recent) < MIN_VALUES or np.ptp(recent) == 0:
            return np.zeros(len(scores))
        # It takes a second to import, and a look at a target without series does not need it.
        from sklearn.ensemble import IsolationForest as Forest  # noqa: PLC0415

        forest = Forest(n_estimators=TREES, random_state=SEED).fit(recent)
        found = np.full(len(scores), np.nan)
        found[-len(recent) :] = -forest.score_samples(recent)
        return found
