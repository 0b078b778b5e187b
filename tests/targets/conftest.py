"""A production database with a table and its traffic, and honed's view of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from honed.config import Settings
from honed.storage.db import Connection, Database
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord, add_target

_SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE orders (order_id integer PRIMARY KEY, customer integer NOT NULL, day date NOT NULL,
                     state text NOT NULL);
INSERT INTO orders SELECT n, CASE WHEN n % 2 = 0 THEN 0 ELSE n END, date '2020-01-01' + n % 500,
                          CASE WHEN n % 100 = 0 THEN 'open' ELSE 'sent' END
                   FROM generate_series(1, 5000) AS n;
CREATE INDEX orders_customer_idx ON orders (customer);
ANALYZE orders;
"""


@dataclass(frozen=True, slots=True)
class Production:
    """A production database and one client of it."""

    url: str
    client: Connection

    def run(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Run one statement, as the application does, and return its rows."""
        cursor = self.client.execute(statement, parameters)
        rows = cursor.fetchall() if cursor.description else []
        # A backend tells of its writes once a second; this one at once, where it can be told.
        if self.client.info.server_version >= 150000:
            self.client.execute("SELECT pg_stat_force_next_flush()")
        return rows


@pytest.fixture
def make_production(databases: Any) -> Iterator[Callable[..., Production]]:
    """Return a maker of production databases; each call makes another."""
    opened: list[Connection] = []

    def make(url: str = "") -> Production:
        where = url or databases.create()
        client = psycopg.connect(where, autocommit=True, row_factory=dict_row)
        opened.append(client)
        made = Production(where, client)
        # Each by itself: in one transaction the rows would be counted as changed after ANALYZE.
        for statement in _SCHEMA.strip().split(";\n"):
            made.run(statement)
        return made

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def production(make_production: Callable[..., Production]) -> Production:
    """Return a production database."""
    return make_production()


@pytest.fixture
def make_target(store: Database, honed_home: Path) -> Callable[..., PostgresTarget]:
    """Return a maker of targets, which act in the store as the daemon does."""
    settings = Settings(home=honed_home, statement_timeout_s=10.0, lock_timeout_s=0.2)

    def make(url: str, name: str = "shop", **options: Any) -> PostgresTarget:
        record = add_target(store, TargetRecord(name, url, options=options))
        return PostgresTarget(record, replace(store, role="honed_daemon"), settings)

    return make


@pytest.fixture
def target(production: Production, make_target: Callable[..., PostgresTarget]) -> PostgresTarget:
    """Return production as a target of which nothing was read yet."""
    return make_target(production.url)


@pytest.fixture
def at(store: Database) -> Callable[[PostgresTarget, datetime], PostgresTarget]:
    """Return how a target is at a time: the store's clock stands there."""

    def moved(target: PostgresTarget, now: datetime) -> PostgresTarget:
        then = replace(store, role="honed_daemon", fake_now=now)
        return PostgresTarget(target.record, then, target.settings)

    return moved


@pytest.fixture
def connected(production: Production) -> Iterator[Callable[..., Connection]]:
    """Return a maker of further clients of production."""
    opened: list[Connection] = []

    def connect(**options: Any) -> Connection:
        client = psycopg.connect(production.url, autocommit=True, row_factory=dict_row, **options)
        opened.append(client)
        return client

    yield connect
    for client in opened:
        with closing(client):
            client.cancel_safe()
