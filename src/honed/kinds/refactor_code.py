"""Makes code smaller that does the same afterwards, and proposes that to people.

## What it does

It reads the sources of a repository's branch and looks for what can be left out without changing
what runs: functions that are copies of each other, or differ in a few constants; statements that
nothing gets to; private functions that nothing names; unused imports; clutter that a linter calls
safe to remove. Each is a finding; the surest of them are claims, one change each, and a few in a
cycle. Carried out, it is a branch with one commit and a request for review; the branch itself is
never written to.

## Why it helps

What is there twice is repaired once; what nothing uses is read, tested and moved for nothing. It
predicts by how much the changed files shrink, as the logarithm of their size after over before, in
nodes of their syntax trees: comments, blank lines and the breaking of lines do not count.

## Risk and rollback

What code outside of the repository uses is not known here, so a person reviews it, whatever the
policy, unless ``auto_apply_max_risk`` is raised. Lines that tests do not reach are left alone,
unless they are those that never run. The undo closes the request and deletes its branch; where it
is merged already, a revert is proposed, unless somebody has changed the same lines since.

## How it is measured

By gates, in a sandbox: no test is lost, functions answer as before on the inputs that tests have
and on others like them, tests reach the lines that it touches, and nothing becomes dearer.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Final

from honed.core.change import Purpose
from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Risk
from honed.repair.refactor.files import read_package
from honed.repair.refactor.propose import shrinkage, simpler
from honed.repair.refactor.reach import share_reached
from honed.targets.repository.code_kind import Claimed, CodeKind
from honed.targets.repository.judging.mend import installed_gates
from honed.targets.repository.rewrites import Maker, Rewrite, rewrites, tested_lines
from honed.targets.repository.target import RepositoryTarget

#: Code that says the same in more words than it needs.
CODE_SMELL: Final = FindingType("code_smell")

#: Claims of one cycle, and findings: people read them one by one.
_MOST_CLAIMS: Final = 3
_MOST_FINDINGS: Final = 20
#: These take away what never runs: no test can reach it.
_NEVER_RUNS: Final = frozenset({"unreachable", "unused_function"})
_MAKER: Final = Maker(
    "refactor_code",
    Purpose.REFACTOR,
    {
        "merge_copies": "Keep one of two copies",
        "share_code": "Let copies share what they have in common",
        "unreachable": "Remove code that nothing gets to",
        "unused_function": "Remove a function that nothing names",
        "unused_names": "Remove imports that nothing uses",
        "clutter": "Leave out what says nothing",
    },
)
_TITLE_CHARACTERS: Final = 160


class RefactorCode(CodeKind):
    """See the module's docstring."""

    name: ClassVar[str] = "refactor_code"
    risk: ClassVar[Risk] = Risk(level=5)
    wants: ClassVar[frozenset[FindingType]] = frozenset({CODE_SMELL})

    def look(self, target: RepositoryTarget) -> Iterator[Finding]:
        """Yield what could be left out of the branch's newest commit, the surest first.

        Raises:
            MissingExtra: ruff or vulture is not installed.
            RepairFailed: ruff failed, or took too long.
        """
        commit = target.shape().commit
        for smell in _smells(target, commit)[:_MOST_FINDINGS]:
            paths = ", ".join(each.path for each in smell.change.files)
            yield Finding(
                CODE_SMELL,
                smell.subject,
                f"{_MAKER.titles[smell.rule]} in {paths}: {smell.reason}"[:_TITLE_CHARACTERS],
                evidence={
                    "commit": commit,
                    "rule": smell.rule,
                    "reason": smell.reason,
                    "proof": smell.proof,
                    "log_ratio": shrinkage(smell.change.files),
                    "diff": smell.change.diff,
                },
            )

    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield one claim for each change that tests can judge, the surest first, and few."""
        commit = target.shape().commit
        known = {each.subject: each for each in findings if each.evidence.get("commit") == commit}
        smells = [
            each
            for each in (_smells(target, commit) if known else ())
            if each.subject in known and not target.withheld(each.subject)
        ]
        if not smells:
            return
        with target.files(commit) as tree:
            lines = tested_lines(target, tree)
        wanted = target.settings.test_coverage
        left = _MOST_CLAIMS
        for smell in smells:
            if left and _is_reached(smell, lines, wanted):
                claim = self.claim(_claimed(smell, known[smell.subject]), target)
                if claim is not None:
                    left -= 1
                    yield claim


def _claimed(smell: Rewrite, finding: Finding) -> Claimed:
    return Claimed(
        smell.subject,
        smell.change,
        claim=f"{smell.change.main_path} does the same in fewer words: {smell.reason}",
        priority=2,
        predicted_log_ratio=shrinkage(smell.change.files),
        findings=[finding],
        trouble=f"{smell.reason}.",
    )


def _smells(target: RepositoryTarget, commit: str) -> list[Rewrite]:
    """Return the changes of a commit, the surest first; what was found of it once is remembered."""

    def find() -> list[Rewrite]:
        with target.files(commit) as tree:
            package = read_package(tree.root)
            if package is None or tree.odd:
                # Who does not see everything cannot say that nothing uses a name.
                return []
            gates = installed_gates(reading=True).values()
            return _MAKER.sound(simpler(package), tree, gates, target)

    return rewrites(target, RefactorCode.name, commit, find)


def _is_reached(smell: Rewrite, lines: Mapping[str, frozenset[int]], wanted: float) -> bool:
    """Whether tests run every file that changes, and what of it is replaced, unless none can."""
    files = smell.change.files
    if not all(lines.get(each.path) for each in files):
        return False
    if smell.rule in _NEVER_RUNS:
        return True
    return all(share_reached(each, lines[each.path]) >= wanted for each in files)
