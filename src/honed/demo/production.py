"""The production of the demonstration: a PostgreSQL server of its own with TPC-H and page views."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import LiteralString, cast

from honed.demo.tpch import QUERIES, generate, load
from honed.demo.workload import run_cut
from honed.storage.databases import create_database
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.storage.server import Server
from honed.targets.postgres.cpu import backend_cpu_s
from honed.targets.postgres.roles import roles_sql

_STATEMENTS = load_queries(__package__)

#: The name of the database, and of the target.
NAME = "shop"

#: One backend does a statement's work, so that its CPU time is the statement's whole cost.
OPTIONS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "off",
    "track_activity_query_size": "16384",
    "max_parallel_workers_per_gather": "0",
    "shared_buffers": "256MB",
    "jit": "off",
}


@dataclass(frozen=True, slots=True)
class Production:
    """A running server with the shop's database."""

    server: Server
    #: The database as its owner; the traffic uses it.
    database: Database
    #: URLs of the roles that honed connects as.
    observe_url: str
    act_url: str

    def cpu_by_query_s(self, *, runs: int, cut_s: float) -> dict[str, float]:
        """Return the CPU seconds of each of the 22 queries: the median of ``runs``.

        A statement that runs into ``cut_s`` of wall time costs what it used until then.
        """
        samples: dict[str, list[float]] = {name: [] for name in QUERIES}
        with self.database.connect(autocommit=True) as connection:
            connection.execute(_STATEMENTS["set_cut"], {"cut_ms": str(int(cut_s * 1000))})
            for _ in range(runs):
                for name, statement in QUERIES.items():
                    before_s = backend_cpu_s(connection.info.backend_pid)
                    run_cut(connection, statement)
                    samples[name].append(backend_cpu_s(connection.info.backend_pid) - before_s)
        return {name: median(values) for name, values in samples.items()}

    def index_sizes_bytes(self) -> Mapping[str, int]:
        """Return the bytes of every index that honed made, by name."""
        with self.database.connect() as connection:
            rows = connection.execute(_STATEMENTS["list_honed_indexes"]).fetchall()
        return {row["index_name"]: row["size_bytes"] for row in rows}


@contextmanager
def open_production(folder: Path, *, scale: float, page_views: int) -> Iterator[Production]:
    """Start the server in ``folder``, load the shop if it is not there, and stop at the end."""
    server = Server(folder / "production", options=OPTIONS)
    server.join()
    try:
        database = Database(server.url(NAME))
        if create_database(Database(server.url()), NAME):
            _fill(database, folder, scale=scale, page_views=page_views)
        yield Production(
            server,
            database,
            server.url(NAME, user=f"honed_observe_{NAME}"),
            server.url(NAME, user=f"honed_act_{NAME}"),
        )
    finally:
        server.leave()


def _fill(database: Database, folder: Path, *, scale: float, page_views: int) -> None:
    files = generate(folder / "csv", scale)
    with database.connect() as connection:
        load(connection, files)
        connection.execute(_STATEMENTS["fill_page_views"], {"rows": page_views})
    shutil.rmtree(folder / "csv")
    with database.connect(autocommit=True) as connection:
        connection.execute(_STATEMENTS["vacuum_analyze"])
        connection.execute(_STATEMENTS["create_pg_stat_statements"])
        connection.execute(cast(LiteralString, roles_sql(NAME, NAME)))
