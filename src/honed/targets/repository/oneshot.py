"""One repair of one repository, at once: no ticket and no daemon, and a store only for a model."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from honed.config import Settings
from honed.core.change import CodeChange
from honed.core.gate import Gate
from honed.errors import ChangeRefused
from honed.repair.suite import Budget
from honed.sandbox.box import Limits
from honed.sandbox.probe import require
from honed.storage.db import Database
from honed.targets.repository.git.clone import Clone, open_clone
from honed.targets.repository.git.commit import Note, commit_files
from honed.targets.repository.git.push import push
from honed.targets.repository.git.worktree import worktree
from honed.targets.repository.judging.judge import Court
from honed.targets.repository.judging.mend import Mended, mend
from honed.targets.repository.judging.proposer import Bench, Trouble

#: One run of all tests may take so long, and so much memory.
_SUITE: Final = Limits(cpu_s=600, wall_s=900, memory_bytes=2 << 30, processes=128)


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants repaired."""

    #: A folder or an address of a git repository.
    url: str
    #: Ids of the tests that must pass; empty: all that fail.
    failing: tuple[str, ...] = ()
    #: Files, folders or ids of tests; empty: all.
    tests: tuple[str, ...] = ()
    #: A branch, tag or commit; empty: what the repository's HEAD names.
    commit: str = ""
    #: The Python that has what the tests need; None: the repository's ``.venv``, else our own.
    python: Path | None = None
    budget: Budget = field(default_factory=Budget)
    #: The branch that a sound change is put on; empty: on none.
    branch: str = ""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What came of an order."""

    #: What was repaired.
    base_commit: str
    mended: Mended
    #: The commit with the change, on the order's branch; empty: there is none.
    commit: str = ""


def repair_once(
    order: Order, gates: Mapping[str, Gate], settings: Settings, store: Database | None = None
) -> Repaired:
    """Return the change that repairs a repository, as every gate judged it.

    The repository is read through a clone of honed's own; its checkout is not touched, and what is
    not committed is not seen. Only where a branch was asked for, and every gate has let the change
    pass, a commit is pushed there, and that branch must be new.

    Args:
        order: what is wanted.

        gates: those that look at changes.

        settings: of this process.

        store: honed's own, as the daemon; None: no language model is asked.

    Raises:
        SandboxMissing: there is no sandbox; nothing was run.
        GitFailed: the repository cannot be read.
        UnknownCommit: it has no such commit.
        RepairFailed: no test fails, or the tests cannot be collected.
        ChangeRefused: the branch is there already.
        PushRefused: the repository does not take it.
    """
    require()
    name = hashlib.sha256(order.url.encode()).hexdigest()[:16]
    clone = open_clone(order.url, settings.home / "clones" / name)
    clone.fetch()
    if (
        order.branch
        and clone.git.attempt("rev-parse", "-q", "--verify", f"refs/heads/{order.branch}").code == 0
    ):
        msg = f"there is a branch {order.branch} already"
        raise ChangeRefused(msg)
    commit = clone.commit(order.commit or clone.default_branch())
    court = Court(order.python or _python(order.url), _SUITE)
    with worktree(clone, commit, settings.home / "worktrees") as tree:
        trouble = Trouble(tree.root, commit, order.failing, order.tests)
        mended = mend(trouble, Bench(court, order.budget, settings, clone, store), gates)
    if not (order.branch and mended.is_sound and mended.change):
        return Repaired(commit, mended)
    made = _commit(clone, mended.change)
    push(clone, made, order.branch)
    return Repaired(commit, mended, made)


def _commit(clone: Clone, change: CodeChange) -> str:
    """Return the commit of a change: the same bytes whenever it is made."""
    files = {
        each.path: None if each.after is None else each.after.encode() for each in change.files
    }
    at = int(clone.git.text("show", "-s", "--format=%ct", change.base_commit))
    note = Note(change.message, datetime.fromtimestamp(at, UTC))
    return commit_files(clone, change.base_commit, files, note)


def _python(url: str) -> Path:
    own = Path(url, ".venv", "bin", "python")
    return own if own.is_file() else Path(sys.executable)
