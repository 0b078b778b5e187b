"""Partitioned tables as partitioning sees them: key, partitions, and how far they reach."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from honed.storage.queries import load_queries
from honed.targets.postgres.partitioning.ranges import Key, Position, Range, Width, end_of, width_of
from honed.targets.postgres.target import PostgresTarget

QUERIES = load_queries(__package__, "partitioning.sql")

_LARGEST = sql.SQL("SELECT max({column})::text AS largest FROM ONLY {table}")
_BETWEEN = sql.SQL(
    "SELECT EXISTS (SELECT FROM ONLY {table} WHERE {column} >= {lower} AND {column} < {upper})"
    " AS is_there"
)


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition."""

    schema: str
    name: str
    #: ``schema.name``, each part quoted where it must be.
    qualified_name: str
    #: ``pg_class.relkind``: r (table), p (partitioned itself) or f (on another server).
    sort: str
    #: As the server writes it: ``FOR VALUES FROM (1) TO (5)`` or ``DEFAULT``.
    bound: str
    heap_bytes: int
    #: With indexes and TOAST.
    size_bytes: int
    planned_rows: float
    #: Storage options: ``fillfactor=90``.
    options: tuple[str, ...]
    #: Whether it has what the table does not pass on: row security, triggers of its own.
    is_special: bool
    #: Whether all columns identify a row to subscribers.
    has_full_identity: bool
    #: Whether an index of all its rows begins with the key.
    leads_with_key: bool
    #: What the server checks of each of its rows.
    condition: str
    #: None: it is the default, or open on a side.
    range: Range | None
    #: Where it ends; None: it is the default, or open upwards.
    end: Position | None

    @property
    def is_default(self) -> bool:
        """Whether it takes what no other takes."""
        return self.bound == "DEFAULT"

    @property
    def is_open(self) -> bool:
        """Whether it takes everything from some value on."""
        return "TO (MAXVALUE)" in self.bound

    @property
    def identifier(self) -> sql.Identifier:
        """Its name in a statement."""
        return sql.Identifier(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """A table that is partitioned by ranges of one column."""

    schema: str
    name: str
    #: ``schema.name``, each part quoted where it must be.
    qualified_name: str
    key: Key
    #: Columns that a row is written with: all but generated ones.
    columns: tuple[str, ...]
    #: The time of the target, as the session's time zone shows it.
    now: datetime
    #: Whether its owner may make tables beside it.
    owner_may_create: bool
    #: Whether it is published in a way that subscribers must know each partition for.
    is_published: bool
    #: Whether a foreign key refers to it.
    is_referenced: bool
    partitions: tuple[Partition, ...]

    @property
    def identifier(self) -> sql.Identifier:
        """Its name in a statement."""
        return sql.Identifier(self.schema, self.name)

    @property
    def ranged(self) -> list[tuple[Range, Partition]]:
        """The partitions with two bounds, oldest first."""
        found = [(each.range, each) for each in self.partitions if each.range is not None]
        return sorted(found, key=lambda item: item[0])

    @property
    def default(self) -> Partition | None:
        """The partition that takes what no other takes; None: there is none."""
        return next((each for each in self.partitions if each.is_default), None)

    @property
    def ended(self) -> list[Partition]:
        """The partitions that end somewhere, the last first."""
        found = [(each.end, each) for each in self.partitions if each.end is not None]
        return [each for _, each in sorted(found, key=lambda item: item[0], reverse=True)]

    @property
    def newest_filled(self) -> Partition | None:
        """The last plain partition that holds something; None: there is none."""
        return next((each for each in self.ended if each.heap_bytes and each.sort == "r"), None)

    @property
    def width(self) -> Width | None:
        """The width that its last partitions have in common."""
        return width_of([each for each, _ in self.ranged])


def read_partitioned(target: PostgresTarget) -> list[PartitionedTable]:
    """Return the tables of ``target`` that are partitioned by ranges of one column."""
    return [_table(target, row) for row in target.query(QUERIES["list_range_partitioned"], {})]


def _table(target: PostgresTarget, row: dict[str, Any]) -> PartitionedTable:
    key = Key(row["key_column"], row["key_type"], row["zone"])
    names = {"table": row["qualified_name"], "key_column": key.column}
    return PartitionedTable(
        schema=row["schema"],
        name=row["name"],
        qualified_name=row["qualified_name"],
        key=key,
        columns=tuple(row["columns"]),
        now=datetime.fromisoformat(row["now"]),
        owner_may_create=row["owner_may_create"],
        is_published=row["is_published"],
        is_referenced=row["is_referenced"],
        partitions=tuple(
            Partition(
                **each
                | {
                    "options": tuple(each["options"]),
                    "range": Range.parse(each["bound"], key),
                    "end": end_of(each["bound"], key),
                }
            )
            for each in target.query(QUERIES["list_partitions"], names)
        ),
    )


def reached(target: PostgresTarget, table: PartitionedTable) -> Position | None:
    """Return how far a table has come: the time now, or its largest number.

    None where nobody can tell without reading a partition that has no index for it.
    """
    if table.key.is_time:
        return table.now
    for each in (*([table.default] if table.default else ()), *table.ended):
        if each.heap_bytes == 0:
            continue
        if each.sort != "r" or not each.leads_with_key:
            return None
        column = sql.Identifier(table.key.column)
        query = _LARGEST.format(column=column, table=each.identifier).as_string(None)
        (row,) = target.query(query)
        if row["largest"] is not None:
            return table.key.parse(row["largest"])
    return None


def holds(target: PostgresTarget, table: PartitionedTable, part: Partition, each: Range) -> bool:
    """Return whether a row of ``each`` lies in partition ``part``."""
    query = _BETWEEN.format(
        table=part.identifier,
        column=sql.Identifier(table.key.column),
        lower=sql.Literal(table.key.write(each.lower)),
        upper=sql.Literal(table.key.write(each.upper)),
    )
    (row,) = target.query(query.as_string(None))
    return bool(row["is_there"])
