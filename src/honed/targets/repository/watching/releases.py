"""Releases that services report, beside the history of a repository: which have a change."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from honed.errors import UnknownCommit
from honed.targets.repository.git.clone import Clone

#: A release that is the id of a commit, or its beginning.
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class Deployment:
    """Since when a merged change is in use."""

    at: datetime
    #: The first that has it; empty: it is not known in which, and the merge counts.
    release: str = ""


@dataclass(frozen=True, slots=True)
class Releases:
    """What releases have of one merge.

    Args:
        clone: of the repository.

        merge_commit: of the change.

        is_tagged: whether releases are called by the tags of their commits, and not by those.
    """

    clone: Clone
    merge_commit: str
    is_tagged: bool
    _known: dict[str, bool | None] = field(default_factory=dict)

    def have_it(self, release: str) -> bool | None:
        """Return whether a release has the change; None: it is called by nothing that is known."""
        if release not in self._known:
            commit = self._commit(release)
            self._known[release] = self._is_in(commit) if commit else None
        return self._known[release]

    def is_there(self) -> bool:
        """Return whether the merge is in the history: what was rewritten may be gone."""
        try:
            self.clone.commit(self.merge_commit)
        except UnknownCommit:
            return False
        return True

    def _commit(self, release: str) -> str:
        if not release or not (self.is_tagged or _COMMIT.fullmatch(release)):
            return ""
        try:
            return self.clone.commit(f"refs/tags/{release}" if self.is_tagged else release)
        except UnknownCommit:
            return ""

    def _is_in(self, commit: str) -> bool:
        said = self.clone.git.attempt("merge-base", "--is-ancestor", self.merge_commit, commit)
        return said.code == 0
