"""Worlds for the tests of kinds: small real databases with traffic, some ill and some well.

Load the fixture with ``pytest_plugins = ["honed.testing.postgres", "honed.testing.worlds"]``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import LiteralString

import pytest

from honed.config import Settings
from honed.core.finding import Finding
from honed.core.step import Step, StepState
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.archives.runner import ARCHIVE, Archivist
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord, add_target
from honed.testing.postgres import Databases

#: A session tells of what it did to tables once a second; with this, at once.
_FLUSH: LiteralString = "SELECT pg_stat_force_next_flush()"

#: Filling the tables is no traffic.
_FORGET: tuple[LiteralString, ...] = (
    _FLUSH,
    "SELECT pg_stat_reset()",
    "SELECT pg_stat_statements_reset()",
)


@dataclass(frozen=True, slots=True)
class WorldPlan:
    """What a world is made of. Its data are the same each time."""

    #: Statements that make it, each by itself.
    setup: tuple[LiteralString, ...]
    #: Statements that its application runs.
    workload: tuple[LiteralString, ...]
    #: How often it runs each of them.
    calls: int = 5
    #: Settings of honed that are not as they come.
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PostgresWorld:
    """A database, its traffic, and honed's view of it."""

    database: Database
    target: PostgresTarget
    plan: WorldPlan

    @property
    def archivist(self) -> Archivist:
        """Who carries out steps of archives."""
        settings = self.target.settings
        return Archivist(settings.archives, settings.archive_memory_mb)

    def live(self) -> None:
        """Run the application's statements, and let honed read what they cost."""
        self.target.sample()
        with self.database.connect(autocommit=True) as connection:
            for _ in range(self.plan.calls):
                for statement in (*self.plan.workload, _FLUSH):
                    connection.execute(statement).fetchall()
        self.target.sample()

    def findings(self) -> Sequence[Finding]:
        """Return what honed observes."""
        return self.target.observe(timedelta(hours=1)).findings

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Run ``steps`` for real, as the owner of everything."""
        with self.database.connect(autocommit=True) as connection:
            for step in steps:
                if step.runner == ARCHIVE:
                    for act in step.do:
                        self.archivist.run(connection, act)
                    continue
                with connection.transaction() if step.in_transaction else nullcontext():
                    for act in step.do:
                        connection.execute(act.encode())

    def inspect(self, step: Step) -> StepState:
        """Return what the database says of ``step``, which must have an ``inspect``."""
        if step.runner == ARCHIVE:
            with self.database.connect(autocommit=True) as connection:
                return self.archivist.inspect(connection, step.inspect)
        with self.database.connect() as connection:
            (row,) = connection.execute(step.inspect.encode()).fetchall()
        (state,) = row.values()
        return StepState(state)


MakeWorld = Callable[[WorldPlan], PostgresWorld]


@pytest.fixture(scope="class")
def make_world(
    postgres_server: Server, migrated_template: str, session_folder: Path
) -> Iterator[MakeWorld]:
    """Return a maker of worlds that live as long as the test's class; their traffic has run."""
    with making_worlds(postgres_server, postgres_server, migrated_template, session_folder) as make:
        yield make


@contextmanager
def making_worlds(
    production: Server, stores: Server, template: str, folder: Path
) -> Iterator[MakeWorld]:
    """Hand out a maker of worlds, and clear them away at the end.

    Args:
        production: the server of their databases; it has pg_stat_statements.

        stores: the server of their stores.

        template: the name of a migrated store there.

        folder: for their homes.
    """
    with ExitStack() as stack:
        databases, kept = Databases(production, []), Databases(stores, [])
        stack.callback(databases.drop_all)
        stack.callback(kept.drop_all)

        def make(plan: WorldPlan) -> PostgresWorld:
            home = Path(mkdtemp(prefix="world-", dir=folder))
            home.chmod(0o755)
            store = Database(kept.create(template))
            world = _build(plan, Database(databases.create()), store, home)
            stack.callback(world.target.lab.close)
            world.live()
            return world

        yield make


def _build(plan: WorldPlan, database: Database, store: Database, home: Path) -> PostgresWorld:
    with database.connect(autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        for statement in (*plan.setup, *_FORGET):
            connection.execute(statement)
    record = add_target(store, TargetRecord("world", database.url))
    daemon = replace(store, role="honed_daemon")
    settings = Settings.model_validate({"home": home, **plan.settings})
    return PostgresWorld(database, PostgresTarget(record, daemon, settings), plan)


_PURCHASES: tuple[LiteralString, ...] = (
    """
    CREATE TABLE purchase (purchase_id integer PRIMARY KEY, customer_id integer NOT NULL,
                           bought_at timestamp NOT NULL, amount numeric NOT NULL, note text)
    """,
    """
    INSERT INTO purchase
    SELECT n, n * 7 % 2000, timestamp '2026-01-01' + n * interval '1 minute', n % 500,
           repeat('x', 80)
      FROM generate_series(1, 40000) n
    """,
)
_OF_A_CUSTOMER: tuple[LiteralString, ...] = (
    "SELECT count(*), sum(amount) FROM purchase WHERE customer_id = 23",
    "SELECT note FROM purchase WHERE purchase_id = 5",
)

#: A statement reads 40,000 rows for the twenty of one customer.
MISSING_INDEX = WorldPlan((*_PURCHASES, "VACUUM ANALYZE purchase"), _OF_A_CUSTOMER)

#: The same traffic with the index that it needs.
GOOD_INDEXES = WorldPlan(
    (
        *_PURCHASES,
        "CREATE INDEX ON purchase (customer_id) INCLUDE (amount)",
        "VACUUM ANALYZE purchase",
    ),
    _OF_A_CUSTOMER,
)

_READINGS: LiteralString = (
    "SELECT count(*) FROM reading a JOIN other b ON a.reading_id = b.reading_id"
    " WHERE a.is_hot AND a.is_loud AND a.is_red AND b.is_hot AND b.is_loud AND b.is_red"
)
_MAKE_READINGS: LiteralString = """
    CREATE TABLE reading (reading_id integer, is_hot boolean, is_loud boolean, is_red boolean)
"""
_COPY_READINGS: LiteralString = "CREATE TABLE other AS SELECT * FROM reading"

#: Three columns are true in the same two rows of a hundred; the planner takes them for independent
#: and expects no row where there are 300, on both sides of a join.
CORRELATED_COLUMNS = WorldPlan(
    (
        _MAKE_READINGS,
        """
        INSERT INTO reading
        SELECT n, n % 50 = 0, n % 50 = 0, n % 50 = 0 FROM generate_series(1, 15000) n
        """,
        _COPY_READINGS,
        "VACUUM ANALYZE reading",
        "VACUUM ANALYZE other",
    ),
    (_READINGS,),
)

#: The same three columns, true in independent thirds of the rows.
INDEPENDENT_COLUMNS = WorldPlan(
    (
        _MAKE_READINGS,
        """
        INSERT INTO reading
        SELECT n, n % 3 = 0, n / 3 % 3 = 0, n / 9 % 3 = 0 FROM generate_series(1, 15000) n
        """,
        _COPY_READINGS,
        "VACUUM ANALYZE reading",
        "VACUUM ANALYZE other",
    ),
    (_READINGS,),
)
