"""Proof of equality: what a table and its Parquet files say of their rows, in the same words.

Each row becomes one text: every column's canonical text with its length before it, so that no two
rows share a text. SHA-256 of it gives two numbers of 60 bits, which are added up over all rows, so
that their order does not matter. A row that is lost, doubled or altered in any column changes both
sums, but for a chance of one in 2^120. Not guaranteed against somebody who looks for rows with
equal sums; the files themselves are bound by their own digests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from honed.core.canonical import Json
from honed.targets.postgres.archives.engine import identifier
from honed.targets.postgres.archives.types import Carriage, carriage
from honed.targets.postgres.production import quoted

if TYPE_CHECKING:
    import duckdb

#: Name of the digest beside the columns of a table.
_HASH = '"honed: digest of the row"'
#: Characters of a least or greatest value that are told.
_TOLD = 64


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an archived table."""

    name: str
    #: As ``format_type`` says it.
    type: str
    #: ``pg_type.typtype``.
    category: str
    #: Whether the server computes it: it is archived, and not restored but computed again.
    is_generated: bool

    @property
    def is_carried(self) -> bool:
        """Whether its values survive."""
        return carriage(self.type, self.category) is not None

    @property
    def carriage(self) -> Carriage:
        """How its values are carried; asked only of columns that can be."""
        found = carriage(self.type, self.category)
        assert found is not None  # noqa: S101 - such columns are refused before
        return found

    def on_server(self, template: str) -> str:
        """Return an expression of the server's SQL over the column."""
        return template.replace("{c}", f"t.{identifier(self.name)}")

    def in_file(self, template: str) -> str:
        """Return an expression of DuckDB's SQL over the stored column."""
        return template.replace("{c}", identifier(self.name))


@dataclass(frozen=True, slots=True)
class Summary:
    """What is told of one column."""

    nulls: int
    #: In canonical form, cut; None: there is no value.
    least: str | None
    greatest: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What both sides say of their rows; equal rows give equal proofs."""

    rows: int
    checksum: str
    columns: Mapping[str, Summary]

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Proof":
        """Return what ``to_json`` wrote."""
        columns = {name: Summary(**each) for name, each in value["columns"].items()}
        return cls(value["rows"], value["checksum"], columns)

    def difference(self, other: "Proof") -> str:
        """Return the first thing in which the two differ, for a person; empty: they are equal."""
        if self.rows != other.rows:
            return f"{self.rows} rows against {other.rows}"
        for name, summary in self.columns.items():
            if summary != other.columns.get(name):
                return f"the values of {name} differ"
        return "" if self == other else "values in some row differ"


def prove_table(
    connection: psycopg.Connection[Any], table: sql.Composable, columns: Sequence[Column]
) -> Proof:
    """Return what the server says of ``table`` itself, without partitions below it."""
    row_text = _row_text(
        [(each.on_server("{c}"), each.on_server(each.carriage.canon_server)) for each in columns]
    )
    told = ", ".join(part for each in columns for part in _told_by_server(each))
    # OFFSET 0 keeps the digest from being computed once for each sum.
    text = (
        quoted(f"SELECT count(*), {_sums('bit(60)::bigint', 'x', 'text')}, ARRAY[{told}]::text[]")
        + quoted(f" FROM (SELECT t.*, encode(sha256(convert_to({row_text}, 'UTF8')), 'hex')")
        + quoted(f" AS {_HASH} FROM ONLY ")
        + table
        + quoted(" AS t OFFSET 0) AS t /* honed */")
    )
    with connection.cursor(row_factory=tuple_row) as cursor:
        (row,) = cursor.execute(text).fetchall()
    return _proof(row[0], row[1], columns, row[2])


def prove_files(
    connection: "duckdb.DuckDBPyConnection", source: str, columns: Sequence[Column]
) -> Proof:
    """Return what DuckDB says of ``source``, an expression that reads the Parquet files."""
    row_text = _row_text(
        [(each.in_file("{c}"), each.in_file(each.carriage.canon_file)) for each in columns]
    )
    told = ", ".join(part for each in columns for part in _told_by_file(each))
    hashed = f"(SELECT sha256({row_text}) AS {_HASH} FROM {source})"  # noqa: S608 - names are quoted
    sums = connection.execute(f"SELECT {_sums('UBIGINT', '0x', 'VARCHAR')} FROM {hashed}")  # noqa: S608 - likewise
    ((checksum,),) = sums.fetchall()
    ((rows, *values),) = connection.execute(f"SELECT count(*), {told} FROM {source}").fetchall()  # noqa: S608 - likewise
    return _proof(rows, checksum, columns, values)


def _row_text(columns: Sequence[tuple[str, str]]) -> str:
    """Return the text of a row, of columns with their canonical text; the same on both sides."""
    return " || ".join(
        f"CASE WHEN {column} IS NULL THEN 'n' ELSE concat('v', length({canon}), ':', {canon}) END"
        for column, canon in columns
    )


def _sums(number: str, prefix: str, text: str) -> str:
    """Return both sums of the rows' digests as one text."""
    return " || '.' || ".join(
        f"coalesce(sum(('{prefix}' || substr({_HASH}, {start}, 15))::{number}), 0)::{text}"
        for start in (1, 16)
    )


def _told_by_server(column: Column) -> tuple[str, ...]:
    carried, it = column.carriage, column.on_server("{c}")
    canon = column.on_server(carried.canon_server)
    ends = (
        carried.canon_server.replace("{c}", f"{end}({column.on_server(carried.ordered)})")
        if carried.ordered
        else f'left({end}(({canon}) COLLATE "C"), {_TOLD})'
        for end in ("min", "max")
    )
    return f"(count(*) FILTER (WHERE {it} IS NULL))::text", *ends


def _told_by_file(column: Column) -> tuple[str, ...]:
    carried, it = column.carriage, column.in_file("{c}")
    canon = column.in_file(carried.canon_file)
    ends = (
        carried.canon_file.replace("{c}", f"{end}({column.in_file(carried.ordered)})")
        if carried.ordered
        else f"left({end}({canon}), {_TOLD})"
        for end in ("min", "max")
    )
    return f"count(*) FILTER (WHERE {it} IS NULL)", *ends


def _proof(rows: int, checksum: str, columns: Sequence[Column], told: Sequence[Any]) -> Proof:
    summaries = {
        column.name: Summary(int(told[3 * i]), told[3 * i + 1], told[3 * i + 2])
        for i, column in enumerate(columns)
    }
    return Proof(int(rows), checksum, summaries)
