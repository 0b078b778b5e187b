"""Branches of a repository, as far as deciding about a change needs them; no work tree is touched.

A merge is made of objects alone (``git merge-tree``, ``commit-tree``) and becomes the base branch
by one push that the other side takes only if the branch is still where the merge was made. So
nobody's checkout is written to, and whoever was faster wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from honed.core.forge import MergeMethod
from honed.errors import ChangeConflict, ForgeError, ForgeRefused, ForgeUnavailable, GitFailed
from honed.targets.repository.git.git import Git, Said

#: How ``git merge-tree`` ends with conflicts, and, saying nothing, without one of the commits.
_CONFLICT: Final = 1
_SAID_CHARACTERS: Final = 300
_NAMED_FILES: Final = 5
#: Who merges; the commits that are merged keep their own authors.
_WHO: Final = {
    "GIT_AUTHOR_NAME": "honed",
    "GIT_AUTHOR_EMAIL": "honed@localhost",
    "GIT_COMMITTER_NAME": "honed",
    "GIT_COMMITTER_EMAIL": "honed@localhost",
}


@dataclass(frozen=True, slots=True)
class Branches:
    """The branches of honed's own clone, and of the repository that it is of.

    Every method may raise ``ForgeUnavailable``: git does not run or takes too long.

    Args:
        folder: honed's clone; its git directory.

        remote: where merges are pushed; empty: the clone itself is the repository.

        environment: for the credentials of a push; they are in no argument.
    """

    folder: Path
    remote: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def fetch(self, branch: str) -> None:
        """Take over one branch as the repository has it now.

        Raises:
            ForgeUnavailable: the repository does not answer, or has no such branch.
        """
        if not self.remote:
            return
        ref = f"refs/heads/{branch}"
        fetched = self._run(
            *("fetch", "--quiet", "--no-tags", "--no-auto-gc", "--no-write-fetch-head"),
            *("--", self.remote, f"+{ref}:{ref}"),
        )
        if fetched.code:
            msg = f"{branch} cannot be fetched: {_words(fetched)}"
            raise ForgeUnavailable(msg)

    def head(self, branch: str) -> str:
        """Return the newest commit of a branch; empty: there is none of this name."""
        done = self._run("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}")
        return done.out.decode().strip() if done.code == 0 else ""

    def contains(self, branch: str, commit: str) -> bool:
        """Return whether a commit is in the history of a branch."""
        head = self.head(branch)
        return bool(head) and self.is_before(commit, head)

    def is_before(self, commit: str, other: str) -> bool:
        """Return whether a commit is another one, or in its history."""
        return self._run("merge-base", "--is-ancestor", commit, other).code == 0

    def file(self, path: str, ref: str) -> bytes | None:
        """Return a file at a commit or branch; None where there is none."""
        commit = self.head(ref) or ref
        done = self._run("cat-file", "blob", f"{commit}:{path}")
        return done.out if done.code == 0 else None

    def merge(
        self, base: str, head: str, message: str, method: MergeMethod, *, before: str = ""
    ) -> str:
        """Merge a commit into a branch; return the commit that the branch is at then.

        Where it would change nothing no commit is made: it was merged before and that was not
        recorded, or somebody else has made the same change.

        Args:
            base: the branch.

            head: the commit.

            message: of the commit that is made.

            method: how.

            before: where the branch must be until it moves; empty: where it is now.

        Raises:
            ChangeConflict: they do not merge, or the branch moved meanwhile.
            ForgeRefused: the repository does not take it.
        """
        before = before or self.head(base)
        merged = self._run("merge-tree", "--write-tree", "--name-only", before, head)
        if merged.code == _CONFLICT and merged.out:
            names = merged.out.decode(errors="replace").split("\n\n")[0].splitlines()[1:]
            files = ", ".join(names[:_NAMED_FILES])
            msg = f"{base} and the change touch the same lines: {files}"
            raise ChangeConflict(msg)
        tree = _told("merge-tree", merged).split()[0]
        if tree == _told("rev-parse", self._run("rev-parse", f"{before}^{{tree}}")):
            return before
        parents = [before] if method is MergeMethod.SQUASH else [before, head]
        options = [option for parent in parents for option in ("-p", parent)]
        committed = self._run("commit-tree", tree, *options, content=message.encode())
        made = _told("commit-tree", committed)
        self._move(base, before, made)
        return made

    def _move(self, base: str, before: str, made: str) -> None:
        """Bring the base branch from one commit to a later one, if it is still there.

        The lease is compared by the repository itself, as it moves the branch.
        """
        ref = f"refs/heads/{base}"
        if self.remote:
            pushed = self._run(
                *("push", "--porcelain", "--no-verify", "--no-signed", "--recurse-submodules=no"),
                *(f"--force-with-lease={ref}:{before}", "--", self.remote, f"{made}:{ref}"),
            )
            if pushed.code:
                raise _not_taken(base, pushed)
        moved = self._run("update-ref", ref, made, before)
        if moved.code and not self.remote:
            msg = f"{base} moved meanwhile"
            raise ChangeConflict(msg, reason="not_ready")

    def _run(self, *words: str, content: bytes = b"") -> Said:
        environment = {**_WHO, **self.environment}
        try:
            return Git(self.folder).attempt(*words, stdin=content, environment=environment)
        except GitFailed as error:
            raise ForgeUnavailable(str(error), hint=error.hint) from error


def _told(command: str, said: Said) -> str:
    if said.code:
        msg = f"git {command} failed: {_words(said)}"
        raise ForgeError(msg)
    return said.out.decode().strip()


def _not_taken(base: str, pushed: Said) -> ForgeError:
    said = pushed.out.decode(errors="replace") + pushed.words
    if "stale info" in said or "non-fast-forward" in said or "fetch first" in said:
        msg = f"{base} moved meanwhile"
        return ChangeConflict(msg, reason="not_ready")
    if "checked out" in said:
        msg = f"{base} is checked out in the repository, which honed does not write to"
        return ForgeRefused(msg, hint="merge the branch yourself: `git merge` in that checkout")
    msg = f"the repository does not take {base}: {_words(pushed)}"
    return ForgeRefused(msg)


def _words(said: Said) -> str:
    words = " ".join((said.words or said.out.decode(errors="replace")).split())
    return "".join(each for each in words if each.isprintable())[:_SAID_CHARACTERS]
