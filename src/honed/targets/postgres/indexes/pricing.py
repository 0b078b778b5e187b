"""Pricing: what an index costs a target that nobody sees who only looks at reads."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from honed.targets.postgres.catalog import Catalog
from honed.targets.postgres.indexes.definition import NAME_PREFIX, IndexDefinition
from honed.targets.postgres.indexes.partitions import leaf_definitions, read_trees
from honed.targets.postgres.workload import Workload

#: What an index must bring beside its other prices: to the mean; at most, if only one of many
#: statements had it all (a third less cost); and at least, if one of few statements had it all
#: (a fifth less: below, one cannot tell it from noise).
_EACH, _MOST_OF_ONE, _LEAST_OF_ONE = 0.02, 0.45, 0.2
#: What a full storage budget costs the objective ...
_PRICE_OF_BUDGET = 0.1
#: ... or indexes of this share of the data's bytes, if that is less.
_DATA_SHARE = 1 / 3
#: CPU microseconds that one more index costs each row that is written. Measured with eight more
#: indexes on TPC-H's lineitem: an insert took 43 us instead of 3 us.
_ENTRY_US = 5.0
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Prices:
    """What an index must bring, in the objective's unit: the mean logarithm of cost ratios.

    The sum is a judgement, not a measurement: a set that reads a little faster but costs every
    writer and the disk is no improvement.
    """

    #: For being there: one more thing to plan with, to vacuum and to understand.
    each: float = 0.02
    #: For each byte.
    per_byte: float = 0.0
    #: For the writes to its table: added CPU as a share of the workload's.
    writes: Callable[[IndexDefinition], float] = field(default=lambda _: 0.0)
    #: All of it times this.
    scale: float = 1.0

    def of(self, definition: IndexDefinition, size_bytes: int) -> float:
        """Return the price of one index."""
        return self.scale * (self.each + self.per_byte * size_bytes + self.writes(definition))


@dataclass(frozen=True, slots=True)
class Budget:
    """What new indexes may take and cost at most."""

    size_bytes: int
    #: How many times as much as without them an INSERT into a table may cost that is written to.
    write_times: float = math.inf


def budget_left_bytes(catalog: Catalog, storage_budget_mb: int) -> int:
    """Return the bytes that new indexes may take beside those that honed made before."""
    taken = sum(each.size_bytes for each in catalog.indexes if each.name.startswith(NAME_PREFIX))
    return max(0, storage_budget_mb * _MEGABYTE - taken)


def prices_of(workload: Workload, catalog: Catalog, budget_bytes: int) -> Prices:
    """Return the prices of indexes on this target, in the objective's unit.

    Args:
        workload: its statements share the objective; its writes pay for each index.

        catalog: of the same target.

        budget_bytes: what new indexes may take.
    """
    statements = max(1, len(workload.replayable))
    data_bytes = sum(table.size_bytes for table in catalog.tables.values())
    full_bytes = max(1.0, min(float(budget_bytes), data_bytes * _DATA_SHARE))
    return Prices(
        each=max(_LEAST_OF_ONE / statements, min(_EACH, _MOST_OF_ONE / statements)),
        per_byte=_PRICE_OF_BUDGET / full_bytes,
        writes=_WritePrice(workload, catalog),
    )


class _WritePrice:
    """Says which share the writes to one more index would add to the workload's CPU time."""

    def __init__(self, workload: Workload, catalog: Catalog) -> None:
        self._writes = workload.writes
        self._updated = updated_columns(workload)
        self._names = {
            (each.schema, each.name): each.qualified_name for each in catalog.tables.values()
        }
        self._trees = read_trees(catalog)
        self._total_us = 1000.0 * sum(each.total_ms for each in workload.statements)
        self._known: dict[IndexDefinition, float] = {}

    def __call__(self, definition: IndexDefinition) -> float:
        if not self._total_us:
            return 0.0
        if definition not in self._known:
            self._known[definition] = self._entries(definition) * _ENTRY_US / self._total_us
        return self._known[definition]

    def _entries(self, definition: IndexDefinition) -> float:
        """Return how many entries the workload's writes would have made in the index."""
        touches, entries = self._touches(definition), 0.0
        for part in leaf_definitions(definition, self._trees):
            mix = self._writes.get(self._names.get((part.schema, part.table), ""))
            if mix is not None:
                # A statement may name the partition itself.
                is_hot = not (touches or self._touches(part))
                entries += mix.inserted + mix.updated - (mix.hot_updated if is_hot else 0.0)
        return entries

    def _touches(self, definition: IndexDefinition) -> bool:
        """Return whether an update sets a column of the index: it then needs a new entry."""
        updated = self._updated.get(definition.table, frozenset())
        plain = set(definition.columns)
        texts = [key.text for key in definition.keys if key.is_expression] + [definition.where]
        return any(column in plain or f'"{column}"' in "".join(texts) for column in updated)


def updated_columns(workload: Workload) -> Mapping[str, frozenset[str]]:
    """Return the columns that the workload's UPDATE statements set, by table's name."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for statement in workload.statements:
        if not statement.is_select and "update" in statement.text.lower():
            for table, column in _assignments(statement.text):
                found[table].add(column)
    return {table: frozenset(columns) for table, columns in found.items()}


def _assignments(text: str) -> list[tuple[str, str]]:
    try:
        tree = sqlglot.parse_one(text, dialect="postgres")
    except (SqlglotError, RecursionError):
        return []
    return [
        (update.this.name, assignment.this.name)
        for update in tree.find_all(exp.Update)
        for assignment in update.expressions
        if isinstance(assignment, exp.EQ)
    ]
