"""What services that run a repository's code tell: releases, and how often errors come."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final, Self, TypeAlias

from honed.errors import UnknownCommit
from honed.stats.intervals import welch
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.repository.clone import Clone
from honed.targets.repository.target import RepositoryTarget
from honed.targets.repository.watched import Counts, Speed

_QUERIES: Final = load_queries("honed.targets.repository", "services.sql")
#: A fault is counted so long before a merge, as faults are rare; releases are known so long.
BEFORE: Final = timedelta(days=7)
#: Operations whose speed is compared, and the least hours of each on either side.
_MOST_OPERATIONS: Final = 20
_LEAST_HOURS: Final = 4
#: A begin and an end.
Stretch: TypeAlias = tuple[datetime, datetime]
#: A release that is the id of a commit, or its beginning.
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class Deployment:
    """Since when a merged change is in use."""

    at: datetime
    #: Empty: it is not known in which, and the merge counts.
    release: str = ""
    #: All that contain it.
    releases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Services:
    """What the services of a repository tell."""

    store: Database
    projects: list[int]
    #: Before that none of them could tell anything.
    since: datetime
    merged_at: datetime
    now: datetime
    #: Whether releases are called by the tags of their commits.
    is_tagged: bool

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
        is_tagged = options.get("releases") == "tags"
        projects = [each["project_id"] for each in rows]
        return cls(target.store, projects, since, merged_at, row["now"], is_tagged)

    def deployment(self, clone: Clone, merge_commit: str) -> Deployment | None:
        """Return since when it is in use; None: it is not yet."""
        asked = {"projects": self.projects, "since": self.merged_at - BEFORE}
        with self.store.transaction() as conn:
            rows = conn.execute(_QUERIES["list_releases"], asked).fetchall()
        commits = {
            row["release"]: found for row in rows if (found := self._commit(clone, row["release"]))
        }
        if not commits or not is_there(clone, merge_commit):
            return Deployment(self.merged_at)
        with_it = [
            (max(row["first_at"], self.merged_at), row["release"])
            for row in rows
            if row["release"] in commits and contains(clone, commits[row["release"]], merge_commit)
        ]
        if not with_it:
            return None
        at, release = min(with_it)
        return Deployment(at, release, tuple(release for _, release in with_it))

    def fault(self, fingerprint: str, releases: Sequence[str], within: Stretch) -> Counts:
        """Return how often a fault came in the days before the merge, and in a stretch since.

        Args:
            fingerprint: of the fault.

            releases: of which it counts since; empty: of all.

            within: the stretch.
        """
        before = self._known((self.merged_at - BEFORE, self.merged_at))
        return Counts(
            self._count(before, fingerprint, ()),
            self._count([within], fingerprint, releases),
            _hours(before),
            _hours([within]),
        )

    def errors(self, within: Stretch) -> Counts:
        """Return how often errors came in a stretch, and at the same hours of the days before."""
        before = self._same_hours(within)
        return Counts(
            self._count(before, "", ()),
            self._count([within], "", ()),
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

    def new_faults(self, deployed: Deployment, paths: frozenset[str]) -> Iterator[str]:
        """Yield the titles of faults that are new since, with a frame in one of these files."""
        asked = {"projects": self.projects, "since": deployed.at}
        with self.store.transaction() as conn:
            rows = conn.execute(_QUERIES["list_new_faults"], asked).fetchall()
        for row in rows:
            if deployed.releases and not set(row["releases"]) & set(deployed.releases):
                continue
            if any(is_same_file(file, path) for file in row["files"] for path in paths):
                yield row["title"]

    def _same_hours(self, within: Stretch) -> list[Stretch]:
        """Return the stretches of the week before that lie at the same hours of the day."""
        period = timedelta(days=max(1, math.ceil((within[1] - within[0]) / timedelta(days=1))))
        times = max(1, BEFORE // period)
        earlier = [(within[0] - n * period, within[1] - n * period) for n in range(1, times + 1)]
        return self._known(*earlier)

    def _known(self, *stretches: Stretch) -> list[Stretch]:
        """Return what of some stretches lies within the time of which anything is known."""
        return [(max(begin, self.since), end) for begin, end in stretches if end > self.since]

    def _count(self, within: Sequence[Stretch], fingerprint: str, releases: Sequence[str]) -> int:
        asked = {
            "projects": self.projects,
            "begins": [begin for begin, _ in within],
            "ends": [end for _, end in within],
            "fingerprint": fingerprint,
            "releases": list(releases),
        }
        with self.store.transaction() as conn:
            (row,) = conn.execute(_QUERIES["count_errors"], asked)
        count: int = row["errors"]
        return count

    def _commit(self, clone: Clone, release: str) -> str:
        """Return the commit that a release is; empty: none that is known."""
        if not self.is_tagged and not _COMMIT.fullmatch(release):
            return ""
        try:
            return clone.commit(f"refs/tags/{release}" if self.is_tagged else release)
        except UnknownCommit:
            return ""


def _hours(stretches: Sequence[Stretch]) -> float:
    return math.fsum((end - begin) / timedelta(hours=1) for begin, end in stretches)


def is_there(clone: Clone, commit: str) -> bool:
    """Return whether a clone has a commit: one of a branch that was rewritten may be gone."""
    try:
        clone.commit(commit)
    except UnknownCommit:
        return False
    return True


def contains(clone: Clone, commit: str, other: str) -> bool:
    """Return whether ``other`` is in the history of a commit."""
    said = clone.git.attempt("merge-base", "--is-ancestor", other, commit)
    return said.code == 0


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
