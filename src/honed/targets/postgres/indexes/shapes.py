"""Shapes: what a catalog says of tables, in the words in which candidates are thought of."""

from collections.abc import Collection

from honed.targets.postgres.catalog import Catalog, Column, Index, Table
from honed.targets.postgres.indexes.candidates import ColumnShape, Shapes, TableShape
from honed.targets.postgres.indexes.conditions import plain_expression
from honed.targets.postgres.indexes.definition import IndexDefinition, Key

#: Bytes of a value whose column was never analyzed: a text of some words.
_UNKNOWN_WIDTH = 32.0


def read_shapes(catalog: Catalog) -> Shapes:
    """Return the shape of every ordinary table and materialised view, by schema and name.

    Partitioned tables and their partitions are left out: CREATE INDEX CONCURRENTLY refuses a
    partitioned table, and an index on one partition alone serves it by halves.
    """
    return {
        (table.schema, table.name): _shape(table, catalog)
        for table in catalog.tables.values()
        if table.sort in {"r", "m"} and not table.partition_of
    }


def _shape(table: Table, catalog: Catalog) -> TableShape:
    rows = max(table.rows, float(table.live_rows), 0.0)
    return TableShape(
        rows=rows,
        columns={column.name: _column_shape(column, rows) for column in table.columns},
        existing=tuple(
            _definition(index, table)
            for index in catalog.indexes_of(table.qualified_name)
            if index.is_valid and not index.predicate
        ),
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
