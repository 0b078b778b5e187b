"""What-if on a database without rows: are its plans production's, what does it take, how fast?

Usage: python benchmarks/what_if.py [--scale 0.2] [--seconds 120]

Loads TPC-H with primary keys into a server of its own and makes a phantom of it: schema, statistics
and files that are one hole each. Then
- each of the 22 queries is planned on both: as they are, and with indexes that are real on one side
  and imagined on the other (those that the ranking below likes best);
- every candidate is costed alone for each query that reads its table, against the clock;
- a hundred statements of more than a hundred lines are planned, and candidates for them ranked.
Exits with 1 if fewer than 20 of the 22 plans are identical, or if a long statement is lost.
"""

import argparse
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from long_statements import long_statements
from psycopg.rows import dict_row

from honed.config import Settings
from honed.demo.tpch import QUERIES, generate, load
from honed.storage.cluster import SUPERUSER
from honed.storage.server import Server
from honed.targets.postgres.catalog import read_catalog
from honed.targets.postgres.indexes.access import walk
from honed.targets.postgres.indexes.bench import Bench
from honed.targets.postgres.indexes.candidates import Shapes
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.indexes.imagination import Imagination
from honed.targets.postgres.indexes.pricing import Prices
from honed.targets.postgres.indexes.query import Query
from honed.targets.postgres.indexes.search import Workshop
from honed.targets.postgres.indexes.shapes import read_shapes
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.metering import CpuMeter
from honed.targets.postgres.phantom import Phantom
from honed.targets.postgres.plans import plan_key
from honed.targets.postgres.shadow import READER
from honed.targets.postgres.whatif import plan

#: Plans that must be the same, of 22.
LEAST_IDENTICAL = 20
#: Indexes that are built for real, to compare with imagined ones.
REAL_INDEXES = 8
LONG_STATEMENTS = 100
#: Bytes that the indexes of a ranking may take.
BUDGET_BYTES = 100_000_000

Plan = Mapping[str, Any]


def main() -> int:
    """Run the benchmark, print its figures, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=0.2)
    parser.add_argument("--seconds", type=float, default=120.0, help="for ranking long statements")
    arguments = parser.parse_args()
    with production(arguments.scale) as (server, folder):
        lab = Lab(1, server.url(), home=folder, settings=Settings(home=folder))
        try:
            same = compare(server, lab)
            lost = rank_long(server, lab, arguments.seconds)
        finally:
            lab.close()
    return 1 if same < LEAST_IDENTICAL or lost else 0


@contextmanager
def production(scale: float) -> Iterator[tuple[Server, Path]]:
    """Hand out a server with TPC-H, vacuumed and analysed, and a folder that goes at the end."""
    with ExitStack() as undo:
        folder = Path(tempfile.mkdtemp(prefix="honed-what-if-"))
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        options = {"max_parallel_workers_per_gather": "0", "fsync": "off", "autovacuum": "off"}
        server = Server(folder / "production", options=options)
        server.start()
        undo.callback(server.stop)
        with psycopg.connect(server.url()) as connection:
            load(connection, generate(folder / "csv", scale))
        shutil.rmtree(folder / "csv")
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        yield server, folder


def compare(server: Server, lab: Lab) -> int:
    """Print how plans and speed compare, and return how many plans without indexes are the same."""
    shapes, data_bytes = describe(server)
    began, cpu = time.monotonic(), time.process_time()
    with lab.phantom("compare") as phantom:
        made_s, own_s = time.monotonic() - began, time.process_time() - cpu
        imagination = Imagination(phantom, shapes)
        print(f"phantom made in                     {made_s:.2f} s ({own_s:.2f} s of them our CPU)")
        print(f"disk, production                    {data_bytes / 1e6:.1f} MB")
        print(f"disk, phantom                       {disk_bytes(phantom) / 1e6:.1f} MB")
        with psycopg.connect(server.url(), autocommit=True) as connection:
            queries = list(QUERIES.values())
            real = [explain(connection, query) for query in queries]
            same = report("as they are", real, [phantom.explain(query) for query in queries])
            bench = bench_of(imagination, queries, 60.0)
            liked = ranked(bench, shapes)[:REAL_INDEXES]
            for index in liked:
                connection.execute(index.build_sql.encode())
            real = [explain(connection, query) for query in queries]
        imagination.show([index.name for index in liked])
        report(
            f"with {len(liked)} indexes", real, [imagination.explain(query) for query in queries]
        )
        cost_each(imagination, bench)
        print(
            f"disk, phantom with {len(bench.built):3} candidates     "
            f"{disk_bytes(phantom) / 1e6:.1f} MB"
        )
    return same


def rank_long(server: Server, lab: Lab, seconds: float) -> int:
    """Print what becomes of long statements, and return how many are lost without a reason."""
    shapes, _ = describe(server)
    statements = long_statements(LONG_STATEMENTS)
    lines = [len(statement.splitlines()) for statement in statements]
    print(f"long statements                     {len(statements)}, {min(lines)} lines or more")
    with lab.phantom("long") as phantom:
        began = time.monotonic()
        bench = bench_of(Imagination(phantom, shapes), statements, seconds)
        print(
            f"planned                             {len(bench.queries)} "
            f"in {time.monotonic() - began:.2f} s"
        )
        print(f"left out, with a reason             {len(bench.left_out)}")
        workshop, liked = rank(bench, shapes)
        examined = workshop.examined()
        print(
            f"candidates thought of, imagined     {examined['thought_of']}, {examined['imagined']}"
        )
        print(f"candidates liked                    {len(liked)}")
        print(
            f"ranked in                           {time.monotonic() - began:.1f} s "
            f"of {seconds:.0f} s, planner not asked {examined['not_asked']} times"
        )
        print(f"not planned with some candidate     {len(bench.unplanned)}")
    return len(statements) - len(bench.queries) - len(bench.left_out)


def describe(server: Server) -> tuple[Shapes, int]:
    """Return the shapes of the tables, and the bytes of the database."""
    with psycopg.connect(server.url(), row_factory=dict_row) as connection:
        size = connection.execute("SELECT pg_database_size(current_database()) AS size").fetchone()
        return read_shapes(read_catalog(connection)), size["size"] if size else 0


def bench_of(imagination: Imagination, statements: Sequence[str], seconds: float) -> Bench:
    """Return a bench on which each statement weighs the same and is planned without candidates."""
    queries = [
        Query(str(number), statement, 1 / len(statements), production_s=1.0)
        for number, statement in enumerate(statements)
    ]
    bench = Bench(imagination, queries, cut_s=10.0, budget_s=seconds, can_run=False)
    bench.open(until=-1.0)
    return bench


def rank(bench: Bench, shapes: Shapes) -> tuple[Workshop, list[IndexDefinition]]:
    """Imagine candidates for the queries of ``bench``, and return those that the planner likes."""
    each = min(0.02, 0.45 / len(bench.queries))
    workshop = Workshop(bench, bench, shapes, Prices(each=each, per_byte=0.1 / BUDGET_BYTES))
    workshop.imagine()
    return workshop, workshop.liked(BUDGET_BYTES)


def ranked(bench: Bench, shapes: Shapes) -> list[IndexDefinition]:
    """Return what the planner likes, and print how long it took to say so."""
    began = time.monotonic()
    workshop, liked = rank(bench, shapes)
    print(
        f"candidates imagined, liked          {workshop.examined()['imagined']}, {len(liked)} "
        f"in {time.monotonic() - began:.1f} s"
    )
    return liked


def cost_each(imagination: Imagination, bench: Bench) -> None:
    """Cost each candidate alone for each query that reads its table; print how fast that was."""
    pairs = [
        (query, name)
        for query in bench.queries
        for name in sorted(bench.built)
        if any(
            node.get("Relation Name") == bench.definition(name).table
            for node in walk(bench.plan(query, ()).tree)
        )
    ]
    database = imagination.database
    pids = [database.session(user).info.backend_pid for user in (SUPERUSER, READER)]
    meters = [CpuMeter(pid) for pid in pids]
    began, cpu_s = time.monotonic(), -time.process_time() - sum(each.read_s() for each in meters)
    used = sum(
        name in plan(imagination, query.sql, with_indexes=[name]).indexes for query, name in pairs
    )
    cpu_s += time.process_time() + sum(each.read_s() for each in meters)
    wall_s = time.monotonic() - began
    print(f"candidates costed alone             {len(pairs)}, {used} of them used")
    print(f"a second of CPU, client and server  {len(pairs) / cpu_s:.0f}")
    print(f"a second by the clock               {len(pairs) / wall_s:.0f}")


def explain(connection: "psycopg.Connection[Any]", query: str) -> Plan:
    """Return production's plan of ``query``."""
    row = connection.execute(f"EXPLAIN (FORMAT JSON, VERBOSE) {query}".encode()).fetchone()
    assert row is not None
    found: Plan = row[0][0]
    return found


def report(what: str, real: Sequence[Plan], fake: Sequence[Plan]) -> int:
    """Print how many of the plans are the same, and how costs compare; return how many are."""
    strict = sum(plan_key(one) == plan_key(other) for one, other in zip(real, fake, strict=True))
    same = [
        shape(one["Plan"]) == shape(other["Plan"]) for one, other in zip(real, fake, strict=True)
    ]
    ratios = sorted(
        other["Plan"]["Total Cost"] / one["Plan"]["Total Cost"]
        for one, other in zip(real, fake, strict=True)
    )
    middle = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(
        f"plans {what:16}              {sum(same)} of {len(real)} of the same shape, "
        f"{strict} the same in every condition"
    )
    print(
        f"cost there / in production          {ratios[0]:.3f} to {ratios[-1]:.3f}, "
        f"geometric mean {middle:.3f}"
    )
    return sum(same)


def shape(node: Plan) -> tuple[Any, ...]:
    """Return what a plan does, without what is guessed: operations, relations, indexes, order."""
    names = ("Node Type", "Join Type", "Strategy", "Relation Name", "Alias", "Index Name")
    return (*(node.get(name) for name in names), *(shape(each) for each in node.get("Plans", ())))


def disk_bytes(phantom: Phantom) -> int:
    """Return what the phantom takes on the disk, the system's catalog with it."""
    os.sync()
    oid = phantom.query("SELECT oid FROM pg_database WHERE datname = current_database()")[0]["oid"]
    folder = phantom.shadow.server.data_dir / "base" / str(oid)
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir())


if __name__ == "__main__":
    sys.exit(main())
