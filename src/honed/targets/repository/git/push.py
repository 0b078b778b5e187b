"""Sends a commit to a branch of a repository that others see."""

from typing import Final

from honed.errors import PushRefused
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.git import hidden

_TIMEOUT_S: Final = 300.0
#: What git says where the branch is not where it was believed to be.
_MOVED: Final = ("stale info", "fetch first", "non-fast-forward")


def push(clone: Clone, commit: str, branch: str, *, expected: str = "") -> None:
    """Make ``branch`` of the clone's repository name ``commit``; nothing if it does already.

    ``expected`` is the commit that the branch names now; empty: it is new. The repository itself
    compares it, so nobody's commits are ever lost.

    Raises:
        UnknownCommit: the clone has no such commit.
        GitFailed: it is no name for a branch.
        PushRefused: the branch is elsewhere (``moved``), the repository says no (``refused``), or
            does not answer (``unavailable``).
    """
    whole = clone.commit(commit)
    ref = f"refs/heads/{branch}"
    clone.git.run("check-ref-format", ref)
    said = clone.git.attempt(
        *("push", "--porcelain", "--no-verify", "--no-signed", "--recurse-submodules=no"),
        *(f"--force-with-lease={ref}:{expected}", "--", clone.url, f"{whole}:{ref}"),
        environment=clone.credentials.environment(clone.url),
        timeout_s=_TIMEOUT_S,
    )
    if said.code == 0:
        return
    refusal = _refusal(said.out.decode(errors="replace"))
    words = hidden(f"{refusal}\n{said.words}", clone.credentials.secrets)
    if any(word in refusal for word in _MOVED):
        if branch_commit(clone, branch) == whole:
            return
        msg = f"the branch {branch} is not where it was: {words}"
        raise PushRefused(msg, reason="moved")
    msg = f"{branch} cannot be pushed: {words}"
    raise PushRefused(msg, reason="refused" if refusal else "unavailable")


def branch_commit(clone: Clone, branch: str) -> str:
    """Return the commit that a branch of the clone's repository names now; empty: there is none.

    Raises:
        GitFailed: the repository cannot be read.
    """
    environment = clone.credentials.environment(clone.url)
    ref = f"refs/heads/{branch}"
    listed = clone.git.run("ls-remote", "--", clone.url, ref, environment=environment)
    return listed.decode(errors="replace").partition("\t")[0]


def _refusal(out: str) -> str:
    """Return the line of ``--porcelain`` about a branch that was refused; empty: there is none."""
    return next((line for line in out.splitlines() if line.startswith("!")), "")
