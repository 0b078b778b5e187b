"""What came in, counted by day, project, source, outcome and reason."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.signals")

#: Outcomes: signals that were stored; those of them whose time was set; items that were left out;
#: requests that were turned away.
ACCEPTED = "accepted"
ADJUSTED = "adjusted"
SKIPPED = "skipped"
REFUSED = "refused"

#: No project: none was named, or none that there is.
NO_PROJECT = 0
#: More different counts than a plug-in could have any use for become one.
_MOST_KEYS = 2_000
_LONGEST_REASON = 60


class Count(NamedTuple):
    """What is counted."""

    project_id: int
    source: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What came in from one source today (UTC)."""

    source: str
    accepted_today: int = 0
    #: By reason; so are the others.
    adjusted_today: Mapping[str, int] = field(default_factory=dict)
    skipped_today: Mapping[str, int] = field(default_factory=dict)
    refused_today: Mapping[str, int] = field(default_factory=dict)
    #: None: never.
    last_accepted_at: datetime | None = None


def read_status(conn: Connection) -> list[SourceStatus]:
    """Return what came in today from each source that was ever heard of."""
    return [SourceStatus(**row) for row in conn.execute(_QUERIES["read_intake_status"])]


class Counts:
    """Counts that wait to be stored; any thread adds to them. Their number is bounded."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._counts: Counter[Count] = Counter()
        self._changing = threading.Lock()

    def add(self, what: Count, number: int = 1) -> None:
        """Count ``number`` more of it."""
        self.add_all({what: number})

    def add_all(self, counts: Mapping[Count, int]) -> None:
        """Count more of several things."""
        with self._changing:
            for what, number in counts.items():
                self._counts[self._bounded(what)] += number

    def take(self) -> Mapping[Count, int]:
        """Return everything that was counted since the last time, and start anew."""
        with self._changing:
            taken, self._counts = self._counts, Counter()
        return taken

    def _bounded(self, what: Count) -> Count:
        if len(self._counts) >= _MOST_KEYS and what not in self._counts:
            return what._replace(project_id=NO_PROJECT, reason="other")
        if len(what.reason) > _LONGEST_REASON:
            return what._replace(reason=what.reason[:_LONGEST_REASON])
        return what


def record_counts(conn: Connection, counts: Mapping[Count, int]) -> None:
    """Add ``counts`` to those of today."""
    numbers = {what: number for what, number in counts.items() if number > 0}
    if not numbers:
        return
    columns = {
        "project_ids": [what.project_id for what in numbers],
        "sources": [what.source for what in numbers],
        "outcomes": [what.outcome for what in numbers],
        "reasons": [what.reason for what in numbers],
        "counts": list(numbers.values()),
    }
    conn.execute(_QUERIES["record_counts"], columns)
