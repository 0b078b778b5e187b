"""A detector: one way to see that a series is not as it was. It only opens findings."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray


class Detector(ABC):
    """One way to score how unusual the points of a series are.

    A score above the threshold opens a finding; it never triggers an action, because no detector
    holds its error rate on autocorrelated latency.
    """

    #: Stored in every finding; never renamed.
    name: ClassVar[str]
    #: Scores above it are anomalies.
    threshold: ClassVar[float]

    @abstractmethod
    def scores(self, values: Sequence[float]) -> NDArray[np.float64]:
        """Return one score a value, shape (n,), higher is more unusual."""
