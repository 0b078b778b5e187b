"""Whether honed could do its work on a target, asked before it does any."""

from dataclasses import dataclass

from honed.config import Settings
from honed.errors import MissingPrivilege, TargetUnavailable
from honed.storage.db import Connection, Database
from honed.targets.postgres.connection import CATALOG_QUERIES, reading
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord, connection_url

#: As in ``server_version_num``: 180006.
_MAJOR = 10_000


@dataclass(frozen=True, slots=True)
class Access:
    """What honed can do with a target that it can read."""

    #: For people: ``18.6``.
    server_version: str
    #: Whether the acting role could index every user table.
    may_change: bool
    #: Why not; empty if it may.
    why_not: str


def check_target(record: TargetRecord, store: Database, settings: Settings) -> Access:
    """Return what honed can do with a target; nothing on it is changed.

    Raises:
        TargetUnavailable: the target does not answer.
        MissingExtension: pg_stat_statements is not installed, or the server does not load it.
        MissingPrivilege: the observing role may not read what honed reads.
        ConfigurationError: its URL is none.
    """
    target = PostgresTarget(record, store, settings)
    target.check()
    why_not = _why_not(record, settings)
    return Access(_version_text(target.server_version), not why_not, why_not)


def _why_not(record: TargetRecord, settings: Settings) -> str:
    if not record.act_url:
        return "it has no URL for changing it"
    try:
        with reading(connection_url(record, acting=True), settings) as connection:
            return _unchangeable(connection)
    except (TargetUnavailable, MissingPrivilege) as error:
        return f"the acting role cannot log in: {error}"


def _unchangeable(connection: Connection) -> str:
    row = connection.execute(CATALOG_QUERIES["find_unchangeable_table"], {}).fetchone()
    if row is None:
        return ""
    return (
        f"the acting role may not change the table {row['table_name']}: it is no member of"
        f" {row['owner']}, or may not create in its schema"
    )


def _version_text(number: int) -> str:
    return f"{number // _MAJOR}.{number % _MAJOR}"
