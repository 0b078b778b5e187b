"""Statistics: fresh ones, of columns together, of more values, or with a fixed number of values."""

import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from psycopg import sql

from honed.core.step import Step
from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.catalog import Table
from honed.targets.postgres.estimates.advise import WRONG
from honed.targets.postgres.estimates.probe import Probe, count, error, read_probes
from honed.targets.postgres.estimates.remedy import Remedy as StatisticsRemedy
from honed.targets.postgres.estimates.remedy import analyze, remedies
from honed.targets.postgres.plan_pins.bench import Bench
from honed.targets.postgres.plan_pins.case import Case
from honed.targets.postgres.plan_pins.pin import Remedy
from honed.targets.postgres.plan_pins.provider import Server

#: Seconds after which no more rows are counted.
_COUNTING_S = 10.0
#: Conditions whose rows are wrongly estimated that are looked into, the worst first.
_MOST_PROBES = 4
#: A number of distinct values has changed from this factor on.
_CHANGED = 2.0

_SET = sql.SQL("ALTER TABLE {table} ALTER COLUMN {column} SET (n_distinct = {value})")
_RESET = sql.SQL("ALTER TABLE {table} ALTER COLUMN {column} RESET (n_distinct)")
_HAS_OPTION = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = to_regclass({table}) AND a.attname = {column}"
    " AND {option} = ANY (a.attoptions)) THEN 'done' ELSE 'absent' END"
)


class Statistics:
    """What the planner knows of the tables that the good plan reads.

    Tables that the lab has only a sample of are left alone: ANALYZE finds other values there.
    """

    name = "statistics"

    def why_not(self, server: Server) -> str:
        """Return why it cannot be used; see ``Provider``."""
        del server
        return ""

    def remedies(self, case: Case, bench: Bench) -> Iterator[Remedy]:
        """Yield ANALYZE of each table and of all, then what outlives one ANALYZE."""
        tables = [each for each in case.tables if each.qualified_name not in bench.clone.sampled]
        fresh = [(analyze(table), table) for table in tables]
        yield from (_remedy([each]) for each in fresh)
        if len(fresh) > 1:
            yield _remedy(fresh)
        found = [
            [(each, table) for each in remedies(probe, table)]
            for probe, table in _wrong(case, bench, tables)
        ]
        yield from (_remedy([each]) for choices in found for each in choices)
        # A join is often only right when both of its sides are.
        for together in zip_longest(*found if len(found) > 1 else ()):
            yield _remedy([each for each in together if each is not None])
        yield from (_remedy([each]) for each in _numbers_of_values(case, tables))


def _remedy(chosen: Sequence[tuple[StatisticsRemedy, Table]]) -> Remedy:
    return Remedy(
        mechanism=Statistics.name,
        label=" and ".join(f"{each.label} in {table.qualified_name}" for each, table in chosen),
        scope=", ".join(dict.fromkeys(table.qualified_name for _, table in chosen)),
        steps=tuple(each.step for each, _ in chosen),
    )


def _wrong(case: Case, bench: Bench, tables: Sequence[Table]) -> list[tuple[Probe, Table]]:
    """Return the conditions of the bad plan whose rows are wrongly estimated, the worst first."""
    by_name = {(table.schema, table.name): table for table in tables}
    probes = dict.fromkeys(p for plan in bench.bad_plans(case) for p in read_probes(plan))
    until = time.monotonic() + _COUNTING_S
    factors: dict[Probe, float] = {}
    for probe in probes:
        if (probe.schema, probe.table) in by_name and time.monotonic() < until:
            try:
                factors[probe] = error(bench.clone, probe, count(bench.clone, probe))
            except (EvaluatorFailed, StatementCut):
                continue  # a condition that cannot be asked by itself
    worst = sorted(factors, key=lambda probe: -factors[probe])[:_MOST_PROBES]
    return [
        (probe, by_name[(probe.schema, probe.table)]) for probe in worst if factors[probe] >= WRONG
    ]


def _numbers_of_values(
    case: Case, tables: Sequence[Table]
) -> Iterator[tuple[StatisticsRemedy, Table]]:
    """Yield the columns of which the planner knew another number of values, that number fixed."""
    for table in tables:
        known = case.numbers.get(table.qualified_name, {})
        for column in table.columns:
            before = known.get(column.name, {}).get("n_distinct", 0.0)
            is_fixed = any(option.startswith("n_distinct=") for option in column.options)
            if is_fixed or not before or not column.distinct:
                continue
            if _factor(before, column.distinct, table.rows) >= _CHANGED:
                yield _fixed(table, column.name, before), table


def _factor(before: float, now: float, rows: float) -> float:
    """Return by which factor numbers of values differ; below zero: minus a share of ``rows``."""
    low, high = sorted(
        max(1.0, value if value > 0 else -value * max(rows, 1.0)) for value in (before, now)
    )
    return high / low


def _fixed(table: Table, column: str, value: float) -> StatisticsRemedy:
    relation, name = sql.Identifier(table.schema, table.name), sql.Identifier(column)
    number = sql.Literal(value)
    (again,) = analyze(table).step.do
    step = Step(
        f"let the planner know that {column} in {table.qualified_name} has {value:g} values",
        do=(_SET.format(table=relation, column=name, value=number).as_string(None), again),
        undo=(_RESET.format(table=relation, column=name).as_string(None), again),
        inspect=_HAS_OPTION.format(
            table=sql.Literal(table.qualified_name),
            column=sql.Literal(column),
            option=sql.Literal(f"n_distinct={number.as_string(None).strip()}"),
        ).as_string(None),
    )
    return StatisticsRemedy(f"the number of values of {column}", step)
