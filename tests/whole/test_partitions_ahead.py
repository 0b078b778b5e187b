"""Partitions made ahead stay, though production is no faster for them on their first day."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import pytest

from honed.config import Autonomy, Settings
from honed.core.verdict import State
from honed.kinds.partitioning import Partitioning
from honed.loop.cycle import Options
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.testing.postgres import Databases
from honed.wiring import open_app

_SETUP: tuple[LiteralString, ...] = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE TABLE item (item_id bigint PRIMARY KEY, what text) PARTITION BY RANGE (item_id)",
    "CREATE TABLE item_p0 PARTITION OF item FOR VALUES FROM (0) TO (10000)",
    "CREATE TABLE item_p1 PARTITION OF item FOR VALUES FROM (10000) TO (20000)",
    "INSERT INTO item SELECT n, 'thing' FROM generate_series(1, 15000) n",
    "VACUUM ANALYZE item",
)
#: It names its row: a max() over all partitions would honestly be dearer with more of them.
_INSERT = "INSERT INTO item VALUES (%s, 'thing')"


@contextmanager
def _traffic(url: str) -> Iterator[None]:
    told = threading.Event()

    def serve() -> None:
        with Database(url).connect(autocommit=True) as connection:
            for number in itertools.count(1):
                connection.execute(_INSERT, [15000 + number])
                connection.execute("SELECT what FROM item WHERE item_id = %s", [number % 15000])
                if told.wait(0.02):
                    break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        told.set()
        thread.join()


@pytest.fixture
def production(databases: Databases) -> str:
    """Return the URL of a database with a table whose partitions end soon."""
    url = databases.create()
    with Database(url).connect(autocommit=True) as connection:
        for statement in _SETUP:
            connection.execute(statement)
    return url


@pytest.mark.slow
def test_what_was_made_ahead_is_kept(store: Database, honed_home: Path, production: str) -> None:
    settings = Settings.model_validate(
        {
            "home": honed_home,
            "store_url": store.url,
            "autonomy": Autonomy.SUPERVISED,
            "sample_interval_s": 0.3,
            "glance_interval_s": 0.1,
            "watch_intervals": 8,
            "trial_budget_s": 30.0,
        }
    )
    kind = Partitioning()
    with open_app(settings, kinds={kind.name: kind}) as app:
        add_target(store, TargetRecord("shop", production, production))
        with app.reading(), _traffic(production):
            while len(app.target("shop").intervals()) < 10:
                pass
            report = app.run_cycle("shop", Options(dry_run=False))
            (waiting,) = report.improvements
            assert waiting.state is State.AWAITING_APPROVAL
            app.approve(waiting.improvement_id, waiting.digest)
            app.finish(report.cycle.cycle_id)
        kept = app.improvement(waiting.improvement_id)
    assert kept.applied_at is not None
    assert kept.state is State.KEPT, kept
    with Database(production).connect() as connection:
        rows = connection.execute("SELECT FROM pg_inherits WHERE inhparent = 'item'::regclass")
        assert rows.rowcount > 2
