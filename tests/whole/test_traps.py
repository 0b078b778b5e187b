"""Advice that looks good and is not, in a whole turn of the loop with real trials."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import pytest

from honed.config import Autonomy, Settings
from honed.core.step import Step
from honed.core.verdict import State, Verdict
from honed.loop.cycle import Options
from honed.storage.db import Database
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.targets.postgres.indexes.partitions import index_steps, read_trees
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord, add_target
from honed.testing.claimed import Claimed, GivenClaim, statements_claim
from honed.testing.postgres import Databases
from honed.wiring import App, open_app

_SETUP: tuple[LiteralString, ...] = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE TABLE line (order_id int, line_no int, amount int, PRIMARY KEY (order_id, line_no))",
    "INSERT INTO line SELECT n / 5, n % 5, n FROM generate_series(0, 49999) n",
    "CREATE TABLE job (job_id int PRIMARY KEY, state int, cost int)",
    "INSERT INTO job SELECT n, n * (n % 100 = 0)::int, n % 90 FROM generate_series(1, 50000) n",
    "CREATE TABLE event (event_id int, device int) PARTITION BY RANGE (event_id)",
    "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (1) TO (60001)",
    "CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (60001) TO (120001)",
    "INSERT INTO event SELECT n, n % 4000 FROM generate_series(1, 120000) n",
    "VACUUM ANALYZE",
)
_TRAFFIC: tuple[LiteralString, ...] = (
    "SELECT sum(amount) FROM line WHERE order_id = 4711",
    # The one value that an index on the column does not help with; of all others it has few rows.
    "SELECT sum(cost) FROM job WHERE state = 0",
    "SELECT count(event_id) FROM event WHERE device = 77",
)
_OF_A_PARENT = IndexDefinition("public", "event", (Key("device"),))


def _index(subject: str, table: str, column: str) -> GivenClaim:
    step = IndexDefinition("public", table, (Key(column),)).step()
    return GivenClaim(subject, lambda _: [step], about=f"FROM {table} ")


def _on_every_partition(target: PostgresTarget) -> list[Step]:
    return index_steps(_OF_A_PARENT, read_trees(target.catalog()))


PREFIX = _index("what the primary key begins with", "line", "order_id")
SKEW = _index("what a generic plan would use", "job", "state")
NAIVE = statements_claim(
    "all partitions at once",
    ("CREATE INDEX CONCURRENTLY naive ON event (device)", "DROP INDEX IF EXISTS naive"),
    about="FROM event ",
)
OWN_WAY = GivenClaim("each partition by itself", _on_every_partition, about="FROM event ")


@contextmanager
def _traffic(url: str) -> Iterator[None]:
    told = threading.Event()

    def serve() -> None:
        with Database(url).connect(autocommit=True) as connection:
            for statement in itertools.cycle(_TRAFFIC):
                connection.execute(statement)
                if told.wait(0.01):
                    break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        told.set()
        thread.join()


@contextmanager
def _honed(store: Database, home: Path, url: str) -> Iterator[App]:
    settings = Settings.model_validate(
        {
            "home": home,
            "store_url": store.url,
            "autonomy": Autonomy.FULL,
            "require_human_approval": False,
            "max_changes_per_run": 5,
            "sample_interval_s": 0.3,
            "glance_interval_s": 0.1,
            "watch_intervals": 8,
            "trial_budget_s": 30.0,
        }
    )
    # What helps first: the more was tried before, the more evidence the policy asks for.
    kind = Claimed([OWN_WAY, PREFIX, SKEW, NAIVE])
    with open_app(settings, kinds={kind.name: kind}) as app:
        add_target(store, TargetRecord("traps", url, url))
        yield app


@pytest.fixture
def production(databases: Databases) -> str:
    """Return the URL of a database that needs one index, on its partitioned table."""
    url = databases.create()
    with Database(url).connect(autocommit=True) as connection:
        for statement in _SETUP:
            connection.execute(statement)
    return url


def _indexes(url: str) -> set[str]:
    with Database(url).connect() as connection:
        rows = connection.execute("SELECT relname FROM pg_class WHERE relkind IN ('i', 'I')")
        return {row["relname"] for row in rows if not row["relname"].startswith("pg_")}


@pytest.mark.slow
def test_traps_are_caught_and_what_helps_is_kept(
    store: Database, honed_home: Path, production: str
) -> None:
    before = _indexes(production)
    with _honed(store, honed_home, production) as app:
        with app.reading(), _traffic(production):
            while len(app.target("traps").intervals()) < 10:
                pass
            report = app.run_cycle(
                "traps", Options(dry_run=False, max_changes=5, require_approval=False)
            )
        app.checkpoint()
        assert app.verify_ledger().size > 0
    found = {each.subject: each for each in report.improvements}
    assert len(found) == 4
    for trap in (PREFIX, SKEW):
        assert found[trap.subject].state in {State.REFUTED, State.INCONCLUSIVE}
        assert found[trap.subject].verdict is not Verdict.ERROR, found[trap.subject].error
    assert (found[NAIVE.subject].state, found[NAIVE.subject].verdict) == (
        State.INCONCLUSIVE,
        Verdict.ERROR,
    )
    assert "concurrently" in found[NAIVE.subject].error
    kept = found[OWN_WAY.subject]
    assert kept.state is State.KEPT
    parts = {_OF_A_PARENT.on("public", table).name for table in ("event", "event_1", "event_2")}
    assert _indexes(production) - before == parts
