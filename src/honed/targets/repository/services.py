"""What services that run a repository's code tell: releases, and how often errors come."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final, Self

from honed.errors import UnknownCommit
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.repository.clone import Clone
from honed.targets.repository.target import RepositoryTarget
from honed.targets.repository.watched import Counts

_QUERIES: Final = load_queries("honed.targets.repository", "services.sql")
#: A fault is counted so long before a merge, as faults are rare; releases are known so long.
BEFORE: Final = timedelta(days=7)
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
        since = min((each["created_at"] for each in rows), default=merged_at)
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

    def counts(
        self,
        before: tuple[datetime, datetime],
        after: tuple[datetime, datetime],
        fingerprint: str,
        releases: Sequence[str],
    ) -> Counts:
        """Return how often errors came before, as far as anybody could tell, and after."""
        before = (min(max(before[0], self.since), before[1]), before[1])
        return Counts(
            self._count(before, fingerprint, ()),
            self._count(after, fingerprint, releases),
            (before[1] - before[0]) / timedelta(hours=1),
            (after[1] - after[0]) / timedelta(hours=1),
        )

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

    def _count(
        self, within: tuple[datetime, datetime], fingerprint: str, releases: Sequence[str]
    ) -> int:
        asked = {
            "projects": self.projects,
            "since": within[0],
            "until": within[1],
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
