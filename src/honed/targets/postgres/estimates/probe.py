"""Probes: what the planner expects of one table in a statement, and how many rows there are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from honed.targets.postgres.clone import Clone
from honed.targets.postgres.indexes.access import walk
from honed.targets.postgres.indexes.conditions import columns_of, parse, read_condition

#: Fewer rows than this, expected or there, are not worth being right about.
_FEW_ROWS = 100.0
#: What a condition may not have to be asked by itself: results of other parts of the statement.
_OUTSIDE = re.compile(r"(SubPlan|InitPlan|CTE) \d+|\$\d+")
_CONDITIONS = ("Index Cond", "Recheck Cond", "Filter")
_AND = sql.SQL(" AND ")


@dataclass(frozen=True, slots=True)
class Probe:
    """One table with the conditions that one statement puts on it alone."""

    schema: str
    table: str
    alias: str
    #: The conditions, as PostgreSQL writes them.
    conditions: tuple[str, ...]
    #: Columns that the conditions compare.
    columns: tuple[str, ...]
    #: Expressions that they compare, as an index on them would have them.
    expressions: tuple[str, ...] = ()
    #: Columns by which the rows are grouped; empty: the rows themselves are counted.
    groups: tuple[str, ...] = ()

    @property
    def rows_sql(self) -> str:
        """The SELECT whose rows are estimated."""
        table = sql.SQL("{} {}").format(
            sql.Identifier(self.schema, self.table), sql.Identifier(self.alias)
        )
        columns = sql.SQL(", ").join(
            sql.Identifier(self.alias, name) for name in self.groups or self.columns[:1]
        )
        statement = sql.SQL("SELECT {} FROM {}").format(columns, table)
        if self.conditions:
            statement += sql.SQL(" WHERE ") + _AND.join(_raw(each) for each in self.conditions)
        if self.groups:
            statement += sql.SQL(" GROUP BY ") + columns
        return statement.as_string(None)

    @property
    def count_sql(self) -> str:
        """The SELECT that says how many rows there are, as ``found``."""
        rows = _raw(self.rows_sql)
        return sql.SQL("SELECT count(*) AS found FROM ({}) honed_rows").format(rows).as_string(None)


def read_probes(plan: Mapping[str, Any]) -> list[Probe]:
    """Return a probe for each table of ``plan`` that has conditions or is grouped by itself."""
    nodes = list(walk(plan.get("Plan", plan)))
    scans = [node for node in nodes if "Relation Name" in node and "Alias" in node]
    aliases = {node["Alias"] for node in scans}
    probes = {probe: None for node in scans if (probe := _of_scan(node, aliases))}
    for node in nodes:
        if "Group Key" in node and (probe := _of_groups(node["Group Key"], scans, aliases)):
            probes[probe] = None
    return list(probes)


def error(clone: Clone, probe: Probe, actual: float) -> float:
    """Return by which factor the planner's number of rows is wrong, at least 1."""
    plan: Any = clone.explain(probe.rows_sql)
    expected = float(plan["Plan"]["Plan Rows"])
    if max(expected, actual) < _FEW_ROWS:
        return 1.0
    low, high = sorted((max(1.0, expected), max(1.0, actual)))
    return high / low


def count(clone: Clone, probe: Probe) -> float:
    """Return how many rows of ``probe`` there are on ``clone``.

    Raises:
        EvaluatorFailed: they cannot be counted.
        StatementCut: counting takes too long.
    """
    return float(clone.query(probe.count_sql)[0]["found"])


def _of_scan(node: Mapping[str, Any], aliases: set[str]) -> Probe | None:
    alias = node["Alias"]
    conditions = dict.fromkeys(str(node[label]) for label in _CONDITIONS if label in node)
    columns: dict[str, None] = {}
    expressions: dict[str, None] = {}
    for text in conditions:
        found = read_condition(text, aliases)
        if _OUTSIDE.search(text) or any(owner != alias for owner, _ in found.columns):
            return None
        columns.update((name, None) for _, name in sorted(found.columns))
        keys = [each.key for each in found.predicates]
        expressions.update((key.text, None) for key in keys if key.is_expression)
    if not columns:
        return None
    return Probe(
        node.get("Schema", "public"),
        node["Relation Name"],
        alias,
        tuple(conditions),
        tuple(columns),
        tuple(expressions),
    )


def _of_groups(
    keys: Sequence[str], scans: Sequence[Mapping[str, Any]], aliases: set[str]
) -> Probe | None:
    trees = [parse(key, aliases) for key in keys]
    found = [columns_of(tree, aliases) if tree else frozenset() for tree in trees]
    owners = {owner for each in found for owner, _ in each}
    if len(owners) != 1 or any(len(each) != 1 for each in found):
        return None
    node = next(scan for scan in scans if scan["Alias"] in owners)
    columns = tuple(name for each in found for _, name in each)
    return Probe(
        node.get("Schema", "public"),
        node["Relation Name"],
        node["Alias"],
        (),
        columns,
        groups=columns,
    )


def _raw(text: str) -> sql.SQL:
    # PostgreSQL's own words, read from its plans; run on a clone, by a role that only reads.
    return sql.SQL(text)
