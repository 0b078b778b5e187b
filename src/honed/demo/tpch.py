"""TPC-H as a database and as a workload: data by tpchgen-cli, schema and queries from here."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import LiteralString

from honed.errors import ConfigurationError
from honed.storage.db import Connection
from honed.storage.queries import load_queries

#: Bytes that one read of a generated file takes.
_COPY_BLOCK_BYTES = 1 << 20

_STATEMENTS = load_queries("honed.demo")

#: The 22 queries by name, ``q01`` to ``q22``, with the validation parameters of the specification.
QUERIES: Mapping[str, LiteralString] = {
    name: statement for name, statement in _STATEMENTS.items() if name[1:].isdigit()
}


def generate(folder: Path, scale: float) -> list[Path]:
    """Return the CSV files of the eight tables at ``scale`` (1 is about 1 GB), made in ``folder``.

    Raises:
        ConfigurationError: the package tpchgen-cli is not installed, or it failed.
    """
    program = _generator()
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [program, "csv", "--overwrite", "-s", str(scale), "-o", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        message = f"tpchgen-cli failed: {done.stderr.strip()[-300:]}"
        raise ConfigurationError(message, hint="--scale is a number such as 0.05")
    return sorted(folder.glob("*.csv"))


def load(connection: Connection, csv_files: list[Path]) -> None:
    """Create the eight tables with primary keys only, fill them, and commit."""
    schema = files("honed.demo").joinpath("schema.sql").read_text()
    connection.execute(schema)
    for path in csv_files:
        _copy(connection, path)
    connection.commit()


def _copy(connection: Connection, path: Path) -> None:
    copy_in = _STATEMENTS[f"copy_{path.stem}"]
    with connection.cursor() as cursor, cursor.copy(copy_in) as copy, path.open("rb") as file:
        while block := file.read(_COPY_BLOCK_BYTES):
            copy.write(block)


def _generator() -> str:
    beside_python = Path(sys.executable).with_name("tpchgen-cli")
    program = str(beside_python) if beside_python.exists() else shutil.which("tpchgen-cli")
    if program is None:
        message = "the demonstration needs the package tpchgen-cli"
        raise ConfigurationError(message, hint="install it with `pip install honed[demo]`")
    return program
