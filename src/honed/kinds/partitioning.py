"""Makes range partitions ahead of need, detaches old ones, and partitions tables that only grow.

## What it does

**Ahead.** Where the last partition of a table that is partitioned by ranges of one column of time
or whole numbers ends soon, the next ones are proposed, as wide as the last three and named as they
are, with the owner, the grants and the storage options of the newest. Soon is within seven days,
but at least one whole width and at most eight; what is made reaches twice as far.

**Old.** Partitions older than the retention that a person configured (`partition_retention`) are
proposed for detaching once they hold 4 % of the table, at most twelve at once. There is no
retention that honed guesses, and it drops nothing: a detached partition stays as a table.

**Growing.** A table of at least `partition_min_mb` into which rows are nearly only inserted, in the
order of a column by which statements ask, is proposed for partitioning by that column. It becomes
the first partition of a new table of its name, whose next partitions begin a month or more later.

What cannot be done safely is reported with every reason, and nothing is proposed: for a growing
table these are unique indexes without the column, foreign keys that refer to it, views, functions,
triggers, policies, publications, identity columns, and whatever else depends on the table itself.

## Why it helps

A row that no partition takes is refused: the application fails at midnight of the first of the
month. A default partition takes it, but then no partition for its range can be made any more
without moving the rows out of the way, while nobody reads or writes them. Old partitions are read
by every statement that does not name a range, by each dump and each ANALYZE of the table. A table
in partitions is read only where the range is that a statement asks for, and its old rows can go
without being deleted one by one.

## Risk and rollback

A partition is made beside the table and attached, and readers and writers go on; a default
partition is locked while it is looked through, and one of more than 64 MB is left alone. The undo
drops the partition only if it is empty, else it fails: no row is ever dropped.

Statements that count or list everything no longer see what is detached; that is its purpose. A
check with the partition's bounds is made and looked through first, so that the undo attaches it
again without reading it. It is detached CONCURRENTLY, while readers and writers go on; where the
table has a default partition the server cannot, and locks the table for a moment. Late rows that
this one took meanwhile go back into their partition with the undo, which locks it for as long as
that takes, lets its triggers see them go, and refuses to look through more than 1 GB.

Converting begins with a check that no row lies beyond the boundary, looked through while readers
and writers go on. From then on the table refuses rows beyond it: it is 30 days away, and `honed
doctor` names the check if honed is stopped before the next step. One transaction then exchanges the
names, which locks the table for a moment; a boundary that is a day away or less stops it. A default
partition takes what no other does, so no row is refused that was taken before. The undo puts the
old table back, exactly as it was, with all rows that came since; it locks the table, and those that
its foreign keys refer to, for as long as copying these takes. Autovacuum does not ANALYZE a
partitioned table as a whole, and `COPY table TO` needs a SELECT in its place.

All of it changes the schema, so a person approves each change.

## How it is measured

**Ahead.** CPU seconds until a thousand rows of the next range lie in a partition of their own: rows
of the newest partition that has some, moved on by a range. Rows that are refused cost one CPU
second, as much as a statement that never ends. Rows that stray into the default partition cost
what it takes to make their partition afterwards, which somebody must do one day. Statements are
not replayed: the same partitions would be there later in any case.

**Old.** CPU seconds to read every row of the table once, with and without the old partitions; and
the workload's statements that name the table, of which none may become slower. That these return
less then counts neither against the change nor for it.

**Growing.** CPU seconds of each statement that names the table, and of inserting rows, all with
the same weight. All rows that are there lie in the first partition at first, so nothing is gained
on the day of the change. What is tried is the table as it will be: after the steps were carried
out on a clone, the boundary is moved back there by as many ranges as the history would have
filled, at most 24, and the rows with it. Both worlds are analysed, and each statement must return
the same. Only whole copies are tried, not samples (`copy_limit_mb`).

In production: milliseconds per call of each statement that names the table.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from honed.core.canonical import digest
from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Danger, Risk
from honed.core.step import Step, steps_from_json
from honed.core.trial import Trial
from honed.targets.postgres.partitioning.ahead import find_endings
from honed.targets.postgres.partitioning.arrival import Arrival, ArrivalTrial
from honed.targets.postgres.partitioning.claims import (
    NAME,
    PARTITIONS_END,
    PARTITIONS_OUTDATED,
    RISK_LEVEL,
    UNPARTITIONED_GROWTH,
    ending_claim,
    ending_finding,
    growing_claim,
    growing_finding,
    outdated_claim,
    outdated_finding,
)
from honed.targets.postgres.partitioning.conversion_trial import ConversionTrial, Rehearsal
from honed.targets.postgres.partitioning.growing import find_growing
from honed.targets.postgres.partitioning.old import find_outdated
from honed.targets.postgres.partitioning.passage import PassageTrial
from honed.targets.postgres.partitioning.tables import read_partitioned
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.texts import StatementText

#: Conversions that are tried in one cycle, those of the most asked tables first.
_MOST_CONVERSIONS = 2


class Partitioning(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = NAME
    sort: ClassVar[str] = "postgres"
    #: Partitions made ahead are empty, and a converted table begins as one partition: on its first
    #: day none of it makes a statement faster, and taking it back would bring the trouble nearer.
    costs_to_keep: ClassVar[bool] = False
    risk: ClassVar[Risk] = Risk(level=RISK_LEVEL, danger=Danger.SCHEMA)
    wants: ClassVar[frozenset[FindingType]] = frozenset(
        {PARTITIONS_END, PARTITIONS_OUTDATED, UNPARTITIONED_GROWTH}
    )

    def look(self, target: PostgresTarget) -> Iterator[Finding]:
        """Yield tables whose partitions end soon, those with old ones, and those without any."""
        tables = read_partitioned(target)
        yield from map(ending_finding, find_endings(target, tables))
        yield from map(outdated_finding, find_outdated(target, tables))
        yield from map(growing_finding, find_growing(target))

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each finding that has no obstacle and promises enough."""
        known = {(f.type, f.subject): f for f in findings if not f.evidence["obstacle"]}
        claims = (*_of_partitioned(known, target), *_of_growing(known, target))
        yield from (claim for claim in claims if claim is not None)

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the steps that were fixed when the claim was made."""
        del target
        return steps_from_json(_parameters(hypothesis)["steps"])

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the trial that suits the claim.

        Raises:
            EvaluatorFailed: the table cannot be read on a clone, or cannot be converted there.
        """
        parameters = _parameters(hypothesis)
        if "arrival" in parameters:
            return ArrivalTrial.of(Arrival.from_json(parameters["arrival"]), target)
        if "rehearsal" in parameters:
            rehearsal = Rehearsal.from_json(parameters["rehearsal"])
            return ConversionTrial.of(target, parameters, rehearsal)
        return PassageTrial.of(
            target, parameters["schema"], parameters["table"], parameters["relation"]
        )

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement id, of those that name the table.

        A statement that the server knows under a new id since the conversion keeps its first one.
        """
        parameters = _parameters(hypothesis)
        tables = {(parameters["schema"], parameters["table"])}
        first_ids = parameters.get("texts", {})
        costs = target.statement_costs()
        sample: dict[str, list[tuple[float, float]]] = {}
        for each in target.workload().statements:
            cost = costs.get(each.statement_id)
            if cost is not None and StatementText.parse(each.text).names_any(tables):
                name = first_ids.get(digest(each.text), each.statement_id)
                sample.setdefault(name, []).append((cost.calls, cost.exec_ms_per_call))
        return {
            name: sum(calls * ms for calls, ms in parts) / sum(calls for calls, _ in parts)
            for name, parts in sample.items()
        }


def _of_partitioned(
    known: Mapping[tuple[FindingType, str], Finding], target: PostgresTarget
) -> Iterator[Hypothesis | None]:
    tables = [
        each
        for each in (read_partitioned(target) if known else ())
        if {(PARTITIONS_END, each.qualified_name), (PARTITIONS_OUTDATED, each.qualified_name)}
        & known.keys()
    ]
    for ending in find_endings(target, tables):
        finding = known.get((PARTITIONS_END, ending.table.qualified_name))
        if finding is not None and not ending.obstacle:
            yield ending_claim(ending, finding)
    for outdated in find_outdated(target, tables):
        finding = known.get((PARTITIONS_OUTDATED, outdated.table.qualified_name))
        if finding is not None and not outdated.obstacle:
            yield outdated_claim(outdated, finding)


def _of_growing(
    known: Mapping[tuple[FindingType, str], Finding], target: PostgresTarget
) -> Iterator[Hypothesis | None]:
    of_table = {name: each for (kind, name), each in known.items() if kind == UNPARTITIONED_GROWTH}
    found = [
        each
        for each in (find_growing(target) if of_table else ())
        if each.qualified_name in of_table and not each.obstacles
    ]
    most_asked = sorted(found, key=lambda each: -of_table[each.qualified_name].weight)
    for growing in most_asked[:_MOST_CONVERSIONS]:
        yield growing_claim(growing, of_table[growing.qualified_name], target)


def _parameters(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return hypothesis.parameters
