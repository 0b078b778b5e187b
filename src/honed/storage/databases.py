"""Creating and dropping whole databases on a server."""

import psycopg
from psycopg import sql

from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.storage")
_CREATE = sql.SQL("CREATE DATABASE {name} TEMPLATE {template}")
_BY_FILES = sql.SQL(" STRATEGY FILE_COPY")
_DROP = sql.SQL("DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def database_exists(server: Database, name: str) -> bool:
    """Return whether the server has a database called ``name``.

    Args:
        server: any database of the server; so it is below.

        name: as in ``pg_database``.
    """
    with server.connect(autocommit=True) as connection:
        return _is_there(connection, name)


def create_database(
    server: Database, name: str, *, template: str = "template0", by_files: bool = False
) -> bool:
    """Create the database ``name`` as a copy of ``template``; return False if it is there.

    Args:
        server: any database of the server.

        name: the new database.

        template: nobody else may be connected to it.

        by_files: copy files instead of logging blocks; quicker with ``fsync`` off, or for a large
            template, but it forces checkpoints. Needs PostgreSQL 15.

    Raises:
        NotAllowed: the login may not create databases.
        DiskFull: there is no space for it.
    """
    statement = _CREATE.format(name=sql.Identifier(name), template=sql.Identifier(template))
    with server.connect(autocommit=True) as connection:
        # Asked first, because the server would log each refusal as an error.
        if _is_there(connection, name):
            return False
        try:
            connection.execute(statement + _BY_FILES if by_files else statement)
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return False
    return True


def drop_database(server: Database, name: str) -> None:
    """Drop the database ``name``, whoever is still connected to it; nothing if it is not there."""
    with server.connect(autocommit=True) as connection:
        connection.execute(_DROP.format(name=sql.Identifier(name)))


def _is_there(connection: Connection, name: str) -> bool:
    row = connection.execute(_QUERIES["find_database"], {"name": name}).fetchone()
    return bool(row and row["is_there"])
