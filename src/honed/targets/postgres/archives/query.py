"""Questions to archives: one statement that reads, on the archived tables and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from honed.errors import ArchiveDamaged, QueryRefused
from honed.targets.postgres.archives.engine import identifier, reading
from honed.targets.postgres.archives.files import Archive

if TYPE_CHECKING:
    import duckdb

#: Types of DuckDB whose values are plain in JSON; others are told as text.
_PLAIN = frozenset({"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "VARCHAR"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement returned."""

    columns: tuple[str, ...]
    #: Each value as text, but for whole numbers, truth values and NULL.
    rows: tuple[tuple[Any, ...], ...]


def ask(archives: Sequence[Archive], statement: str, memory_mb: int) -> Answer:
    """Return what ``statement`` says, in DuckDB's dialect, of archived tables.

    Each archived partition has its name, in its schema; the name of the table that it was a
    partition of means all of that table's archived partitions together. A schema may be left out
    where no two tables share a name.

    Raises:
        QueryRefused: it is not one statement that reads, or DuckDB refuses it.
        MissingExtra: DuckDB is not installed.
    """
    paths = [path for archive in archives for path in archive.paths]
    try:
        with reading(paths, memory_mb) as connection:
            _refuse_others(connection, statement)
            _make_views(connection, archives)
            return _answer(connection, statement)
    except ArchiveDamaged as error:
        raise QueryRefused(str(error)) from error


def _refuse_others(connection: "duckdb.DuckDBPyConnection", statement: str) -> None:
    """Return if ``statement`` is one that only reads.

    Raises:
        QueryRefused: it is not.
    """
    statements = connection.extract_statements(statement)
    if len(statements) != 1 or statements[0].type.name != "SELECT":
        msg = "this is not one statement that reads"
        raise QueryRefused(msg)


def _make_views(connection: "duckdb.DuckDBPyConnection", archives: Sequence[Archive]) -> None:
    parts: dict[tuple[str, str], list[Archive]] = {}
    for archive in archives:
        manifest = archive.manifest
        for name in ((manifest.schema, manifest.table), manifest.parent):
            parts.setdefault(name, []).append(archive)
    seen: dict[str, int] = {}
    for _, table in parts:
        seen[table.casefold()] = seen.get(table.casefold(), 0) + 1
    for (schema, table), members in parts.items():
        rows = " UNION ALL BY NAME ".join(_select(archive) for archive in members)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
        connection.execute(f"CREATE VIEW {identifier(schema)}.{identifier(table)} AS {rows}")
        if seen[table.casefold()] == 1:
            connection.execute(f"CREATE VIEW main.{identifier(table)} AS {rows}")


def _select(archive: Archive) -> str:
    """Return the rows of one archive, with numbers that are kept as text as numbers."""
    decimals: Mapping[str, str] = archive.manifest.decimals
    columns = ", ".join(
        f"{_cast(identifier(column.name), decimals.get(column.name, ''))}"
        for column in archive.manifest.columns
    )
    return f"SELECT {columns} FROM {archive.source}"  # noqa: S608 - names are quoted


def _cast(name: str, type_name: str) -> str:
    return f"{name}::{type_name} AS {name}" if type_name else name


def _answer(connection: "duckdb.DuckDBPyConnection", statement: str) -> Answer:
    text = statement.strip().rstrip(";")
    described = connection.execute(f"DESCRIBE {text}").fetchall()
    names = [f"c{i}" for i in range(len(described))]
    values = ", ".join(
        name if type_name in _PLAIN else f"{name}::VARCHAR"
        for name, (_, type_name, *_) in zip(names, described, strict=True)
    )
    rows = connection.execute(f"SELECT {values} FROM ({text}\n) AS t ({', '.join(names)})")  # noqa: S608 - the statement is what is asked
    return Answer(tuple(each[0] for each in described), tuple(rows.fetchall()))
