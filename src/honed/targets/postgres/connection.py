"""Connections that only read a target, with time limits, and words for what goes wrong there."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from honed.config import Settings
from honed.errors import (
    EvaluatorFailed,
    HonedError,
    LoginRefused,
    MissingExtension,
    MissingPrivilege,
    StatementCut,
    TargetUnavailable,
)
from honed.storage.db import CONNECT_TIMEOUT_S, Connection
from honed.storage.queries import load_queries
from honed.targets.postgres.complaint import complaint_of

CATALOG_QUERIES = load_queries("honed.targets.postgres", "catalog.sql")

#: Ends every statement that honed sends, so that it can be told from production's own.
MARK: LiteralString = "/* honed */"

#: SQLSTATEs, or their first two characters, and what they mean of a target.
_MEANINGS: dict[str, type[HonedError]] = {
    "25006": MissingPrivilege,  # a write in a transaction that only reads
    "42501": MissingPrivilege,
    "55P03": StatementCut,  # a lock was not to be had in time
    "57014": StatementCut,
    "08": TargetUnavailable,
    "28": LoginRefused,
    "3D": TargetUnavailable,  # the database does not exist
    "53": TargetUnavailable,  # no connection, memory or disk left there
    "57": TargetUnavailable,  # shutting down, starting up, database dropped
    "58": TargetUnavailable,
}

#: Of a login that fails libpq hands on the server's words alone, without a SQLSTATE. Where they
#: are in another language than English the hint is the general one.
_REFUSAL = re.compile(
    r"no password supplied|authentication failed|no pg_hba\.conf entry"
    r"|role \".*\" (does not exist|is not permitted to log in)"
)
_HINTS = {
    re.compile(r"no pg_hba\.conf entry"): "let the role in from this machine (pg_hba.conf)",
    re.compile(r"role \".*\" does not exist"): (
        "`honed target add --sql` prints the SQL that creates both roles; run it as a superuser"
    ),
    re.compile(r"database \".*\" does not exist"): (
        "correct the database's name in the URL: `honed target remove`, then `honed target add`"
    ),
    re.compile(r"shared_preload_libraries"): (
        "add the library to shared_preload_libraries in postgresql.conf, and restart the server"
    ),
}


@contextmanager
def reading(url: str, settings: Settings, *, search_path: str = "") -> Iterator[Connection]:
    """Hand out a new connection in a transaction that can only read; it is rolled back at the end.

    Args:
        url: the target's, as the observing role.

        settings: give the time limits.

        search_path: the one that its application uses; empty: the role's own.

    Raises:
        TargetUnavailable: the target does not answer, or stopped to.
        MissingPrivilege: something was to be written, or may not be read.
        StatementCut: a time limit passed.
        MissingExtension: the server does not load a library that the statement needs.
        EvaluatorFailed: a statement is wrong; the message is the server's.
    """
    with target_errors(), dial(url) as connection, only_reading(connection, settings, search_path):
        yield connection


@contextmanager
def only_reading(connection: Connection, settings: Settings, search_path: str) -> Iterator[None]:
    """Give a connection one transaction that can only read, with the time limits; roll it back.

    Nothing of it is left on the connection: the limits are rolled back too.
    """
    connection.read_only = True
    # After the first query of a transaction its mode can no longer be changed, not even by a
    # statement that asks for it.
    connection.execute(
        CATALOG_QUERIES["set_limits"],
        {
            "statement_timeout": f"{round(settings.statement_timeout_s * 1000)}ms",
            "lock_timeout": f"{round(settings.lock_timeout_s * 1000)}ms",
            "search_path": search_path,
        },
    )
    yield
    connection.rollback()


def run(
    connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of one statement that is not honed's own text.

    It is prepared first, because the server refuses to prepare more than one statement at once:
    a text can neither end the transaction that only reads nor hide a second statement.
    """
    text = f"{statement.rstrip().rstrip(';')}\n{MARK}"
    with connection.cursor() as cursor:
        cursor.execute(text, parameters, prepare=True)
        return cursor.fetchall() if cursor.description else []


def in_schema(name: str, schema: str, **parts: sql.Composable) -> sql.Composed:
    """Return the named query of catalog.sql, with the extension's schema filled in."""
    return sql.SQL(CATALOG_QUERIES[name]).format(schema=sql.Identifier(schema), **parts)


@contextmanager
def target_errors() -> Iterator[None]:
    """Turn the driver's errors into honed's own; one without words of its own: EvaluatorFailed."""
    try:
        yield
    except psycopg.Error as error:
        meaning = _meaning(error) or EvaluatorFailed
        raise meaning(complaint_of(error), hint=_hint(error)) from error


@contextmanager
def odd_statement(connection: Connection) -> Iterator[None]:
    """Let a statement that fails cost itself alone: the transaction goes on after it.

    Raises:
        EvaluatorFailed: the statement failed; the message is the server's.
        StatementCut: a time limit passed; the statement itself may be well.
        TargetUnavailable: the target went away; the transaction is lost.
    """
    try:
        with connection.transaction():
            yield
    except psycopg.Error as error:
        meaning = _meaning(error)
        if meaning is None or not issubclass(meaning, (StatementCut, TargetUnavailable)):
            meaning = EvaluatorFailed
        raise meaning(complaint_of(error)) from error


def _meaning(error: psycopg.Error) -> type[HonedError] | None:
    if error.sqlstate is None:
        if not isinstance(error, psycopg.OperationalError):
            return None
        # The connection broke, or was never made.
        return LoginRefused if _REFUSAL.search(str(error)) else TargetUnavailable
    if error.sqlstate == "55000" and "shared_preload_libraries" in str(error):
        return MissingExtension
    return _MEANINGS.get(error.sqlstate) or _MEANINGS.get(error.sqlstate[:2])


def _hint(error: psycopg.Error) -> str:
    """Return what to do where the class of the error does not know; mostly it does."""
    said = str(error)
    return next((hint for words, hint in _HINTS.items() if words.search(said)), "")


def dial(url: str) -> Connection:
    """Return a new connection to a target, without any limit yet.

    Raises:
        TargetUnavailable: this is not a URL of PostgreSQL.
    """
    try:
        where = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        msg = "this is not a URL of PostgreSQL"
        raise TargetUnavailable(msg) from None
    where.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
    # What stays open must notice a target whose machine is gone as soon as a new one would.
    where.setdefault("tcp_user_timeout", 1000 * CONNECT_TIMEOUT_S)
    where["application_name"] = "honed"
    return psycopg.connect(**where, row_factory=dict_row)  # type: ignore[arg-type]  # values of libpq's options
