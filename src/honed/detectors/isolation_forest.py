"""Values that random cuts separate from the others after few cuts.

What it does: it grows 100 random trees over the logarithms of the values and scores each value by
how few cuts part it from the rest.

Why it helps: it needs no idea of what is normal, so it sees a value between two usual levels, which
a distance from the middle does not.

Risk and rollback: it opens findings and does nothing else. Its score has no error rate.

How it is measured: the score is 2 to the power of minus the mean depth over the mean depth of a
random search tree, between 0 and 1 (Liu, Ting and Zhou, "Isolation forest", ICDM 2008, equation 2);
above 0.7 it is an anomaly (seed 001, phase 1).
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from honed.core.detector import Detector

#: Fewer values say nothing of what is usual.
MIN_VALUES = 16
#: The newest values that are looked at; the thresholds are calibrated on a window of this size.
MOST_VALUES = 2000
#: Values are raised to this before the logarithm: a tenth of a microsecond, where they are ms.
SMALLEST = 1e-4
TREES = 100
#: The forest is the same for the same values.
SEED = 20261121


class IsolationForest(Detector):
    """How few random cuts part a value from the others."""

    name: ClassVar[str] = "isolation_forest"
    threshold: ClassVar[float] = 0.7

    def scores(self, values: Sequence[float]) -> NDArray[np.float64]:
        """Return one score a value, shape (n,), 0 to 1; 0 for fewer than ``MIN_VALUES``.

        Values before the newest ``MOST_VALUES`` have 0.
        """
        found = np.zeros(len(values))
        recent = np.asarray(values[-MOST_VALUES:], dtype=np.float64)
        if len(recent) < MIN_VALUES or np.ptp(recent) == 0:
            return found
        # It takes a second to import, and a look at a target without series does not need it.
        from sklearn.ensemble import IsolationForest as Forest  # noqa: PLC0415

        logs = np.log(np.maximum(recent, SMALLEST)).reshape(-1, 1)
        forest = Forest(n_estimators=TREES, random_state=SEED).fit(logs)
        found[-len(recent) :] = -forest.score_samples(logs)
        return found
