"""What an analysis of a repository says, and how long it may take to say it."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from honed.backlog.draft import Facts
from honed.core.canonical import Json
from honed.errors import SourceFailed

EachT = TypeVar("EachT")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing in a repository that could be better."""

    #: ``complex``, ``dead``, ``duplicate`` or ``untested``.
    sort: str
    #: What it is about, stable while code around it changes: a function's name, a file.
    place: str
    title: str
    description: str
    solution: str
    test_plan: str
    #: Paths from the repository's folder.
    files: tuple[str, ...]
    evidence: Mapping[str, Json] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)


class Deadline:
    """The end of the time that an analysis has."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._ends_s = time.monotonic() + limit_s

    def left_s(self) -> float:
        """Return the seconds that are left.

        Raises:
            SourceFailed: none are.
        """
        left_s = self._ends_s - time.monotonic()
        if left_s <= 0:
            raise self.passed()
        return left_s

    def over(self, several: Iterable[EachT]) -> Iterator[EachT]:
        """Yield each of several, as long as there is time.

        Raises:
            SourceFailed: there is none left.
        """
        for each in several:
            self.left_s()
            yield each

    def passed(self) -> SourceFailed:
        """Return the error that says that it took too long."""
        msg = f"the analysis took longer than {self._limit_s:g} s"
        hint = "raise code_scan_timeout_s, or name a smaller folder in code_path"
        return SourceFailed(msg, hint=hint)
