"""Lets loops that ask a database for one row in each turn ask for all rows once.

## What it does

A query that a service asks ten times and more within one operation, as its spans tell, is a finding
`repeated_query` with the loop of the sources that asks it. Where the loop looks up one row by one
key in each turn (`conn.execute("SELECT ... WHERE id = %s", [order]).fetchone()`, with psycopg), the
claim is to look up all of them before it (`WHERE id = ANY(%s)`) and to take each row from a
dictionary. Of every other loop the finding says what stands in the way, and it becomes a ticket.

## Why it helps

Each query is a way to the database and back. It predicts by what the function's calls took in the
tests in a first look, as the mean logarithm of processor time after over before; the ways that
production saves are not in that.

## Risk and rollback

It asks the catalog of the database (the target that the repository's row names as `database`)
whether the key tells every two rows apart, and whether its type is equal in the same cases as in
Python. The loop may do nothing that might write. What somebody else writes while the loop runs is
seen by its first turn, or not at all. It is proposed for review; the undo closes the request and
deletes its branch, and where it is merged already a revert is proposed.

## How it is measured

By gates, in a sandbox, with the repository's tests and a database that they are lent: no test is
lost, tests reach the lines, and a trial in turns shows that the function's calls take at least 2 %
less processor time of the client where tests call it, which they do not where a loop has one turn.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar, Final, TypeAlias

from honed.core.change import Purpose
from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Risk
from honed.errors import (
    ConfigurationError,
    EvaluatorFailed,
    MissingPrivilege,
    SandboxMissing,
    StatementCut,
    TargetUnavailable,
    UnknownTarget,
)
from honed.repair.refactor.asking.asked_in_loops import Loop, loops_around
from honed.repair.refactor.asking.batched import Batch, batch_of
from honed.repair.refactor.asking.lookups import NotCertain, Table
from honed.repair.refactor.files import read_package
from honed.repair.refactor.pace import first_gain
from honed.repair.refactor.package import Package
from honed.repair.refactor.reach import share_reached
from honed.repair.refactor.refactor import Refactor
from honed.repair.refactor.twins import Twins
from honed.targets.repository.code_kind import Claimed, CodeKind
from honed.targets.repository.evidence.queries import REPEATED_QUERY, Asked, repeated_queries
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.judging.living import living
from honed.targets.repository.judging.mend import installed_gates
from honed.targets.repository.rewrites import Maker, Rewrite, rewrites, tested_lines
from honed.targets.repository.target import RepositoryTarget

#: Spans that are looked at came within a day.
_LOOKBACK: Final = timedelta(days=1)
#: Claims of one cycle, and loops of one query: people read them one by one.
_MOST_CLAIMS: Final = 3
_MOST_LOOPS: Final = 5
_MAKER: Final = Maker("batch_queries", Purpose.OPTIMIZE, {"ask_once": "Ask once for all rows"})
_UNREACHED: Final = (
    "no test that runs reaches it (a test that asks a database runs where it is lent one:"
    " `honed target add --socket --variable`)"
)
_NO_GAIN: Final = "tests call it with too few turns to show a gain"
_REFUSED: Final = "a gate refuses the change"
#: A query, and a loop that asks it.
_Place: TypeAlias = tuple[str, Loop]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What can be done about one loop that asks a query."""

    loop: Loop
    #: None: nothing.
    rewrite: Rewrite | None
    #: Why nothing; else empty.
    obstacle: str


class BatchQueries(CodeKind):
    """See the module's docstring."""

    name: ClassVar[str] = "batch_queries"
    area: ClassVar[str] = "performance"
    risk: ClassVar[Risk] = Risk(level=5)
    wants: ClassVar[frozenset[FindingType]] = frozenset({REPEATED_QUERY})

    def look(self, target: RepositoryTarget) -> Iterator[Finding]:
        """Yield what services ask their database again and again, the dearest first."""
        commit, rows = target.shape().commit, target.asked_lately(_LOOKBACK)
        answers = _answers(target, commit, [row["query"] for row in rows]) if rows else {}
        asked = {
            query: [Asked(each.loop, each.obstacle) for each in some]
            for query, some in answers.items()
        }
        yield from repeated_queries(rows, asked, commit)

    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield one claim for each loop that can ask once, the dearest query first."""
        commit = target.shape().commit
        known = [each for each in findings if each.evidence.get("commit") == commit]
        queries = [str(each.evidence["query"]) for each in known]
        answers = _answers(target, commit, queries) if known else {}
        done: set[str] = set()
        for finding in sorted(known, key=lambda each: -each.weight):
            for each in answers[str(finding.evidence["query"])]:
                subject = each.rewrite.subject if each.rewrite else ""
                if each.rewrite is None or subject in done or len(done) == _MOST_CLAIMS:
                    continue
                if not target.withheld(subject):
                    claim = self.claim(_claimed(each.rewrite, finding), target)
                    if claim is not None:
                        done.add(subject)
                        yield claim


def _claimed(rewrite: Rewrite, finding: Finding) -> Claimed:
    evidence: Mapping[str, Any] = finding.evidence
    within = evidence["within"] or "one operation"
    return Claimed(
        rewrite.subject,
        rewrite.change,
        claim=f"{rewrite.change.main_path} asks its database once: {rewrite.reason}",
        priority=3,
        predicted_log_ratio=rewrite.figures["log_ratio"],
        findings=[finding],
        trouble=f"{within} asks {evidence['median_times']} times: {evidence['query']}",
    )


def _answers(
    target: RepositoryTarget, commit: str, queries: Iterable[str]
) -> dict[str, list[_Answer]]:
    """Return the loops that ask queries, with what can be done about each."""
    with target.files(commit) as tree:
        package = read_package(tree.root) or Package({})
    loops = {query: loops_around(package, query)[:_MOST_LOOPS] for query in queries}
    batches = {
        (query, loop): _batch(package, loop, query)
        for query, some in loops.items()
        for loop in some
    }
    found = _rewritten(batches, target)
    measured = _measured([e for e in found.values() if isinstance(e, Refactor)], target, commit)
    return {
        query: [_answer(loop, found[query, loop], measured, commit) for loop in some]
        for query, some in loops.items()
    }


def _answer(
    loop: Loop, found: Refactor | str, measured: Mapping[str, Rewrite] | str, commit: str
) -> _Answer:
    if isinstance(found, str) or isinstance(measured, str):
        return _Answer(loop, None, found if isinstance(found, str) else str(measured))
    rewrite = measured.get(_MAKER.rewrite(found, commit).subject)
    obstacle = rewrite.figures["obstacle"] if rewrite else _REFUSED
    return _Answer(loop, None if obstacle else rewrite, obstacle)


def _batch(package: Package, loop: Loop, query: str) -> Batch | str:
    try:
        return batch_of(package, loop, query)
    except NotCertain as left:
        return str(left)


def _rewritten(
    batches: Mapping[_Place, Batch | str], target: RepositoryTarget
) -> dict[_Place, Refactor | str]:
    """Return the change of each loop as far as its database promises that it does the same."""
    names = {name for each in batches.values() if isinstance(each, Batch) for name in each.tables}
    tables = _tables(target, names) if names else []
    found: dict[_Place, Refactor | str] = {}
    for key, each in batches.items():
        if isinstance(each, str) or isinstance(tables, str):
            found[key] = each if isinstance(each, str) else str(tables)
            continue
        try:
            found[key] = each.rewritten(tables)
        except NotCertain as left:
            found[key] = str(left)
    return found


def _tables(target: RepositoryTarget, names: Collection[str]) -> Sequence[Table] | str:
    """Return what the database says of tables, or why it says nothing."""
    try:
        return target.tables(names)
    except (
        ConfigurationError, MissingPrivilege, StatementCut, TargetUnavailable, UnknownTarget,
    ) as error:  # fmt: skip
        return f"its database tells nothing of its keys: {error}"


def _measured(
    refactors: Sequence[Refactor], target: RepositoryTarget, commit: str
) -> dict[str, Rewrite] | str:
    """Return changes with figures or an obstacle, by subject; or why none can be measured.

    What was found of them once is remembered.
    """

    def find() -> list[Rewrite]:
        with target.files(commit) as tree:
            gates = installed_gates(reading=True).values()
            sound, lines = _MAKER.sound(refactors, tree, gates, target), tested_lines(target, tree)
            wanted = target.settings.test_coverage
            with living(Checkout(tree.root, {}, target.court)) as twins:
                return [
                    replace(each, figures=_figures(twins, each, lines, wanted)) for each in sound
                ]

    if not refactors:
        return {}
    changed = "\0".join(sorted(file.diff for each in refactors for file in each.files))
    about = f"{commit} {hashlib.sha256(changed.encode()).hexdigest()}"
    try:
        return {e.subject: e for e in rewrites(target, BatchQueries.name, about, find)}
    except (EvaluatorFailed, SandboxMissing) as error:
        return f"its tests do not run: {error}"


def _figures(
    twins: Twins, rewrite: Rewrite, lines: Mapping[str, frozenset[int]], wanted: float
) -> dict[str, Any]:
    """Return what a first look saw of a change, or what stands in its way."""
    files = rewrite.change.files
    if any(share_reached(each, lines.get(each.path, frozenset())) < wanted for each in files):
        return {"obstacle": _UNREACHED}
    gain = first_gain(twins, files)
    return {"obstacle": _NO_GAIN} if gain is None else {"obstacle": "", **gain}
