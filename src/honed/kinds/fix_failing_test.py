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

A change that passes all tests may still be wrong: so a person approves it, and a person reviews it.
The undo closes the request and deletes its branch; where it is merged already, a revert is
proposed, unless somebody has changed the same files since.

## How it is measured

By gates, in a sandbox: the tests are red without it and green with it every time, no other test is
lost, tests reach the lines that it touches, it spares what judges and ships the code, and nothing
that passes as well answers an input differently. Nothing of production is measured.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from honed.core.canonical import Json
from honed.core.change import CodeChange
from honed.core.finding import FAILING_TEST, Finding, FindingType
from honed.core.gate import Examination, Gate, GateResult
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.plugins import discover
from honed.core.risk import Danger, Risk
from honed.core.step import Step
from honed.errors import ChangeRefused, RepairFailed
from honed.forge.description import Evidence, body
from honed.repair.suite import Budget
from honed.targets.repository.acts import Publication, branch_of, change_of, publish_step
from honed.targets.repository.judge import CodeJudge, judge_digest
from honed.targets.repository.mend import Fault, judged, mend
from honed.targets.repository.packing import pack, patch_digest, unpack
from honed.targets.repository.target import RepositoryTarget
from honed.targets.repository.worktree import Worktree

#: Searches of one cycle, and how long each may take.
_SEARCHES: Final = 3
_SEARCH_S: Final = 60.0
#: Tests that a claim names; more say nothing more, and a claim is signed as a whole.
_MOST_REPAIRS: Final = 50
_RISK: Final = 4
#: A frame in pytest's short traceback.
_FRAME: Final = re.compile(r"^(\S+\.py):\d+: in (\S+)$", re.MULTILINE)
_IN_TEST: Final = re.compile(r"(^|/)(tests?/|test_[^/]*\.py$|[^/]*_test\.py$|conftest\.py$)")


class FixFailingTest(Kind[RepositoryTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "fix_failing_test"
    sort: ClassVar[str] = "repository"
    risk: ClassVar[Risk] = Risk(level=_RISK, danger=Danger.EXTERNAL)
    wants: ClassVar[frozenset[FindingType]] = frozenset({FAILING_TEST})
    area: ClassVar[str] = "quality"
    costs_to_keep: ClassVar[bool] = False
    measures_time: ClassVar[bool] = False

    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield one claim for each edit that repairs tests, most tests first."""
        commit = target.shape().commit
        # What was seen on another commit may be repaired by now.
        known = {each.subject: each for each in findings if each.evidence.get("commit") == commit}
        causes = [
            (cause, tests)
            for cause, tests in _by_cause(known.values())
            if not target.withheld(cause, "0" * 64)
        ]
        if not causes:
            return
        with target.files(commit) as tree:
            search = _Search(target, tree, frozenset(known))
            left = set(known)
            for cause, tests in causes[:_SEARCHES]:
                failing = tuple(test for test in tests if test in left)
                change = search.change(failing) if failing else None
                if change is None or target.is_open(branch_of(change)):
                    continue
                left -= set(change.repairs)
                yield self._claim(cause, change, target, known)

    def apply(self, hypothesis: Hypothesis, target: RepositoryTarget) -> list[Step]:
        """Return the step that proposes the change."""
        parameters: Mapping[str, Any] = hypothesis.parameters
        change = unpack(parameters["change"], target.clone())
        evidence = Evidence(
            title=_title(change),
            trouble=_trouble(change),
            base_commit=change.base_commit,
            risk_level=_RISK,
            error=parameters["error"],
            risk="It passes every test and may still be wrong where none looks.",
        )
        publication = Publication(
            change,
            base_branch=parameters["base_branch"],
            root_cause=hypothesis.subject,
            title=evidence.title,
            body=body(evidence),
        )
        return [publish_step(target.clone(), publication)]

    def trial(self, hypothesis: Hypothesis, target: RepositoryTarget) -> Examination:
        """Return the gates, on a copy of the commit that the change is made for."""
        return _Gates(target)

    def measure(self, hypothesis: Hypothesis, target: RepositoryTarget) -> Mapping[str, float]:
        """Return nothing: what the change does in production is not seen yet."""
        return {}

    def _claim(
        self,
        cause: str,
        change: CodeChange,
        target: RepositoryTarget,
        known: Mapping[str, Finding],
    ) -> Hypothesis:
        repaired = [known[test] for test in change.repairs]
        parameters = dict[str, Json](
            {
                "change": pack(replace(change, repairs=change.repairs[:_MOST_REPAIRS])),
                "base_branch": target.branch(),
                "patch_digest": patch_digest(change),
                "error": str(repaired[0].evidence.get("message", "")),
            }
        )
        tests = "a failing test" if len(repaired) == 1 else f"{len(repaired)} failing tests"
        return Hypothesis(
            kind=self.name,
            subject=cause,
            claim=f"a change of {change.files[0].path} repairs {tests}",
            priority=3,
            risk=_RISK,
            # Of what fails, with one more on either side, so that nothing is left of nothing.
            predicted_log_ratio=math.log((len(known) - len(repaired) + 1) / (len(known) + 1)),
            parameters=parameters,
            finding_ids=tuple(each.finding_id for each in repaired if each.finding_id),
        )


@dataclass(frozen=True, slots=True)
class _Search:
    """Looks for changes of the files of one commit."""

    target: RepositoryTarget
    tree: Worktree
    #: All that fails there.
    broken: frozenset[str]

    def change(self, failing: tuple[str, ...]) -> CodeChange | None:
        """Return a change after which ``failing`` passes, with all that it repairs; None: none."""
        budget = Budget(seconds=_SEARCH_S, seed=self.target.settings.seed)
        fault = Fault(self.tree.root, self.tree.commit, failing)
        try:
            mended = mend(fault, self.target.court, budget, {}, self.target.settings)
            if mended.change is None:
                return None
            judge = CodeJudge.of(self.tree.root, mended.change, self.target.court)
            passed = judge.patched.run_tests(sorted(self.broken)).passed
            change = replace(mended.change, repairs=tuple(sorted(self.broken & passed)))
            # What a claim says is what was found, to the byte.
            is_same = unpack(pack(change), self.target.clone()) == change
        except (RepairFailed, ChangeRefused):
            return None
        return change if change.repairs and is_same else None


@dataclass
class _Gates(Examination):
    """Asks every gate about the change that steps hold."""

    target: RepositoryTarget
    judge: str = ""

    def __post_init__(self) -> None:
        """Say what judges."""
        self.judge = judge_digest()

    def examine(self, steps: Sequence[Step]) -> Iterator[GateResult]:
        """Yield what each gate says, the cheap ones first, up to the first that fails."""
        gates = discover("honed.gates", Gate)  # type: ignore[type-abstract]  # the family's base
        change = change_of(steps[0], self.target.clone())
        with self.target.files(change.base_commit) as tree:
            judge = CodeJudge.of(tree.root, change, self.target.court)
            yield from judged(change, judge, gates.values(), self.target.settings)


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
    frames = _FRAME.findall(str(finding.evidence.get("message", "")))
    inside = [(path, name) for path, name in frames if not _IN_TEST.search(path)]
    if inside:
        return "failing test: {} in {}".format(*reversed(inside[-1]))
    return f"failing test: {finding.subject.partition('[')[0]}"


def _title(change: CodeChange) -> str:
    return change.message.partition("\n")[0]


def _trouble(change: CodeChange) -> str:
    named = ", ".join(change.repairs[:3])
    return f"These tests fail without it: {named}" + " and more" * (len(change.repairs) > 3)  # noqa: PLR2004 - as many as fit on a line or two
