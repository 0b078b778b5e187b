"""Makes range partitions ahead of the rows that need them.

## What it does

It reads the bounds of every table that is partitioned by ranges of one column of time or whole
numbers. Where the last partition ends soon, the next ones are proposed, as wide as the last three
and named as they are, with the owner, the grants and the storage options of the newest. Soon is
within seven days, but at least one whole width and at most eight; what is made reaches twice as
far. Where that cannot be done safely, it is reported with the reason and nothing is proposed.

## Why it helps

A row that no partition takes is refused: the application fails at midnight of the first of the
month. A default partition takes it, but then no partition for its range can be made any more
without moving the rows out of the way, while nobody reads or writes them.

## Risk and rollback

A partition is made beside the table and attached, and readers and writers go on; a default
partition is locked while it is looked through, and one of more than 64 MB is left alone. The undo
drops the partition only if it is empty, else it fails: no row is ever dropped.

## How it is measured

CPU seconds until a thousand rows of the next range lie in a partition of their own: rows of the
newest partition that has some, moved on by the distance of the two ranges. Rows that are refused
cost one CPU second, as much as a statement that never ends. Rows that stray into the default
partition cost what it takes to make their partition afterwards, which somebody must do one day.
Statements are not replayed: the same partitions would be there later in any case. In production:
milliseconds per call of each statement that names the table.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Danger, Risk
from honed.core.step import Step, steps_from_json
from honed.core.trial import Trial
from honed.targets.postgres.partitioning.ahead import Ending, creation_step, find_endings
from honed.targets.postgres.partitioning.arrival import Arrival, ArrivalTrial
from honed.targets.postgres.partitioning.tables import read_partitioned
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.texts import StatementText

PARTITIONS_END = FindingType("partitions_end")

#: Predicted log of cost after / cost before: rows are refused, or have to be moved out of the way.
_OF_REFUSED, _OF_STRAYS = -3.0, -0.7


class Partitioning(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "partitioning"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=5, danger=Danger.SCHEMA)
    wants: ClassVar[frozenset[FindingType]] = frozenset({PARTITIONS_END})

    def look(self, target: PostgresTarget) -> Iterator[Finding]:
        """Yield the tables whose partitions end soon."""
        for ending in find_endings(target, read_partitioned(target)):
            yield _ending_finding(ending)

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each finding that has no obstacle."""
        known = {each.subject: each for each in findings if not each.evidence["obstacle"]}
        if not known:
            return
        for ending in find_endings(target, read_partitioned(target)):
            finding = known.get(ending.table.qualified_name)
            if finding is not None and not ending.obstacle:
                yield _ending_claim(ending, finding)

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the steps that were fixed when the claim was made."""
        del target
        return steps_from_json(_parameters(hypothesis)["steps"])

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the arrival of the next rows, with and without the new partitions."""
        target.lab.refresh()
        return ArrivalTrial.of(
            Arrival.from_json(_parameters(hypothesis)["arrival"]),
            target.lab,
            alpha=target.settings.alpha,
            budget_s=target.settings.trial_budget_s,
        )

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement id, of those that name the table."""
        parameters = _parameters(hypothesis)
        tables = {(parameters["schema"], parameters["table"])}
        costs = target.statement_costs()
        return {
            each.statement_id: costs[each.statement_id].exec_ms_per_call
            for each in target.workload().statements
            if each.statement_id in costs and StatementText.parse(each.text).names_any(tables)
        }


def _ending_finding(ending: Ending) -> Finding:
    table = ending.table
    why_not = f"; none can be made ahead: {ending.obstacle}" if ending.obstacle else ""
    return Finding(
        type=PARTITIONS_END,
        subject=table.qualified_name,
        title=f"the partitions of {table.qualified_name} end at {ending.end}, and it has come to "
        f"{ending.reached}{why_not}",
        evidence={
            "end": table.key.write(ending.end),
            "reached": table.key.write(ending.reached),
            "last": ending.last.qualified_name,
            "default": table.default.qualified_name if table.default else "",
            "wanted": [name for _, name in ending.new],
            "obstacle": ending.obstacle,
        },
    )


def _ending_claim(ending: Ending, finding: Finding) -> Hypothesis:
    table = ending.table
    steps = [creation_step(table, ending.last, *each) for each in ending.new]
    otherwise = "stray into its default partition" if table.default else "are refused from then on"
    return Hypothesis(
        kind=Partitioning.name,
        subject=f"{table.qualified_name} from {table.key.write(ending.end)}",
        claim=f"{len(steps)} more partitions of {table.qualified_name} take the rows from "
        f"{ending.end} on, which else {otherwise}",
        priority=4 if table.default else 5,
        risk=Partitioning.risk.level,
        predicted_log_ratio=_OF_STRAYS if table.default else _OF_REFUSED,
        parameters={
            "schema": table.schema,
            "table": table.name,
            "steps": [step.to_json() for step in steps],
            "arrival": Arrival.of(ending).to_json(),
        },
        finding_ids=(finding.finding_id,),
    )


def _parameters(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return hypothesis.parameters
