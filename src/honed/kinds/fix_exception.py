"""Repairs code that raised an exception in a running service, and proposes the repair to people.

## What it does

It takes the exceptions that services reported, calls the function again with the variables as they
were captured, which gives a test that fails, and looks for a change after which it passes: the
revert of the commit that brought the fault, an edit, or what a language model says where one is
configured. What a person has said that the call does when it is right, the test asserts; where a
test of the repository fails with the same fault, that one is used. Carried out, it is a branch with
one commit, the repair with its test, and a request for review; the branch itself is never written
to.

## Why it helps

A test that fails is what takes longest to find in a fault of production. Each repair brings it
along, so that the fault does not come back unseen.

## Risk and rollback

A change that passes all tests may still be wrong: so a person reviews it, whatever the policy,
unless ``auto_apply_max_risk`` is raised; and by default a person approves that it is proposed.
What the code refuses on purpose, by a ``raise`` of its own, is left to people. The undo closes the
request and deletes its branch; where it is merged already, a revert is proposed, unless somebody
has changed the same lines since.

## How it is measured

By gates, in a sandbox: the test is red without it and green with it every time, no other test is
lost, tests reach the lines that it touches, and nothing that passes as well answers an input
differently. After the merge by whether the exception comes again.
"""

import ast
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Final

from honed.backlog import store
from honed.core.answer import Answer
from honed.core.canonical import digest
from honed.core.change import CodeChange
from honed.core.fault import Fault, Frame
from honed.core.finding import EXCEPTION, Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Risk
from honed.errors import RepairFailed
from honed.repair.reproduce.classes import Classes
from honed.repair.reproduce.places import path_of
from honed.repair.reproduce.printed import printed
from honed.repair.reproduce.reproduce import Reproduction, reproduce
from honed.repair.suite import Budget
from honed.targets.repository.code_kind import Claimed, CodeKind
from honed.targets.repository.evidence.exceptions import CALLED_AGAIN
from honed.targets.repository.evidence.searches import Vain
from honed.targets.repository.git.worktree import Worktree
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.judging.mend import Mended, installed_gates, installed_proposers, mend
from honed.targets.repository.judging.proposer import Bench, Trouble
from honed.targets.repository.search_again import recipe
from honed.targets.repository.target import RepositoryTarget

#: Faults of one cycle, and how long the search for one repair may take.
_SEARCHES: Final = 5
_SEARCH_S: Final = 60.0
_NOTHING: Final = "no event of it was captured"
_CAUSE_CHARACTERS: Final = 160
#: The proposer that undoes a commit.
_UNDOES: Final = "revert_commit"
_REFUSED: Final = (
    "the code refuses this on purpose: whether it should, or who calls it should not ask, a person"
    " knows"
)


class FixException(CodeKind):
    """See the module's docstring."""

    name: ClassVar[str] = "fix_exception"
    risk: ClassVar[Risk] = Risk(level=5)
    wants: ClassVar[frozenset[FindingType]] = frozenset({EXCEPTION})

    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield one claim for each exception that a change settles, the most frequent first."""
        # What is searched with stays the same: others may learn patterns in the meantime.
        commit, searches = target.shape().commit, target.searches
        known = [(each, _answers(each, target)) for each in sorted(findings, key=_urgency)]
        wanted = [
            (finding, answers)
            for finding, answers in known
            if not target.withheld(_cause(finding), _ticket(finding))
            and not searches.was_made(self.name, _cause(finding), commit, _told(answers))
        ]
        if not wanted:
            return
        bench = target.bench(Budget(seconds=_SEARCH_S, seed=target.settings.seed))
        with target.files(commit) as tree:
            for finding, answers in wanted[:_SEARCHES]:
                found = _Search(target, bench, tree, finding, answers).claimed()
                if isinstance(found, Vain):
                    cause, told = _cause(finding), _told(answers)
                    searches.remember(self.name, cause, commit, found, told)
                elif (claim := self.claim(found, target)) is not None:
                    yield claim


@dataclass(frozen=True, slots=True)
class _Search:
    """Looks for a change that settles one exception."""

    target: RepositoryTarget
    bench: Bench
    tree: Worktree
    finding: Finding
    #: What people say is right, the oldest first.
    answers: Sequence[Answer]

    def claimed(self) -> Claimed | Vain:
        """Return what is claimed, or why nothing is."""
        tried = list(self._reproduced())
        made = [each for each in tried if each[1].test_id]
        if not made:
            why = f"it cannot be reproduced: {tried[-1][1].why_not}" if tried else _NOTHING
            return Vain(why)
        return self._mended(*next((each for each in made if each[1].tells), made[0]))

    def _reproduced(self) -> Iterator[tuple[Fault, Reproduction]]:
        """Yield events with what came of calling them again, up to the first that will do."""
        base = Checkout(self.tree.root, {}, self.target.court)
        said = self.target.failing(self.tree.commit)
        failing = {test: error for test in said if (error := printed(said[test])) is not None}
        for fault in self.target.raised(self.finding)[:CALLED_AGAIN]:
            again = reproduce(fault, base, failing=failing, answers=self.answers)
            yield fault, again
            if again.test_id and (again.tells or not self.answers):
                return

    def _mended(self, fault: Fault, again: Reproduction) -> Claimed | Vain:
        test = again.test
        trouble = Trouble(
            self.tree.root,
            self.tree.commit,
            (again.test_id, *again.also_red),
            added={test.path: test.after or ""} if test else {},
            fault=fault,
            messages={again.test_id: f"{fault.type}: {fault.message}"},
            ticket_id=_ticket(self.finding),
        )
        try:
            change = self._change(trouble, is_known=again.tells)
        except RepairFailed as error:
            return Vain(f"no change was looked for: {error}")
        if isinstance(change, Vain):
            return change
        base = Checkout(self.tree.root, {}, self.target.court)
        if not change.doubt and not again.tells and is_refusal(fault, base):
            change = replace(change, doubt=_REFUSED)
        evidence = self.finding.evidence
        said = f"Services raised {self.finding.title}"
        return Claimed(
            _cause(self.finding),
            change,
            claim=f"a change of {change.main_path} settles {fault.type}",
            priority=4,
            # Its share of the events, with a little left so that nothing is left of nothing.
            predicted_log_ratio=math.log1p(-0.99 * min(self.finding.weight, 1.0)),
            findings=(self.finding,),
            error=f"{fault.type}: {fault.message}",
            trouble="; ".join([said, *again.left]),
            more={
                "fingerprint": self.finding.subject,
                "project": evidence["project"],
                "ticket_id": evidence["ticket_id"],
                "call": again.call,
                "answered": again.is_answered,
                "told": _told(self.answers),
                "search": recipe(self.bench, trouble.failing),
            },
        )

    def _change(self, trouble: Trouble, *, is_known: bool) -> CodeChange | Vain:
        """Return a change that reading gates let pass, else the best there is, else why none is.

        Args:
            trouble: the tests that are to pass.

            is_known: whether one of them says what is right.
        """
        gates = installed_gates(reading=True)
        everybody = installed_proposers()
        # A test that only asks a call to return lets any answer pass: what worked is known to.
        undoing = {name for name in everybody if not is_known and name == _UNDOES}
        tried: list[Mended] = []
        for names in filter(None, (undoing, everybody.keys() - undoing)):
            asked = {name: everybody[name] for name in names}
            tried.append(mend(trouble, self.bench, gates, asked))
            if tried[-1].is_sound:
                break
        found = [each.change for each in reversed(tried) if each.change is not None]
        if found:
            return found[0]
        why = "; ".join(each.why_none for each in reversed(tried))
        return Vain(f"no change settles it: {why}", any(each.is_for_now for each in tried))


def _urgency(finding: Finding) -> tuple[float, str]:
    """Return what orders findings: the most frequent first."""
    return -finding.weight, finding.subject


def _answers(finding: Finding, target: RepositoryTarget) -> Sequence[Answer]:
    """Return what people say is right of a fault, the oldest first."""
    ticket_id = _ticket(finding)
    if ticket_id is None:
        return ()
    with target.store.transaction() as conn:
        return [each.answer for each in store.answers(conn, ticket_id)]


def _told(answers: Sequence[Answer]) -> str:
    """Return a digest of answers; empty: there are none."""
    return digest([asdict(each) for each in answers])[:16] if answers else ""


def _ticket(finding: Finding) -> int | None:
    """Return the ticket of a fault; None: it has none yet."""
    named = finding.evidence.get("ticket_id")
    return named if isinstance(named, int) else None


def _cause(finding: Finding) -> str:
    """Return what is wrong, by the fault's fingerprint: the same on every commit."""
    said = f"exception {finding.subject}: {finding.evidence.get('title', '')}"
    return said[:_CAUSE_CHARACTERS]


def is_refusal(fault: Fault, base: Checkout) -> bool:
    """Return whether the application raised the exception itself, by a ``raise`` of its own."""
    frame = next((each for each in reversed(fault.frames) if each.is_in_app), None)
    if frame is None or frame is not fault.frames[-1]:
        return False
    return frame.code.lstrip().startswith("raise ") or _raises_at(frame, Classes(base))


def _raises_at(frame: Frame, classes: Classes) -> bool:
    # Whoever reports an error names any file: only those of the repository are looked into.
    path = path_of(frame, classes) if frame.line > 0 and not frame.code else ""
    tree = classes.tree(path) if path else None
    return tree is not None and any(
        isinstance(node, ast.Raise) and node.lineno <= frame.line <= (node.end_lineno or 0)
        for node in ast.walk(tree)
    )
