"""Makes functions faster that take a share of the tests' time, and proposes that to people.

## What it does

It profiles the tests of a repository's branch, and looks in the functions that take at least 2 % of
their time for loops that do the same again and again: a length that is taken in each turn, a
search in a list of constants, a text that grows piece by piece. What a first look on the tests' own
inputs shows to be faster is a finding, and the largest of them are claims, one change each. Carried
out, it is a branch with one commit and a request for review; the branch itself is never written to.

## Why it helps

Time that code wastes in a loop is paid on each call. It predicts by what a function's calls took in
the first look, as the mean logarithm of processor time after over before; the share of the tests'
time is in the finding, and production may call it otherwise than tests do.

## Risk and rollback

Each rewrite is certain to do the same by its rule, or as certain as annotations of arguments are;
gates compare it with what it was. It is proposed for review, and by default a person approves that
before; a policy that is free to may let it in. The undo closes the request and deletes its branch;
where it is merged already, a revert is proposed, unless somebody has changed the same lines since.

## How it is measured

By gates, in a sandbox: no test is lost, the function answers as before on the inputs that tests
have and on others like them, and a trial in turns, on the tests' inputs, shows that its calls take
at least 2 % less processor time.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from honed.core.change import Purpose
from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Risk
from honed.errors import ConfigurationError
from honed.repair.refactor.files import read_package
from honed.repair.refactor.pace import first_gain
from honed.repair.refactor.package import Package
from honed.repair.refactor.profile import Place, shares
from honed.repair.refactor.propose import faster
from honed.repair.refactor.reach import share_reached
from honed.repair.refactor.touched import touched_functions
from honed.targets.repository.code_kind import Claimed, CodeKind
from honed.targets.repository.git.worktree import Worktree
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.judging.living import living
from honed.targets.repository.judging.mend import installed_gates
from honed.targets.repository.rewrites import Maker, Rewrite, rewrites, tested_lines
from honed.targets.repository.target import RepositoryTarget

#: A function that wastes time in a loop, by a profile of the tests and a first look.
SLOW_CODE: Final = FindingType("slow_code")

#: Claims of one cycle: people read them one by one.
_MOST_CLAIMS: Final = 3
#: Of the tests' time a function takes at least this share: of less, all of it is hardly worth a
#: person's minutes.
_LEAST_SHARE: Final = 0.02
#: Changes of one commit that are looked at, those of the dearest functions first.
_MOST_LOOKS: Final = 10
_MAKER: Final = Maker(
    "optimize_code",
    Purpose.OPTIMIZE,
    {
        "hoist_length": "Take a length once",
        "constant_set": "Look for constants in a set",
        "join_texts": "Join a text once",
    },
)


class OptimizeCode(CodeKind):
    """See the module's docstring."""

    name: ClassVar[str] = "optimize_code"
    area: ClassVar[str] = "performance"
    risk: ClassVar[Risk] = Risk(level=3)
    wants: ClassVar[frozenset[FindingType]] = frozenset({SLOW_CODE})

    def look(self, target: RepositoryTarget) -> Iterator[Finding]:
        """Yield the loops of the branch's newest commit that waste time, the dearest first.

        Raises:
            EvaluatorFailed: the tests cannot be collected.
            SandboxMissing: there is no sandbox, so nothing is run.
        """
        commit = target.shape().commit
        for slow in _slow(target, commit):
            share, path = slow.figures["share"], slow.change.main_path
            yield Finding(
                SLOW_CODE,
                slow.subject,
                f"{slow.figures['function']} in {path} takes {share:.0%} of the tests' time:"
                f" {slow.reason}",
                evidence={
                    "commit": commit,
                    "rule": slow.rule,
                    "reason": slow.reason,
                    "diff": slow.change.diff,
                    **slow.figures,
                },
                weight=min(1.0, share),
            )

    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield one claim for each change that gained in the first look, the largest gain first."""
        commit = target.shape().commit
        known = {each.subject: each for each in findings if each.evidence.get("commit") == commit}
        left = _MOST_CLAIMS
        for slow in _slow(target, commit) if known else ():
            if not left:
                return
            if slow.subject in known and not target.withheld(slow.subject):
                claim = self.claim(_claimed(slow, known[slow.subject]), target)
                if claim is not None:
                    left -= 1
                    yield claim


def _claimed(slow: Rewrite, finding: Finding) -> Claimed:
    function, gain = slow.figures["function"], -math.expm1(slow.figures["log_ratio"])
    return Claimed(
        slow.subject,
        slow.change,
        claim=f"{function} takes {gain:.0%} less processor time: {slow.reason}",
        priority=2,
        predicted_log_ratio=slow.figures["log_ratio"],
        findings=[finding],
        trouble=f"{function} takes {slow.figures['share']:.0%} of the tests' time. {slow.reason}.",
    )


def _slow(target: RepositoryTarget, commit: str) -> list[Rewrite]:
    """Return the changes of a commit that gain most; what was found of it once is remembered."""

    def find() -> list[Rewrite]:
        with target.files(commit) as tree:
            package = read_package(tree.root)
            if package is None:
                return []
            gates = installed_gates(reading=True).values()
            candidates = _MAKER.sound(faster(package), tree, gates, target)
            return _measured(candidates, package, tree, target) if candidates else []

    return rewrites(target, OptimizeCode.name, commit, find)


def _measured(
    candidates: Sequence[Rewrite], package: Package, tree: Worktree, target: RepositoryTarget
) -> list[Rewrite]:
    """Return those that gain in a first look, with figures; most of the tests' time first."""
    lines, wanted = tested_lines(target, tree), target.settings.test_coverage
    found = []
    with living(Checkout(tree.root, {}, target.court)) as twins:
        taken = shares(twins.profile(_profiled(target)), package.files)
        dear = [(_dearest(each, taken), each) for each in candidates]
        worth = [(share, place, each) for (share, place), each in dear if share >= _LEAST_SHARE]
        worth.sort(key=lambda each: (-each[0], each[2].subject))
        for share, place, each in worth[:_MOST_LOOKS]:
            reached = (share_reached(e, lines.get(e.path, frozenset())) for e in each.change.files)
            seen = (
                first_gain(twins, each.change.files) if all(e >= wanted for e in reached) else None
            )
            if seen is not None:
                figures = {"function": place[1], "share": share, **seen}
                found.append(replace(each, figures=figures))
    return sorted(found, key=lambda e: e.figures["share"] * math.expm1(e.figures["log_ratio"]))


def _profiled(target: RepositoryTarget) -> list[str]:
    """Return how the ids of tests begin that are profiled, as its row says; none: all.

    Raises:
        ConfigurationError: the row says something else.
    """
    named = target.record.options.get("profile", [])
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        msg = f"the tests of {target.name} that are to be profiled are no list of names"
        raise ConfigurationError(msg, hint="name files, folders or ids of tests")
    return [str(each) for each in named]


def _dearest(rewrite: Rewrite, taken: Mapping[Place, float]) -> tuple[float, Place]:
    """Return the share of the touched function that takes most, and its place."""
    places = [(each.path, each.name) for each in touched_functions(rewrite.change.files)]
    return max(((taken.get(each, 0.0), each) for each in places), default=(0.0, ("", "")))
