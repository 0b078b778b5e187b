"""A remedy for a wrong estimate: what the planner should be told of a table, as a value and SQL."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from psycopg import sql

from honed.core.canonical import Json, digest
from honed.core.step import Step
from honed.targets.postgres.catalog import Catalog, Table
from honed.targets.postgres.indexes.definition import NAME_PREFIX

#: Statistics target that a column gets: ten times the default, so 1,000 most common values and a
#: sample of 300,000 rows; the largest allowed is 10,000.
RAISED_TARGET = 1000
#: PostgreSQL cuts longer names (NAMEDATALEN - 1 bytes).
_MAX_NAME_BYTES = 63
_DIGEST_DIGITS = 10

_CREATE = sql.SQL("CREATE STATISTICS IF NOT EXISTS {} ({}) ON {} FROM {}")
_DROP = sql.SQL("DROP STATISTICS IF EXISTS {}")
_ANALYZE = sql.SQL("ANALYZE {}")
_SET_TARGET = sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET STATISTICS {}")
_HAS_STATISTICS = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_statistic_ext AS e"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = e.stxnamespace"
    " WHERE n.nspname = {} AND e.stxname = {}) THEN 'done' ELSE 'absent' END"
)
_HAS_TARGET = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_attribute AS a"
    " WHERE a.attrelid = to_regclass({}) AND a.attname = {} AND NOT a.attisdropped"
    " AND a.attstattarget = {}) THEN 'done' ELSE 'absent' END"
)


class RemedyKind(StrEnum):
    """What the planner is told."""

    #: Nothing new; only what is in the table now.
    ANALYZE = "analyze"
    #: How far values of one column fix those of another.
    DEPENDENCIES = "dependencies"
    #: How many combinations of values there are.
    NDISTINCT = "ndistinct"
    #: Which combinations of values are most common.
    MCV = "mcv"
    #: More of what it knows of one column.
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing that the planner is told of one table. Two equal remedies are the same one."""

    schema: str
    table: str
    kind: RemedyKind
    #: In the order of their names; none for ANALYZE, one for a statistics target.
    columns: tuple[str, ...] = ()
    #: Statistics target that the column has now; -1: the server's default.
    previous_target: int = -1

    @property
    def relation(self) -> str:
        """The qualified name of its table, quoted."""
        return _text(sql.Identifier(self.schema, self.table))

    @property
    def name(self) -> str:
        """The name of the statistics object, if it makes one: the table and a digest of the rest.

        A statistics object has the schema of its table.
        """
        tail = "_" + digest(self.to_json())[:_DIGEST_DIGITS]
        room = _MAX_NAME_BYTES - len(NAME_PREFIX) - len(tail)
        return f"{NAME_PREFIX}{self.table.encode()[:room].decode(errors='ignore')}{tail}"

    @property
    def subject(self) -> str:
        """What would be changed, the same from cycle to cycle."""
        columns = ", ".join(_text(sql.Identifier(each)) for each in self.columns)
        return f"{self.kind} {self.relation}" + (f" ({columns})" if columns else "")

    @property
    def summary(self) -> str:
        """What it is, for a person."""
        columns = ", ".join(self.columns)
        match self.kind:
            case RemedyKind.ANALYZE:
                return f"fresh statistics of {self.table}"
            case RemedyKind.TARGET:
                return f"a statistics target of {RAISED_TARGET} for {self.table}.{columns}"
            case _:
                return f"statistics ({self.kind}) on {self.table} ({columns})"

    def step(self) -> Step:
        """Return the step that tells the planner in production while readers and writers go on.

        Each statement takes a ShareUpdateExclusiveLock on the table at most: only other ANALYZE,
        VACUUM and changes of the schema wait.
        """
        table = sql.Identifier(self.schema, self.table)
        analyze = _text(_ANALYZE.format(table))
        match self.kind:
            case RemedyKind.ANALYZE:
                return Step(f"let the planner know what is in {self.relation} now", do=(analyze,))
            case RemedyKind.TARGET:
                do, undo, inspect = self._target_sql(table)
            case _:
                do, undo, inspect = self._statistics_sql(table)
        return Step(
            f"give the planner {self.summary}",
            do=(do, analyze),
            undo=(undo, analyze),
            inspect=inspect,
        )

    def exists_in(self, catalog: Catalog) -> bool:
        """Return whether the planner is told already. ANALYZE can always be run once more."""
        if self.kind is RemedyKind.ANALYZE:
            return False
        if self.kind is RemedyKind.TARGET:
            return self.previous_target >= RAISED_TARGET
        of_table = {table.qualified_name for table in catalog.tables.values() if self._is_of(table)}
        return any(
            each.table in of_table
            and self.kind in each.kinds
            and {_unquoted(key) for key in each.keys} == set(self.columns)
            for each in catalog.statistics
        )

    def to_json(self) -> dict[str, Json]:
        """Return the remedy as plain JSON."""
        return {**asdict(self), "kind": self.kind.value, "columns": list(self.columns)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Remedy":
        """Return the remedy that ``to_json`` wrote."""
        kind, columns = RemedyKind(value["kind"]), tuple(value["columns"])
        return cls(**{**value, "kind": kind, "columns": columns})

    def _is_of(self, table: Table) -> bool:
        return (table.schema, table.name) == (self.schema, self.table)

    def _statistics_sql(self, table: sql.Identifier) -> tuple[str, str, str]:
        """Return what makes the statistics object, what drops it, and what looks for it."""
        name = sql.Identifier(self.schema, self.name)
        columns = sql.SQL(", ").join(sql.Identifier(each) for each in self.columns)
        return (
            _text(_CREATE.format(name, sql.SQL(self.kind.value), columns, table)),
            _text(_DROP.format(name)),
            _text(_HAS_STATISTICS.format(sql.Literal(self.schema), sql.Literal(self.name))),
        )

    def _target_sql(self, table: sql.Identifier) -> tuple[str, str, str]:
        """Return what raises the column's target, what restores it, and what looks at it."""
        (name,) = self.columns
        column = sql.Identifier(name)
        return (
            _text(_SET_TARGET.format(table, column, sql.Literal(RAISED_TARGET))),
            _text(_SET_TARGET.format(table, column, sql.SQL(str(int(self.previous_target))))),
            _text(
                _HAS_TARGET.format(
                    sql.Literal(self.relation), sql.Literal(name), sql.Literal(RAISED_TARGET)
                )
            ),
        )


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _text(composed: sql.Composable) -> str:
    return composed.as_string(None)
