"""Repairs code until a failing test passes, and proposes the repair to people.

## What it does

It takes the tests that fail on a repository's branch, by the place where they go wrong, and looks
for the most natural edit of one file after which they pass: operators, bounds, guards, arguments,
values that stand elsewhere in the code. What one edit repairs is one claim. Carried out, it is a
branch with one commit and a request for review; the branch itself is never written to.

## Why it helps

A failing test hides the next one. Faults that one edit repairs are most of those that tests find,
and finding that edit takes a person longer than reading it.

## Risk and rollback

A change that passes all tests may still be wrong: so it is proposed for review, and by default a
person approves that before. A policy that is free to may let it in once its checks have passed.
The undo closes the request and deletes its branch; where it is merged already, a revert is
proposed, unless somebody has changed the same lines since.

## How it is measured

By gates, in a sandbox: the tests are red without it and green with it every time, no other test is
lost, tests reach the lines that it touches, it spares what judges and ships the code, and nothing
that passes as well answers an input differently. Nothing of production is measured.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from honed.core.canonical import Json
from honed.core.change import CodeChange
from honed.core.counted import counted
from honed.core.finding import FAILING_TEST, Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Risk
from honed.errors import RepairFailed
from honed.repair.suite import Budget
from honed.targets.repository.code_kind import Claimed, CodeKind
from honed.targets.repository.evidence.searches import Vain
from honed.targets.repository.git.worktree import Worktree
from honed.targets.repository.judging.judge import CodeJudge
from honed.targets.repository.judging.mend import installed_gates, mend
from honed.targets.repository.judging.proposer import Bench, Trouble
from honed.targets.repository.search_again import recipe
from honed.targets.repository.target import RepositoryTarget

#: Searches of one cycle, and how long each may take.
_SEARCHES: Final = 3
_SEARCH_S: Final = 60.0
#: A frame in pytest's short traceback.
_FRAME: Final = re.compile(r"^(\S+\.py):\d+: in (\S+)$", re.MULTILINE)
_IN_TEST: Final = re.compile(r"(^|/)(tests?/|test_[^/]*\.py$|[^/]*_test\.py$|conftest\.py$)")


class FixFailingTest(CodeKind):
    """See the module's docstring."""

    name: ClassVar[str] = "fix_failing_test"
    risk: ClassVar[Risk] = Risk(level=4)
    wants: ClassVar[frozenset[FindingType]] = frozenset({FAILING_TEST})

    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield one claim for each edit that repairs tests, most tests first."""
        # What is searched with stays the same: others may learn patterns in the meantime.
        commit, searches = target.shape().commit, target.searches
        # What was seen on another commit may be repaired by now.
        known = {each.subject: each for each in findings if each.evidence.get("commit") == commit}
        causes = [
            (cause, tests)
            for cause, tests in _by_cause(known.values())
            if not target.withheld(cause) and not searches.was_made(self.name, cause, commit)
        ]
        if not causes:
            return
        bench = target.bench(Budget(seconds=_SEARCH_S, seed=target.settings.seed))
        with target.files(commit) as tree:
            search = _Search(target, bench, tree, known)
            left = set(known)
            for cause, tests in causes[:_SEARCHES]:
                failing = tuple(test for test in tests if test in left)
                if not failing:
                    continue
                found = search.claimed(cause, failing)
                if isinstance(found, Vain):
                    searches.remember(self.name, cause, commit, found)
                elif (claim := self.claim(found, target)) is not None:
                    left -= set(found.change.repairs)
                    yield claim


@dataclass(frozen=True, slots=True)
class _Search:
    """Looks for changes of the files of one commit."""

    target: RepositoryTarget
    bench: Bench
    tree: Worktree
    #: All that fails there, by test.
    known: Mapping[str, Finding]

    def claimed(self, cause: str, failing: tuple[str, ...]) -> Claimed | Vain:
        """Return what is claimed of a change that repairs ``failing``, or why nothing is."""
        change = self._change(failing)
        if isinstance(change, Vain):
            return change
        if change.doubt and len(change.repairs) > len(failing):
            # What else it repairs may tell it from those that leave it in doubt.
            return self.claimed(cause, change.repairs)
        return _claimed(cause, change, self.known, recipe(self.bench, failing))

    def _change(self, failing: tuple[str, ...]) -> CodeChange | Vain:
        """Return a change that repairs ``failing``, with all it repairs; or why there is none."""
        trouble = Trouble(
            self.tree.root,
            self.tree.commit,
            failing,
            messages={test: _message(self.known[test]) for test in failing},
        )
        try:
            mended = mend(trouble, self.bench, installed_gates(reading=True))
        except RepairFailed as error:
            return Vain(f"no change was looked for: {error}")
        found = mended.change
        if found is None:
            return Vain(f"no change repairs it: {mended.why_none}", mended.is_for_now)
        judge = CodeJudge.of(self.tree.root, found, self.target.court)
        passed = judge.patched.run_tests(sorted(self.known)).passed
        repairs = tuple(sorted(self.known.keys() & passed))
        return (
            replace(found, repairs=repairs) if repairs else Vain("what was found repairs nothing")
        )


def _claimed(
    cause: str, change: CodeChange, known: Mapping[str, Finding], searched: Mapping[str, Json]
) -> Claimed:
    repaired = [known[test] for test in change.repairs]
    tests = counted(len(repaired), "failing test")
    return Claimed(
        cause,
        change,
        claim=f"a change of {change.main_path} repairs {tests}",
        priority=3,
        # Of what fails, with one more on either side, so that nothing is left of nothing.
        predicted_log_ratio=math.log((len(known) - len(repaired) + 1) / (len(known) + 1)),
        findings=repaired,
        error=_message(repaired[0]),
        more={"search": searched},
    )


def _message(finding: Finding) -> str:
    return str(finding.evidence.get("message", ""))


def _by_cause(findings: Iterable[Finding]) -> list[tuple[str, list[str]]]:
    """Return failing tests by the place where they go wrong, most tests first."""
    causes: dict[str, list[str]] = {}
    for each in sorted(findings, key=lambda each: each.subject):
        causes.setdefault(_cause(each), []).append(each.subject)
    return sorted(causes.items(), key=lambda cause: (-len(cause[1]), cause[0]))


def _cause(finding: Finding) -> str:
    """Return the innermost function of the application in a traceback, else the test itself.

    Lines and parameters are left out: the same fault has the same name on every commit.
    """
    frames = _FRAME.findall(_message(finding))
    inside = [(path, name) for path, name in frames if not _IN_TEST.search(path)]
    if inside:
        return "failing test: {} in {}".format(*reversed(inside[-1]))
    return f"failing test: {finding.subject.partition('[')[0]}"
