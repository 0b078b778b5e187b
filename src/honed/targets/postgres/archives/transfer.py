"""Carrying the rows of a table to Parquet files, and back."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from honed.errors import StepFailed
from honed.storage.queries import load_queries
from honed.targets.postgres.archives.engine import identifier, literal, reading, writing
from honed.targets.postgres.archives.files import (
    Archive,
    File,
    Manifest,
    digest_of,
    source,
)
from honed.targets.postgres.archives.proof import Column, prove_files, prove_table
from honed.targets.postgres.archives.types import MOST_DIGITS
from honed.targets.postgres.production import quoted

if TYPE_CHECKING:
    import duckdb

QUERIES = load_queries(__package__, "archives.sql")

#: Bytes of text from the server that become one Parquet file; so much more disk is taken meanwhile.
CHUNK_BYTES = 256 * 1024 * 1024
#: Longest row as text that DuckDB is let read; text is sent in hexadecimal, two digits a byte.
_LONGEST_ROW_BYTES = 16 * 1024 * 1024
#: Rows that are sent back at once.
_ROWS_AT_ONCE = 10_000


def read_columns(connection: psycopg.Connection[Any], table: sql.Identifier) -> list[Column]:
    """Return the columns of a table in their order; none where there is no such table."""
    name = {"table": table.as_string(None)}
    with connection.cursor(row_factory=dict_row) as cursor:
        return [Column(**row) for row in cursor.execute(QUERIES["list_columns"], name)]


def refusal(columns: Sequence[Column]) -> str:
    """Return why a table with these columns cannot be archived; empty: it can."""
    for column in columns:
        if not column.is_carried:
            return f"values of the type {column.type} (column {column.name}) do not survive"
    names = [column.name.casefold() for column in columns]
    if len(set(names)) < len(names):
        return "two columns differ only in upper and lower case, which DuckDB does not tell apart"
    return "" if columns else "it has no columns"


def write_archive(
    connection: psycopg.Connection[Any],
    table: sql.Identifier,
    folder: Path,
    *,
    about: dict[str, Any],
    memory_mb: int,
) -> Manifest:
    """Write the rows of ``table`` as Parquet files into ``folder``, and prove that they are equal.

    All is read of one moment. Nothing on the server changes.

    Args:
        connection: in autocommit mode.

        table: a table with rows of its own.

        folder: empty; nobody else writes there.

        about: fields of the manifest that say what the table is.

        memory_mb: what DuckDB may take.

    Raises:
        StepFailed: a value cannot be carried, or the files are not equal to the table.
        ArchiveDamaged: DuckDB refused something.
        MissingExtra: DuckDB is not installed.
    """
    with connection.transaction(), writing(folder, memory_mb) as files:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        columns = read_columns(connection, table)
        if reason := refusal(columns):
            msg = f"{table.as_string(None)} cannot be archived: {reason}"
            raise StepFailed(msg)
        _refuse_values(connection, table, columns)
        paths = [
            _parquet(files, columns, text)
            for text in _texts(connection, _select(table, columns), folder)
        ]
        archived = prove_files(files, source(paths), columns)
        proof = prove_table(connection, table, columns)
        if difference := proof.difference(archived):
            msg = f"the archive of {table.as_string(None)} is not equal to it: {difference}"
            raise StepFailed(msg)
        return Manifest(
            **about,
            columns=tuple(columns),
            files=tuple(File(p.name, p.stat().st_size, digest_of(p)) for p in paths),
            proof=proof,
            decimals=_decimals(files, source(paths), columns),
            archived_at=datetime.now(UTC),
        )


def restore_rows(
    connection: psycopg.Connection[Any], table: sql.Identifier, archive: Archive, memory_mb: int
) -> None:
    """Fill an empty ``table`` with the archived rows, in the caller's transaction.

    Raises:
        StepFailed: the table is not empty, or afterwards it is not equal to the archive.
    """
    manifest = archive.manifest
    if _count(connection, table):
        msg = f"{table.as_string(None)} is not empty: nothing is restored into it"
        raise StepFailed(msg)
    kept = [column for column in manifest.columns if not column.is_generated]
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in kept)
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(table, names)
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        for lines in _lines(archive, kept, memory_mb):
            copy.write(lines)
    prove_equal(connection, table, archive)
    connection.execute(sql.SQL("ANALYZE {}").format(table))


def prove_equal(
    connection: psycopg.Connection[Any], table: sql.Identifier, archive: Archive
) -> None:
    """Return if ``table`` has exactly the archived rows.

    Raises:
        StepFailed: it has not.
    """
    columns = read_columns(connection, table)
    if tuple(columns) != archive.manifest.columns:
        msg = f"{table.as_string(None)} has other columns than its archive"
        raise StepFailed(msg)
    proof = prove_table(connection, table, columns)
    if difference := proof.difference(archive.manifest.proof):
        msg = f"{table.as_string(None)} is no longer equal to its archive: {difference}"
        raise StepFailed(msg)


def _select(table: sql.Identifier, columns: Sequence[Column]) -> sql.Composed:
    wires = ", ".join(column.on_server(column.carriage.wire) for column in columns)
    # The table itself, and all of it: a policy would hide rows from the proof as well.
    start = quoted(f"COPY (SELECT {wires} FROM ONLY ")  # noqa: S608 - names are quoted
    return start + table + quoted(" AS t) TO STDOUT /* honed */")


def _refuse_values(
    connection: psycopg.Connection[Any], table: sql.Identifier, columns: Sequence[Column]
) -> None:
    """Return unless a value has no equal in a Parquet file.

    Raises:
        StepFailed: it has none; the message names the column.
    """
    asked = [column for column in columns if column.carriage.refused_if]
    if not asked:
        return
    parts = ", ".join(
        f"coalesce(bool_or({column.on_server(column.carriage.refused_if)}), false)"
        for column in asked
    )
    start = quoted(f"SELECT ARRAY[{parts}] AS found FROM ONLY ")  # noqa: S608 - names are quoted
    text = start + table + quoted(" AS t /* honed */")
    with connection.cursor(row_factory=dict_row) as cursor:
        (row,) = cursor.execute(text).fetchall()
    for column, found in zip(asked, row["found"], strict=True):
        if found:
            msg = f"a value of {column.name} is infinite or not a number, which would not survive"
            raise StepFailed(msg)


def _texts(
    connection: psycopg.Connection[Any], copy_sql: sql.Composed, folder: Path
) -> Iterator[Path]:
    """Yield files of lines as the server sends them; each is removed before the next is begun."""
    with connection.cursor() as cursor, cursor.copy(copy_sql) as copy:
        rows = iter(copy)
        number, is_more = 0, True
        while is_more:
            path = folder / f"part-{number:05d}.txt"
            with path.open("wb") as file:
                is_more = _fill(file, rows)
            # An empty table has one file, too: its columns are known from it.
            if path.stat().st_size or not number:
                yield path
            path.unlink()
            number += 1


def _fill(file: BinaryIO, rows: Iterator[Any]) -> bool:
    """Write one chunk of rows; return whether there may be more."""
    size = 0
    for data in rows:
        size += file.write(data)
        # A message of the server need not end with a row.
        if size >= CHUNK_BYTES and bytes(data[-1:]) == b"\n":
            return True
    return False


def _parquet(files: "duckdb.DuckDBPyConnection", columns: Sequence[Column], text: Path) -> Path:
    """Make one Parquet file of one file of lines, and return where it is."""
    path = text.with_suffix(".parquet")
    wires = ", ".join(f"'w{i}': 'VARCHAR'" for i in range(len(columns)))
    values = ", ".join(
        f"{column.carriage.from_wire.replace('{w}', f'w{i}')} AS {identifier(column.name)}"
        for i, column in enumerate(columns)
    )
    files.execute(
        f"COPY (SELECT {values} FROM read_csv({literal(str(text))}, auto_detect = false"  # noqa: S608 - names are quoted
        r", header = false, delim = '\t', quote = '', escape = '', nullstr = '\N'"
        f", max_line_size = {_LONGEST_ROW_BYTES}, columns = {{{wires}}}))"
        f" TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
    )
    return path


def _decimals(
    files: "duckdb.DuckDBPyConnection", rows: str, columns: Sequence[Column]
) -> dict[str, str]:
    """Return the DECIMAL that holds every value of each numeric column that is kept as text."""
    found: dict[str, str] = {}
    for column in columns:
        if not (column.type.startswith("numeric") and column.carriage.stored == "VARCHAR"):
            continue
        it = column.in_file("{c}")
        ((whole, fraction, is_plain),) = files.execute(
            f"SELECT max(length(ltrim(split_part({it}, '.', 1), '-'))),"  # noqa: S608 - names are quoted
            f" max(length(split_part({it}, '.', 2))),"
            f" bool_and(regexp_full_match({it}, '-?[0-9]+([.][0-9]+)?')) FROM {rows}"
        ).fetchall()
        if is_plain and whole + fraction <= MOST_DIGITS:
            found[column.name] = f"DECIMAL({MOST_DIGITS},{fraction})"
    return found


def _lines(archive: Archive, columns: Sequence[Column], memory_mb: int) -> Iterator[str]:
    """Yield the archived rows as COPY reads them."""
    fields = ", ".join(
        rf"coalesce({column.in_file(column.carriage.back)}, '\N')" for column in columns
    )
    with reading(archive.paths, memory_mb) as files:
        rows = files.execute(f"SELECT concat_ws(chr(9), {fields}) FROM {archive.source}")  # noqa: S608 - names are quoted
        while some := rows.fetchmany(_ROWS_AT_ONCE):
            yield "".join(f"{line}\n" for (line,) in some)


def _count(connection: psycopg.Connection[Any], table: sql.Identifier) -> int:
    with connection.cursor() as cursor:
        text = sql.SQL("SELECT count(*) AS n FROM ONLY {} /* honed */").format(table)
        (row,) = cursor.execute(text).fetchall()
    return int(row["n"] if isinstance(row, dict) else row[0])
