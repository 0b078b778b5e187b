"""The production of a trap: a server of its own, a database on it, and its traffic."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, LiteralString, Self

from honed.demo.production import OPTIONS
from honed.errors import StatementCut
from honed.storage.databases import create_database
from honed.storage.db import Database, driver_errors
from honed.storage.server import Server
from honed.targets.postgres.roles import actor_name, observer_name, roles_sql
from honed.targets.registry import TargetRecord

#: No statement of the traffic takes longer, milliseconds.
_CUT_MS = 30_000
#: Between two statements of the traffic.
_PAUSE_S = 0.02
#: The server: as in the demonstration, with standbys, without anything that comes when it likes.
SERVER = {
    **OPTIONS,
    "wal_level": "replica",
    "max_wal_senders": "4",
    "autovacuum": "off",
    "fsync": "off",
    "max_connections": "60",
}
#: The role that owns the tables and sends the traffic.
APPLICATION = "trap_app"
_ROLES: Sequence[Callable[[str], str]] = (observer_name, actor_name)

Statements = Mapping[str, LiteralString]


@dataclass(frozen=True, slots=True)
class Production:
    """One database of a server, as it is seen by its administrator and by its application."""

    name: str
    server: Server
    #: Names of statements that have a connection of their own, so that no other is held up.
    slow: frozenset[str] = frozenset()

    @classmethod
    def make(cls, server: Server, name: str, setup: Sequence[LiteralString]) -> Self:
        """Return a database that the application made by the statements of ``setup``."""
        create_database(Database(server.url()), name)
        production = cls(name, server)
        with production.administrator.connect(autocommit=True) as connection:
            connection.execute(
                "DO $$ BEGIN IF to_regrole('trap_app') IS NULL THEN CREATE ROLE trap_app LOGIN;"
                " END IF; END $$"
            )
            connection.execute("GRANT CREATE ON SCHEMA public TO trap_app")
        with production.client.connect(autocommit=True) as connection:
            for statement in setup:
                connection.execute(statement)
        production.admit()
        return production

    @property
    def administrator(self) -> Database:
        """The database as its superuser."""
        return Database(self.server.url(self.name))

    @property
    def client(self) -> Database:
        """The database as its application."""
        return Database(self.server.url(self.name, user=APPLICATION))

    @property
    def record(self) -> TargetRecord:
        """The database as a target."""
        urls = [self.server.url(self.name, user=role(self.name)) for role in _ROLES]
        return TargetRecord(self.name, *urls)

    def admit(self) -> None:
        """Let honed in: its roles, which may also change the settings of the database."""
        with self.administrator.connect(autocommit=True) as connection:
            connection.execute(roles_sql(self.name, self.name).encode())
            owner = f'ALTER DATABASE "{self.name}" OWNER TO {APPLICATION}'
            connection.execute(owner.encode())
            connection.execute("SELECT pg_stat_reset(), pg_stat_statements_reset()")

    def identify(self, statements: Statements) -> dict[str, str]:
        """Return the names of ``statements`` by their identifiers."""
        names = {}
        with self.client.connect() as connection:
            for name, statement in statements.items():
                explain: LiteralString = "EXPLAIN (VERBOSE, FORMAT JSON) "
                (row,) = connection.execute(explain + statement).fetchall()
                names[str(row["QUERY PLAN"][0]["Query Identifier"])] = name
        return names

    def query(self, statement: LiteralString) -> list[dict[str, Any]]:
        """Return rows of what the administrator asks."""
        with self.administrator.connect(autocommit=True) as connection:
            return connection.execute(statement).fetchall()


@contextmanager
def traffic(production: Production, statements: Statements) -> Iterator[None]:
    """Let the application ask all ``statements`` over and over while the block is open."""
    told = threading.Event()

    def serve(asked: Sequence[LiteralString]) -> None:
        with production.client.connect(autocommit=True) as connection:
            connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(_CUT_MS)])
            while not told.is_set():
                for statement in asked:
                    with suppress(StatementCut), driver_errors():
                        connection.execute(statement)
                    if told.wait(_PAUSE_S):
                        break

    groups = (
        [
            statement
            for name, statement in statements.items()
            if (name in production.slow) is is_slow
        ]
        for is_slow in (False, True)
    )
    threads = [threading.Thread(target=serve, args=(each,)) for each in groups if each]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        told.set()
        for thread in threads:
            thread.join()
