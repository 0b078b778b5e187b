"""Makes range partitions ahead of the rows that need them, and detaches old ones.

## What it does

It reads the bounds of every table that is partitioned by ranges of one column of time or whole
numbers. Where the last partition ends soon, the next ones are proposed, as wide as the last three
and named as they are, with the owner, the grants and the storage options of the newest. Soon is
within seven days, but at least one whole width and at most eight; what is made reaches twice as
far.

Partitions older than the retention that a person configured (`partition_retention`) are proposed
for detaching once they hold 4 % of the table, at most twelve at once. There is no retention that
honed guesses, and it drops nothing: a detached partition stays as a table of its own.

Where one of these cannot be done safely, it is reported with the reason and nothing is proposed.

## Why it helps

A row that no partition takes is refused: the application fails at midnight of the first of the
month. A default partition takes it, but then no partition for its range can be made any more
without moving the rows out of the way, while nobody reads or writes them. Old partitions are read
by every statement that does not name a range, by each dump and each ANALYZE of the table.

## Risk and rollback

A partition is made beside the table and attached, and readers and writers go on; a default
partition is locked while it is looked through, and one of more than 64 MB is left alone. The undo
drops the partition only if it is empty, else it fails: no row is ever dropped.

Statements that count or list everything no longer see what is detached; that is its purpose, and a
person decides. A check with the partition's bounds is made and looked through first, so that the
undo attaches it again without reading it. It is detached CONCURRENTLY, while readers and writers go
on; where the table has a default partition the server cannot, and locks the table for a moment.

## How it is measured

CPU seconds until a thousand rows of the next range lie in a partition of their own: rows of the
newest partition that has some, moved on by the distance of the two ranges. Rows that are refused
cost one CPU second, as much as a statement that never ends. Rows that stray into the default
partition cost what it takes to make their partition afterwards, which somebody must do one day.
Statements are not replayed: the same partitions would be there later in any case.

For old ones: CPU seconds to read every row of the table once on a clone, with and without them; and
the workload's statements that name the table, of which none may become slower. That these return
less then is not counted against the change, nor for it.

In production: milliseconds per call of each statement that names the table.
"""

import math
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
from honed.targets.postgres.partitioning.old import Outdated, detaching_steps, find_outdated
from honed.targets.postgres.partitioning.passage import PassageTrial
from honed.targets.postgres.partitioning.tables import read_partitioned
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.texts import StatementText

PARTITIONS_END = FindingType("partitions_end")
PARTITIONS_OUTDATED = FindingType("partitions_outdated")

#: Predicted log of cost after / cost before: rows are refused, or have to be moved out of the way.
_OF_REFUSED, _OF_STRAYS = -3.0, -0.7


#: Share of a table's bytes that must be old: twice what a trial calls worthwhile, which has noise.
_LEAST_SHARE = 0.04
#: What is predicted has an end even where nearly everything is old.
_MOST_SHARE = 0.99


class Partitioning(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "partitioning"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=5, danger=Danger.SCHEMA)
    wants: ClassVar[frozenset[FindingType]] = frozenset({PARTITIONS_END, PARTITIONS_OUTDATED})

    def look(self, target: PostgresTarget) -> Iterator[Finding]:
        """Yield the tables whose partitions end soon, and those with old ones."""
        tables = read_partitioned(target)
        yield from map(_ending_finding, find_endings(target, tables))
        yield from map(_outdated_finding, find_outdated(target, tables))

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each finding that has no obstacle and promises enough."""
        known = {(f.type, f.subject): f for f in findings if not f.evidence["obstacle"]}
        tables = read_partitioned(target) if known else []
        for ending in find_endings(target, tables):
            finding = known.get((PARTITIONS_END, ending.table.qualified_name))
            if finding is not None and not ending.obstacle:
                yield _ending_claim(ending, finding)
        for outdated in find_outdated(target, tables):
            finding = known.get((PARTITIONS_OUTDATED, outdated.table.qualified_name))
            if finding is not None and not outdated.obstacle and outdated.share >= _LEAST_SHARE:
                yield _outdated_claim(outdated, finding)

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the steps that were fixed when the claim was made."""
        del target
        return steps_from_json(_parameters(hypothesis)["steps"])

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the trial that suits the claim: next rows, or all rows but the old ones.

        Raises:
            EvaluatorFailed: the table cannot be read on a clone.
        """
        parameters = _parameters(hypothesis)
        if "arrival" in parameters:
            return ArrivalTrial.of(Arrival.from_json(parameters["arrival"]), target)
        return PassageTrial.of(
            target, parameters["schema"], parameters["table"], parameters["relation"]
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
    otherwise = "stray into its default partition" if table.default else "are refused"
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


def _outdated_finding(outdated: Outdated) -> Finding:
    table = outdated.table
    why_not = f"; they cannot be detached: {outdated.obstacle}" if outdated.obstacle else ""
    return Finding(
        type=PARTITIONS_OUTDATED,
        subject=table.qualified_name,
        title=f"{len(outdated.partitions)} partitions of {table.qualified_name} "
        f"({outdated.share:.0%}) are beyond its retention of {outdated.retention}{why_not}",
        evidence={
            "retention": outdated.retention,
            "partitions": [each.qualified_name for each in outdated.partitions],
            "size_bytes": sum(each.size_bytes for each in outdated.partitions),
            "share": outdated.share,
            "obstacle": outdated.obstacle,
        },
    )


def _outdated_claim(outdated: Outdated, finding: Finding) -> Hypothesis:
    table, parts = outdated.table, outdated.partitions
    return Hypothesis(
        kind=Partitioning.name,
        subject=f"{table.qualified_name} without {parts[0].name} to {parts[-1].name}",
        claim=f"detaching {len(parts)} partitions of {table.qualified_name} beyond its retention "
        f"of {outdated.retention} spares those who read all of it {outdated.share:.0%}; they stay "
        "as tables of their own",
        priority=3,
        risk=Partitioning.risk.level,
        predicted_log_ratio=math.log1p(-min(outdated.share, _MOST_SHARE)),
        parameters={
            "schema": table.schema,
            "table": table.name,
            "relation": table.identifier.as_string(None),
            "steps": [step.to_json() for step in detaching_steps(outdated)],
        },
        finding_ids=(finding.finding_id,),
    )


def _parameters(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return hypothesis.parameters
