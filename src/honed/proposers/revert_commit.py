"""The inverse of the commit since which the tests fail, on the files of today.

## What it does

It looks in the history of the branch for the commit that made the tests fail, by running them in
the sandbox on some log2(n) of the commits before, each with the tests as they are today. What
undoes exactly that commit on today's files is proposed, by git's own three-way merge.

## Why it helps

What worked yesterday is known to work. Nobody has to understand a fault to undo its cause, and the
person who made it can make it again without the fault.

## Risk and rollback

What else the commit did is undone with it, where no test asks for it; tests that came with it stay
and say so. Where others have changed the same lines since, nothing is proposed.

## How it is measured

By the tests: they fail on the commit and pass on the one before, twice each, and pass with the
change, in processes of their own.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from honed.core.change import CodeChange, FileChange
from honed.core.gate import TestRun
from honed.core.privacy import Scrubber
from honed.errors import ConfigurationError, GitFailed, UnknownCommit
from honed.forge.quoting import plain
from honed.targets.repository.evidence.suites import green
from honed.targets.repository.git.blame import Cause, cause
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.inverse import Inverse, inverse
from honed.targets.repository.git.worktree import worktree
from honed.targets.repository.judging.judge import Checkout, CodeJudge, Court
from honed.targets.repository.judging.mend import may_change
from honed.targets.repository.judging.proposer import Bench, Proposed, Proposer, Trouble

#: How far back is looked.
_MOST_COMMITS: Final = 256
#: Shorter than that no run of tests says anything.
_LEAST_S: Final = 1.0
#: Of a commit's id, in words for people.
_SHORT: Final = 12
#: Ids of tests, and files, that a message names.
_NAMED: Final = 3


class RevertCommit(Proposer):
    """See the module's docstring."""

    name: ClassVar[str] = "revert_commit"
    order: ClassVar[int] = 20

    def propose(self, trouble: Trouble, bench: Bench) -> Proposed:
        """Return the inverse of the commit that made the tests fail; see ``Proposer``."""
        line = _line(bench.clone, trouble.commit)
        if bench.clone is None or len(line) < 2:  # noqa: PLR2004 - it and one before
            return Proposed(why_none="there is no history")
        history = _History(trouble, bench, bench.clone, line)
        try:
            found = history.cause()
            proposed = self._undone(found, history) if isinstance(found, Cause) else None
        except GitFailed as error:
            return Proposed(why_none=str(error), examined=history.examined)
        if proposed is None:
            return Proposed(why_none=str(found), examined=history.examined)
        return replace(proposed, examined=history.examined)

    def _undone(self, found: Cause, history: "_History") -> Proposed:
        """Return what undoes a cause, if that makes the tests pass."""
        trouble, clone = history.trouble, history.clone
        named = f"the tests fail since {_named(clone, found.commit)}"
        undone = inverse(clone, found.commit, trouble.commit, history.is_allowed)
        if undone.conflicts:
            files = _few(undone.conflicts)
            return Proposed(why_none=f"{named}, but others have changed the same lines: {files}")
        if not undone.files:
            files = _few(undone.left) or "nothing that is still there"
            return Proposed(why_none=f"{named}, which changed only {files}")
        change = CodeChange(
            base_commit=trouble.commit,
            # A test that the cause took away may be one of those that come with the change.
            files=(*_without(undone.files, trouble.added), *trouble.new_files),
            repairs=trouble.failing,
            message=_message(clone, found.commit, undone, trouble.failing),
            made_by=f"{self.name}: {found.commit[:_SHORT]}",
        )
        if not history.passes(change):
            return Proposed(why_none=f"{named}, and fail without it too")
        return Proposed((change,))


def _without(files: Sequence[FileChange], paths: Collection[str]) -> Iterator[FileChange]:
    return (each for each in files if each.path not in paths)


@dataclass
class _History:
    """What is found out about the commits before."""

    trouble: Trouble
    bench: Bench
    clone: Clone
    #: Commits by first parents, the newest first: that of the trouble.
    line: list[str]
    verdicts: dict[str, bool | None] = field(default_factory=dict)
    runs: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def examined(self) -> Mapping[str, float]:
        """Counts and times."""
        seconds = time.monotonic() - self.began
        return {"commits": float(len(self.verdicts)), "runs": float(self.runs), "seconds": seconds}

    def cause(self) -> Cause | str:
        """Return the one commit since which the tests fail, or why it is not known."""
        good, bad = self._bounds()
        if not good:
            return (
                f"the tests pass on none of the {len(self.verdicts)} commits before that were tried"
            )
        found = cause(self.clone, good, bad, self.is_good)
        if len(found.suspects) > 1:
            ends = f"{found.suspects[0][:_SHORT]} to {found.commit[:_SHORT]}"
            return f"the tests fail since one of {len(found.suspects)} commits, {ends}"
        before = self.line[self.line.index(found.commit) + 1]
        # One run says little of a test that fails now and then.
        if self._judged(before) is not True or self._judged(found.commit) is not False:
            return "the tests do not end the same way twice, so no commit is known to be the cause"
        return found

    def is_good(self, commit: str) -> bool | None:
        """Return whether the tests pass on a commit; None: it cannot be told."""
        if commit not in self.verdicts:
            self.verdicts[commit] = self._judged(commit)
        return self.verdicts[commit]

    def is_allowed(self, file: FileChange) -> bool:
        """Return whether honed may change a file so at all."""
        return may_change(file, Checkout(self.trouble.folder, {}, self.bench.court))

    def passes(self, change: CodeChange) -> bool:
        """Return whether the tests pass with a change."""
        try:
            judge = CodeJudge.of(self.trouble.folder, change, self.bench.court)
        except ConfigurationError:
            # A file is not, to the byte, the text that git has.
            return False
        run = judge.patched.run_tests(self.trouble.failing)
        return not run.error and set(self.trouble.failing) <= run.passed

    def _bounds(self) -> tuple[str, str]:
        """Return the newest commit found on which the tests pass, and the oldest after it.

        Commits farther and farther back are tried, those first of which honed remembers a run.
        """
        bad = self.line[0]
        for commit in self._tried():
            verdict = self.is_good(commit)
            if verdict:
                return commit, bad
            if verdict is False and self.line.index(commit) > self.line.index(bad):
                bad = commit
        return "", bad

    def _tried(self) -> Iterator[str]:
        before = self.line[1:]
        if self.bench.store is not None:
            known = green(self.bench.store, before, self.trouble.failing)
            yield from [commit for commit in before if commit in known][:1]
        distance = 1
        while distance <= len(before):
            yield before[distance - 1]
            distance *= 2
        yield before[-1]

    def _judged(self, commit: str) -> bool | None:
        """Return whether the tests pass on a commit; None: they cannot be run there."""
        if self._left_s() < _LEAST_S:
            return None
        try:
            with worktree(self.clone, commit, self.bench.settings.home / "worktrees") as tree:
                for files in self._laid(Checkout(tree.root, {}, self.bench.court)):
                    verdict = self._verdict(self._run(Checkout(tree.root, files, self._court())))
                    if verdict is not None:
                        return verdict
        except (ConfigurationError, GitFailed, UnknownCommit):
            # What lies behind a link there, or is not there.
            return None
        return None

    def _laid(self, there: Checkout) -> Iterator[Mapping[str, str]]:
        """Yield what to lay over a commit: the tests as they are today, else none but new ones."""
        today = Checkout(self.trouble.folder, {}, self.bench.court)
        files = {test.partition("::")[0] for test in self.trouble.failing}
        texts = {path: text for path in files if (text := today.read(path)) is not None}
        added = dict(self.trouble.added)
        yield {**texts, **added}
        if any(there.read(path) not in {None, text} for path, text in texts.items()):
            yield added

    def _run(self, side: Checkout) -> TestRun:
        self.runs += 1
        return side.run_tests(self.trouble.failing)

    def _verdict(self, run: TestRun) -> bool | None:
        failing = set(self.trouble.failing)
        if failing & run.broken:
            return False
        return True if failing <= run.passed and not run.error else None

    def _court(self) -> Court:
        """Return how tests are run, with what is left of the time."""
        court = self.bench.court
        wall_s = max(_LEAST_S, min(court.limits.wall_s, self._left_s()))
        return replace(court, limits=replace(court.limits, wall_s=wall_s))

    def _left_s(self) -> float:
        return self.began + self.bench.budget.seconds - time.monotonic()


def _line(clone: Clone | None, commit: str) -> list[str]:
    """Return a commit and those before it by first parents; empty: there is no history of it."""
    if clone is None:
        return []
    try:
        most = f"--max-count={_MOST_COMMITS + 1}"
        return clone.git.text("rev-list", "--first-parent", most, clone.commit(commit)).split()
    except (GitFailed, UnknownCommit):
        return []


def _message(clone: Clone, commit: str, undone: Inverse, failing: tuple[str, ...]) -> str:
    """Return what the commit says, in git's own words first."""
    parents = clone.git.text("rev-parse", f"{commit}^@").split()
    reverts = f"This reverts commit {commit}"
    if len(parents) > 1:
        reverts += f", reversing\nchanges made to {parents[0]}"
    left = f"\nLeft as they are: {_few(undone.left)}." if undone.left else ""
    return (
        f"{_title(clone, commit)}\n\n{reverts}.\n\n"
        f"These tests pass before that commit and fail since: {_few(failing)}.{left}"
    )


def _title(clone: Clone, commit: str) -> str:
    subject = _subject(clone, commit)
    if subject.startswith('Revert "') and subject.endswith('"'):
        return f"Reapply {subject.removeprefix('Revert ')}"
    return f'Revert "{subject}"' if subject else f"Revert {commit[:_SHORT]}"


def _named(clone: Clone, commit: str) -> str:
    subject = _subject(clone, commit)
    return f'{commit[:_SHORT]} ("{subject}")' if subject else commit[:_SHORT]


def _subject(clone: Clone, commit: str) -> str:
    """Return what a commit calls itself; empty: nothing that may be repeated."""
    said = clone.git.text("show", "-s", "--format=%s", commit)
    return plain(said) if Scrubber(b"subject").text(said) == said else ""


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
