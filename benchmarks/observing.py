"""What honed costs a busy server while it observes: pgbench with and without it, in short turns.

Usage: python benchmarks/observing.py [--pairs 24] [--seconds 5]

The server also holds the counters of thousands of other statements, as a production has them, for
each reading costs as much as there are. Blocks of pgbench run in drawn order, one with honed
observing at its default settings and one without in each pair, on the same processors as honed
itself. Each block with honed begins with a reading: in blocks of five seconds that is twelve times
as often as by default, in blocks of a minute as often. Printed are the ratio of transactions per
second, that of the server's CPU time per transaction, and the share of one processor that honed's
sessions take on the server by default.

Not guaranteed: the ratios on a machine that others keep busy. There pgbench gets little done, and
what honed costs a second is a larger share of it; the last line still holds.
"""

import argparse
import math
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psycopg

from honed.config import load_settings
from honed.stats.intervals import mean_interval
from honed.storage.databases import create_database
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.roles import observer_name, roles_sql
from honed.targets.registry import TargetRecord, add_target
from honed.wiring import App, open_app

NAME = "bank"
OPTIONS = {
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "256MB",
    "fsync": "off",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}
SEED = 20261121
CLIENTS = 2
#: Other statements that were once asked: tables, and shapes of one question to each.
TABLES, SHAPES = 400, 10
#: Readings and glances on a server at rest, to tell what one costs there.
REPEATS = 40
TICKS_PER_S = 100.0


@dataclass(frozen=True, slots=True)
class Block:
    """What one run of pgbench showed."""

    tps: float
    cpu_s_per_transaction: float


def main() -> None:
    """Run the benchmark and print what it shows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="honed-observing-"))
    folder.chmod(0o755)
    try:
        play(folder, pairs=arguments.pairs, seconds=arguments.seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def play(folder: Path, *, pairs: int, seconds: int) -> None:
    """Measure in turns, and print."""
    server = Server(folder / "production", options=OPTIONS)
    with ExitStack() as closing:
        server.join()
        closing.callback(server.leave)
        statements = fill(server)
        app = closing.enter_context(open_app(load_settings(home=folder / "honed", store_url="")))
        add_target(app.store.owner, TargetRecord(NAME, server.url(NAME, observer_name(NAME))))
        app.target(NAME).sample()
        # The first block of all fills the caches.
        run(server, app, seconds, with_honed=True)
        print(f"{pairs} pairs of {seconds} s, {CLIENTS} clients, {statements} statements counted")
        measured = [pair(server, app, seconds, seed=SEED + n) for n in range(pairs)]
        tell("transactions per second, with / without", [w.tps / o.tps for w, o in measured])
        ratios = [w.cpu_s_per_transaction / o.cpu_s_per_transaction for w, o in measured]
        tell("CPU of the server per transaction, with / without", ratios)
        tell_share(server, app)


def fill(server: Server) -> int:
    """Make pgbench's tables and many other statements; return how many are counted."""
    create_database(Database(server.url()), NAME)
    made = [server.program("pgbench"), "-i", "-q", "-s", "10", server.url(NAME)]
    subprocess.run(made, check=True, capture_output=True)
    with psycopg.connect(server.url(NAME), autocommit=True) as connection:
        connection.execute(roles_sql(NAME, NAME).encode())
        for table in range(TABLES):
            connection.execute(f"CREATE TABLE other_{table} (a int, b int)".encode())
            for shape in range(SHAPES):
                columns = ", ".join(["a"] * shape + ["b"])
                asked = f"SELECT {columns} FROM other_{table} WHERE a = 1"  # noqa: S608 - ours
                connection.execute(asked.encode())
        (count,) = connection.execute("SELECT count(*) FROM pg_stat_statements").fetchone() or (0,)
        connection.execute("CHECKPOINT")
    return int(count)


def pair(server: Server, app: App, seconds: int, *, seed: int) -> tuple[Block, Block]:
    """Return one block with honed and one without, measured in drawn order."""
    order = random.Random(seed).sample([True, False], 2)  # noqa: S311 - an order, not a secret
    blocks = {with_honed: run(server, app, seconds, with_honed=with_honed) for with_honed in order}
    return blocks[True], blocks[False]


def run(server: Server, app: App, seconds: int, *, with_honed: bool) -> Block:
    """Run pgbench for some seconds."""
    command = [server.program("pgbench"), "-n", "-c", str(CLIENTS), "-T", str(seconds)]
    with app.reading() if with_honed else nullcontext():
        before_s = server_cpu_s(server)
        done = subprocess.run(
            [*command, server.url(NAME)], check=True, capture_output=True, text=True
        )
        spent_s = server_cpu_s(server) - before_s
    number = re.search(r"transactions actually processed: (\d+)", done.stdout)
    tps = re.search(r"tps = ([0-9.]+)", done.stdout)
    if number is None or tps is None:
        raise SystemExit(done.stdout)
    return Block(float(tps[1]), spent_s / int(number[1]))


def server_cpu_s(server: Server) -> float:
    """Return the CPU seconds of all processes of the server, those that have ended too."""
    postmaster = server.postmaster_pid()
    total = 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(entry.name) == postmaster:
            # Its own time, and that of its children that it has waited for.
            total += sum(float(each) for each in fields[11:15])
        elif int(fields[1]) == postmaster:
            total += sum(float(each) for each in fields[11:13])
    return total / TICKS_PER_S


def tell(what: str, ratios: list[float]) -> None:
    """Print the geometric mean of some ratios with its 95 % interval."""
    found = mean_interval([math.log(ratio) for ratio in ratios], alpha=0.05)
    low, mean, high = (math.exp(each) for each in (found.low, found.effect, found.high))
    print(f"{what}: {mean:.4f} ({low:.4f} to {high:.4f})")


def tell_share(server: Server, app: App) -> None:
    """Print what a reading and a glance cost the server, and what share that is by default."""
    target = app.target(NAME)
    settings = app.settings
    reading_s, glance_s = cost_s(server, target.sample), cost_s(server, target.glance)
    share = reading_s / settings.sample_interval_s + glance_s / settings.glance_interval_s
    print(f"server CPU of one reading {1000 * reading_s:.1f} ms, a glance {1000 * glance_s:.1f} ms")
    print(f"share of one processor at the default intervals: {share:.3%}")


def cost_s(server: Server, look: Callable[[], None]) -> float:
    """Return the CPU seconds that one look costs the server."""
    before_s = server_cpu_s(server)
    for _ in range(REPEATS):
        look()
    return (server_cpu_s(server) - before_s) / REPEATS


if __name__ == "__main__":
    main()
