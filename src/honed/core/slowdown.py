"""How much slower everything is on a machine because of its neighbours."""

from dataclasses import dataclass

#: Neighbours are taken to slow us down by no more than this factor; and what is taken to be seen
#: of an idle machine before anything was run, seconds, so that the first runs do not decide it.
_SLOWEST, _SEEN_FIRST_S = 3.0, 0.2


@dataclass(slots=True)
class Slowdown:
    """How many times as long as on an idle machine a process takes, learned from its runs.

    With it a budget of time buys as much on a busy machine as on an idle one, and ends by the clock
    after three times as long at the latest.

    It is elapsed time over CPU time, so whatever else a run waits for looks like neighbours, above
    all its disk: runs that always read pages from there make a budget up to three times as long on
    an idle machine, too. Runs that only bring pages into memory should not be told to it.
    """

    _cpu_s: float = _SEEN_FIRST_S
    _wall_s: float = _SEEN_FIRST_S

    @property
    def factor(self) -> float:
        """1 on an idle machine, at most 3."""
        return min(_SLOWEST, max(1.0, self._wall_s / self._cpu_s))

    def saw(self, *, cpu_s: float, wall_s: float) -> None:
        """Learn from one run: what it computed, and how long that took by the clock."""
        self._cpu_s += cpu_s
        self._wall_s += wall_s
