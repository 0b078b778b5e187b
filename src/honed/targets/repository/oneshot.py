"""One repair of one repository, at once: no ticket and no daemon, and a store only for a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from honed.config import Settings
from honed.core.gate import Gate
from honed.errors import ChangeRefused
from honed.repair.suite import Budget
from honed.sandbox.probe import require
from honed.storage.db import Database
from honed.targets.repository.git.push import push
from honed.targets.repository.git.worktree import worktree
from honed.targets.repository.judging.failing import with_failing
from honed.targets.repository.judging.judge import Court
from honed.targets.repository.judging.mend import Mended, mend
from honed.targets.repository.judging.proposer import Bench, Trouble
from honed.targets.repository.publishing.acts import commit_of
from honed.targets.repository.source import SUITE, clone_of, python_of


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants repaired."""

    #: A folder or an address of a git repository.
    url: str
    #: Tests that must pass: ids, or files and classes whose failing ones are meant; empty: all.
    failing: tuple[str, ...] = ()
    #: Files, folders or ids of tests; empty: all.
    tests: tuple[str, ...] = ()
    #: A branch, tag or commit; empty: what the repository's HEAD names.
    commit: str = ""
    #: The Python that has what the tests need; None: the repository's ``.venv``, else our own.
    python: Path | None = None
    budget: Budget = field(default_factory=Budget)
    #: Seconds after which a run of its tests is cut off: somebody waits.
    suite_s: float = 300.0
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
    order: Order,
    gates: Mapping[str, Gate],
    settings: Settings,
    store: Database | None = None,
    *,
    tell: Callable[[str], None] = lambda _: None,
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

        tell: told in a sentence what is done next, which may take minutes.

    Raises:
        SandboxMissing: there is no sandbox; nothing was run.
        GitFailed: the repository cannot be read.
        UnknownCommit: it has no such commit.
        RepairFailed: no test fails, what is named is not there or does not fail, or the tests
            cannot be collected, or do not end in ``suite_s``.
        ChangeRefused: the branch is there already.
        PushRefused: the repository does not take it.
    """
    require()
    clone = clone_of(order.url, settings)
    clone.fetch()
    if (
        order.branch
        and clone.git.attempt("rev-parse", "-q", "--verify", f"refs/heads/{order.branch}").code == 0
    ):
        msg = f"there is a branch {order.branch} already"
        raise ChangeRefused(msg, hint="choose another name with --branch, or delete that branch")
    commit = clone.commit(order.commit or clone.default_branch())
    limits = replace(SUITE, wall_s=order.suite_s)
    court = Court(order.python or python_of(order.url), limits)
    with worktree(clone, commit, settings.home / "worktrees") as tree:
        bench = Bench(court, order.budget, settings, clone, store, tell=tell)
        trouble = with_failing(Trouble(tree.root, commit, tests=order.tests), bench, order.failing)
        mended = mend(trouble, bench, gates)
    if not (order.branch and mended.is_sound and mended.change):
        return Repaired(commit, mended)
    made = commit_of(clone, mended.change)
    push(clone, made, order.branch)
    return Repaired(commit, mended, made)
