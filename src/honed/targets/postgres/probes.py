"""Probes: what to count of a plan, to see whether the planner's estimates are right."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql
from sqlglot import exp

from honed.targets.postgres.catalog import Table
from honed.targets.postgres.indexes.access import Node, walk
from honed.targets.postgres.indexes.conditions import (
    Comparison,
    parse,
    read_condition,
    read_key,
)
from honed.targets.postgres.remedy import RemedyKind

#: Conditions on more columns are left alone: the combinations that ANALYZE counts double with each.
_MOST_COLUMNS = 6
#: Values that only exist while the whole statement runs.
_RUN_TIME = re.compile(r"\b(?:SubPlan|InitPlan|CTE) \d|\$\d")
_SCAN_CONDITIONS = ("Index Cond", "Recheck Cond", "Filter")
_OF_CONDITIONS = (RemedyKind.DEPENDENCIES, RemedyKind.MCV)

_ROWS_OF = sql.SQL("SELECT 1 FROM ONLY {} AS {} WHERE {}")
_VALUES = sql.SQL("SELECT ARRAY[{}] AS literals FROM ONLY {} WHERE {} OFFSET {} LIMIT 1")
_GROUPS_OF = sql.SQL("SELECT {columns} FROM ONLY {table} GROUP BY {columns}")


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """Why an estimate may be wrong: the columns of one table that it is made from."""

    schema: str
    table: str
    columns: tuple[str, ...]
    #: Whether groups are estimated; else the rows for which a condition holds.
    is_group: bool

    @property
    def kinds(self) -> tuple[RemedyKind, ...]:
        """What may help, simplest first. NDISTINCT says nothing of conditions, the others all."""
        if self.is_group:
            return (RemedyKind.NDISTINCT,)
        return _OF_CONDITIONS if len(self.columns) > 1 else (RemedyKind.TARGET,)


@dataclass(frozen=True, slots=True)
class Probe:
    """One statement whose rows are counted, to compare them with the planner's estimate."""

    cause: Cause
    sql: str
    #: Whether every column must equal a value: another row's values serve as well then.
    is_equality: bool = False


def read_relations(plan: Node) -> set[tuple[str, str]]:
    """Return schema and name of the tables that ``plan`` reads."""
    return set(_aliases(plan).values())


def _aliases(plan: Node) -> dict[str, tuple[str, str]]:
    return {
        node["Alias"]: (node["Schema"], node["Relation Name"])
        for node in walk(plan)
        if "Relation Name" in node and "Schema" in node
    }


def read_probes(plan: Node, tables: Mapping[tuple[str, str], Table]) -> Iterator[Probe]:
    """Yield what to count of the scans and groups of ``plan``, each once.

    Args:
        plan: root of what ``EXPLAIN (FORMAT JSON, VERBOSE)`` returns; may be an empty node.

        tables: those to look at, by schema and name.
    """
    aliases = _aliases(plan)
    seen: dict[Probe, None] = {}
    for node in walk(plan):
        found = None
        if "Relation Name" in node and node["Alias"] in aliases:
            found = _scan_probe(node, tables.get(aliases[node["Alias"]]))
        elif "Group Key" in node:
            found = _group_probe(node["Group Key"], aliases, tables)
        if found is not None:
            seen[found] = None
    yield from seen


def _scan_probe(node: Node, table: Table | None) -> Probe | None:
    """Return the probe of a scan's conditions, without those on other tables' rows."""
    if table is None:
        return None
    columns: set[str] = set()
    conditions = []
    for text in (node[key] for key in _SCAN_CONDITIONS if key in node):
        of_text = _columns_of(text, node["Alias"], table)
        columns |= of_text
        conditions += [sql.SQL("({})").format(sql.SQL(text))] * bool(of_text)
    if not 1 <= len(columns) <= _MOST_COLUMNS:
        return None
    statement = _ROWS_OF.format(
        sql.Identifier(table.schema, table.name),
        sql.Identifier(node["Alias"]),
        sql.SQL(" AND ").join(conditions),
    )
    cause = Cause(table.schema, table.name, tuple(sorted(columns)), is_group=False)
    is_equality = len(columns) == sum(
        _equal_columns(node[key], node["Alias"]) for key in _SCAN_CONDITIONS if key in node
    )
    return Probe(cause, statement.as_string(None), is_equality)


def _equal_columns(text: str, alias: str) -> int:
    """Return how many columns a condition compares for equality, 0 if it does anything else."""
    predicates = read_condition(text, {alias}).predicates
    is_plain = all(
        each.comparison is Comparison.EQUAL
        and not (each.is_alternative or each.partner or each.key.is_expression)
        for each in predicates
    )
    return len({each.key.text for each in predicates}) if is_plain else 0


def values_sql(probe: Probe, position: int) -> str:
    """Return a query for the values of ``probe``'s columns, in the row at ``position``."""
    cause = probe.cause
    values = (sql.SQL("quote_literal({}::text)").format(sql.Identifier(c)) for c in cause.columns)
    return _VALUES.format(
        sql.SQL(", ").join(values),
        sql.Identifier(cause.schema, cause.table),
        sql.SQL(" AND ").join(
            sql.SQL("{} IS NOT NULL").format(sql.Identifier(each)) for each in cause.columns
        ),
        sql.Literal(position),
    ).as_string(None)


def with_values(probe: Probe, literals: Sequence[str]) -> Probe:
    """Return ``probe`` with other values for its columns, as ``values_sql`` finds them."""
    cause = probe.cause
    pairs = zip(cause.columns, literals, strict=True)
    conditions = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.SQL(literal)) for name, literal in pairs
    ]
    table = sql.Identifier(cause.schema, cause.table)
    statement = _ROWS_OF.format(table, sql.Identifier("t"), sql.SQL(" AND ").join(conditions))
    return replace(probe, sql=statement.as_string(None))


def _columns_of(text: str, alias: str, table: Table) -> set[str]:
    """Return the columns in a condition; none if it says anything of another table."""
    tree = None if _RUN_TIME.search(text) else parse(text, {alias})
    columns = list(tree.find_all(exp.Column)) if tree is not None else []
    if any(each.table != alias or table.column(each.name) is None for each in columns):
        return set()
    return {each.name for each in columns}


def _group_probe(
    keys: Sequence[str],
    aliases: Mapping[str, tuple[str, str]],
    tables: Mapping[tuple[str, str], Table],
) -> Probe | None:
    """Return the probe of the groups in a whole table, where all keys are columns of one."""
    found = {read_key(key, aliases) for key in keys}
    of_aliases = {each[0] for each in found if each is not None}
    if None in found or len(of_aliases) != 1 or not 1 < len(found) <= _MOST_COLUMNS:
        return None
    table = tables.get(aliases[of_aliases.pop()])
    columns = tuple(sorted(each[1].text for each in found if each is not None))
    if table is None or any(table.column(each) is None for each in columns):
        return None
    statement = _GROUPS_OF.format(
        columns=sql.SQL(", ").join(sql.Identifier(each) for each in columns),
        table=sql.Identifier(table.schema, table.name),
    )
    return Probe(Cause(table.schema, table.name, columns, is_group=True), statement.as_string(None))
