"""A fake forge's repository that is one of git: what is pushed there is what the forge shows."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from honed.testing.forges.state import FakeChange, FakeRepository

_WHO = ("-c", "user.name=forge", "-c", "user.email=forge@example.org")


@dataclass(slots=True)
class GitRepository(FakeRepository):
    """A bare repository, and what a forge knows beside it. Call ``look`` before each answer."""

    folder: Path = Path()

    def look(self) -> None:
        """See what was pushed, or deleted."""
        refs = self._git("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads")
        self.branches = dict(line.split() for line in refs.splitlines())
        said = self._git("rev-list", "--all", "--parents").splitlines()
        commits = (line.split() for line in said)
        # Of a merge the side that it brought: the other one is in the history of that.
        self.parents |= {first: rest[-1] if rest else "" for first, *rest in commits}

    def line(self, branch: str) -> list[str]:
        """Return the commits that a branch was at, newest first."""
        return self._git("log", "--first-parent", "--format=%H", branch).split()

    def merge(self, change: FakeChange) -> None:
        """Merge a change request as forges do, by a commit of their own."""
        base, head = self.branches[change.base], self.head(change)
        tree = self._git("merge-tree", "--write-tree", base, head)
        words = ("commit-tree", tree, "-p", base, "-p", head, "-m", f"Merge {change.title}")
        change.merge_commit = self._git(*_WHO, *words)
        self._git("update-ref", f"refs/heads/{change.base}", change.merge_commit, base)
        change.is_open = False
        change.version += 1
        self.look()

    def _git(self, *words: str) -> str:
        said = subprocess.run(
            ["git", "-C", str(self.folder), *words],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
        return said.stdout.strip()
