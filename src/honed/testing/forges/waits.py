"""A clock for tests of what waits for a forge: it stands still, but for waiting."""

from dataclasses import dataclass, field

from honed.forge.patience import Clock


@dataclass(slots=True)
class Waits:
    """The time, and every wait there was."""

    now_s: float = 1_767_225_600.0
    waited_s: list[float] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        """What an adapter takes for the time."""
        return Clock(lambda: self.now_s, self._wait)

    def _wait(self, pause_s: float) -> None:
        self.waited_s.append(pause_s)
        self.now_s += pause_s
