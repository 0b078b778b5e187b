"""DuckDB, kept on a short lead: no network, no extensions, no files but those that it is given."""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from honed.errors import ArchiveDamaged, MissingExtra

if TYPE_CHECKING:
    import duckdb

#: Nothing is fetched from anywhere, whatever a query asks for.
_CLOSED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}


def is_installed() -> bool:
    """Return whether DuckDB is installed here."""
    return importlib.util.find_spec("duckdb") is not None


@contextmanager
def writing(folder: Path, memory_mb: int) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Hand out a DuckDB that reads and writes files of ``folder`` and no others.

    Raises:
        MissingExtra: DuckDB is not installed.
        ArchiveDamaged: DuckDB refuses what it is given; the message is its own.
    """
    with _opened(memory_mb, temporary=str(folder)) as connection:
        connection.execute(f"SET allowed_directories = [{literal(str(folder))}]")
        _lock(connection)
        yield connection


@contextmanager
def reading(files: Sequence[Path], memory_mb: int) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Hand out a DuckDB that reads ``files`` and no others, and keeps everything in memory.

    Raises:
        MissingExtra: DuckDB is not installed.
        ArchiveDamaged: DuckDB refuses what it is given; the message is its own.
    """
    with _opened(memory_mb, temporary="") as connection:
        paths = ", ".join(literal(str(file)) for file in files)
        connection.execute(f"SET allowed_paths = [{paths}]")
        _lock(connection)
        yield connection


@contextmanager
def _opened(memory_mb: int, *, temporary: str) -> Iterator["duckdb.DuckDBPyConnection"]:
    try:
        import duckdb
    except ImportError as error:
        msg = "archives are written and read by DuckDB, which is not installed"
        raise MissingExtra(msg) from error
    limits = {"memory_limit": f"{memory_mb}MiB", "temp_directory": temporary}
    with duckdb.connect(":memory:", config={**_CLOSED, **limits}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            yield connection
        except duckdb.Error as error:
            raise ArchiveDamaged(str(error).strip().partition("\n")[0]) from error


def _lock(connection: "duckdb.DuckDBPyConnection") -> None:
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def literal(text: str) -> str:
    """Return ``text`` as a constant of DuckDB's SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return ``name`` as a name in the SQL of DuckDB and of PostgreSQL."""
    return '"' + name.replace('"', '""') + '"'
