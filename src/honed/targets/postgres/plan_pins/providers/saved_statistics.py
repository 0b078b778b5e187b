"""Saved statistics: PostgreSQL 18 takes back what the planner knew while the plan was good.

Only numbers: the share of nulls, the width, how many distinct values, the order on the disk. Lists
of common values and histograms hold values of production's rows, which honed does not keep.
"""

from collections.abc import Iterator, Mapping

from psycopg import sql

from honed.core.step import Step
from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.catalog import Table
from honed.targets.postgres.plan_history.memory import TARGET_QUERIES
from honed.targets.postgres.plan_pins.bench import Bench
from honed.targets.postgres.plan_pins.case import Case
from honed.targets.postgres.plan_pins.pin import Remedy
from honed.targets.postgres.plan_pins.provider import Server

_VERSION_18 = 180000
#: The types of the arguments, by the name that ``pg_stats`` has for them.
_TYPES = {"null_frac": "real", "avg_width": "integer", "n_distinct": "real", "correlation": "real"}

_RESTORE = sql.SQL(
    "SELECT pg_catalog.pg_restore_attribute_stats('schemaname', {schema}, 'relname', {table},"
    " 'attname', {column}, 'inherited', false, {numbers})"
)
_INSPECT = sql.SQL(
    "SELECT CASE WHEN count(*) = {columns} THEN 'done' ELSE 'absent' END FROM pg_catalog.pg_stats"
    " WHERE schemaname = {schema} AND tablename = {table} AND NOT inherited AND ({same})"
)

_Numbers = Mapping[str, Mapping[str, float]]


class SavedStatistics:
    """The numbers of a table's columns as they were; they hold until the next ANALYZE."""

    name = "saved_statistics"

    def why_not(self, server: Server) -> str:
        """Return why it cannot be used; see ``Provider``."""
        return "" if server.version >= _VERSION_18 else "PostgreSQL 18 can take statistics back"

    def remedies(self, case: Case, bench: Bench) -> Iterator[Remedy]:
        """Yield the numbers of each table, and those of all."""
        found = []
        for table in case.tables:
            before = case.numbers.get(table.qualified_name, {})
            now = _numbers_now(bench, table)
            changed = {
                name: numbers
                for name, numbers in before.items()
                if name in now and numbers != now[name]
            }
            if changed:
                found.append((table, _restore(table, changed, now)))
        yield from (_remedy([each]) for each in found)
        if len(found) > 1:
            yield _remedy(found)


def _remedy(chosen: list[tuple[Table, Step]]) -> Remedy:
    names = ", ".join(table.qualified_name for table, _ in chosen)
    return Remedy(
        mechanism=SavedStatistics.name,
        label=f"the numbers that the planner knew of {names}",
        scope=names,
        steps=tuple(step for _, step in chosen),
    )


def _numbers_now(bench: Bench, table: Table) -> _Numbers:
    """Return what the planner knows of ``table`` now; nothing where that cannot be read."""
    asked = {"tables": [table.qualified_name]}
    try:
        rows = bench.clone.query(TARGET_QUERIES["list_planner_numbers"], asked)
    except (EvaluatorFailed, StatementCut):
        return {}
    return rows[0]["numbers"] if rows else {}


def _restore(table: Table, numbers: _Numbers, now: _Numbers) -> Step:
    columns = sorted(numbers)
    return Step(
        f"give the planner the numbers of {table.qualified_name} back: {', '.join(columns)}",
        do=tuple(_call(table, name, numbers[name]) for name in columns),
        undo=tuple(_call(table, name, now[name]) for name in columns),
        inspect=_INSPECT.format(
            columns=sql.Literal(len(columns)),
            schema=sql.Literal(table.schema),
            table=sql.Literal(table.name),
            same=sql.SQL(" OR ").join(_same(name, numbers[name]) for name in columns),
        ).as_string(None),
    )


def _call(table: Table, column: str, numbers: Mapping[str, float]) -> str:
    given = [
        sql.SQL("{}, {}::{}").format(
            sql.Literal(name), sql.Literal(numbers[name]), sql.SQL(_TYPES[name])
        )
        for name in _known(numbers)
    ]
    return _RESTORE.format(
        schema=sql.Literal(table.schema),
        table=sql.Literal(table.name),
        column=sql.Literal(column),
        numbers=sql.SQL(", ").join(given),
    ).as_string(None)


def _same(column: str, numbers: Mapping[str, float]) -> sql.Composable:
    equal = [
        sql.SQL("{} = {}::{}").format(
            sql.Identifier(name), sql.Literal(numbers[name]), sql.SQL(_TYPES[name])
        )
        for name in _known(numbers)
    ]
    named = sql.SQL("attname = {}").format(sql.Literal(column))
    return sql.SQL("({})").format(sql.SQL(" AND ").join([named, *equal]))


def _known(numbers: Mapping[str, float]) -> list[str]:
    """Return the names of the numbers that there are: without an order there is no correlation."""
    return [name for name in _TYPES if numbers.get(name) is not None]
