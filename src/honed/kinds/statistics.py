"""Tells the planner what it does not know of the tables: fresh, finer or combined statistics.

## What it does

It analyzes tables whose statistics are stale. It plans the workload's statements on a clone, counts
there for how many rows each condition on one table really holds, and how many groups there are, and
looks where the planner is wrong by ten times or more. There it tries one thing at a time: fresh
statistics; for two or more columns extended statistics, `dependencies` before `mcv` for conditions
and `ndistinct` for groups; for one column a statistics target of 1000. What comes nearest to the
real rows is proposed, if it comes within three times of them. What exists already is not proposed.

## Why it helps

The planner takes columns for independent and multiplies their shares: for a city and its country it
expects a twentieth of the rows that there are, and chooses a join for few rows that takes long for
many. The kinds of statistics are tried apart because together they can do nothing: a list of common
values that holds a tenth of them wins over the dependencies that know all of them.

## Risk and rollback

Readers and writers go on: only other ANALYZE, VACUUM and changes of the schema of the table wait.
ANALYZE takes longer afterwards. The undo drops the statistics object, or restores the column's
target, and analyzes the table again; fresh statistics themselves are not taken back. A right
estimate can lead to a slower plan, which the trial is there to find. Partitioned tables, partitions
and tables too large to be copied whole are only analyzed where they are stale.

## How it is measured

In the trial: CPU seconds of each statement, replayed on clones with and without the statistics;
statements weigh the same, so that the objective is the geometric mean; none may become more than
10 % slower. A better estimate that changes no plan is EQUIVALENT, and is not applied. In
production: milliseconds per call of each statement that reads the table.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from honed.core.finding import REGRESSION, SLOW_STATEMENT, STALE_STATISTICS, Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step
from honed.core.trial import Trial
from honed.targets.postgres.estimates import MOST_STATEMENTS, Look, Misestimate, look_at_estimates
from honed.targets.postgres.indexes.advise import choose_cut_s
from honed.targets.postgres.remedy import Remedy, RemedyKind
from honed.targets.postgres.statement_trial import statement_trial
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import WorkloadStatement

#: What statistics are taken to save until the trial has measured it: the planner's own costs say
#: nothing here, because they are reckoned from the estimates that change.
_SAVED_SHARE = 0.05
_PRIORITY = 3
#: No statement takes less; a cost of nothing cannot be divided by.
_LEAST_S = 1e-6


class Statistics(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "statistics"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=2)
    wants: ClassVar[frozenset[FindingType]] = frozenset(
        {SLOW_STATEMENT, STALE_STATISTICS, REGRESSION}
    )

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each stale table that is read, then one for each wrong estimate.

        The worst estimates come first. A stale table that no statement reads is left out: nothing
        could prove that it matters.
        """
        statements = target.workload().replayable[:MOST_STATEMENTS]
        if not findings or not statements:
            return
        can_try = any(finding.type != STALE_STATISTICS for finding in findings)
        look = look_at_estimates(target, statements, can_try=can_try)
        stale = _stale(findings, look, target)
        worst = sorted(look.misestimates, key=_closeness)
        claims = {remedy: f"fresh statistics help: {it.title}" for remedy, it in stale.items()}
        claims |= {each.remedy: _words(each) for each in worst}
        for remedy, words in claims.items():
            readers = look.readers[remedy.schema, remedy.table]
            about = {stale[remedy].subject, *readers} if remedy in stale else {*readers}
            ids = tuple(each.finding_id for each in findings if each.subject in about)
            yield _claim(remedy, words, ids, readers, statements)

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the one step that tells the planner."""
        return [_remedy(hypothesis).step()]

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the replay of the workload with and without the statistics."""
        parameters = _parameters(hypothesis)
        return statement_trial(
            target,
            base_s=parameters["base_s"],
            changed=parameters["statements"],
            cut_s=parameters["cut_s"],
        )

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement id, of those that read the table."""
        costs = target.statement_costs()
        statements = _parameters(hypothesis)["statements"]
        return {each: costs[each].exec_ms_per_call for each in statements if each in costs}


def _stale(
    findings: Sequence[Finding], look: Look, target: PostgresTarget
) -> dict[Remedy, Finding]:
    """Return what to analyze because a finding says so, where a statement reads it."""
    stale = {each.subject: each for each in findings if each.type == STALE_STATISTICS}
    return {
        Remedy(table.schema, table.name, RemedyKind.ANALYZE): stale[name]
        for name, table in target.catalog().tables.items()
        if name in stale and (table.schema, table.name) in look.readers
    }


def _closeness(found: Misestimate) -> float:
    """Return a number that is the smaller the worse the estimate was."""
    return -abs(math.log(max(1.0, found.rows) / max(1.0, found.before)))


def _words(found: Misestimate) -> str:
    return (
        f"{found.remedy.summary} lets the planner expect {found.after:,.0f} rows where there are "
        f"{found.rows:,.0f}, not {found.before:,.0f}"
    )


def _claim(
    remedy: Remedy,
    words: str,
    finding_ids: tuple[int, ...],
    readers: Sequence[str],
    statements: Sequence[WorkloadStatement],
) -> Hypothesis:
    cut_s = choose_cut_s(statements)
    return Hypothesis(
        kind=Statistics.name,
        subject=remedy.subject,
        claim=words,
        priority=_PRIORITY,
        risk=Statistics.risk.level,
        predicted_log_ratio=math.log1p(-_SAVED_SHARE),
        parameters={
            "remedy": remedy.to_json(),
            "statements": list(readers),
            # Production's time stands for the CPU seconds of the copy until the trial runs.
            "base_s": {each.statement_id: _seconds(each, cut_s) for each in statements},
            "cut_s": cut_s,
        },
        finding_ids=finding_ids,
    )


def _seconds(statement: WorkloadStatement, cut_s: float) -> float:
    return min(cut_s, max(_LEAST_S, statement.mean_ms / 1000))


def _remedy(hypothesis: Hypothesis) -> Remedy:
    return Remedy.from_json(_parameters(hypothesis)["remedy"])


def _parameters(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return hypothesis.parameters
