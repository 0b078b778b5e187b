"""Folding: a search sees a partitioned table as one table, and an index on it as one index.

A plan names partitions, each by an alias of its own (``orders_1``); a partitioned table itself has
no rows and its index is never scanned.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from honed.core.canonical import Json
from honed.targets.postgres.indexes.access import walk
from honed.targets.postgres.indexes.bench import Laboratory
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.indexes.partitions import Trees, leaf_definitions
from honed.targets.postgres.whatif import Built

_Name = tuple[str, str]
#: What PostgreSQL adds to a table's alias for each of its partitions.
_NUMBER = re.compile(r"_\d+$")
#: Fields of a plan's node that are no expressions.
_NO_EXPRESSIONS = frozenset({"Alias", "Schema", "Relation Name", "Index Name", "Node Type"})


@dataclass(frozen=True, slots=True)
class FoldedLaboratory:
    """Implements ``bench.Laboratory``: an index on a partitioned table is one on each partition.

    All of them are built, shown and hidden together, and their bytes are added up. Plans come back
    as if they read whole tables; see ``fold_plan``.
    """

    laboratory: Laboratory
    trees: Trees
    #: The names of its parts, by the name of the index.
    _parts: dict[str, list[str]] = field(default_factory=dict)
    #: The name of the whole, by the name of each part.
    _wholes: dict[str, str] = field(default_factory=dict)

    def add(self, candidates: Collection[IndexDefinition]) -> Mapping[str, Built]:
        """Build ``candidates`` unseen by the planner; one that lacks a part is left out."""
        parts = {each.name: leaf_definitions(each, self.trees) for each in candidates}
        built = self.laboratory.add([part for each in parts.values() for part in each])
        found: dict[str, Built] = {}
        for name, each in parts.items():
            names = [part.name for part in each]
            if names and all(part in built for part in names):
                self._parts[name] = names
                self._wholes.update(dict.fromkeys(names, name))
                found[name] = Built(
                    name,
                    size_bytes=sum(built[part].size_bytes for part in names),
                    build_s=sum(built[part].build_s for part in names),
                )
        return found

    def show(self, names: Collection[str]) -> None:
        """Make exactly ``names`` of the added candidates visible to the planner, on all parts."""
        self.laboratory.show([part for name in names for part in self._parts.get(name, ())])

    def explain(self, sql: str) -> Mapping[str, Json]:
        """Return the plan of ``sql``, folded.

        Raises:
            EvaluatorFailed: it cannot be planned.
            StatementCut: planning took too long.
        """
        return fold_plan(self.laboratory.explain(sql), _tables(self.trees), self._wholes)

    def cpu_s(self, sql: str, cut_s: float) -> float:
        """Run ``sql`` once and return its CPU seconds, ``cut_s`` where it was cut.

        Raises:
            EvaluatorFailed: it failed.
        """
        return self.laboratory.cpu_s(sql, cut_s)

    def insert_us(self, schema: str, table: str) -> float | None:
        """Return the CPU microseconds of one row inserted with the indexes visible now.

        That of a partitioned table is that of its first partition that has rows. None: none has.
        """
        tree = self.trees.get((schema, table))
        leaves = (
            [(schema, table)]
            if tree is None
            else [(part.schema, part.table) for part in tree.walk() if not part.is_partitioned]
        )
        costs = (self.laboratory.insert_us(*leaf) for leaf in leaves)
        return next((cost for cost in costs if cost is not None), None)


def fold_plan(
    plan: Mapping[str, Any], tables: Mapping[_Name, _Name], indexes: Mapping[str, str]
) -> dict[str, Json]:
    """Return ``plan`` with partitioned tables and their indexes in the place of their parts.

    Args:
        plan: what ``EXPLAIN (FORMAT JSON, VERBOSE)`` returns for one statement.

        tables: the partitioned table, by each of its partitions.

        indexes: the name of the whole index, by the name of each part.
    """
    aliases = _aliases(plan["Plan"], tables)
    rename = _renaming(aliases)

    def fold(node: Mapping[str, Any]) -> dict[str, Json]:
        folded = {
            key: value if key in _NO_EXPRESSIONS else rename(value)
            for key, value in node.items()
            if key != "Plans"
        }
        if "Index Name" in node:
            folded["Index Name"] = indexes.get(node["Index Name"], node["Index Name"])
        whole = tables.get(_relation(node))
        if whole is not None:
            folded["Schema"], folded["Relation Name"] = whole
            folded["Alias"] = aliases.get(node["Alias"], node["Alias"])
        if "Plans" in node:
            folded["Plans"] = [fold(child) for child in node["Plans"]]
        return folded

    return {**plan, "Plan": fold(plan["Plan"])}


def _tables(trees: Trees) -> dict[_Name, _Name]:
    return {(part.schema, part.table): top for top, tree in trees.items() for part in tree.walk()}


def _relation(node: Mapping[str, Any]) -> _Name:
    return (node.get("Schema", ""), node.get("Relation Name", ""))


def _aliases(root: Mapping[str, Any], tables: Mapping[_Name, _Name]) -> dict[str, str]:
    """Return the table's alias, by the alias of each partition.

    An alias may end in a number by itself (a statement's own ``o_1``, of which one partition is
    left); it stays where what is before the number is something else in the same plan.
    """
    nodes = [node for node in walk(root) if "Alias" in node]
    wholes = {node["Alias"]: tables.get(_relation(node)) for node in nodes}
    found: dict[str, str] = {}
    for alias, whole in wholes.items():
        short = _NUMBER.sub("", alias)
        if whole is not None and short != alias and wholes.get(short, whole) == whole:
            found[alias] = short
    return found


def _renaming(aliases: Mapping[str, str]) -> Callable[[Any], Json]:
    """Return what puts tables' aliases in the place of partitions' in a field of a plan's node."""
    quoted = {'"' + alias.replace('"', '""') + '"': alias for alias in aliases}
    names = "|".join(re.escape(name) for name in (*quoted, *aliases))
    pattern = re.compile(rf'(?<![\w$".])(?:{names})(?=\.)')

    def replaced(match: re.Match[str]) -> str:
        alias = match.group()
        short = aliases[quoted.get(alias, alias)]
        return '"' + short.replace('"', '""') + '"'

    def rename(value: Any) -> Json:  # noqa: ANN401 - a field of any sort
        if isinstance(value, str):
            return pattern.sub(replaced, value)
        if isinstance(value, list):
            return [rename(each) for each in value]
        kept: Json = value
        return kept

    return rename if aliases else lambda value: value
