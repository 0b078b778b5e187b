"""Branches of a repository, as far as deciding about a change needs them; no work tree is touched.

A merge is made of objects alone (``git merge-tree``, ``commit-tree``) and becomes the base branch
by one push that the other side takes only as a step forward. So nobody's checkout is written to,
and whoever was faster wins.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from honed.core.forge import MergeMethod
from honed.errors import ChangeConflict, ForgeError, ForgeRefused

_TIMEOUT_S: Final = 120.0
#: No hooks, no watchers, no prompts: what is in a repository does not run.
_SAFE: Final = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
_WHO: Final = {"NAME": "honed", "EMAIL": "honed@localhost"}
_CONFLICT: Final = 1
_SAID_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class Branches:
    """The branches of honed's own clone, and of the repository that it is of.

    Args:
        folder: honed's clone.

        remote: where merges are pushed; empty: the clone itself is the repository.

        environment: for the credentials of a push; they are in no argument.
    """

    folder: Path
    remote: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def head(self, branch: str) -> str:
        """Return the newest commit of a branch; empty: there is none of this name."""
        done = self._run("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}")
        return done.stdout.decode().strip() if done.returncode == 0 else ""

    def contains(self, branch: str, commit: str) -> bool:
        """Return whether a commit is in the history of a branch."""
        head = self.head(branch)
        return bool(head) and self._run("merge-base", "--is-ancestor", commit, head).returncode == 0

    def file(self, path: str, ref: str) -> bytes | None:
        """Return a file at a commit or branch; None where there is none."""
        commit = self.head(ref) or ref
        done = self._run("cat-file", "blob", f"{commit}:{path}")
        return done.stdout if done.returncode == 0 else None

    def merge(self, base: str, head: str, message: str, method: MergeMethod) -> str:
        """Merge a commit into a branch; return the commit that the branch is at then.

        Raises:
            ChangeConflict: they do not merge, or the branch moved meanwhile.
            ForgeRefused: the repository does not take it.
        """
        before = self.head(base)
        merged = self._run("merge-tree", "--write-tree", "--name-only", before, head)
        if merged.returncode == _CONFLICT:
            files = ", ".join(merged.stdout.decode(errors="replace").split("\n\n")[0].split()[1:6])
            msg = f"{base} and the change touch the same lines: {files}"
            raise ChangeConflict(msg)
        tree = self._said(merged).split()[0]
        parents = [before] if method is MergeMethod.SQUASH else [before, head]
        options = [option for parent in parents for option in ("-p", parent)]
        made = self._said(self._run("commit-tree", tree, *options, content=message.encode()))
        self._move(base, before, made)
        return made

    def _move(self, base: str, before: str, made: str) -> None:
        """Bring the base branch from one commit to a later one, if it is still there."""
        if self.remote:
            pushed = self._run(
                "push", "--porcelain", "--no-verify", self.remote, f"{made}:refs/heads/{base}"
            )
            if pushed.returncode:
                raise _not_taken(base, pushed)
        moved = self._run("update-ref", f"refs/heads/{base}", made, before)
        if moved.returncode and not self.remote:
            msg = f"{base} moved meanwhile"
            raise ChangeConflict(msg, reason="not_ready")

    def _said(self, done: subprocess.CompletedProcess[bytes]) -> str:
        if done.returncode:
            msg = f"git {done.args[-1]} failed: {_words(done)}"
            raise ForgeError(msg)
        return done.stdout.decode().strip()

    def _run(self, *words: str, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        who = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in _WHO.items()
        }
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "LC_ALL": "C",
            **who,
            **self.environment,
        }
        command: Sequence[str] = ["git", *_SAFE, "-C", str(self.folder), *words]
        try:
            return subprocess.run(
                command,
                input=content,
                capture_output=True,
                timeout=_TIMEOUT_S,
                env=environment,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            msg = f"git {words[0]} did not run: {type(error).__name__}"
            raise ForgeError(msg) from error


def _not_taken(base: str, pushed: subprocess.CompletedProcess[bytes]) -> ForgeError:
    said = (pushed.stdout + pushed.stderr).decode(errors="replace")
    if "non-fast-forward" in said or "fetch first" in said:
        msg = f"{base} moved meanwhile"
        return ChangeConflict(msg, reason="not_ready")
    if "checked out" in said:
        msg = f"{base} is checked out in the repository, which honed does not write to"
        return ForgeRefused(msg, hint="merge the branch yourself: `git merge` in that checkout")
    msg = f"the repository does not take {base}: {_words(pushed)}"
    return ForgeRefused(msg)


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    said = " ".join((done.stderr or done.stdout).decode(errors="replace").split())
    return "".join(each for each in said if each.isprintable())[:_SAID_CHARACTERS]
