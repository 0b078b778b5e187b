"""Remedies: acts that change what the planner expects of a table, and their inverses."""

from dataclasses import dataclass

from psycopg import sql

from honed.core.canonical import digest
from honed.core.step import Step
from honed.targets.postgres.catalog import Table
from honed.targets.postgres.estimates.probe import Probe

#: Values that ANALYZE keeps of a column with a raised target; the default is 100.
_TARGET = 1000
#: Columns of one statistics object at most (PostgreSQL's STATS_MAX_DIMENSIONS).
_MOST_COLUMNS = 8
_MAX_NAME_BYTES = 63
_DIGEST_DIGITS = 10
_PREFIX = "honed_"

_CREATE = sql.SQL("CREATE STATISTICS IF NOT EXISTS {name}{kinds} ON {keys} FROM {table}")
_DROP = sql.SQL("DROP STATISTICS IF EXISTS {name}")
_SET_TARGET = sql.SQL("ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS {target}")
_ANALYZE = sql.SQL("ANALYZE {table}")
_EXISTS = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_statistic_ext e"
    " WHERE e.stxname = {name} AND e.stxnamespace = {schema}::regnamespace)"
    " THEN 'done' ELSE 'absent' END"
)
_HAS_TARGET = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = to_regclass({table}) AND a.attname = {column}"
    " AND a.attstattarget = {target}) THEN 'done' ELSE 'absent' END"
)


@dataclass(frozen=True, slots=True)
class Remedy:
    """One act that may put an estimate right."""

    #: What it is called in the claim: ``dependencies of city, country``.
    label: str
    step: Step


def analyze(table: Table) -> Remedy:
    """Return ANALYZE of the whole ``table``; of single columns it would spoil other statistics."""
    step = Step(f"analyze {table.qualified_name}", do=(_analyze(table),))
    return Remedy("fresh statistics", step)


def remedies(probe: Probe, table: Table) -> list[Remedy]:
    """Return what may put the estimate of ``probe`` right, one sort of statistics each.

    Never several sorts in one object: a list of common values (mcv) drives out dependencies, and
    the estimate is as wrong as before.
    """
    columns = tuple(sorted(set(probe.columns)))[:_MOST_COLUMNS]
    if probe.groups:
        return [_object(table, ("ndistinct",), columns)] if len(columns) > 1 else []
    found = [_expressions(table, text) for text in probe.expressions]
    if len(columns) > 1:
        found += [_object(table, (sort,), columns) for sort in ("dependencies", "mcv")]
    found += [_target(table, name) for name in columns]
    return found


def _object(table: Table, kinds: tuple[str, ...], columns: tuple[str, ...]) -> Remedy:
    keys = sql.SQL(", ").join(sql.Identifier(name) for name in columns)
    words = sql.SQL(" ({})").format(sql.SQL(", ").join(sql.SQL(kind) for kind in kinds))
    label = f"{' and '.join(kinds)} of {', '.join(columns)}"
    return Remedy(label, _create(table, words, keys, label))


def _expressions(table: Table, text: str) -> Remedy:
    label = f"statistics of {text}"
    return Remedy(label, _create(table, sql.SQL(""), sql.SQL("({})").format(sql.SQL(text)), label))


def _create(table: Table, kinds: sql.Composable, keys: sql.Composable, label: str) -> Step:
    name = _name(table, label)
    qualified = sql.Identifier(table.schema, name)
    relation = sql.Identifier(table.schema, table.name)
    schema = sql.Identifier(table.schema).as_string(None)
    create = _CREATE.format(name=qualified, kinds=kinds, keys=keys, table=relation)
    return Step(
        f"let the planner know {label} in {table.qualified_name}",
        do=(create.as_string(None), _analyze(table)),
        undo=(_DROP.format(name=qualified).as_string(None), _analyze(table)),
        inspect=_EXISTS.format(name=sql.Literal(name), schema=sql.Literal(schema)).as_string(None),
    )


def _target(table: Table, name: str) -> Remedy:
    column = table.column(name)
    before = column.statistics_target if column else -1
    relation = sql.Identifier(table.schema, table.name)

    def statement(target: int) -> str:
        return _SET_TARGET.format(
            table=relation, column=sql.Identifier(name), target=sql.Literal(target)
        ).as_string(None)

    inspect = _HAS_TARGET.format(
        table=sql.Literal(table.qualified_name),
        column=sql.Literal(name),
        target=sql.Literal(_TARGET),
    )
    label = f"more values of {name}"
    step = Step(
        f"let the planner know {label} in {table.qualified_name}",
        do=(statement(_TARGET), _analyze(table)),
        undo=(statement(before), _analyze(table)),
        inspect=inspect.as_string(None),
    )
    return Remedy(label, step)


def _analyze(table: Table) -> str:
    return _ANALYZE.format(table=sql.Identifier(table.schema, table.name)).as_string(None)


def _name(table: Table, label: str) -> str:
    tail = "_" + digest([table.qualified_name, label])[:_DIGEST_DIGITS]
    room = _MAX_NAME_BYTES - len(_PREFIX) - len(tail)
    return f"{_PREFIX}{table.name.encode()[:room].decode(errors='ignore')}{tail}"
