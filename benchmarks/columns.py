"""A cold partition kept in columns by citus_columnar: bytes, seconds, what reading costs, and back.

Usage: TEST_COLUMNAR_PROGRAMS=/folder/of/programs python benchmarks/columns.py [--scale 0.2]

Needs programs of PostgreSQL 18 whose server has the extension citus_columnar. Loads lineitem of
TPC-H into a table with a partition for each year, and keeps the year 1993 in columns: first in the
trial, on the private copy, then in the database by the kind's own steps, which prove that every row
is the same. Statements are timed in CPU of the backend, before and after. Then it is undone.
Exits with 1 if columns take as much as rows, or if schema or rows differ afterwards.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from honed.demo.tpch import generate, load
from honed.storage.databases import create_database
from honed.storage.db import Database
from honed.storage.migrate import migrate
from honed.storage.server import Server
from honed.targets.postgres.columnstore.method import method_obstacle, method_steps
from honed.targets.postgres.columnstore.partitions import read_partitions
from honed.targets.postgres.columnstore.trial import ROW, archive_trial
from honed.targets.postgres.metering import CpuMeter
from honed.testing.postgres import TEST_OPTIONS
from honed.testing.programs import programs_with
from honed.testing.worlds import PostgresWorld, WorldPlan, making_worlds

VARIABLE = "TEST_COLUMNAR_PROGRAMS"
YEARS = range(1992, 1999)
TABLE = ("public", "shipped_1993")
_RUNS = 5

SHIPPED = """
CREATE TABLE shipped (LIKE lineitem, PRIMARY KEY (l_orderkey, l_linenumber, l_shipdate))
  PARTITION BY RANGE (l_shipdate)
"""
YEAR = (
    "CREATE TABLE shipped_{0} PARTITION OF shipped FOR VALUES FROM ('{0}-01-01') TO ('{1}-01-01')"
)
STATEMENTS = {
    "sums over 7 columns (Q1)": """
        SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice)
             , sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), count(*)
        FROM shipped WHERE l_shipdate BETWEEN '1993-01-01' AND '1993-12-31' GROUP BY 1, 2
    """,
    "a sum over 4 columns (Q6)": """
        SELECT sum(l_extendedprice * l_discount) FROM shipped
        WHERE l_shipdate BETWEEN '1993-01-01' AND '1993-12-31'
          AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24
    """,
    "count of rows": "SELECT count(*) FROM shipped_1993",
    "one order by its key": "SELECT * FROM shipped_1993 WHERE l_orderkey = {key}",
}


def main() -> int:
    """Run the benchmark, print its figures, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=0.2)
    arguments = parser.parse_args()
    programs = programs_with("citus_columnar", VARIABLE)
    if programs is None:
        print(f"no PostgreSQL 18 with citus_columnar ({VARIABLE})", file=sys.stderr)
        return 1
    with production(programs, arguments.scale) as world:
        trial = tried(world)
        same = carried_out(world, programs)
    return 0 if same and trial < 1 else 1


@contextmanager
def production(programs: Path, scale: float) -> Iterator[PostgresWorld]:
    """Hand out a database with the partitions, vacuumed and analysed, and honed's view of it."""
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="honed-columns-")))
        folder.chmod(0o755)
        options = {**TEST_OPTIONS, "max_parallel_workers_per_gather": "0"}
        server = Server(folder / "production", binaries=programs, options=options)
        stores = Server(folder / "stores", options=TEST_OPTIONS)
        for each in (server, stores):
            each.start()
            undo.callback(each.stop)
            with Database(each.url()).connect(autocommit=True) as connection:
                connection.execute("CREATE EXTENSION pg_stat_statements")
        create_database(Database(stores.url()), "template")
        migrate(Database(stores.url("template")))
        plan = WorldPlan((), (), settings={"postgres_bin": programs, "copy_limit_mb": 100_000})
        world = undo.enter_context(making_worlds(server, stores, "template", folder))(plan)
        fill(world, folder, scale)
        yield world


def fill(world: PostgresWorld, folder: Path, scale: float) -> None:
    """Load TPC-H and sort its lines into years."""
    with psycopg.connect(world.database.url) as connection:
        load(connection, generate(folder / "csv", scale))  # type: ignore[arg-type]  # its rows are not read
    with world.database.connect(autocommit=True) as connection:
        years = [YEAR.format(year, year + 1) for year in YEARS]
        fill = "INSERT INTO shipped SELECT * FROM lineitem ORDER BY l_shipdate"
        for statement in ("CREATE EXTENSION citus_columnar", SHIPPED, *years, fill):
            connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE shipped")


def tried(world: PostgresWorld) -> float:
    """Print what the trial says, and return bytes of a row in columns per byte in rows."""
    (partition,) = [each for each in read_partitions(world.target) if each.name == TABLE[1]]
    assert not method_obstacle(partition), method_obstacle(partition)
    steps = method_steps(partition)
    trial = archive_trial(world.target, TABLE, stays_readable=True)
    with trial.open(steps) as arms:
        before, after = arms.baseline.run(ROW), arms.candidate.run(ROW)
        facts = arms.facts
    print(f"rows                                {facts['rows']}")
    print(f"bytes of a row, table and indexes   {before:.1f} in rows, {after:.1f} in columns")
    print(f"the steps, on the private copy      {facts['steps_s']:.1f} s")
    reads: Any = facts["read_cpu_ms"]
    for name, ms in reads.items():
        told = f"{ms['before']:.1f} ms of CPU in rows, {ms['after']:.1f} in columns"
        print(f"  reading {name:27s} {told}")
    return after / before


def carried_out(world: PostgresWorld, programs: Path) -> bool:
    """Print what it comes to in the database, and return whether the undo left it as it was."""
    (partition,) = [each for each in read_partitions(world.target) if each.name == TABLE[1]]
    steps = method_steps(partition)
    dumped, sizes, costs = dump(world, programs), size(world), timed(world)
    began = time.monotonic()
    world.carry_out(steps)
    there_s = time.monotonic() - began
    new_sizes, new_costs = size(world), timed(world)
    began = time.monotonic()
    world.carry_out([step.inverse() for step in reversed(steps)])
    back_s = time.monotonic() - began
    for name in sizes:
        print(
            f"{name:35s} {sizes[name] / 1e6:.1f} MB in rows, {new_sizes[name] / 1e6:.1f} in columns"
        )
    for name in costs:
        print(f"{name:35s} {costs[name]:.1f} ms of CPU in rows, {new_costs[name]:.1f} in columns")
    same = dump(world, programs) == dumped
    print(f"there, with the proof               {there_s:.1f} s")
    print(f"back, with the proof                {back_s:.1f} s")
    print(f"schema and rows afterwards          {'the same' if same else 'NOT the same'}")
    return same


def size(world: PostgresWorld) -> dict[str, int]:
    """Return bytes of the partition's table, of its indexes, and of both."""
    with world.database.connect() as connection:
        (row,) = connection.execute("""
            SELECT pg_table_size('shipped_1993') AS "the table"
                 , pg_indexes_size('shipped_1993') AS "its indexes"
                 , pg_total_relation_size('shipped_1993') AS "both"
        """).fetchall()
    return dict(row)


def timed(world: PostgresWorld) -> Mapping[str, float]:
    """Return milliseconds of the backend's CPU of each statement, the median of warm runs."""
    with world.database.connect(autocommit=True) as connection:
        meter = CpuMeter(connection.info.backend_pid)
        (row,) = connection.execute(
            "SELECT l_orderkey AS key FROM shipped_1993 ORDER BY 1 OFFSET 1000 LIMIT 1"
        ).fetchall()

        def once(statement: bytes) -> float:
            before = meter.read_s()
            connection.execute(statement).fetchall()
            return 1000 * (meter.read_s() - before)

        asked = {name: text.format(**row).encode() for name, text in STATEMENTS.items()}
        return {
            name: median([once(text) for _ in range(_RUNS + 1)][1:]) for name, text in asked.items()
        }


def dump(world: PostgresWorld, programs: Path) -> tuple[str, int]:
    """Return what pg_dump writes of the schema, and the sum of a digest of each line of rows.

    A heap that is filled again need not have its rows in the same order.
    """
    command = [str(programs / "pg_dump"), "--restrict-key=same", "-d", world.database.url]
    schema = subprocess.run([*command, "--schema-only"], capture_output=True, text=True, check=True)
    total = 0
    with subprocess.Popen([*command, "--data-only"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            total += int.from_bytes(hashlib.sha256(line).digest())
    assert process.returncode == 0
    return schema.stdout, total


if __name__ == "__main__":
    sys.exit(main())
