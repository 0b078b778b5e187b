"""Whether honed could do its work on a target, asked before it does any."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from honed.config import Settings
from honed.errors import LoginRefused, MissingPrivilege, TargetUnavailable
from honed.storage.db import Connection, Database
from honed.targets.postgres.connection import CATALOG_QUERIES, reading
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord, connection_url, password_variable

#: As in ``server_version_num``: 180006.
_MAJOR = 10_000
_HINT_PRIMARY = "give the URL of its primary for changing it; the standby may still be observed"


@dataclass(frozen=True, slots=True)
class Access:
    """What honed can do with a target that it can read."""

    #: For people: ``18.6``.
    server_version: str
    #: Whether the acting role could index every user table.
    may_change: bool
    #: Why not; empty if it may.
    why_not: str
    #: What a person can do about that; empty if it may.
    fix: str
    #: What is unwise about the observing role; empty: nothing.
    warning: str


def check_target(record: TargetRecord, store: Database, settings: Settings) -> Access:
    """Return what honed can do with a target; nothing on it is changed.

    Raises:
        TargetUnavailable: the target does not answer.
        MissingExtension: pg_stat_statements is not installed, or the server does not load it.
        MissingPrivilege: the observing role may not read what honed reads.
        ConfigurationError: its URL is none.
    """
    target = PostgresTarget(record, store, settings)
    with _passwords_named(record, acting=False):
        target.check()
        with reading(connection_url(record), settings) as connection:
            warning = _warning(connection)
    why_not, fix = _why_not(record, settings)
    return Access(_version_text(target.server_version), not why_not, why_not, fix, warning)


def _why_not(record: TargetRecord, settings: Settings) -> tuple[str, str]:
    """Return why it cannot be changed, and what to do; both are empty if it can be."""
    sql = f"`honed target add {record.name} --sql`, with its URLs, prints the SQL for"
    if not record.act_url:
        return "it has no URL for changing it", f"{sql} an acting role"
    try:
        with (
            _passwords_named(record, acting=True),
            reading(connection_url(record, acting=True), settings) as connection,
        ):
            if _is_standby(connection):
                return "the acting URL leads to a standby", _HINT_PRIMARY
            why_not = _unchangeable(connection)
    except (TargetUnavailable, MissingPrivilege) as error:
        return f"the acting role cannot log in: {error}", error.hint
    return why_not, f"{sql} that, to run as a superuser" if why_not else ""


@contextmanager
def _passwords_named(record: TargetRecord, *, acting: bool) -> Iterator[None]:
    """Let the hint about a password name the variable of this very role."""
    try:
        yield
    except LoginRefused as error:
        general = f"HONED_TARGET_<NAME>_{'ACT_' if acting else ''}PASSWORD"
        variable = password_variable(record.name, acting=acting)
        raise LoginRefused(str(error), hint=error.hint.replace(general, variable)) from error


def _warning(connection: Connection) -> str:
    row = connection.execute(CATALOG_QUERIES["is_superuser"], {}).fetchone()
    if row is None or not row["is_superuser"]:
        return ""
    return "the observing role is a superuser, so nothing but honed itself keeps it from writing"


def _is_standby(connection: Connection) -> bool:
    (row,) = connection.execute(CATALOG_QUERIES["is_standby"], {})
    return bool(row["is_standby"])


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
