"""Gives the planner the statistics that it lacks, where better estimates make better plans.

## What it does

It counts, on a clone, the rows that the conditions of the workload's statements select from each
table, and compares them with what the planner expects. Where the planner is wrong by a factor of
ten or more, or the statistics are older than the rows, it tries what may put that right: ANALYZE;
extended statistics of one sort at a time (dependencies, common values, distinct groups, an
expression); more values kept of a column. The one that works best is proposed, if it changes a plan
and the new plan is faster.

## Why it helps

The planner takes columns for independent. Where they are not (a city lies in one country), it
expects a handful of rows, joins them one by one, and meets thousands. One sort at a time, because
they get in each other's way: common values of a thousand equal groups drive out the dependencies
that were right, and the estimate is as wrong as before.

## Risk and rollback

Statistics take next to no room and cost a longer ANALYZE. The undo drops the object, or sets the
column's target back, and analyzes the table again. A plain ANALYZE has no undo: it brings what the
next autovacuum would have brought. New statistics may change plans of other statements; the trial
replays them all. Tables that are copied in part are left alone.

## How it is measured

In the trial: CPU seconds of each statement, replayed on clones with and without the statistics;
statements weigh the same, so that the objective is the geometric mean; none may become more than
10 % slower. In production: milliseconds per call of each statement whose plan changes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from honed.core.canonical import digest
from honed.core.finding import (
    MISESTIMATE,
    REGRESSION,
    SLOW_STATEMENT,
    STALE_STATISTICS,
    Finding,
    FindingType,
)
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step, steps_from_json
from honed.core.trial import Trial
from honed.targets.postgres.estimates.advise import Advice, advise_statistics
from honed.targets.postgres.statement_trial import statement_trial, worthwhile
from honed.targets.postgres.target import PostgresTarget

#: A change must promise so many times what its trial calls worthwhile: the trial has noise.
_PROMISED = 2.0
#: A statement that becomes slower by more than this factor speaks against the statistics.
_HARM = 1.05
#: Cost after / cost before from which a claim has a priority, best first.
_PRIORITIES = ((0.5, 5), (0.8, 4), (1.0, 3))


class Statistics(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "statistics"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=2)
    wants: ClassVar[frozenset[FindingType]] = frozenset(
        {STALE_STATISTICS, MISESTIMATE, SLOW_STATEMENT, REGRESSION}
    )
    costs_to_keep: ClassVar[bool] = False

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for the tables whose new statistics make statements faster."""
        stale = {each.subject for each in findings if each.type == STALE_STATISTICS}
        for advice in advise_statistics(target, stale):
            is_harmful = any(each.after_s > _HARM * each.before_s for each in advice.gains)
            if advice.log_ratio < -_PROMISED * worthwhile(len(advice.base_s)) and not is_harmful:
                yield _claim(advice, findings)

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the steps that were found when the claim was made."""
        return steps_from_json(_parameters(hypothesis)["steps"])

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the replay of the workload with and without the statistics."""
        parameters = _parameters(hypothesis)
        return statement_trial(
            target,
            base_s=parameters["base_s"],
            changed=_changed(hypothesis),
            cut_s=parameters["cut_s"],
        )

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement id, of those whose plan changes."""
        costs = target.statement_costs()
        return {
            each: costs[each].exec_ms_per_call for each in _changed(hypothesis) if each in costs
        }


def _claim(advice: Advice, findings: Sequence[Finding]) -> Hypothesis:
    steps = [step.to_json() for step in advice.steps]
    ratio = math.exp(advice.log_ratio)
    concerned = {*advice.tables, *(gain.statement_id for gain in advice.gains)}
    wrong = f" (wrong by a factor of {advice.error_before:.0f})" * (advice.error_before > 1)
    return Hypothesis(
        kind=Statistics.name,
        subject=digest(steps),
        claim=f"{'; '.join(advice.labels)} put the planner's estimates{wrong} right and bring "
        f"the workload's cost per statement to {ratio:.0%}",
        priority=next(priority for limit, priority in _PRIORITIES if ratio < limit),
        risk=Statistics.risk.level,
        predicted_log_ratio=advice.log_ratio,
        parameters={
            "tables": list(advice.tables),
            "steps": steps,
            "statements": [asdict(gain) for gain in advice.gains],
            "error_before": advice.error_before,
            "base_s": dict(advice.base_s),
            "cut_s": advice.cut_s,
            "left_out": dict(advice.left_out),
        },
        finding_ids=tuple(each.finding_id for each in findings if each.subject in concerned),
    )


def _changed(hypothesis: Hypothesis) -> list[str]:
    return [gain["statement_id"] for gain in _parameters(hypothesis)["statements"]]


def _parameters(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return hypothesis.parameters
