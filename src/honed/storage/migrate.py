"""Migrations: bring the schema of honed's database forward, and tell whether it is."""

import hashlib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from honed.errors import StoreOutdated
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.storage")
_SHIPPED = resources.files("honed.storage.migrations")


def migrate(database: Database, *, folder: Traversable = _SHIPPED) -> list[str]:
    """Apply the migrations that are missing, all or none, and return their names.

    Args:
        database: as its owner, who may create roles.

        folder: the files ``NNNN_verb_noun.sql``.

    Raises:
        StoreOutdated: an applied migration was edited, or the store is newer than this honed.
    """
    files = _read(folder)
    with database.transaction() as connection:
        connection.execute(_QUERIES["lock_migrations"])
        connection.execute("CREATE SCHEMA IF NOT EXISTS honed")
        connection.execute(_QUERIES["create_migration_table"])
        missing = _missing(files, _applied(connection))
        for name in missing:
            connection.execute(files[name])
            connection.execute(
                _QUERIES["record_migration"], {"name": name, "sha256": _sha256(files[name])}
            )
    return missing


def check(database: Database, *, folder: Traversable = _SHIPPED) -> None:
    """Return if the database has exactly the migrations of this honed.

    Raises:
        StoreOutdated: it has not; the message names the first difference.
    """
    with database.transaction() as connection:
        found = connection.execute(_QUERIES["find_migration_table"]).fetchone()
        applied = _applied(connection) if found and found["is_there"] else {}
    missing = _missing(_read(folder), applied)
    if missing:
        msg = f"the migration {missing[0]} was not applied yet"
        raise StoreOutdated(msg)


def _read(folder: Traversable) -> dict[str, bytes]:
    files = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    return {file.name[:-4]: file.read_bytes() for file in sorted(files, key=lambda f: f.name)}


def _applied(connection: Connection) -> dict[str, str]:
    rows = connection.execute(_QUERIES["list_migrations"]).fetchall()
    return {row["name"]: row["sha256"] for row in rows}


def _missing(files: Mapping[str, bytes], applied: Mapping[str, str]) -> list[str]:
    for name, sha256 in applied.items():
        if name not in files:
            msg = f"the migration {name} was applied by a newer honed"
            raise StoreOutdated(msg, hint="install the newest honed")
        if _sha256(files[name]) != sha256:
            msg = f"the migration {name} was edited after it was applied"
            raise StoreOutdated(msg, hint="install honed again; migrations are never edited")
    return [name for name in files if name not in applied]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
