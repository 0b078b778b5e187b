"""Shapes: what a catalog says of tables, in the words in which candidates are thought of."""

from collections.abc import Collection, Sequence

from honed.targets.postgres.catalog import Catalog, Column, Index, Table
from honed.targets.postgres.indexes.candidates import ColumnShape, Shapes, TableShape
from honed.targets.postgres.indexes.conditions import plain_expression
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.targets.postgres.indexes.partitions import read_trees

#: Bytes of a value whose column was never analyzed: a text of some words.
_UNKNOWN_WIDTH = 32.0


def read_shapes(catalog: Catalog) -> Shapes:
    """Return the shape of every table and materialised view, by schema and name.

    A partitioned table has the rows of all its partitions, and the indexes that all of them have.
    """
    tables = {(table.schema, table.name): table for table in catalog.tables.values()}
    shapes = {
        name: _shape(table, catalog) for name, table in tables.items() if table.sort in {"r", "m"}
    }
    for name, tree in read_trees(catalog).items():
        parts = [(each.schema, each.table) for each in tree.leaves()]
        if parts:
            leaves = [(tables[part], shapes[part]) for part in parts]
            shapes[name] = _whole(tables[name], leaves, catalog)
    return shapes


def _shape(table: Table, catalog: Catalog) -> TableShape:
    rows = max(table.rows, float(table.live_rows), 0.0)
    return TableShape(
        rows=rows,
        columns={column.name: _column_shape(column, rows) for column in table.columns},
        existing=_existing(table, catalog),
    )


def _existing(table: Table, catalog: Catalog) -> tuple[IndexDefinition, ...]:
    return tuple(
        _definition(index, table)
        for index in catalog.indexes_of(table.qualified_name)
        if index.is_valid and not index.predicate
    )


def _whole(
    table: Table, leaves: Sequence[tuple[Table, TableShape]], catalog: Catalog
) -> TableShape:
    rows = sum(shape.rows for _, shape in leaves)
    everywhere = set.intersection(
        *({each.on(table.schema, table.name) for each in shape.existing} for _, shape in leaves)
    )
    return TableShape(
        rows=rows,
        columns={
            column.name: _column_shape(column, rows)
            if column.distinct is not None
            else _from_leaves(column.name, leaves)
            for column in table.columns
        },
        existing=tuple(dict.fromkeys((*_existing(table, catalog), *sorted(everywhere)))),
    )


def _from_leaves(name: str, leaves: Sequence[tuple[Table, TableShape]]) -> ColumnShape:
    """Return what partitions say of a column: the server knows the whole only by ANALYZE by hand.

    Where the number of values grows with the rows, no value is taken to be in two partitions, else
    every value in each.
    """
    counts = [shape.columns[name].distinct for _, shape in leaves]
    known = [column.distinct for table, _ in leaves if (column := table.column(name)) is not None]
    is_growing = all(each is None or each < 0 for each in known)
    rows = sum(shape.rows for _, shape in leaves)
    bytes_ = sum(shape.rows * shape.columns[name].width_bytes for _, shape in leaves)
    return ColumnShape(
        distinct=sum(counts) if is_growing else max(counts),
        width_bytes=bytes_ / rows if rows else _UNKNOWN_WIDTH,
    )


def _column_shape(column: Column, rows: float) -> ColumnShape:
    distinct = column.distinct if column.distinct is not None else -0.1
    return ColumnShape(
        distinct=-distinct * rows if distinct < 0 else distinct,
        width_bytes=_UNKNOWN_WIDTH if column.width_bytes is None else column.width_bytes,
    )


def _definition(index: Index, table: Table) -> IndexDefinition:
    columns = {column.name for column in table.columns}
    keys = tuple(_key(text, columns) for text in index.keys)
    return IndexDefinition(
        table.schema, table.name, keys, index.included, index.predicate, index.method
    )


def _key(text: str, columns: Collection[str]) -> Key:
    name = text[1:-1].replace('""', '"') if text.startswith('"') and text.endswith('"') else text
    return Key(name) if name in columns else Key(plain_expression(text), is_expression=True)
