"""The production of the demonstration: a PostgreSQL server of its own with TPC-H and page views."""

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import LiteralString

from honed.demo.tpch import QUERIES, generate, load
from honed.demo.workload import PAGE_VIEWS, TENANTS, run_cut
from honed.storage.databases import create_database
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries
from honed.storage.server import Server
from honed.targets.postgres.metering import CpuMeter
from honed.targets.postgres.roles import actor_name, observer_name, roles_sql

_STATEMENTS = load_queries("honed.demo")

#: The name of the database, and of the target.
NAME = "shop"
#: A copy of it from before honed saw it.
_BEFORE = "shop_before"
#: The role that owns the tables, as an application has one.
APPLICATION = "shop_app"

#: Pause between two looks at a running query's CPU time.
_LOOK_EVERY_S = 0.005

#: A query that was cut so often is not run again.
_CERTAIN_CUTS = 2

#: One backend does a statement's work, so that its CPU time is the statement's whole cost.
OPTIONS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "off",
    "track_activity_query_size": "16384",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
#: Memory for pages by scale, MB, so that the database, its copy and all indexes stay in it, and the
#: least.
_BUFFERS_MB_BY_SCALE, _LEAST_BUFFERS_MB = 5120, 256


@dataclass(frozen=True, slots=True)
class Production:
    """A running server with the shop's database."""

    server: Server
    #: The database as the application's own role, which owns the tables.
    database: Database
    #: The same database as it was before honed saw it.
    before: Database
    #: URLs of the roles that honed connects as.
    observe_url: str
    act_url: str

    def compare_queries(self, *, runs: int, cut_s: float) -> dict[str, tuple[float, float]]:
        """Return the CPU seconds of each of the 22 queries before and now; see the function."""
        return compare_queries(self.before, self.database, runs=runs, cut_s=cut_s)

    def index_sizes_bytes(self) -> Mapping[str, int]:
        """Return the bytes of every index that honed made, by name."""
        with self.database.connect() as connection:
            rows = connection.execute(_STATEMENTS["list_honed_indexes"]).fetchall()
        return {row["index_name"]: row["size_bytes"] for row in rows}


def compare_queries(
    left: Database, right: Database, *, runs: int, cut_s: float
) -> dict[str, tuple[float, float]]:
    """Return the CPU seconds of each of the 22 queries in two databases: medians of ``runs``.

    Both are asked in turns, so that whatever slows the machine slows both. A query is cut off after
    ``cut_s`` CPU seconds and then costs exactly that; one that was cut twice is not run again.
    """
    costs: list[dict[str, list[float]]] = [{name: [] for name in QUERIES} for _ in range(2)]
    with left.connect(autocommit=True) as one, right.connect(autocommit=True) as other:
        for run in range(runs):
            for name, statement in QUERIES.items():
                sides = list(zip((one, other), costs, strict=True))
                for connection, samples in sides if run % 2 else reversed(sides):
                    known = samples[name]
                    is_cut = known[:_CERTAIN_CUTS] == [cut_s] * _CERTAIN_CUTS
                    cost_s = cut_s if is_cut else _cpu_s(connection, statement, cut_s=cut_s)
                    known.append(cost_s)
    return {name: (median(costs[0][name]), median(costs[1][name])) for name in QUERIES}


@contextmanager
def open_production(folder: Path, *, scale: float) -> Iterator[Production]:
    """Start the server in ``folder``, load the shop if it is not there, and stop at the end."""
    buffers_mb = max(_LEAST_BUFFERS_MB, round(_BUFFERS_MB_BY_SCALE * scale))
    options = {**OPTIONS, "shared_buffers": f"{buffers_mb}MB"}
    server = Server(folder / "production", options=options)
    server.join()
    try:
        if create_database(Database(server.url()), NAME):
            _fill(server, folder, scale=scale)
            create_database(Database(server.url()), _BEFORE, template=NAME, by_files=True)
        yield Production(
            server=server,
            database=Database(server.url(NAME, user=APPLICATION)),
            before=Database(server.url(_BEFORE, user=APPLICATION)),
            observe_url=server.url(NAME, user=observer_name(NAME)),
            act_url=server.url(NAME, user=actor_name(NAME)),
        )
    finally:
        server.leave()


def _fill(server: Server, folder: Path, *, scale: float) -> None:
    csv_files = generate(folder / "csv", scale)
    administrator = Database(server.url(NAME))
    with administrator.connect(autocommit=True) as connection:
        connection.execute(_STATEMENTS["create_application_role"])
        connection.execute(_STATEMENTS["let_application_create"])
    with Database(server.url(NAME, user=APPLICATION)).connect() as connection:
        load(connection, csv_files)
        connection.execute(_STATEMENTS["fill_page_views"], {"rows": PAGE_VIEWS, "tenants": TENANTS})
    shutil.rmtree(folder / "csv")
    with administrator.connect(autocommit=True) as connection:
        connection.execute(_STATEMENTS["vacuum_analyze"])
        connection.execute(roles_sql(NAME, NAME))
        connection.execute(_STATEMENTS["forget_loading"])


def _cpu_s(connection: Connection, statement: LiteralString, *, cut_s: float) -> float:
    meter = CpuMeter(connection.info.backend_pid)
    started_s = meter.read_s()
    is_over = threading.Event()

    def cut() -> None:
        while not is_over.wait(_LOOK_EVERY_S):
            if meter.read_s() - started_s >= cut_s:
                connection.cancel_safe()
                return

    cutter = threading.Thread(target=cut, daemon=True)
    cutter.start()
    is_complete = run_cut(connection, statement)
    is_over.set()
    cutter.join()
    cost_s = meter.read_s() - started_s
    return cost_s if is_complete else cut_s
