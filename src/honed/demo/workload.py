"""The traffic of the demonstration: 22 reports, a write stream and the page views of tenants."""

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

from honed.demo.tpch import QUERIES
from honed.errors import StatementCut, TargetUnavailable
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_STATEMENTS = load_queries(__package__)
#: Tenants with few rows have odd numbers below this; tenant 0 has half of the table.
_TENANTS = 20_000


@dataclass(slots=True)
class Traffic:
    """What the traffic asks for; a running workload reads it before each round."""

    #: Whether page views are asked for the one tenant that owns half of the table.
    common_tenant: bool = False
    #: Lookups of page views in one round.
    lookups_per_round: int = 20
    #: Whether the reports run; the lookups and writes always do.
    reports: bool = True


class Workload:
    """Production traffic on its own connection and thread, until it is stopped."""

    def __init__(self, database: Database, *, cut_s: float, seed: int) -> None:
        """Prepare traffic on ``database`` in which a statement is cut off after ``cut_s``."""
        self.traffic = Traffic()
        self.rounds = 0
        self._database = database
        self._cut_s = cut_s
        self._random = random.Random(seed)  # noqa: S311 - traffic, not secrets
        self._stopping = threading.Event()
        self._order_key = 0

    @contextmanager
    def running(self, pause_s: float) -> Iterator[None]:
        """Run rounds in the background, ``pause_s`` apart, while the block is open."""
        self._stopping.clear()
        thread = threading.Thread(target=self._run_rounds, args=(pause_s,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    def run_round(self) -> None:
        """Run every report once in random order, some writes and the lookups."""
        with self._database.connect(autocommit=True) as connection:
            self._round(connection)

    def _run_rounds(self, pause_s: float) -> None:
        try:
            with self._database.connect(autocommit=True) as connection:
                while not self._stopping.wait(pause_s):
                    self._round(connection)
        except TargetUnavailable:
            return  # the server was stopped under us: the traffic ends with it

    def _round(self, connection: Connection) -> None:
        connection.execute(_STATEMENTS["set_cut"], {"cut_ms": str(int(self._cut_s * 1000))})
        if self.traffic.reports:
            self._run_reports(connection)
        self._write(connection)
        self._look_up(connection)
        self.rounds += 1

    def _run_reports(self, connection: Connection) -> None:
        names = list(QUERIES)
        self._random.shuffle(names)
        for name in names:
            if self._stopping.is_set():
                return
            run_cut(connection, QUERIES[name])

    def _write(self, connection: Connection) -> None:
        if not self._order_key:
            row = connection.execute(_STATEMENTS["next_order_key"]).fetchone()
            self._order_key = row["order_key"] if row else 1
        order_key, template_key = self._order_key, 1 + self._random.randrange(7)
        self._order_key += 1
        keys = {"order_key": order_key, "template_key": template_key}
        for name in ("insert_order", "insert_lineitems"):
            connection.execute(_STATEMENTS[name], keys)
        connection.execute(_STATEMENTS["update_lineitems"], {"order_key": order_key})
        for name in ("delete_lineitems", "delete_order"):
            connection.execute(_STATEMENTS[name], {"order_key": order_key})

    def _look_up(self, connection: Connection) -> None:
        # A pooler that keeps generic plans: the plan is chosen without looking at the tenant.
        connection.execute(_STATEMENTS["force_generic_plans"])
        for _ in range(self.traffic.lookups_per_round):
            tenant = 0 if self.traffic.common_tenant else 1 + 2 * self._random.randrange(_TENANTS)
            self._prepared(connection, "views_of_tenant", {"tenant_id": tenant, "duration_us": 100})
        device = {"browser": "browser 7", "platform": "platform 7"}
        self._prepared(connection, "views_of_device", device)
        connection.execute(_STATEMENTS["reset_generic_plans"])

    def _prepared(
        self, connection: Connection, name: str, parameters: Mapping[str, object]
    ) -> None:
        connection.execute(_STATEMENTS[name], parameters, prepare=True).fetchall()


def run_cut(connection: Connection, statement: LiteralString) -> bool:
    """Run ``statement`` and return whether it ended before the time limit of the connection."""
    try:
        connection.execute(statement).fetchall()
    except StatementCut:
        return False
    return True
