"""The drill of a plan that became bad: detected, brought back, proven, applied and watched.

Usage: python benchmarks/plan_regression [--drills restored,dropped,setting] [--release]
                                         [--programs FOLDER] [--undo]

A server of its own with a parcel service's database, pgbench as its load, and honed as it runs
anywhere. Three things happen to it, one after the other, each under load: statistics of another
database are restored, statistics objects are dropped, the application's role gets a setting. Each
time the drill asks: in which cycle after it did honed find the statement, by which mechanism did
its plan come back, and did production confirm it? It fails (exit code 1) where that takes more than
two cycles, or where the plan that the application's own role gets is not the one from before.

With --programs production and the lab run on another PostgreSQL than the one that comes with honed;
where that can stash advice for a statement (PostgreSQL 19), it is set up to. With --undo everything
of honed's is taken back at the end of a single drill, which fails where schema, settings or stash
are not to the byte what they were before the pin.

With --release somebody then makes the dropped statistics again, and the drill asks whether honed
takes its own back by itself, as it would within a week.
"""

import argparse
import difflib
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString

from parcels import (
    APPLICATION,
    BY_CARE,
    BY_DEPOT,
    LOOKUP,
    MAKE_STATISTICS,
    NAME,
    SERVER,
    STASHING,
    can_stash,
    load,
    make,
    make_stash,
    read_state,
)

from honed.config import Autonomy, Settings, load_settings
from honed.core.finding import REGRESSION
from honed.core.target import Interval
from honed.core.verdict import State
from honed.kinds.query_regression import QueryRegression
from honed.loop.cycle import Options
from honed.loop.events import Event, FindingSeen, PluginFailed, RolledBack, VerdictGiven
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.plan_pins.shapes import shapes
from honed.targets.postgres.roles import actor_name, observer_name
from honed.targets.registry import TargetRecord, add_target
from honed.wiring import App, open_app

#: Cycles in which a regression must be found, pinned and verified.
MOST_CYCLES = 2
#: Readings before the first cycle, and between what happens and the next one.
_READINGS = 12
_PATIENCE_S = 120.0


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
        BY_DEPOT,
    ),
    Drill(
        "dropped",
        "statistics objects are dropped",
        ("DROP STATISTICS of_parcel, of_scan",),
        BY_CARE,
    ),
    Drill(
        "setting",
        "the application's role gets random_page_cost = 10000",
        ("ALTER ROLE parcels_app SET random_page_cost = 10000",),
        LOOKUP,
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
    #: What taking everything back left behind; empty: nothing, or it was not asked for.
    left: str = ""

    @property
    def is_passed(self) -> bool:
        """Whether it is detected, pinned and verified in time, with the good plan back."""
        is_pinned = 0 < self.detected <= self.verified <= MOST_CYCLES and self.is_back
        return is_pinned and not self.left


def main() -> int:
    """Run the drills, print their table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--drills", default=",".join(drill.name for drill in DRILLS))
    parser.add_argument("--release", action="store_true")
    parser.add_argument("--programs", type=Path)
    parser.add_argument("--undo", action="store_true")
    arguments = parser.parse_args()
    drills = [each for each in DRILLS if each.name in arguments.drills.split(",")]
    if arguments.undo and len(drills) != 1:
        parser.error("--undo is for a single drill: the next would find what it left behind")
    folder = Path(tempfile.mkdtemp(prefix="honed-drill-"))
    folder.chmod(0o755)
    is_stashing = arguments.programs is not None and can_stash(arguments.programs)
    options = SERVER | (STASHING if is_stashing else {})
    server = Server(folder / "production", binaries=arguments.programs, options=options)
    server.join()
    try:
        make(server)
        if is_stashing:
            make_stash(server)
        settings = _settings(folder, arguments.programs)
        with load(server, folder):
            results = _play(server, settings, drills, undo=arguments.undo)
            show(results)
            left = _release(server, settings) if arguments.release else []
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


class _Impatient(QueryRegression):
    """Tries without each pin in every cycle."""

    revalidate_after = timedelta(0)


def _release(server: Server, settings: Settings) -> list[str]:
    """Make the dropped statistics again, let honed try without its own, and return what is left."""
    seen: list[Event] = []
    kinds = {_Impatient.name: _Impatient()}
    with open_app(settings, on_event=seen.append, kinds=kinds) as app:
        stage = _Stage(app, server, seen)
        with Database(server.url(NAME)).connect(autocommit=True) as connection:
            for statement in MAKE_STATISTICS:
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


def _settings(folder: Path, programs: Path | None) -> Settings:
    return load_settings(
        home=folder / "honed",
        store_url="",
        postgres_bin=programs,
        autonomy=Autonomy.FULL,
        require_human_approval=False,
        sample_interval_s=1.0,
        glance_interval_s=0.2,
        watch_intervals=8,
        trial_budget_s=60.0,
    )


def _play(
    server: Server, settings: Settings, drills: Sequence[Drill], *, undo: bool
) -> list[Result]:
    seen: list[Event] = []
    kinds = {QueryRegression.name: QueryRegression()}
    with open_app(settings, on_event=seen.append, kinds=kinds) as app:
        observe, act = (server.url(NAME, user=role(NAME)) for role in (observer_name, actor_name))
        add_target(app.store.owner, TargetRecord(NAME, observe, act))
        stage = _Stage(app, server, seen)
        stage.read()
        stage.cycle()
        return [stage.run(drill, undo=undo) for drill in drills]


@dataclass(frozen=True, slots=True)
class _Stage:
    app: App
    server: Server
    seen: list[Event]

    def run(self, drill: Drill, *, undo: bool) -> Result:
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
        bad, before = self._shapes(drill), read_state(self.server)
        assert bad != good, "the plan is the same as before"
        self.read()
        result.bad_ms = self._ms(statement_id, _READINGS - 2)
        self._turn(statement_id, result)
        result.is_back = self._shapes(drill) == good
        if result.verified:
            result.pinned_ms = self._ms(statement_id, len(target.intervals()[-6:]))
        result.seconds = time.monotonic() - started
        if undo:
            result.left = self._undo(before)
            is_bad = self._shapes(drill) == bad
            print(f"# and the plan is {'the bad one again' if is_bad else 'another'}", flush=True)
        return result

    def _turn(self, statement_id: str, result: Result) -> None:
        """Take turns of the loop until the plan is pinned and verified, or it is too late."""
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

    def _undo(self, before: str) -> str:
        """Take everything back, and return what is not as it was ``before`` the pin."""
        changed = self._changed_since(before)
        self.app.undo_all(NAME, "the drill is over", acting_for="drill")
        left = self._changed_since(before)
        print(f"# the pin changed:\n{changed}# taken back, it leaves: {left or 'nothing'}")
        return left

    def _changed_since(self, before: str) -> str:
        """Return the difference between what schema, settings and stash were and what they are."""
        was, now = (each.splitlines(keepends=True) for each in (before, read_state(self.server)))
        return "".join(each for each in difflib.ndiff(was, now) if each[0] in "+-")

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
