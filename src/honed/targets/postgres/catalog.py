"""What a target's catalog says: tables, columns, indexes, statistics objects and settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, LiteralString

from honed.storage.db import Connection
from honed.targets.postgres.connection import CATALOG_QUERIES
from honed.targets.postgres.shape import Shape


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, with what the planner knows of its values."""

    name: str
    #: As ``format_type`` says it: ``numeric(15,2)``.
    type: str
    not_null: bool
    #: Bytes that an average value takes; None: never analyzed.
    width_bytes: int | None
    #: Share of rows in which it is null; None: never analyzed.
    null_share: float | None
    #: Distinct values; negative: minus their share of all rows; None: never analyzed.
    distinct: float | None
    #: Statistics target of the column; -1: the server's default.
    statistics_target: int
    #: Options such as ``n_distinct=50``.
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One table, partitioned table or materialised view, with its counters since their reset."""

    schema: str
    name: str
    #: ``schema.name``, each part quoted where it must be; the key everywhere in honed.
    qualified_name: str
    #: ``pg_class.relkind``: r (table), p (partitioned table) or m (materialised view).
    sort: str
    #: The planner's estimate; -1: never analyzed.
    rows: float
    pages: int
    #: Without indexes, with TOAST.
    size_bytes: int
    columns: tuple[Column, ...]
    inserted: int
    updated: int
    #: Updates that needed no new index entry.
    hot_updated: int
    deleted: int
    live_rows: int
    modified_since_analyze: int
    #: By hand or by autovacuum; None: never.
    analyzed_at: datetime | None
    #: Storage options such as ``fillfactor=90``.
    options: tuple[str, ...]
    #: Qualified name of the table that it is a partition of; empty: none.
    partition_of: str = ""

    def column(self, name: str) -> Column | None:
        """Return the column called ``name``, None where there is none."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class Index:
    """One index of a table."""

    schema: str
    name: str
    qualified_name: str
    #: Qualified name of its table.
    table: str
    #: As ``pg_get_indexdef`` says it.
    definition: str
    #: Access method: btree, gin, ...
    method: str
    #: Key columns and expressions in order, as text.
    keys: tuple[str, ...]
    #: Columns that are only included.
    included: tuple[str, ...]
    #: Operator class, collation and direction of each key, as numbers of the catalog.
    orderings: tuple[str, ...]
    #: The condition of a partial index; empty: none.
    predicate: str
    is_unique: bool
    is_primary: bool
    #: False: left half-built by a failed CREATE INDEX CONCURRENTLY, or being built.
    is_valid: bool
    #: Name of the constraint that it carries; empty: none.
    constraint: str
    #: Whether a person chose it as the table's replica identity, or to cluster the table by.
    is_chosen: bool
    size_bytes: int
    #: Scans since the counters' reset, on this server only (not on replicas).
    scans: int


@dataclass(frozen=True, slots=True)
class ExtendedStatistics:
    """One extended statistics object (CREATE STATISTICS)."""

    schema: str
    name: str
    qualified_name: str
    #: Qualified name of its table.
    table: str
    #: Of ``ndistinct``, ``dependencies``, ``mcv``, ``expressions``.
    kinds: tuple[str, ...]
    #: Columns and expressions, as text.
    keys: tuple[str, ...]
    #: Statistics target; -1: that of the columns.
    target: int
    #: As ``pg_get_statisticsobjdef`` says it.
    definition: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything of a target's catalog that kinds look at. System schemas are left out."""

    #: By qualified name.
    tables: Mapping[str, Table]
    indexes: tuple[Index, ...]
    statistics: tuple[ExtendedStatistics, ...]
    #: Settings that move the planner, by name, in their base units.
    settings: Mapping[str, str]
    #: Of the whole database.
    size_bytes: int
    #: As ``server_version_num``: 180006.
    server_version: int

    def indexes_of(self, table: str) -> tuple[Index, ...]:
        """Return the indexes of the table with this qualified name."""
        return tuple(index for index in self.indexes if index.table == table)


def read_catalog(connection: Connection) -> Catalog:
    """Return what the target's catalog says now."""
    columns = {
        name: tuple(Column(**_without(row, "table_name")) for row in group)
        for name, group in groupby(_rows(connection, "read_columns"), lambda row: row["table_name"])
    }
    return Catalog(
        tables={
            row["qualified_name"]: Table(**row, columns=columns.get(row["qualified_name"], ()))
            for row in _rows(connection, "read_tables")
        },
        indexes=tuple(Index(**row) for row in _rows(connection, "read_indexes")),
        statistics=tuple(ExtendedStatistics(**row) for row in _rows(connection, "read_statistics")),
        settings={row["name"]: row["setting"] for row in _rows(connection, "read_settings")},
        size_bytes=int(_rows(connection, "read_size")[0]["size_bytes"]),
        server_version=connection.info.server_version,
    )


def read_shape(connection: Connection) -> Shape:
    """Return everything that a step could change.

    Columns, constraints, indexes with their validity, extended statistics objects, statistics
    targets and options, storage options, and the settings of roles in this database; neither
    data nor sizes nor counters.
    """
    rows = _rows(connection, "read_shape")
    return Shape({row["line"]: (row["keyword"], row["name"]) for row in rows})


def _rows(connection: Connection, name: LiteralString) -> list[dict[str, Any]]:
    rows = connection.execute(CATALOG_QUERIES[name], {}).fetchall()
    return [
        {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
        for row in rows
    ]


def _without(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
