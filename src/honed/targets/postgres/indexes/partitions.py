"""Partitioned tables: what they consist of, and the steps that build an index on all of it.

PostgreSQL refuses CREATE INDEX CONCURRENTLY on a partitioned table, and without it writers wait
until the last partition is done. So the index of the whole is made first, of nothing
(``ON ONLY``), then one on each partition while readers and writers go on, and each of these is
attached to it. With the last one it is whole: valid. A partition that is made later, even while
this goes on, gets its index from PostgreSQL, without honed.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from psycopg import sql

from honed.core.step import Step
from honed.targets.postgres.catalog import Catalog, Table
from honed.targets.postgres.composed import text_of
from honed.targets.postgres.indexes.definition import IndexDefinition

_IS_THERE = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_class c"
    " WHERE c.oid = to_regclass({whole}) AND c.relkind = 'I') THEN 'done' ELSE 'absent' END"
)
#: The last part must make the whole valid; where it does not, a partition has no index.
_IS_ATTACHED = sql.SQL(
    "SELECT CASE WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h"
    " WHERE h.inhrelid = to_regclass({part}) AND h.inhparent = to_regclass({whole})) THEN 'absent'"
    " WHEN {is_last} AND NOT (SELECT i.indisvalid FROM pg_catalog.pg_index i"
    " WHERE i.indexrelid = to_regclass({whole})) THEN 'partial' ELSE 'done' END"
)
_ATTACH = sql.SQL("ALTER INDEX {} ATTACH PARTITION {}")
_DROP = sql.SQL("DROP INDEX IF EXISTS {}")


@dataclass(frozen=True, slots=True)
class Partition:
    """A partitioned table or one of its partitions, with the partitions that it has itself."""

    schema: str
    table: str
    #: Whether it holds no rows itself.
    is_partitioned: bool
    parts: tuple["Partition", ...] = ()

    def walk(self) -> Iterator["Partition"]:
        """Yield it and everything below it, parents first."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def leaves(self) -> list["Partition"]:
        """Return what holds its rows."""
        return [each for each in self.walk() if not each.is_partitioned]


#: Partitioned tables that are no partitions themselves, by schema and name.
Trees = Mapping[tuple[str, str], Partition]


def read_trees(catalog: Catalog) -> Trees:
    """Return every partitioned table that is no partition itself, by schema and name."""
    parts: defaultdict[str, list[Table]] = defaultdict(list)
    for table in catalog.tables.values():
        parts[table.partition_of].append(table)
    return {
        (table.schema, table.name): _tree(table, parts) for table in parts[""] if table.sort == "p"
    }


def _tree(table: Table, parts: Mapping[str, list[Table]]) -> Partition:
    below = tuple(_tree(each, parts) for each in parts.get(table.qualified_name, ()))
    return Partition(table.schema, table.name, table.sort == "p", below)


def index_steps(definition: IndexDefinition, trees: Trees) -> list[Step]:
    """Return the steps that build ``definition`` in production while readers and writers go on.

    One step for an ordinary table. For a partitioned one: the empty index of each partitioned
    table in it, the index of each partition, the attachments from the bottom to the top.
    """
    tree = trees.get((definition.schema, definition.table))
    if tree is None:
        return [definition.step()]
    wholes = [each for each in tree.walk() if each.is_partitioned]
    return [
        *(_shell_step(_on(definition, each)) for each in wholes),
        *(_on(definition, each).step() for each in tree.leaves()),
        *_attachments(definition, tree),
    ]


def leaf_definitions(definition: IndexDefinition, trees: Trees) -> list[IndexDefinition]:
    """Return the indexes that ``definition`` consists of where rows are: itself, or its parts."""
    tree = trees.get((definition.schema, definition.table))
    return [definition] if tree is None else [_on(definition, each) for each in tree.leaves()]


def _on(definition: IndexDefinition, part: Partition) -> IndexDefinition:
    return definition.on(part.schema, part.table)


def _attachments(definition: IndexDefinition, tree: Partition) -> Iterator[Step]:
    whole = _on(definition, tree)
    for part in tree.parts:
        yield from _attachments(definition, part)
        yield _attach_step(whole, _on(definition, part), is_last=part is tree.parts[-1])


def _shell_step(whole: IndexDefinition) -> Step:
    # Nobody reads or writes the empty index: it takes a moment, once it has its locks.
    return Step(
        f"make the index {whole.name} on {whole.summary}, still without its partitions",
        do=(whole.shell_sql,),
        undo=(text_of(_DROP.format(_identifier(whole))),),
        inspect=text_of(_IS_THERE.format(whole=_literal(whole))),
    )


def _attach_step(whole: IndexDefinition, part: IndexDefinition, *, is_last: bool) -> Step:
    """Return the step that makes ``part`` belong to ``whole``; only dropping the whole undoes it.

    That drops all attached parts, and cannot be done CONCURRENTLY: it needs the table for itself
    for a moment, and as a step in a transaction gives up where it would make others wait long.
    """
    return Step(
        f"attach the index {part.name} of the partition {part.table} to {whole.name}",
        do=(text_of(_ATTACH.format(_identifier(whole), _identifier(part))),),
        undo=(text_of(_DROP.format(_identifier(whole))),),
        inspect=text_of(
            _IS_ATTACHED.format(
                whole=_literal(whole), part=_literal(part), is_last=sql.Literal(is_last)
            )
        ),
    )


def _identifier(index: IndexDefinition) -> sql.Identifier:
    return sql.Identifier(index.schema, index.name)


def _literal(index: IndexDefinition) -> sql.Literal:
    return sql.Literal(text_of(_identifier(index)))
