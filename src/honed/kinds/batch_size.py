"""Lets a writer send as many rows at once as make a row cheapest.

## What it does

A writer that is registered (`honed writer add`) asks the database how many rows to send at once:
`SELECT honed.batch_size('name')`. On a clone it is measured what a row of its table costs in
batches of today's size, and of sizes four, sixteen ... times as large and as small within the
bounds that its developer set; the smallest size that is about as cheap as the cheapest is proposed.
Of writers that are not registered it changes nothing: a finding says what a row of their table
costs in batches of 1, 10, 100, 1,000 and 10,000, where the rows now arrive in smaller ones. Rows
that arrive by COPY are not seen as such. honed's own writes to its store have no size to tune yet:
each reading is one transaction already.

## Why it helps

Each statement is parsed, planned and committed, and each commit hands over the log. Rows that come
one at a time pay all of it for every row. Far too large batches cost memory, and rows wait for
them.

## Risk and rollback

The writer's size in the table `honed.writer` is changed, within its bounds; it holds from the next
time that the writer asks. The undo restores the size that was there. If somebody has changed it
meanwhile, neither the step nor its undo touches it.

## How it is measured

In the trial: CPU microseconds of a row, with its indexes and foreign keys, in batches of both sizes
on one clone, each batch a transaction that hands its log over. Triggers are not run, because they
may reach outside; those of each row cost the same in any batch. Waiting for the disk is no CPU and
does not count. In production: milliseconds a row of all INSERTs into the table.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step
from honed.core.trial import Trial
from honed.errors import EvaluatorFailed
from honed.targets.postgres.batches.bench import BatchBench
from honed.targets.postgres.batches.insertions import Insertions, find_insertions, ms_per_row
from honed.targets.postgres.batches.search import SizeSearch, find_size
from honed.targets.postgres.batches.trial import ROW, BatchTrial
from honed.targets.postgres.batches.writers import Writer, read_writers, size_step
from honed.targets.postgres.target import PostgresTarget

#: A registered writer wrote.
WRITER = FindingType("writer")
#: Rows arrive in batches that make them dear, from a writer that is not registered.
SMALL_BATCHES = FindingType("small_batches")

#: What is measured for writers that are not registered.
_SIZES = (1, 10, 100, 1000, 10_000)
#: Tables that are measured for them in one look, the most expensive first.
_MOST_TABLES = 2
#: Share of the workload's time from which they are worth measuring.
_LEAST_WEIGHT = 0.02
#: Measurements of one size, of which the least counts: whatever disturbs makes it dearer.
_TRIES = 3
#: Cost of a row after / before that is worth a claim or a finding.
_GAIN = 0.8
#: Cost after / cost before from which a claim has a priority, best first.
_PRIORITIES = ((0.4, 4), (1.0, 3))


class BatchSize(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "batch_size"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=2)
    wants: ClassVar[frozenset[FindingType]] = frozenset({WRITER})
    #: Fewer rows in the time that is looked at are not worth a change.
    least_rows: ClassVar[int] = 1000

    def look(self, target: PostgresTarget) -> Iterator[Finding]:
        """Yield the registered writers that write, and the tables whose rows arrive too few."""
        writers = read_writers(target)
        workload, catalog = target.workload(), target.catalog()
        for writer in writers:
            written = workload.writes.get(writer.relation)
            if written and written.inserted >= self.least_rows:
                yield _writing(writer, written.inserted, is_there=writer.relation in catalog.tables)
        registered = {writer.relation for writer in writers}
        others = [
            each
            for each in find_insertions(workload, catalog)
            if each.table.qualified_name not in registered
            and each.rows >= self.least_rows
            and each.weight >= _LEAST_WEIGHT
            and each.rows_per_call < max(_SIZES)
        ]
        yield from _measured(target, others[:_MOST_TABLES])

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each writer whose rows become cheaper."""
        of_writer = {each.subject: each for each in findings if not each.evidence["why_not"]}
        writers = [each for each in read_writers(target) if each.name in of_writer]
        if writers:
            target.lab.refresh()
        for writer in writers:
            search = _search(target, writer)
            if search is not None and search.ratio < _GAIN:
                yield _claim(target, writer, search, of_writer[writer.name])

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the step that changes the size; its undo restores it."""
        del target
        given = _parameters(hypothesis)
        return [size_step(given["writer"], before=given["before"], after=given["after"])]

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the trial: the same rows in batches of both sizes."""
        given = _parameters(hypothesis)
        return BatchTrial.of(
            target, given["relation"], before=given["before"], after=given["after"]
        )

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds of a row that was inserted into the table."""
        given = _parameters(hypothesis)
        workload, costs = target.workload(), target.statement_costs()
        cost = ms_per_row(workload, costs, schema=given["schema"], name=given["table"])
        return {} if cost is None else {ROW: cost}


def _parameters(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return hypothesis.parameters


def _writing(writer: Writer, rows: float, *, is_there: bool) -> Finding:
    reason = ""
    if not is_there:
        reason = f"there is no table {writer.relation}"
    elif not writer.may_change:
        reason = "the acting role may not change its size: `honed writer add` prints the GRANT"
    return Finding(
        type=WRITER,
        subject=writer.name,
        title=f"the writer {writer.name} may send {writer.batch_size} rows of {writer.relation} "
        f"at once and wrote {rows:.0f}" + (f"; {reason}" if reason else ""),
        evidence={
            "relation": writer.relation,
            "batch_size": writer.batch_size,
            "least": writer.least,
            "most": writer.most,
            "rows": rows,
            "why_not": reason,
        },
    )


def _measured(target: PostgresTarget, insertions: Sequence[Insertions]) -> Iterator[Finding]:
    """Yield the tables whose rows would be cheaper in larger batches, with what they cost."""
    if not insertions:
        return
    with target.lab.clone("batches") as clone:
        for each in insertions:
            try:
                bench = BatchBench(clone, each.table.qualified_name)
                costs = {size: cost for size in _SIZES if (cost := _least(bench, size)) is not None}
            except EvaluatorFailed:
                continue  # made since the copy was, or not to be written by its owner
            now = [cost for size, cost in costs.items() if size <= max(1.0, each.rows_per_call)]
            if now and min(costs.values()) < _GAIN * now[-1]:
                yield _small(each, costs)


def _small(insertions: Insertions, costs: Mapping[int, float]) -> Finding:
    table = insertions.table.qualified_name
    best = min(costs, key=lambda size: costs[size])
    said = ", ".join(f"{size}: {cost:.1f}" for size, cost in costs.items())
    return Finding(
        type=SMALL_BATCHES,
        subject=table,
        title=f"rows of {table} arrive {insertions.rows_per_call:.0f} at a time; {best} at once "
        f"would be cheapest (CPU microseconds of a row by rows at once: {said});"
        " `honed writer add` lets honed choose",
        evidence={
            "rows_per_call": insertions.rows_per_call,
            "rows": insertions.rows,
            "total_ms": insertions.total_ms,
            "best": best,
            "cpu_us_per_row": {str(size): cost for size, cost in costs.items()},
        },
        weight=insertions.weight,
    )


def _search(target: PostgresTarget, writer: Writer) -> SizeSearch | None:
    with target.lab.clone("batches") as clone:
        try:
            bench = BatchBench(clone, writer.relation)
            return find_size(
                bench.cost, before=writer.batch_size, least=writer.least, most=writer.most
            )
        except EvaluatorFailed:
            return None  # its rows cannot be written again: there is nothing to go by


def _least(bench: BatchBench, size: int) -> float | None:
    costs = [bench.cost(size) for _ in range(_TRIES)]
    return min((cost for cost in costs if cost is not None), default=None)


def _claim(
    target: PostgresTarget, writer: Writer, search: SizeSearch, finding: Finding
) -> Hypothesis:
    table = target.catalog().tables[writer.relation]
    return Hypothesis(
        kind=BatchSize.name,
        subject=writer.name,
        claim=f"{search.size} rows at once instead of {search.before} bring the cost of a row that "
        f"{writer.name} writes to {writer.relation} to {search.ratio:.0%}",
        priority=next(priority for limit, priority in _PRIORITIES if search.ratio < limit),
        risk=BatchSize.risk.level,
        predicted_log_ratio=math.log(search.ratio),
        parameters={
            "writer": writer.name,
            "relation": writer.relation,
            "schema": table.schema,
            "table": table.name,
            "before": search.before,
            "after": search.size,
            "cpu_us_per_row": {str(size): cost for size, cost in search.costs.items()},
        },
        finding_ids=(finding.finding_id,),
    )
