"""What the store is: server, size, and how far it was migrated."""

from dataclasses import dataclass
from datetime import datetime

from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.storage")


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration that was applied."""

    name: str
    applied_at: datetime


@dataclass(frozen=True, slots=True)
class Description:
    """What the store is at this moment."""

    #: For people: ``18.6``.
    server_version: str
    database: str
    #: Whom the server knows this connection as.
    login: str
    size_bytes: int
    #: Oldest first.
    migrations: tuple[Migration, ...]


def describe(conn: Connection) -> Description:
    """Return what the store is; any role may ask."""
    (row,) = conn.execute(_QUERIES["describe_store"])
    applied = conn.execute(_QUERIES["list_history"]).fetchall()
    return Description(**row, migrations=tuple(Migration(**each) for each in applied))
