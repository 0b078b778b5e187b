"""What services that run a repository's code tell: releases, and how often errors come."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final, Self, TypeAlias

from honed.stats.intervals import welch
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.repository.target import RepositoryTarget
from honed.targets.repository.watching.releases import Deployment, Releases
from honed.targets.repository.watching.watched import Counts, Speed

_QUERIES: Final = load_queries("honed.targets.repository.watching", "services.sql")
#: A fault is counted so long before a merge, as faults are rare; so are the days before a stretch.
BEFORE: Final = timedelta(days=7)
#: Operations whose speed is compared, and the least hours of each on either side.
_MOST_OPERATIONS: Final = 20
_LEAST_HOURS: Final = 4
#: A begin and an end.
Stretch: TypeAlias = tuple[datetime, datetime]
#: So long before the last look signals may have come that were not stored yet; and so long before
#: a merge services tell what they call releases.
_MARGIN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Services:
    """What the services of a repository tell."""

    store: Database
    projects: list[int]
    #: Before that none of them could tell anything.
    since: datetime
    merged_at: datetime
    now: datetime

    @classmethod
    def of(cls, target: RepositoryTarget, merged_at: datetime) -> Self:
        """Return what the services of a repository tell about a change that was merged then."""
        options = target.record.options
        asked = {"target_id": target.target_id, "project": str(options.get("project", ""))}
        with target.store.transaction() as conn:
            rows = conn.execute(_QUERIES["list_projects"], asked).fetchall()
            (row,) = conn.execute(_QUERIES["now"])
        begin = min((each["created_at"] for each in rows), default=merged_at)
        kept = timedelta(days=target.settings.signal_retention_days)
        since = max(begin, row["now"] - kept)
        projects = [each["project_id"] for each in rows]
        return cls(target.store, projects, since, merged_at, row["now"])

    def deployment(
        self, releases: Releases, known: Mapping[str, Any], looked_at: datetime | None
    ) -> Deployment | None:
        """Return since when a change is in use; None: it is not yet.

        Args:
            releases: which of them have it.

            known: what the last look wrote down; of a change that is not in use, ``waits_for``.

            looked_at: when that was: what was told before is not asked again; None: never.
        """
        if known.get("release"):
            return Deployment(datetime.fromisoformat(known["deployed_at"]), known["release"])
        if not releases.is_there():
            return Deployment(self.merged_at)
        asked = {"projects": self.projects, "since": (looked_at or self.merged_at) - _MARGIN}
        with self.store.transaction() as conn:
            names = [row["release"] for row in conn.execute(_QUERIES["list_releases"], asked)]
        told = {name: releases.have_it(name) for name in names}
        if with_it := [name for name, has_it in told.items() if has_it]:
            return self._first(with_it)
        are_known = any(has_it is not None for has_it in told.values())
        return None if are_known or known.get("waits_for") else Deployment(self.merged_at)

    def fault(self, fingerprint: str, releases: Releases | None, within: Stretch) -> Counts:
        """Return how often a fault came in the days before the merge, and in a stretch since.

        Args:
            fingerprint: of the fault.

            releases: it counts since in those that have the change; None: in all.

            within: the stretch.
        """
        before = self._known((self.merged_at - BEFORE, self.merged_at))
        return Counts(
            self._count_fault(before, fingerprint, None),
            self._count_fault([within], fingerprint, releases),
            _hours(before),
            _hours([within]),
        )

    def errors(self, within: Stretch) -> Counts:
        """Return how often errors came in a stretch, and at the same hours of the days before."""
        before = self._same_hours(within)
        return Counts(
            self._count_errors(before),
            self._count_errors([within]),
            _hours(before),
            _hours([within]),
        )

    def speeds(self, within: Stretch, operation: str, alpha: float) -> Iterator[Speed]:
        """Yield how long operations take in a stretch, beside the same hours of the days before.

        Those into which most time goes are compared by Welch's interval on the logarithms of their
        hourly medians, each at a share of ``alpha`` (Bonferroni 1936). Hours resemble those beside
        them, so an interval is somewhat too short: what it shows has to be large (``SLOWER``).

        Args:
            within: the stretch.

            operation: one that is compared whatever it costs; empty: none.

            alpha: of all intervals together.
        """
        stretches = [*self._same_hours(within), within]
        asked = {
            "projects": self.projects,
            "begins": [begin for begin, _ in stretches],
            "ends": [end for _, end in stretches],
            "since": within[0],
            "operation": operation,
            "most": _MOST_OPERATIONS,
        }
        with self.store.transaction() as conn:
            rows = conn.execute(_QUERIES["list_durations"], asked).fetchall()
        for row in rows:
            if min(len(row["before"]), len(row["after"])) >= _LEAST_HOURS:
                found = welch(row["before"], row["after"], alpha=alpha / len(rows))
                yield Speed(row["operation"], found.effect, found.low, found.high)

    def new_faults(
        self, since: datetime, releases: Releases | None, paths: frozenset[str]
    ) -> Iterator[str]:
        """Yield the titles of faults that are new since, with a frame in one of these files.

        Args:
            since: when the change was deployed.

            releases: only faults of those that have the change; None: of all.

            paths: of the files.
        """
        asked = {"projects": self.projects, "since": since}
        with self.store.transaction() as conn:
            rows = conn.execute(_QUERIES["list_new_faults"], asked).fetchall()
        for row in rows:
            if releases is not None and not any(map(releases.have_it, row["releases"])):
                continue
            if any(is_same_file(file, path) for file in row["files"] for path in paths):
                yield row["title"]

    def _first(self, names: Sequence[str]) -> Deployment:
        """Return since when the first of some releases is in use."""
        asked = {"projects": self.projects, "since": self.merged_at, "releases": list(names)}
        with self.store.transaction() as conn:
            row = conn.execute(_QUERIES["find_first_signal"], asked).fetchone()
        # Clocks differ: one of them may have told before the merge was seen.
        return (
            Deployment(row["at"], row["release"]) if row else Deployment(self.merged_at, names[0])
        )

    def _same_hours(self, within: Stretch) -> list[Stretch]:
        """Return the stretches of the week before that lie at the same hours of the day."""
        period = timedelta(days=max(1, math.ceil((within[1] - within[0]) / timedelta(days=1))))
        times = max(1, BEFORE // period)
        earlier = [(within[0] - n * period, within[1] - n * period) for n in range(1, times + 1)]
        return self._known(*earlier)

    def _known(self, *stretches: Stretch) -> list[Stretch]:
        """Return what of some stretches lies within the time of which anything is known."""
        return [(max(begin, self.since), end) for begin, end in stretches if end > self.since]

    def _count_errors(self, within: Sequence[Stretch]) -> int:
        with self.store.transaction() as conn:
            (row,) = conn.execute(_QUERIES["count_errors"], self._asked(within))
        count: int = row["errors"]
        return count

    def _count_fault(
        self, within: Sequence[Stretch], fingerprint: str, releases: Releases | None
    ) -> int:
        asked = {**self._asked(within), "fingerprint": fingerprint}
        with self.store.transaction() as conn:
            rows = conn.execute(_QUERIES["count_fault"], asked).fetchall()
        return sum(
            row["errors"] for row in rows if releases is None or releases.have_it(row["release"])
        )

    def _asked(self, within: Sequence[Stretch]) -> dict[str, Any]:
        return {
            "projects": self.projects,
            "begins": [begin for begin, _ in within],
            "ends": [end for _, end in within],
        }


def _hours(stretches: Sequence[Stretch]) -> float:
    return math.fsum((end - begin) / timedelta(hours=1) for begin, end in stretches)


def is_same_file(told: str, path: str) -> bool:
    """Return whether a file of a traceback is one of the repository: one path ends as the other.

    Args:
        told: as a service told it: ``/srv/app/shop/cart.py``, or ``shop/cart.py``.

        path: from the repository's root: ``src/shop/cart.py``.
    """
    one = told.replace("\\", "/").strip("/").split("/")[::-1]
    other = path.split("/")[::-1]
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))
    return same >= min(len(one), len(other), 2)
