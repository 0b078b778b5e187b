"""The traffic of the demonstration: 22 reports, a write stream and the page views of tenants."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import LiteralString

from honed.demo.tpch import QUERIES
from honed.errors import StatementCut, StoreUnavailable
from honed.storage.db import Connection, Database, driver_errors
from honed.storage.queries import load_queries

_STATEMENTS = load_queries("honed.demo")

#: Reports that take seconds on primary keys alone; they have a connection of their own, so that
#: the others are not held up.
SLOW_REPORTS = ("q17", "q20")
#: Page views at the beginning, and tenants that they belong to.
PAGE_VIEWS, TENANTS = 200_000, 20_000
_LOOKUPS_PER_ROUND = 20
#: Reports of the slow connection may take this long; nobody waits for more.
_PATIENCE_S = 30.0
#: Between two rounds of them.
_SLOW_PAUSE_S = 2.0


class Workload:
    """Production traffic on connections and threads of its own, until it is stopped."""

    def __init__(self, database: Database, *, seed: int) -> None:
        """Prepare traffic on ``database``; ``seed`` fixes its order and its parameters."""
        #: How often the slow reports have all been run.
        self.slow_rounds = 0
        self._database = database
        self._random = random.Random(seed)  # noqa: S311 - traffic, not secrets
        self._stopping = threading.Event()
        self._order_key = 0
        # The tenant that everybody asks for; 0: any.
        self._only_tenant = 0

    @contextmanager
    def running(self, *, pause_s: float) -> Iterator[None]:
        """Run rounds in the background while the block is open, fast ones ``pause_s`` apart."""
        self._stopping.clear()
        rounds = ((self.run_round, pause_s), (self._run_slow_reports, _SLOW_PAUSE_S))
        threads = [threading.Thread(target=self._repeat, args=each, daemon=True) for each in rounds]
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

    def turn(self) -> None:
        """Let one tenant import as many page views as all others have, and be the one asked for.

        The planner still believes that it has ten rows, until the table is analyzed again.
        """
        tenant_id = TENANTS + 1
        with self._database.connect() as connection:
            values = {"rows": PAGE_VIEWS, "tenant_id": tenant_id}
            connection.execute(_STATEMENTS["import_page_views"], values)
        self._only_tenant = tenant_id

    def _run_slow_reports(self, connection: Connection) -> None:
        for name in SLOW_REPORTS:
            if not self._stopping.is_set():
                run_cut(connection, QUERIES[name])
        self.slow_rounds += 1

    def _repeat(self, run_round: Callable[[Connection], None], pause_s: float) -> None:
        try:
            with self._database.connect(autocommit=True) as connection:
                set_cut(connection, _PATIENCE_S)
                while not self._stopping.is_set():
                    run_round(connection)
                    self._stopping.wait(pause_s)
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
        for _ in range(_LOOKUPS_PER_ROUND):
            tenant_id = self._only_tenant or 1 + self._random.randrange(TENANTS)
            # With the number in the text, as many applications send it.
            lookup = _STATEMENTS["views_of_tenant"].replace("= 1 ", f"= {tenant_id} ")
            connection.execute(lookup.encode()).fetchall()
        connection.execute(_STATEMENTS["views_of_device"]).fetchall()


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
