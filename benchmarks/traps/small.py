"""Traps on tables of their own: statistics, indexes that look useful, indexes that look useless."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, LiteralString

from production import SERVER, Production
from stage import Row, Stage, Theatre

from honed.core.verdict import State
from honed.improvement.record import Improvement
from honed.kinds.index_cleanup import IndexCleanup
from honed.kinds.index_optimization import IndexOptimization
from honed.kinds.statistics import Statistics
from honed.storage.db import Database, driver_errors
from honed.storage.programs import server_account
from honed.storage.server import Server
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.testing.claimed import Claimed, GivenClaim, statements_claim

_ANALYZE: LiteralString = "VACUUM ANALYZE"


class Impatient(IndexCleanup):
    """Calls an index unused that nobody used since the counters were reset."""

    unused_days: ClassVar[float] = 0.0


def statistics(theatre: Theatre) -> Iterator[Row]:
    """(4) Common values beside dependencies, which drive out what was right.

    1,000 cities of 20 countries on 5 continents in 400,000 rows. The first hundred cities have
    twice the rows of the others, so that it is no accident which of them the list holds.
    """
    setup: Sequence[LiteralString] = (
        "CREATE TABLE place (street integer, city text, country text, continent text)",
        """
        INSERT INTO place
        SELECT n, 'city ' || city, 'country ' || city % 20, 'continent ' || city % 5
          FROM (SELECT n, CASE WHEN n % 5 = 0 THEN n / 5 % 100 ELSE 100 + n % 900 END AS city
                  FROM generate_series(1, 400000) AS n)
        """,
        "CREATE INDEX ON place (city)",
        _ANALYZE,
    )
    asked: dict[str, LiteralString] = {
        "city": """
            SELECT count(*) FROM place a JOIN place b ON b.street = a.street
             WHERE a.city = 'city 501' AND a.country = 'country 1' AND a.continent = 'continent 1'
               AND b.city = 'city 501' AND b.country = 'country 1' AND b.continent = 'continent 1'
        """
    }
    make = "CREATE STATISTICS all_three (ndistinct, dependencies, mcv) ON city, country, continent"
    claim = statements_claim(
        "statistics (ndistinct, dependencies, mcv)",
        (f"{make} FROM place", "DROP STATISTICS IF EXISTS all_three"),
        ("ANALYZE place", "ANALYZE place"),
    )
    with theatre.server("places") as server:
        production = Production.make(server, "places", setup)
        note = ", ".join(
            f"{kinds or 'none'}: {_estimated(production, kinds)}"
            for kinds in ("", "dependencies", "ndistinct, dependencies, mcv")
        )
        note = f"rows that the planner expects of 444, by statistics: {note}"
        kinds = (Claimed([claim]), Statistics())
        with theatre.stage(production, asked, kinds) as stage:
            report = stage.turn()
            yield stage.row(
                "4 mcv beside dependencies", _of(report.improvements, "claimed"), note=note
            )
            yield _own_way(stage, "4 honed's own way", report.improvements, "statistics")


def prefix_of_primary_key(theatre: Theatre) -> Iterator[Row]:
    """(6) An index on what the primary key begins with, for orders that are looked up by it.

    Of long ranges it would be a gain indeed: it is the narrower one.
    """
    setup: Sequence[LiteralString] = (
        """
        CREATE TABLE line (order_id integer, line_no integer, amount integer, note text,
                           PRIMARY KEY (order_id, line_no))
        """,
        "INSERT INTO line SELECT n / 5, n % 5, n, 'note ' || n FROM generate_series(0, 299999) n",
        _ANALYZE,
    )
    asked: dict[str, LiteralString] = {
        "order": "SELECT sum(amount) FROM line WHERE order_id = 4711",
        "line": "SELECT amount FROM line WHERE order_id = 815 AND line_no = 3",
        "count": "SELECT count(*) FROM line WHERE amount % 7 = 3",
    }
    index = IndexDefinition("public", "line", (Key("order_id"),))
    with theatre.server("lines") as server:
        production = Production.make(server, "lines", setup)
        with theatre.stage(production, asked, (Claimed([_index("line (order_id)", index)]),)) as s:
            (found,) = s.turn().improvements
            yield s.row("6 prefix of a primary key", found)


def used_on_a_replica(theatre: Theatre) -> Iterator[Row]:
    """(7) An index that the primary never uses, and its standby all the time."""
    setup: Sequence[LiteralString] = (
        "CREATE TABLE visit (visit_id integer PRIMARY KEY, tenant integer, page text)",
        "INSERT INTO visit SELECT n, n % 5000, 'page ' || n % 7 FROM generate_series(1, 200000) n",
        "CREATE INDEX by_tenant ON visit (tenant)",
        _ANALYZE,
    )
    asked: dict[str, LiteralString] = {
        "by key": "SELECT count(page) FROM visit WHERE visit_id < 60000",
    }
    with theatre.server("visits") as server:
        production = Production.make(server, "visits", setup)
        with theatre.stage(production, asked, (Impatient(),)) as stage:
            alone = stage.turn(is_dry=True)
            with _standby(theatre, server) as standby:
                scans = _scan_on(standby)
                beside = stage.turn(is_dry=True)
            named = [each.subject for each in alone.improvements]
            found = _improvements_about(beside.improvements, "by_tenant")
            yield Row(
                trap="7 used on a replica only",
                claim="dropping public.by_tenant",
                verdict="-",
                worst="-",
                state="claimed" if found else "never claimed",
                ledger="-",
                is_right=not found and named == ["public.by_tenant"] and scans > 0,
                note=f"{scans} scans on the standby, none on the primary; without a standby it is"
                f" called unused ({', '.join(named) or 'nothing is'}), in a dry run",
            )


def skew(theatre: Theatre) -> Iterator[Row]:
    """(8) A generic plan for the mean value, where production asks for the one that is not mean."""
    setup: Sequence[LiteralString] = (
        "CREATE TABLE job (job_id integer PRIMARY KEY, state integer, cost integer, note text)",
        """
        INSERT INTO job
        SELECT n, CASE WHEN n % 100 = 0 THEN n ELSE 0 END, n % 90, repeat('x', 80)
          FROM generate_series(1, 200000) n
        """,
        _ANALYZE,
    )
    asked: dict[str, LiteralString] = {
        "done": "SELECT sum(cost), max(note) FROM job WHERE state = 0"
    }
    index = IndexDefinition("public", "job", (Key("state"),))
    with theatre.server("jobs") as server:
        production = Production.make(server, "jobs", setup)
        before, after = _generic_costs(production, index)
        with theatre.stage(production, asked, (Claimed([_index("job (state)", index)]),)) as stage:
            (found,) = stage.turn().improvements
            note = f"the generic plan's cost falls from {before:.0f} to {after:.0f}"
            yield stage.row("8 generic plan hides skew", found, note=note)


def half_built(theatre: Theatre) -> Iterator[Row]:
    """(9) What a failed CREATE UNIQUE INDEX CONCURRENTLY leaves behind."""
    setup: Sequence[LiteralString] = (
        "CREATE TABLE account (account_id integer PRIMARY KEY, email text, note text)",
        """
        INSERT INTO account
        SELECT n, 'user' || n % 149999 || '@example.org', repeat('x', 60)
          FROM generate_series(1, 150000) n
        """,
        _ANALYZE,
    )
    asked: dict[str, LiteralString] = {
        "by email": "SELECT count(note) FROM account WHERE email = 'user77@example.org'",
        "insert": "INSERT INTO account SELECT max(account_id) + 1, 'new', '' FROM account",
    }
    with theatre.server("accounts") as server:
        production = Production.make(server, "accounts", setup)
        with production.client.connect(autocommit=True) as connection:
            try:
                with driver_errors():
                    connection.execute(
                        "CREATE UNIQUE INDEX CONCURRENTLY one_email ON account (email)"
                    )
            except Exception as error:  # noqa: BLE001 - it is the trap
                theatre.say(f"as it should: {error}")
        kinds = (IndexCleanup(), IndexOptimization())
        with theatre.stage(production, asked, kinds) as stage:
            report = stage.turn()
            leftover = _of(report.improvements, "index_cleanup")
            if leftover.state is State.AWAITING_APPROVAL:
                leftover = stage.approve(leftover)
            gone = not production.query("SELECT FROM pg_class WHERE relname = 'one_email'")
            yield stage.row(
                "9 invalid index is dropped",
                leftover,
                wanted=State.KEPT if gone else State.REFUTED,
                note=f"{leftover.subject} is {'gone' if gone else 'still there'} {leftover.error}",
            )
            yield _own_way(stage, "9 and is no use", report.improvements, "index_optimization")


def partitioned(theatre: Theatre) -> Iterator[Row]:
    """(10) CREATE INDEX CONCURRENTLY on a partitioned table, which PostgreSQL refuses."""
    setup: Sequence[LiteralString] = (
        """
        CREATE TABLE event (event_id integer, device integer, note text)
        PARTITION BY RANGE (event_id)
        """,
        "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (1) TO (80001)",
        "CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (80001) TO (160001)",
        "INSERT INTO event SELECT n, n % 4000, repeat('x', 60) FROM generate_series(1, 160000) n",
        _ANALYZE,
    )
    asked: dict[str, LiteralString] = {
        "by device": "SELECT count(note) FROM event WHERE device = 77"
    }
    make = "CREATE INDEX CONCURRENTLY naive ON event (device)"
    claim = statements_claim("naive index of a parent", (make, "DROP INDEX IF EXISTS naive"))
    with theatre.server("events") as server:
        production = Production.make(server, "events", setup)
        kinds = (Claimed([claim]), IndexOptimization())
        with theatre.stage(production, asked, kinds) as stage:
            report = stage.turn()
            left = production.query("SELECT FROM pg_class WHERE relname = 'naive'")
            naive = _of(report.improvements, "claimed")
            note = f"{naive.error}; {'it left something' if left else 'nothing is left of it'}"
            yield stage.row(
                "10 partitioned parent", naive, wanted=State.REFUTED if left else None, note=note
            )
            own = _own_way(stage, "10 honed's own way", report.improvements, "index_optimization")
            (valid,) = production.query(
                "SELECT count(*) AS n FROM pg_index"
                " WHERE indrelid = 'event'::regclass AND indisvalid"
            )
            assert valid["n"] == 1 or not own.is_right
            yield own


def _own_way(stage: Stage, trap: str, found: Sequence[Improvement], kind: str) -> Row:
    own = [each for each in found if each.kind == kind]
    if not own:
        return Row(trap, kind, "-", "-", "never claimed", "-", is_right=False)
    steps = "; ".join(statement for step in own[0].steps for statement in step.do)
    return stage.row(trap, own[0], wanted=State.KEPT, note=steps)


def _index(subject: str, index: IndexDefinition) -> GivenClaim:
    return GivenClaim(f"index on {subject}", lambda _: [index.step()])


def _of(found: Sequence[Improvement], kind: str) -> Improvement:
    (one,) = [each for each in found if each.kind == kind]
    return one


def _improvements_about(found: Sequence[Improvement], name: str) -> Sequence[Improvement]:
    return [each for each in found if name in each.subject]


def _estimated(production: Production, kinds: str) -> int:
    """Return the rows of ``place`` that the planner expects with these sorts of statistics."""
    with production.client.connect() as connection:
        if kinds:
            statement = f"CREATE STATISTICS s ({kinds}) ON city, country, continent FROM place"
            connection.execute(statement.encode())
        connection.execute("ANALYZE place")
        (row,) = connection.execute(
            "EXPLAIN (FORMAT JSON) SELECT FROM place"
            " WHERE city = 'city 501' AND country = 'country 1' AND continent = 'continent 1'"
        ).fetchall()
        connection.rollback()
    return int(row["QUERY PLAN"][0]["Plan"]["Plan Rows"])


def _generic_costs(production: Production, index: IndexDefinition) -> tuple[float, float]:
    """Return what the planner says of the statement for any value, without the index and with."""
    explain: LiteralString = (
        "EXPLAIN (GENERIC_PLAN, FORMAT JSON) SELECT sum(cost), max(note) FROM job WHERE state = $1"
    )
    costs = []
    with production.client.connect() as connection:
        for statement in ("", index.build_sql):
            if statement:
                connection.execute(statement.encode())
            (row,) = connection.execute(explain).fetchall()
            costs.append(float(row["QUERY PLAN"][0]["Plan"]["Total Cost"]))
        connection.rollback()
    return costs[0], costs[1]


@contextmanager
def _standby(theatre: Theatre, primary: Server) -> Iterator[Server]:
    """Hand out a hot standby that streams from ``primary``."""
    folder = theatre.folder / "standby"
    copied = [str(primary.program("pg_basebackup")), "-D", str(folder), "-d", primary.url()]
    subprocess.run([*copied, "-R", "--checkpoint=fast", "--no-sync"], check=True)
    if account := server_account():
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
    server = Server(folder, options=SERVER)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _scan_on(standby: Server) -> int:
    """Ask the standby by the index; return how often it was scanned there."""
    with Database(standby.url("visits")).connect(autocommit=True) as connection:
        for tenant in range(1, 101):
            connection.execute("SELECT page FROM visit WHERE tenant = %s", [tenant])
        connection.execute("SELECT pg_stat_force_next_flush()")
        row: dict[str, Any] = connection.execute(
            "SELECT idx_scan AS n FROM pg_stat_user_indexes WHERE indexrelname = 'by_tenant'"
        ).fetchall()[0]
    return int(row["n"])
