"""What honed must know of a target's server before it reads it, and what it cannot do without."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from honed.errors import MissingExtension, MissingPrivilege
from honed.storage.db import Connection
from honed.targets.postgres.connection import CATALOG_QUERIES

_EXTENSION = "pg_stat_statements"
_HINT_LOAD = (
    "add pg_stat_statements to shared_preload_libraries, restart the server, then run "
    "CREATE EXTENSION pg_stat_statements in the database"
)
#: With ``toplevel`` and ``pg_stat_statements_info``; PostgreSQL 14 brings it.
_OLDEST_EXTENSION = (1, 9)
#: With ``stats_since``; PostgreSQL 17 brings it.
_WITH_STATS_SINCE = (1, 11)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What honed must know of a target's server before it reads it."""

    #: As ``server_version_num``: 180006.
    server_version: int
    #: Where pg_stat_statements is installed.
    schema: str
    extension_version: tuple[int, ...]
    #: The observing role's oid where it is honed's alone, so that what it runs is no workload.
    own_role: int | None

    @property
    def stats_since(self) -> sql.Composable:
        """The expression that says since when a statement's counters count."""
        if self.extension_version >= _WITH_STATS_SINCE:
            return sql.SQL("s.stats_since")
        return sql.SQL("NULL::timestamptz")


def read_server(connection: Connection) -> ServerFacts:
    """Return the facts of the server, if honed can read its statements.

    Raises:
        MissingExtension: pg_stat_statements is missing, too old or without query identifiers.
        MissingPrivilege: the role sees its own statements only.
    """
    row = connection.execute(CATALOG_QUERIES["read_server"], {}).fetchone()
    if row is None or row["schema"] is None:
        msg = f"the extension {_EXTENSION} is not installed in this database"
        raise MissingExtension(msg, hint=_HINT_LOAD)
    version = tuple(int(part) for part in row["extension_version"].split("."))
    if version < _OLDEST_EXTENSION:
        msg = f"the extension {_EXTENSION} {row['extension_version']} is too old"
        raise MissingExtension(msg, hint="run ALTER EXTENSION pg_stat_statements UPDATE")
    _check_identifiers(row)
    if not row["reads_all_stats"]:
        msg = f"the role {row['role_name']} may not see what other roles run (pg_read_all_stats)"
        raise MissingPrivilege(msg)
    return ServerFacts(row["server_version"], row["schema"], version, row["own_role"])


def check_readable(connection: Connection) -> None:
    """Return if the role may read every user table.

    Raises:
        MissingPrivilege: it may not; the message names the first.
    """
    row = connection.execute(CATALOG_QUERIES["find_unreadable_table"], {}).fetchone()
    if row is not None:
        msg = f"the role may not read the table {row['table_name']} (pg_read_all_data)"
        raise MissingPrivilege(msg)


def _check_identifiers(row: Mapping[str, Any]) -> None:
    if row["compute_query_id"] == "off":
        msg = "the server computes no query identifiers (compute_query_id is off)"
        hint = "run ALTER SYSTEM SET compute_query_id = 'auto', then SELECT pg_reload_conf()"
        raise MissingExtension(msg, hint=hint)
