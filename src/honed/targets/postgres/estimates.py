"""Estimates: where the planner is wrong about how many rows there are, and what makes it right."""

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.catalog import Catalog
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.indexes.access import Node
from honed.targets.postgres.probes import (
    Cause,
    Probe,
    read_probes,
    read_relations,
    values_sql,
    with_values,
)
from honed.targets.postgres.remedy import Remedy, RemedyKind
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import WorkloadStatement

#: Statements that are looked at, the most expensive first.
MOST_STATEMENTS = 100
#: Seconds for a look; one EXPLAIN that is running then is still waited for.
BUDGET_S = 10.0
#: Share of them after which nothing more is counted, so that time is left to try remedies.
_COUNTING_SHARE = 0.5
#: An estimate is wrong from this factor on, where this many rows are expected or found ...
WRONG, _LEAST_ROWS = 10.0, 100
#: ... and right again within this one.
RIGHT = 3.0
#: Another kind of statistics must be nearer by this factor than a simpler one.
_NEARER = 1.1
#: Share of a table's rows that must have changed before fresh statistics count as a remedy: else
#: they are another sample of the same rows, and what they cure is luck.
_CHANGED_SHARE = 0.01
#: A row that is not at the very beginning of its table, where values are often unlike the others.
_POSITION = 1000
#: Probes of one cause; more say the same once more.
_MOST_PROBES = 5


@dataclass(frozen=True, slots=True)
class Misestimate:
    """A cause whose estimates are wrong, with the remedy that makes them right."""

    remedy: Remedy
    #: Statements in whose plans the estimates are.
    statement_ids: tuple[str, ...]
    #: Of the worst estimate: rows that there are, and rows estimated before and after.
    rows: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the estimates of a workload found."""

    misestimates: tuple[Misestimate, ...] = ()
    #: The statements that read a table, by its schema and name.
    readers: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """One probe with the rows that there are, and those that the planner expected."""

    probe: Probe
    #: What was counted: the probe, or the same with other values.
    sql: str
    rows: float
    before: float


@dataclass(frozen=True, slots=True)
class _Cured:
    """A wrong estimate, and what it is with a remedy."""

    wrong: _Wrong
    after: float


def look_at_estimates(
    target: PostgresTarget,
    statements: Sequence[WorkloadStatement],
    *,
    can_try: bool = True,
    budget_s: float = BUDGET_S,
) -> Look:
    """Return where estimates for ``statements`` are wrong and what makes them right.

    Each condition on one table, and each list of columns that is grouped by, is counted by itself
    on a clone of the lab: a whole plan also stops early, at a LIMIT for instance, and then says
    nothing of estimates. Nothing is changed in production; the lab is refreshed first. A statement
    that cannot be planned is left out. Tables that the lab holds a sample of, partitioned tables
    and partitions are left alone.

    Args:
        target: whose lab and catalog.

        statements: with examples; the first example of each is planned.

        can_try: False: only see which tables are read.

        budget_s: seconds on the clone after which nothing new is begun.
    """
    catalog = target.catalog()
    target.lab.refresh()
    with target.lab.clone("estimates") as clone:
        end = time.monotonic() + budget_s
        tables = {
            (table.schema, table.name): table
            for name, table in catalog.tables.items()
            if table.sort == "r" and not table.partition_of and name not in clone.sampled
        }
        users: dict[Probe, list[str]] = {}
        readers: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for statement in statements[:MOST_STATEMENTS]:
            plan = _explained(clone, statement.examples[0])
            for name in read_relations(plan):
                readers[name].append(statement.statement_id)
            for probe in read_probes(plan, tables):
                users.setdefault(probe, []).append(statement.statement_id)
        found: tuple[Misestimate, ...] = ()
        if can_try:
            wrong = _count(clone, users, end - (1 - _COUNTING_SHARE) * budget_s)
            cures = _cures(clone, catalog, wrong, end)
            found = tuple(_misestimate(remedy, cured, users) for remedy, cured in cures.items())
        return Look(found, {name: tuple(ids) for name, ids in readers.items()})


def _explained(clone: Clone, statement: str, *, analyze: bool = False) -> Node:
    """Return the root of the plan; an empty node where there is none."""
    try:
        root: Any = clone.explain(statement, analyze=analyze)["Plan"]
    except (EvaluatorFailed, StatementCut):
        return {}
    return dict(root)


def _count(
    clone: Clone, probes: Mapping[Probe, Sequence[str]], end: float
) -> dict[Cause, list[_Wrong]]:
    """Return the probes whose estimates are wrong, by cause; nothing is begun after ``end``."""
    found: defaultdict[Cause, list[_Wrong]] = defaultdict(list)
    for probe in probes:
        if time.monotonic() >= end:
            break
        if len(found.get(probe.cause, ())) >= _MOST_PROBES:
            continue
        wrong = _counted(clone, probe, probe)
        if wrong is not None and not wrong.rows and probe.is_equality:
            # Values that were put together from statistics may never occur together.
            wrong = _counted(clone, _met(clone, probe), probe)
        if (
            wrong is not None
            and max(wrong.rows, wrong.before) >= _LEAST_ROWS
            and _error(wrong.before, wrong.rows) >= math.log(WRONG)
        ):
            found[probe.cause].append(wrong)
    return dict(found)


def _counted(clone: Clone, probe: Probe, asked: Probe) -> _Wrong | None:
    """Return the rows of ``probe`` and their estimate; None if it cannot be run in time."""
    root = _explained(clone, probe.sql, analyze=True)
    if not root:
        return None
    return _Wrong(asked, probe.sql, float(root["Actual Rows"]), float(root["Plan Rows"]))


def _met(clone: Clone, probe: Probe) -> Probe:
    """Return ``probe`` with the values of a row of its table, as it is if there is none."""
    try:
        rows = clone.query(values_sql(probe, _POSITION)) or clone.query(values_sql(probe, 0))
    except (EvaluatorFailed, StatementCut):
        return probe
    return with_values(probe, rows[0]["literals"]) if rows else probe


def _error(estimate: float, rows: float) -> float:
    """Return how far an estimate is off, as the logarithm of a factor of 1 or more."""
    return abs(math.log(max(1.0, estimate)) - math.log(max(1.0, rows)))


def _cures(
    clone: Clone, catalog: Catalog, wrong: Mapping[Cause, Sequence[_Wrong]], end: float
) -> dict[Remedy, list[_Cured]]:
    """Return what makes estimates right, with those; nothing is begun after ``end``."""
    found: defaultdict[Remedy, list[_Cured]] = defaultdict(list)
    for cause, probes in wrong.items():
        best, least = None, math.log(RIGHT * _NEARER)
        after: Sequence[float] = ()
        for remedy in _remedies(cause, catalog):
            estimates = () if time.monotonic() >= end else _estimates_with(clone, remedy, probes)
            if not estimates:
                continue
            error = fmean(_error(e, each.rows) for e, each in zip(estimates, probes, strict=True))
            if error <= min(math.log(RIGHT), least - math.log(_NEARER)):
                best, least, after = remedy, error, estimates
            if best is not None and best.kind is RemedyKind.ANALYZE:
                break
        if best is not None:
            found[best] += map(_Cured, probes, after)
    return found


def _remedies(cause: Cause, catalog: Catalog) -> Iterator[Remedy]:
    """Yield what may help and is not there yet, fresh statistics first."""
    table = next(
        table
        for table in catalog.tables.values()
        if (table.schema, table.name) == (cause.schema, cause.table)
    )
    if table.analyzed_at is None or table.modified_since_analyze > _CHANGED_SHARE * table.rows:
        yield Remedy(cause.schema, cause.table, RemedyKind.ANALYZE)
    column = table.column(cause.columns[0]) if len(cause.columns) == 1 else None
    for kind in cause.kinds:
        target = column.statistics_target if column else -1
        remedy = Remedy(cause.schema, cause.table, kind, cause.columns, target)
        if not remedy.exists_in(catalog):
            yield remedy


def _estimates_with(clone: Clone, remedy: Remedy, probes: Sequence[_Wrong]) -> tuple[float, ...]:
    """Return the estimates of ``probes`` with ``remedy``, which is taken back; none if it fails."""
    step = remedy.step()
    try:
        clone.carry_out([step])
        roots = [_explained(clone, each.sql) for each in probes]
        # ANALYZE takes its time, and what is told of several columns says nothing once dropped.
        clone.run(*(step.undo if remedy.kind is RemedyKind.TARGET else step.undo[:1]))
    except EvaluatorFailed:
        return ()
    return tuple(float(root["Plan Rows"]) for root in roots) if all(roots) else ()


def _misestimate(
    remedy: Remedy, cured: Sequence[_Cured], users: Mapping[Probe, Sequence[str]]
) -> Misestimate:
    worst = max(cured, key=lambda each: _error(each.wrong.before, each.wrong.rows))
    ids = dict.fromkeys(name for each in cured for name in users[each.wrong.probe])
    return Misestimate(
        remedy, tuple(ids), rows=worst.wrong.rows, before=worst.wrong.before, after=worst.after
    )
