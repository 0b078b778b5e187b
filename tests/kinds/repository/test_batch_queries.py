"""Loops that ask for one row in each turn ask once, where a real database promises the same."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from honed.core.canonical import Json
from honed.core.finding import Finding
from honed.kinds.batch_queries import BatchQueries
from honed.signals.partitions import make_partitions
from honed.signals.projects import add_project
from honed.storage.server import Server
from honed.targets.registry import TargetRecord, add_target
from honed.targets.repository.evidence.queries import REPEATED_QUERY
from honed.testing.contract import KindContract
from honed.testing.postgres import Databases
from honed.testing.repository_worlds import (
    MakeRepositoryWorld,
    RepositoryPlan,
    RepositoryWorld,
    making_repository_worlds,
    require_sandbox,
)

_ORDERS = '''"""Reports."""

import psycopg


def names(conn: psycopg.Connection, orders: list[int]) -> list[str]:
    found = []
    for order in orders:
        row = conn.execute("SELECT name FROM customer WHERE id = %s", [order]).fetchone()
        found.append("nobody" if row is None else row["name"].upper())
    return found
'''
_TESTS = """import os

import psycopg
import pytest
from psycopg.rows import dict_row

from shop.orders import names

URL = os.environ.get("SHOP_DATABASE")


@pytest.fixture
def conn():
    if not URL:
        pytest.skip("no database")
    with psycopg.connect(URL, row_factory=dict_row) as conn:
        conn.execute("CREATE TEMP TABLE customer (id bigint PRIMARY KEY, name text)")
        conn.execute("INSERT INTO customer SELECT n, 'c' || n FROM generate_series(1, 30) AS n")
        yield conn
        conn.rollback()


def test_names(conn):
    assert names(conn, [3, 1, 3, 99, *range(1, 31)])[:4] == ["C3", "C1", "C3", "nobody"]


def test_nothing(conn):
    assert names(conn, []) == []
"""
_FILES = {"shop/__init__.py": "", "shop/orders.py": _ORDERS, "tests/test_orders.py": _TESTS}
_UNIQUE = "CREATE TABLE customer (id bigint PRIMARY KEY, name text)"
_QUERY = "SELECT name FROM customer WHERE id = ?"

ASKS_AGAIN = RepositoryPlan(_FILES, options={"schema": _UNIQUE})
#: Nothing says that one key has one row.
NO_KEY = RepositoryPlan(_FILES, options={"schema": _UNIQUE.replace("PRIMARY KEY", "")})


@pytest.fixture(scope="class")
def make_world(
    postgres_server: Server, migrated_template: str, session_folder: Path
) -> Iterator[MakeRepositoryWorld]:
    """Return a maker of repositories with a database that their services ask, and spans of that."""
    require_sandbox()
    databases = Databases(postgres_server, [])
    with making_repository_worlds(postgres_server, migrated_template, session_folder) as make:
        yield lambda plan: asking_world(plan, make, databases)
    databases.drop_all()


def asking_world(
    plan: RepositoryPlan, make: MakeRepositoryWorld, databases: Databases
) -> RepositoryWorld:
    """Return a repository; its option ``schema`` is what its database is made of."""
    server, url = databases.server, databases.create()
    with psycopg.connect(url) as conn:
        conn.execute(str(plan.options["schema"]).encode())
    door = server.socket_dir / ".s.PGSQL.5432"
    # Code in a sandbox is of another user; nobody but honed's gets into the folder.
    door.chmod(0o777)
    lent = {
        "database": "shop-db",
        "sockets": [str(door)],
        "environment": [f"SHOP_DATABASE={url}"],
    }
    world = make(replace(plan, options={**lent, **plan.options}))
    owner = replace(world.store, role="")
    add_target(owner, TargetRecord("shop-db", url))
    _tell(world, times=12)
    return world


def _tell(world: RepositoryWorld, times: int) -> None:
    """Let one operation of a service ask the query so many times."""
    with replace(world.store, role="").transaction() as conn:
        make_partitions(conn)
        add_project(conn, "shop")
        for n in range(times):
            body = {"trace_id": "a", "parent_span_id": "root", "query": _QUERY, "span_id": f"{n}"}
            conn.execute(
                "INSERT INTO honed.signal (project_id, source, type, at, subject, service,"
                " environment, release, value, fingerprint, body) SELECT project_id, 'otlp',"
                " 'span', honed.now(), 'SELECT', 'web', '', '', 2.0, '', %s FROM honed.project"
                " WHERE name = 'shop'",
                [json.dumps(body)],
            )


@pytest.mark.slow
class TestBatchQueries(KindContract):
    kind = BatchQueries()
    ill = ASKS_AGAIN
    well = NO_KEY


def obstacle(finding: Finding) -> str:
    loops: Any = finding.evidence["loops"]
    return str(loops[0]["obstacle"])


@pytest.mark.slow
def test_a_finding_is_answered_and_remembered(
    make_world: MakeRepositoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, kind = make_world(ASKS_AGAIN).target, BatchQueries()
    (found,) = kind.look(target)
    assert (found.type, obstacle(found)) == (REPEATED_QUERY, "")
    (claim,) = kind.propose([found], target)
    # Thirty rows and more by one query, for the client alone.
    assert claim.predicted_log_ratio < -1
    assert "= ANY(%s)" in json.dumps(claim.parameters["change"])
    monkeypatch.setattr("honed.kinds.batch_queries.first_gain", None)
    assert list(kind.look(target)) == [found]
    # What was seen on another commit is not answered.
    other = replace(found, evidence={**found.evidence, "commit": "0" * 40})
    assert list(kind.propose([other], target)) == []


@pytest.mark.slow
def test_why_a_loop_is_left_is_in_the_finding(make_world: MakeRepositoryWorld) -> None:
    def why(**options: Json) -> str:
        plan = replace(ASKS_AGAIN, options={**ASKS_AGAIN.options, **options})
        (found,) = BatchQueries().look(make_world(plan).target)
        assert obstacle(found) in str(found.evidence["remedy"])
        return obstacle(found)

    assert "--socket" in why(sockets=[], environment=[])
    assert "nobody has said which database" in why(database="")
    assert "there is no target gone" in why(database="gone")
    assert "its tests do not run" in why(tests=["nowhere"])
    assert why(schema=NO_KEY.options["schema"]) == "more than one row may have one customer.id"


@pytest.mark.slow
def test_one_turn_shows_no_gain(make_world: MakeRepositoryWorld) -> None:
    tests = _TESTS.replace("[3, 1, 3, 99, *range(1, 31)])[:4]", "[3])").replace(
        '["C3", "C1", "C3", "nobody"]', '["C3"]'
    )
    plan = replace(ASKS_AGAIN, files={**_FILES, "tests/test_orders.py": tests})
    (found,) = BatchQueries().look(make_world(plan).target)
    assert obstacle(found) == "tests call it with too few turns to show a gain"
