"""The same reading on each major version at hand, through a restart of the server."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from honed.core.finding import STALE_STATISTICS
from honed.errors import MissingExtension
from honed.storage.server import Server
from honed.targets.postgres.batches.writers import (
    Writer,
    read_writers,
    register_sql,
    size_step,
)
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.warming.cache import (
    Warming,
    budget_blocks,
    choose,
    read_relations,
    read_start,
    why_not,
)
from honed.testing.postgres import TEST_OPTIONS

_SYSTEM = Path("/usr/lib/postgresql")
_FOLDERS: list[Path | None] = [None, *(_SYSTEM / version / "bin" for version in ("14", "15", "16"))]

_BY_CUSTOMER = "SELECT state FROM orders WHERE customer IN (17, 19, 21)"
_MEMO = """
CREATE TABLE IF NOT EXISTS memo AS SELECT repeat('x', 200) AS note FROM generate_series(1, 5000)
"""
_BY_DAY = "SELECT count(*) FROM orders WHERE day > %(day)s"


@pytest.fixture(scope="module", params=_FOLDERS, ids=lambda folder: folder and folder.parent.name)
def server(request: pytest.FixtureRequest, session_folder: Path) -> Iterator[Server]:
    """Return a server of one version, of this module alone: it is restarted."""
    folder: Path | None = request.param
    if folder is not None and not (folder / "postgres").exists():
        pytest.skip(f"there is no PostgreSQL in {folder}")
    name = folder.parent.name if folder else "embedded"
    server = Server(session_folder / f"server-{name}", binaries=folder, options=TEST_OPTIONS)
    server.start()
    yield server
    server.stop()


def _traffic(production: Any) -> None:
    for _ in range(3):
        production.run(_BY_CUSTOMER)
        production.run(_BY_DAY, {"day": "2020-05-05"})
    production.run("UPDATE orders SET state = 'lost' WHERE order_id <= 1500")


def test_everything_can_be_read(
    server: Server,
    make_production: Callable[..., Any],
    make_target: Callable[..., PostgresTarget],
) -> None:
    production = make_production(server.url("template1"))
    target = make_target(production.url)
    target.check()
    target.sample()
    production.client.execute(_BY_CUSTOMER)
    target.sample()
    _traffic(production)
    # The server tells what this client wrote, at the latest when it leaves.
    production.client.close()
    while _clients(target):
        pass
    target.sample()
    workload = target.workload()
    examples = {item.text.split()[1]: item for item in workload.replayable}
    assert examples["state"].examples == (_BY_CUSTOMER,)
    assert examples["state"].calls == 4
    assert examples["count(*)"].source == "statistics"
    assert workload.writes["public.orders"].updated >= 1500
    assert workload.skipped == {}
    assert len(target.catalog().indexes) == 2
    assert target.fingerprint() == target.fingerprint()
    findings = target.observe(timedelta(hours=1)).findings
    assert "public.orders" in [item.subject for item in findings if item.type == STALE_STATISTICS]
    assert all(cost.calls > 0 for cost in target.statement_costs().values())


def _clients(target: PostgresTarget) -> list[dict[str, Any]]:
    return target.query(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND datname = current_database() AND application_name <> 'honed'"
    )


def test_a_reset_takes_nothing_away(
    server: Server, make_target: Callable[..., PostgresTarget]
) -> None:
    target = make_target(server.url("template1"))
    with psycopg.connect(server.url("template1"), autocommit=True) as client:
        # The first call is slower than those that follow.
        client.execute(_BY_CUSTOMER)
        client.execute("SELECT pg_stat_statements_reset()")
        client.execute(_BY_CUSTOMER)
        target.sample()
        client.execute("SELECT pg_stat_statements_reset()")
        # More of everything than before: no counter went down.
        for _ in range(30):
            client.execute(_BY_CUSTOMER)
        target.sample()
    assert [item.calls for item in target.workload().replayable] == [31]


def test_counters_survive_a_restart_and_never_go_back(
    server: Server, make_target: Callable[..., PostgresTarget]
) -> None:
    target = make_target(server.url("template1"))
    target.sample()
    before = {item.statement_id: item.calls for item in target.workload().statements}
    server.stop()
    server.start()
    target.sample()
    after = {item.statement_id: item.calls for item in target.workload().statements}
    assert before
    assert {key: after[key] for key in before} == before
    assert all(cost.calls > 0 for cost in target.statement_costs().values())


def test_memory_is_cold_after_a_restart_until_it_is_warmed(
    server: Server, make_target: Callable[..., PostgresTarget]
) -> None:
    target = make_target(server.url("template1"))
    with psycopg.connect(server.url("template1"), autocommit=True) as client:
        client.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        client.execute("CREATE EXTENSION IF NOT EXISTS pg_buffercache")
        client.execute(_MEMO)
        for _ in range(3):
            client.execute("SELECT count(note) FROM memo")
    before = read_start(target)
    server.stop()
    server.start()
    start = read_start(target)
    assert start.subject != before.subject or start.started_at > before.started_at
    assert why_not(target, start) == ""
    assert not start.is_automatic
    chosen = choose(read_relations(target, start), budget_blocks(target, start))
    (memo,) = (each for each in chosen if each.name == "memo")
    assert memo.held == 0
    warming = Warming(
        start.started_at.isoformat(), 3600.0, start.block_bytes, "public", start.buffercache_schema
    )
    (step,) = warming.steps([(memo.schema, memo.name, memo.pages, memo.missing)])
    with psycopg.connect(server.url("template1"), autocommit=True) as client:
        for statement in step.do:
            client.execute(statement.encode())
    warm = {each.name: each for each in read_relations(target, start)}
    assert warm["memo"].held == warm["memo"].pages > 0


def test_a_writer_asks_and_is_told(
    server: Server, make_target: Callable[..., PostgresTarget]
) -> None:
    target = make_target(server.url("template1"))
    writer = Writer("memos", "public.memo", 10, 1, 500)
    with psycopg.connect(server.url("template1"), autocommit=True) as client:
        client.execute(_MEMO)
        client.execute(register_sql(writer, actor="nobody").encode())
        client.execute(size_step("memos", before=10, after=80).do[0].encode())
        assert client.execute("SELECT honed.batch_size('memos')").fetchone() == (80,)
        assert read_writers(target) == [replace(writer, batch_size=80)]
        client.execute("DROP SCHEMA honed CASCADE")
    assert read_writers(target) == []


def test_a_library_that_is_not_loaded_is_named(
    server: Server, make_target: Callable[..., PostgresTarget]
) -> None:
    target = make_target(server.url("template1"))
    server.stop()
    with_library, server.options = (
        server.options,
        {
            **server.options,
            "shared_preload_libraries": "",
            "compute_query_id": "on",
        },
    )
    try:
        server.start()
        with pytest.raises(MissingExtension, match="pg_stat_statements") as missing:
            target.check()
        assert "shared_preload_libraries" in f"{missing.value} {missing.value.hint}"
    finally:
        server.stop()
        server.options = with_library
        server.start()
