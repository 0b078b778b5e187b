"""Vacuums tables whose dead rows make statements dearer, and lets autovacuum come in time.

## What it does

It reads how many dead rows each table has, when it was vacuumed last, and at how many autovacuum
would come. A table of which a tenth is dead is vacuumed and analyzed if that makes the statements
that read it cheaper. Where autovacuum is off for the table, or a large table waits for a share of
its rows to die, the table's own thresholds are set as well, so that it does not happen again.
Tables whose oldest row is older than half of autovacuum_freeze_max_age are reported, not changed.
Where an old transaction, a prepared one or an idle slot holds dead rows back, that is reported and
nothing is proposed: no VACUUM would remove them. Nor is VACUUM FULL ever.

## Why it helps

Every reader passes over dead rows, and over their entries in each index. A page that has one is not
known to be visible to all, so that a scan of an index alone must look at the table again. The
default waits for a fifth of a table: of a hundred million rows that is twenty million dead ones.

## Risk and rollback

VACUUM lets readers and writers go on, but reads the table and its indexes once, which takes disk
and memory from others. It has no undo and needs none. The end of the file is not given back, as
that would lock readers out. The undo of the thresholds restores the table's options exactly.

## How it is measured

In the trial: CPU seconds of each statement that reads the table, replayed on clones. A copy has no
dead rows, so that as many as production counts are made first, in every world; then one world is
vacuumed. They lie evenly there, which is not guaranteed of production; if they lie close together
there, the gain is smaller. The thresholds are carried out in the trial, but what they prevent later
is not measured. In production: milliseconds per call of the same statements.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar

from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step, steps_from_json
from honed.core.trial import Trial
from honed.errors import EvaluatorFailed
from honed.targets.postgres.statement_trial import statement_trial, worthwhile
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.vacuuming.advise import VacuumAdvice, advise_vacuum
from honed.targets.postgres.vacuuming.steps import options_step, vacuum_step, wanted_options
from honed.targets.postgres.vacuuming.tables import VacuumedTable, count_holders, read_tables

DEAD_ROWS = FindingType("dead_rows")
FREEZE_AGE = FindingType("freeze_age")

#: Tables that are tried in one cycle, those with the most dead bytes first.
_MOST_TABLES = 4
#: A change must promise so many times what its trial calls worthwhile: the trial has noise.
_PROMISED = 2.0
#: Cost after / cost before from which a claim has a priority, best first.
_PRIORITIES = ((0.5, 5), (0.8, 4), (1.0, 3))
#: Somebody switched autovacuum off for a table, and may have had a reason.
_RISK_OF_ENABLING = 4


class Vacuum(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "vacuum"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=2)
    wants: ClassVar[frozenset[FindingType]] = frozenset({DEAD_ROWS})
    costs_to_keep: ClassVar[bool] = False

    def look(self, target: PostgresTarget) -> Iterator[Finding]:
        """Yield the tables with many dead rows, and those whose oldest row is old."""
        tables = read_tables(target)
        dead = [table for table in tables if table.is_dead_enough]
        holders = count_holders(target) if dead else 0
        yield from (_dead(table, holders) for table in dead)
        yield from (_old(table) for table in tables if table.is_old)

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each table whose readers become cheaper."""
        of_table = {each.subject: each for each in findings if not each.evidence["holders"]}
        tables = [
            each
            for each in (read_tables(target) if of_table else ())
            if each.qualified_name in of_table and each.is_dead_enough
        ]
        largest = sorted(tables, key=lambda each: each.dead_bytes, reverse=True)
        for table in largest[:_MOST_TABLES]:
            advice = advise_vacuum(target, table)
            if advice and advice.log_ratio < -_PROMISED * worthwhile(len(advice.before_s)):
                yield _claim(table, advice, of_table[table.qualified_name])

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the steps: the table's options where they are to blame, and VACUUM."""
        del target
        return steps_from_json(_parameters(hypothesis)["steps"])

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the replay of the table's readers, with dead rows and vacuumed.

        Raises:
            EvaluatorFailed: only a sample of the table can be copied, or nobody reads it any more.
        """
        parameters = _parameters(hypothesis)
        trial = statement_trial(
            target,
            base_s=parameters["before_s"],
            changed=parameters["before_s"].keys(),
            cut_s=parameters["cut_s"],
        )
        if parameters["table"] in target.lab.copied().sampled:
            msg = f"only a sample of {parameters['table']} is copied: its dead rows cannot be made"
            raise EvaluatorFailed(msg)
        return replace(trial, prepare=tuple(parameters["prepare"]))

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement id, of those that read the table."""
        costs = target.statement_costs()
        readers = _parameters(hypothesis)["before_s"]
        return {each: costs[each].exec_ms_per_call for each in readers if each in costs}


def _dead(table: VacuumedTable, holders: int) -> Finding:
    held = f", and {holders} old transactions or slots hold them back" if holders else ""
    return Finding(
        type=DEAD_ROWS,
        subject=table.qualified_name,
        title=f"{table.dead_share:.0%} of {table.qualified_name} are dead rows "
        f"({table.dead_bytes / 1e6:.1f} MB){held}",
        evidence={
            **asdict(table),
            "options": list(table.options),
            "dead_share": table.dead_share,
            "dead_bytes": table.dead_bytes,
            "autovacuum_at_rows": table.trigger_rows,
            "holders": holders,
        },
    )


def _old(table: VacuumedTable) -> Finding:
    share = table.frozen_age / table.freeze_max_age
    return Finding(
        type=FREEZE_AGE,
        subject=table.qualified_name,
        title=f"the oldest row of {table.qualified_name} is {table.frozen_age} transactions old: "
        f"{share:.0%} of the age at which the server vacuums it by force",
        evidence={
            "frozen_age": table.frozen_age,
            "freeze_max_age": table.freeze_max_age,
            "heap_bytes": table.heap_bytes,
            "vacuumed_at": table.vacuumed_at,
            "autovacuumed_at": table.autovacuumed_at,
        },
    )


def _claim(table: VacuumedTable, advice: VacuumAdvice, finding: Finding) -> Hypothesis:
    wanted = wanted_options(table)
    steps = [options_step(table, wanted)] if wanted else []
    steps.append(vacuum_step(table))
    ratio = math.exp(advice.log_ratio)
    also = " and letting autovacuum come in time" if wanted else ""
    return Hypothesis(
        kind=Vacuum.name,
        subject=table.qualified_name,
        claim=f"vacuuming {table.qualified_name} ({table.dead_share:.0%} dead rows){also} brings "
        f"the cost of the statements that read it to {ratio:.0%}",
        priority=next(priority for limit, priority in _PRIORITIES if ratio < limit),
        risk=_RISK_OF_ENABLING if "autovacuum_enabled" in wanted else Vacuum.risk.level,
        predicted_log_ratio=advice.log_ratio,
        parameters={
            "table": table.qualified_name,
            "dead_ratio": table.dead_ratio,
            "steps": [step.to_json() for step in steps],
            "prepare": list(advice.prepare),
            "before_s": dict(advice.before_s),
            "after_s": dict(advice.after_s),
            "cut_s": advice.cut_s,
        },
        finding_ids=(finding.finding_id,),
    )


def _parameters(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return hypothesis.parameters
