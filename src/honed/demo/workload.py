"""The traffic of the demonstration: 22 reports, a write stream and the page views of tenants."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

from honed.demo.tpch import QUERIES
from honed.errors import StatementCut, StoreUnavailable
from honed.storage.db import Connection, Database, driver_errors
from honed.storage.queries import load_queries

_STATEMENTS = load_queries("honed.demo")

#: Reports that take seconds on primary keys alone; they have a connection of their own, so that
#: the others are not held up.
SLOW_REPORTS = ("q17", "q20")
#: Tenants with few rows have odd numbers below twice this; tenant 0 has half of the table.
_TENANTS = 20_000
_LOOKUPS_PER_ROUND = 20
#: Reports of the slow connection may take this long; nobody waits for more.
_PATIENCE_S = 30.0


@dataclass(slots=True)
class Traffic:
    """What the traffic asks for; a running workload reads it before each lookup."""

    #: Whether page views are asked for the one tenant that owns half of the table.
    common_tenant: bool = False


class Workload:
    """Production traffic on connections and threads of its own, until it is stopped."""

    def __init__(self, database: Database, *, seed: int) -> None:
        """Prepare traffic on ``database``; ``seed`` fixes its order and its parameters."""
        self.traffic = Traffic()
        self._database = database
        self._random = random.Random(seed)  # noqa: S311 - traffic, not secrets
        self._stopping = threading.Event()
        self._order_key = 0

    @contextmanager
    def running(self, *, pause_s: float) -> Iterator[None]:
        """Run rounds in the background, ``pause_s`` apart, while the block is open."""
        self._stopping.clear()
        rounds: tuple[Callable[[Connection], None], ...] = (self.run_round, self._run_slow_reports)
        threads = [
            threading.Thread(target=self._repeat, args=(each, pause_s), daemon=True)
            for each in rounds
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def run_round(self, connection: Connection) -> None:
        """Run every fast report once in random order, some writes and the lookups."""
        names = [name for name in QUERIES if name not in SLOW_REPORTS]
        self._random.shuffle(names)
        for name in names:
            if self._stopping.is_set():
                return
            run_cut(connection, QUERIES[name])
        self._write(connection)
        self._look_up(connection)

    def _run_slow_reports(self, connection: Connection) -> None:
        for name in SLOW_REPORTS:
            if not self._stopping.is_set():
                run_cut(connection, QUERIES[name])

    def _repeat(self, run_round: Callable[[Connection], None], pause_s: float) -> None:
        try:
            with self._database.connect(autocommit=True) as connection:
                set_cut(connection, _PATIENCE_S)
                while not self._stopping.wait(pause_s):
                    run_round(connection)
        except StoreUnavailable:
            return  # the server was stopped under us: the traffic ends with it

    def _write(self, connection: Connection) -> None:
        if not self._order_key:
            row = connection.execute(_STATEMENTS["next_order_key"]).fetchone()
            self._order_key = row["order_key"] if row else 1
        order_key, template_key = self._order_key, 1 + self._random.randrange(7)
        self._order_key += 1
        for name in ("insert_order", "insert_lineitems"):
            keys = {"order_key": order_key, "template_key": template_key}
            connection.execute(_STATEMENTS[name], keys)
        for name in ("update_lineitems", "delete_lineitems", "delete_order"):
            connection.execute(_STATEMENTS[name], {"order_key": order_key})

    def _look_up(self, connection: Connection) -> None:
        # A pooler that keeps generic plans: the plan is chosen without looking at the tenant.
        connection.execute(_STATEMENTS["force_generic_plans"])
        for _ in range(_LOOKUPS_PER_ROUND):
            rare = 1 + 2 * self._random.randrange(_TENANTS)
            tenant = 0 if self.traffic.common_tenant else rare
            # As text, which the server reads as an integer: the driver would send small and large
            # numbers as different types, and the server would keep two statements.
            parameters = {"tenant_id": str(tenant), "duration_us": "100"}
            _prepared(connection, "views_of_tenant", parameters)
        device = {"browser": "browser 7", "platform": "platform 7"}
        _prepared(connection, "views_of_device", device)
        connection.execute(_STATEMENTS["reset_generic_plans"])


def run_cut(connection: Connection, statement: LiteralString) -> bool:
    """Run ``statement`` and return whether it ended before the time limit of the connection."""
    try:
        # The driver's words are honed's only at the end of a connection's block.
        with driver_errors():
            connection.execute(statement).fetchall()
    except StatementCut:
        return False
    return True


def set_cut(connection: Connection, cut_s: float) -> None:
    """Cut statements of ``connection`` off after ``cut_s`` seconds of the clock."""
    connection.execute(_STATEMENTS["set_cut"], {"cut_ms": str(round(cut_s * 1000))})


def _prepared(connection: Connection, name: str, parameters: Mapping[str, object]) -> None:
    connection.execute(_STATEMENTS[name], parameters, prepare=True).fetchall()
