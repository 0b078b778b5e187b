"""A database of the private shadow server that statements are planned on."""

from collections.abc import Mapping
from textwrap import shorten
from typing import Any

from psycopg import sql

from honed.core.canonical import Json
from honed.errors import EvaluatorFailed, StatementCut
from honed.storage.db import Connection
from honed.targets.postgres.production import quoted
from honed.targets.postgres.shadow import OWNER, READER, Shadow

#: Longest EXPLAIN, with ANALYZE too.
EXPLAIN_TIMEOUT_S = 10.0

_EXPLAIN = sql.SQL("EXPLAIN (FORMAT JSON, VERBOSE) {}")
_EXPLAIN_ANALYZE = sql.SQL("EXPLAIN (FORMAT JSON, VERBOSE, ANALYZE, TIMING OFF) {}")


class ShadowDatabase:
    """One database of the shadow server, with a connection for each role that works on it.

    Statements of the workload run under a role that only reads; builds run under the role that
    owns the tables; neither is a superuser, because what comes from a target is not trusted on
    honed's machine. One thread at a time uses it.
    """

    def __init__(self, shadow: Shadow, database: str) -> None:
        self.shadow = shadow
        self.database = database
        self._sessions: dict[str, Connection] = {}

    @property
    def url(self) -> str:
        """URL of the database, as the role that owns its tables."""
        return self.shadow.server.url(self.database, OWNER)

    def session(self, user: str = "postgres") -> Connection:
        """Return the database's connection of ``user``; in autocommit mode."""
        if user not in self._sessions or self._sessions[user].closed:
            limits = {"statement_timeout": f"{EXPLAIN_TIMEOUT_S * 1000:.0f}"}
            reading = {"default_transaction_read_only": "on", **limits}
            self._sessions[user] = self.shadow.connect(
                self.database, user=user, settings=reading if user == READER else {}
            )
        return self._sessions[user]

    def run(self, *statements: str) -> None:
        """Run each of ``statements`` by itself, as the owner of the tables, outside a transaction.

        Raises:
            EvaluatorFailed: one failed; the message names it.
            DiskFull: there is no room for what it builds.
        """
        for statement in statements:
            try:
                with self.shadow.errors(f"running {shorten(statement, 80)}"):
                    self.session(OWNER).execute(quoted(statement))
            except StatementCut as error:
                raise EvaluatorFailed(str(error)) from error

    def query(
        self, statement: str, parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of ``statement``, run as the role that only reads."""
        with self.shadow.errors("reading the private copy"):
            return self.session(READER).execute(quoted(statement), parameters).fetchall()

    def explain(self, statement: str, *, analyze: bool = False) -> Mapping[str, Json]:
        """Return the plan: the object that ``EXPLAIN (FORMAT JSON, VERBOSE)`` returns.

        Args:
            statement: one statement without parameters; not run unless ``analyze``.

            analyze: run it too, so that the nodes have ``Actual Rows``.

        Raises:
            EvaluatorFailed: the statement cannot be planned.
            StatementCut: it took longer than ``EXPLAIN_TIMEOUT_S``.
        """
        explain = _EXPLAIN_ANALYZE if analyze else _EXPLAIN
        with self.shadow.errors("planning a statement"):
            rows = self.session(READER).execute(explain.format(quoted(statement))).fetchall()
        plan: dict[str, Any] = rows[0]["QUERY PLAN"][0]
        return plan

    def close(self) -> None:
        """Close every connection; the lab drops the database."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
