"""The clock of a search: time as it would have passed on a machine without neighbours."""

import time
from dataclasses import dataclass, field

from honed.core.slowdown import Slowdown


@dataclass(slots=True)
class SearchClock:
    """Time since the beginning, as it would have passed on a machine without neighbours."""

    budget_s: float
    #: Learned from what the search runs.
    slowdown: Slowdown = field(default_factory=Slowdown)
    _began: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning, without those that neighbours took away."""
        return (time.monotonic() - self._began) / self.slowdown.factor
