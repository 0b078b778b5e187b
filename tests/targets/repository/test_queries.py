"""What a service asks again and again is found by its spans, with the loop that asks it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from honed.kinds.batch_queries import BatchQueries
from honed.signals.partitions import make_partitions
from honed.signals.projects import add_project
from honed.storage.db import Database
from honed.targets.repository.evidence.queries import REPEATED_QUERY
from honed.testing.repository_worlds import (
    RepositoryPlan,
    RepositoryWorld,
    make_repository_world,
)

QUERY = "SELECT name FROM customer WHERE id = ?"
ORDERS = """def report(cursor, orders):
    for order in orders:
        cursor.execute("SELECT name FROM customer WHERE id = %s", (order,))
"""


@pytest.fixture
def world(store: Database, tmp_path: Path) -> RepositoryWorld:
    with store.transaction() as conn:
        make_partitions(conn)
        add_project(conn, "shop")
        add_project(conn, "other")
    return make_repository_world(RepositoryPlan({"shop/orders.py": ORDERS}), store, tmp_path)


def tell(
    store: Database, trace: str, times: int, query: str = QUERY, project: str = "shop"
) -> None:
    """Let one operation ask a query so many times; each takes 2 ms, and the whole 100."""
    root = {"trace_id": trace, "span_id": "root", "parent_span_id": ""}
    asked = {"trace_id": trace, "parent_span_id": "root", "query": query}
    bodies = [("GET /report", 100.0, root)]
    bodies += [("SELECT", 2.0, {**asked, "span_id": f"{n}"}) for n in range(times)]
    with store.transaction() as conn:
        for subject, took_ms, body in bodies:
            conn.execute(
                "INSERT INTO honed.signal (project_id, source, type, at, subject, service,"
                " environment, release, value, fingerprint, body) SELECT project_id, 'otlp',"
                " 'span', honed.now(), %s, 'web', '', '', %s, '', %s FROM honed.project"
                " WHERE name = %s",
                (subject, took_ms, json.dumps(body), project),
            )


def test_a_query_that_one_operation_asks_many_times_names_its_loop(
    world: RepositoryWorld, store: Database
) -> None:
    tell(store, "a", 12)
    tell(store, "b", 30)
    # Few times, in another operation each, and of somebody else.
    tell(store, "c", 3)
    tell(store, "d", 9, query="SELECT 1")
    tell(store, "e", 50, project="other")
    (found,) = BatchQueries().look(world.target)
    assert found.type == REPEATED_QUERY
    assert found.subject == f"shop: {QUERY}"
    place = "in the loop at shop/orders.py:2 (report)"
    assert found.title == f"asked 12 times within GET /report {place}: {QUERY}"
    why = "it does not read one row by fetchone()"
    loop = {"path": "shop/orders.py", "line": 2, "function": "report", "through": ""}
    assert found.evidence["loops"] == [{**loop, "obstacle": why}]
    # The ticket says what is to be done, and why nobody has done it.
    assert str(found.evidence["remedy"]).startswith("Ask once for all, before the loop")
    assert f"leaves the loop at shop/orders.py:2 alone: {why}." in str(found.evidence["remedy"])
    assert (found.evidence["traces"], found.evidence["most_times"]) == (2, 30)
    # 84 of the 400 ms of the four operations.
    assert found.weight == pytest.approx(0.21)


def test_what_no_source_says_is_told_without_a_loop(
    world: RepositoryWorld, store: Database
) -> None:
    tell(store, "a", 10, query="SELECT 1")
    (found,) = BatchQueries().look(world.target)
    assert found.evidence["loops"] == []
    assert found.title == "asked 10 times within GET /report: SELECT 1"


def test_old_spans_are_not_looked_at(world: RepositoryWorld, store: Database) -> None:
    tell(store, "a", 12)
    assert world.target.asked_lately(timedelta(0)) == []
    assert list(world.target.asked_lately(timedelta(hours=1)))
