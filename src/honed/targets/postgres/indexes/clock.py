"""The clock of a search: time as it would have passed on a machine without neighbours."""

import time
from dataclasses import dataclass, field

#: Neighbours are taken to slow us down by no more than this factor; and what is taken to be seen
#: of an idle machine before anything was run, seconds, so that the first runs do not decide it.
_SLOWEST, _SEEN_FIRST_S = 3.0, 0.2


@dataclass(slots=True)
class SearchClock:
    """Time since the beginning, as it would have passed on a machine without neighbours."""

    budget_s: float
    _began: float = field(default_factory=time.monotonic)
    _cpu_s: float = _SEEN_FIRST_S
    _wall_s: float = _SEEN_FIRST_S

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning, without those that neighbours took away."""
        pace = min(_SLOWEST, max(1.0, self._wall_s / self._cpu_s))
        return (time.monotonic() - self._began) / pace

    def saw(self, *, cpu_s: float, wall_s: float) -> None:
        """Learn from one run how much of the time a process gets."""
        self._cpu_s += cpu_s
        self._wall_s += wall_s
