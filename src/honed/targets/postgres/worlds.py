"""The worlds of a replay: with the steps and without, so alike that only the steps differ.

Two equal clones are not equally fast. Where their pages happen to lie in memory, and the tables of
the backend, makes single statements 1 to 3 % faster on one of them for as long as it lives: in six
comparisons of two untouched clones over 30 pairs, four statements each, the differences were 3.1
standard errors (root mean square), where 1 is chance. So either both worlds are one database in one
backend, or the places are drawn anew at each change of world: then it was 1.04 standard errors.
"""

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Protocol

from honed.targets.postgres.clone import Clone
from honed.targets.postgres.metering import MeteredSession


class Side(Enum):
    """Which world a statement runs in."""

    #: Without the steps.
    BASELINE = "baseline"
    #: With them.
    CANDIDATE = "candidate"
    #: Without them, once more.
    CONTROL = "control"


class Worlds(Protocol):
    """Where the statements of a replay run."""

    def enter(self, side: Side) -> MeteredSession:
        """Return the session of the world on ``side``, which is the one to use until the next call.

        Raises:
            EvaluatorFailed: the shadow server went away.
        """

    def close(self) -> None:
        """Close what is open."""


class OneDatabase:
    """Worlds that differ in indexes only: one clone, on which they are shown and hidden.

    A hidden index is none to the planner, at no cost: it does not even look at it.
    """

    def __init__(self, clone: Clone, built: Collection[str], *, cut_s: float) -> None:
        self._clone = clone
        self._built = frozenset(built)
        self._session = MeteredSession(clone, cut_s=cut_s)

    def enter(self, side: Side) -> MeteredSession:
        """Return the only session, after showing or hiding the indexes; see ``Worlds``."""
        self._clone.show(self._built if side is Side.CANDIDATE else ())
        return self._session

    def close(self) -> None:
        """Close the session."""
        self._session.close()


class OwnDatabases:
    """A clone for each world.

    With each change of world comes a new backend, and every page is read again from the operating
    system's cache to another place: a block must begin with executions that do not count.
    """

    def __init__(self, clones: Mapping[Side, Clone], *, cut_s: float) -> None:
        self._clones = clones
        self._cut_s = cut_s
        self._side: Side | None = None
        self._session: MeteredSession | None = None

    def enter(self, side: Side) -> MeteredSession:
        """Return a session on the clone of ``side``, a new one after a change; see ``Worlds``."""
        if self._session is None or side is not self._side:
            self.close()
            clone = self._clones[side]
            clone.shadow.empty_buffers()
            self._session, self._side = MeteredSession(clone, cut_s=self._cut_s), side
        return self._session

    def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            self._session.close()
        self._session = None
