"""A detector: one way to see that a series is not as it was. It only opens findings."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from honed.core.target import Series


class Detector(ABC):
    """One way to score how unusual the points of a series are.

    A score above the threshold opens a finding; it never triggers an action, because no detector
    holds its error rate on autocorrelated latency.
    """

    #: Stored in every finding; never renamed.
    name: ClassVar[str]
    #: Scores above it are anomalies, where a series has too little history to calibrate one.
    threshold: ClassVar[float]
    #: Whether it runs without being asked for.
    runs_by_default: ClassVar[bool] = True

    @abstractmethod
    def scores(self, series: Series) -> NDArray[np.float64]:
        """Return one score a value, shape (n,), higher is more unusual; NaN: it did not look."""

    def explain(self, series: Series) -> str:
        """Return what it sees in ``series`` as one clause for a person; empty: a score says it."""
        del series
        return ""
