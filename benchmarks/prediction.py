"""How well a trial foretells what production shows: one action after the other, on live traffic.

Usage: python benchmarks/prediction.py [--rows 40000]

Each table of some small databases lacks something else: an index for a lookup, a range, an order,
a join, an expression, a share of its rows. An application asks all the while. One cycle a database
of honed's own loop finds, tries, applies and watches what helps, one change at a time, with nobody
to ask. Printed is what the trial had measured of the statements that the change touches, beside
what production showed, both from ``honed.prediction_quality``. Goal: the gain foretold is within
20 % of the gain shown, for 9 of 10 applied changes.
"""

import argparse
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from honed.config import Autonomy, Settings, load_settings
from honed.loop.cycle import Options
from honed.storage.databases import create_database
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.roles import actor_name, observer_name, roles_sql
from honed.targets.registry import TargetRecord, add_target
from honed.wiring import App, installed_kinds, open_app

#: Databases, among which the tables are dealt.
SHELVES = ("shelf_a", "shelf_b", "shelf_c", "shelf_d")
APPLICATION = "shelf_app"
KINDS = ("index_optimization", "statistics", "configuration")
OPTIONS = {
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "256MB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "synchronous_commit": "off",
}
#: Pause of the application between two questions; it must leave the processors idle at times.
PAUSE_S = 0.01
CLIENTS = 2
READINGS = 12

#: Columns of every table; each statement of ``ASKED`` has one of its own.
TABLE = """
CREATE TABLE {table} AS
SELECT n AS id, mod(n * 7919, {rows} / 20) AS item, mod(n * 31, 50) AS kind, mod(n, 5) AS grade
     , md5(n::text) AS code, date '2020-01-01' + mod(n * 13, 2000) AS day
     , CASE WHEN mod(n, 97) = 0 THEN 'open' ELSE 'done' END AS state
     , 'city ' || mod(n, 100) AS city, 'land ' || mod(n, 100) / 5 AS land
  FROM generate_series(1, {rows}) AS n
"""
#: What is asked of one table each; ``%(k)s`` is drawn anew for each call.
ASKED = {
    "lookup": "SELECT id, code FROM {table} WHERE item = %(k)s",
    "fiftieth": "SELECT sum(id) FROM {table} WHERE kind = mod(%(k)s, 50)",
    "fiftieth_wide": "SELECT max(code) FROM {table} WHERE kind = mod(%(k)s, 50) AND grade < 3",
    "by_code": "SELECT id FROM {table} WHERE code = md5(%(k)s::text)",
    "by_upper": "SELECT id FROM {table} WHERE upper(code) = upper(md5(%(k)s::text))",
    "week": "SELECT count(*) FROM {table} WHERE day BETWEEN date '2020-01-01' + %(k)s"
    " AND date '2020-01-08' + %(k)s",
    "newest": "SELECT id, day FROM {table} WHERE grade = mod(%(k)s, 5) ORDER BY day DESC LIMIT 20",
    "open": "SELECT count(*) FROM {table} WHERE state = 'open' AND kind = mod(%(k)s, 50)",
    "counted": "SELECT kind, count(*) FROM {table} WHERE grade = mod(%(k)s, 5) GROUP BY kind",
    "two": "SELECT count(code) FROM {table} WHERE item = %(k)s AND grade = mod(%(k)s, 5)",
    "month": "SELECT avg(id) FROM {table} WHERE day >= date '2020-01-01' + %(k)s"
    " AND day < date '2020-02-01' + %(k)s",
    "first": "SELECT min(id) FROM {table} WHERE kind = mod(%(k)s, 50)",
    "sorted": "SELECT code FROM {table} WHERE kind = mod(%(k)s, 50) ORDER BY code LIMIT 5",
    "joined": "SELECT count(*) FROM {table} AS t JOIN page AS p ON p.page_id = t.kind"
    " WHERE t.item = %(k)s",
}
#: Asked by primary key, and not touched by anything: the control.
UNTOUCHED = (
    "SELECT title FROM page WHERE page_id = mod(%(k)s, 1000)",
    "SELECT count(*) FROM page WHERE page_id < mod(%(k)s, 1000)",
    "SELECT page_id, title FROM page WHERE page_id BETWEEN 10 AND 10 + mod(%(k)s, 100)",
    "SELECT max(length(title)) FROM page WHERE page_id > mod(%(k)s, 1000)",
)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=40_000)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="honed-prediction-"))
    folder.chmod(0o755)
    try:
        show(play(folder, arguments.rows))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def play(folder: Path, rows: int) -> list[Mapping[str, Any]]:
    """Return the rows of ``honed.prediction_quality`` after a cycle on each database."""
    server = Server(folder / "production", options=OPTIONS)
    with ExitStack() as closing:
        server.join()
        closing.callback(server.leave)
        with Database(server.url()).connect(autocommit=True) as connection:
            connection.execute("CREATE ROLE shelf_app LOGIN")
        installed = installed_kinds()
        kinds = {name: installed[name] for name in KINDS}
        app = closing.enter_context(open_app(settings_in(folder), kinds=kinds))
        for number, shelf in enumerate(SHELVES):
            asked = {name: ASKED[name] for name in list(ASKED)[number :: len(SHELVES)]}
            turn(app, server, shelf, asked, rows)
        with app.store.owner.transaction() as conn:
            judged = "SELECT * FROM honed.prediction_quality ORDER BY improvement_id"
            return list(conn.execute(judged))


def turn(app: App, server: Server, shelf: str, asked: Mapping[str, str], rows: int) -> None:
    """Take one cycle on a new database, and say what became of each claim."""
    fill(server, shelf, asked, rows)
    observe, act = (server.url(shelf, user=make(shelf)) for make in (observer_name, actor_name))
    add_target(app.store.owner, TargetRecord(shelf, observe, act))
    with traffic(server.url(shelf, user=APPLICATION), asked, rows):
        read(app, shelf)
        options = Options(dry_run=False, max_changes=30, require_approval=False)
        report = app.run_cycle(shelf, options)
    for each in report.improvements:
        shown = "" if each.production_log_ratio is None else f"{each.production_log_ratio:+.2f}"
        print(f"# {shelf} {each.state} {shown}: {each.hypothesis.claim}", flush=True)


def settings_in(folder: Path) -> Settings:
    """Return settings with short intervals, and a policy that approves."""
    return load_settings(
        home=folder / "honed",
        store_url="",
        autonomy=Autonomy.FULL,
        require_human_approval=False,
        max_changes_per_run=30,
        sample_interval_s=1.0,
        glance_interval_s=0.3,
        watch_intervals=8,
        trial_budget_s=90.0,
    )


def fill(server: Server, shelf: str, asked: Iterable[str], rows: int) -> None:
    """Make one database, its tables and honed's roles."""
    create_database(Database(server.url()), shelf)
    with psycopg.connect(server.url(shelf), autocommit=True) as connection:
        connection.execute(f"GRANT CREATE ON SCHEMA public TO {APPLICATION}")
    with psycopg.connect(server.url(shelf, user=APPLICATION), autocommit=True) as connection:
        for table in asked:
            connection.execute(TABLE.format(table=f"shelf_{table}", rows=rows).encode())
            connection.execute(f"ALTER TABLE shelf_{table} ADD PRIMARY KEY (id)".encode())
        connection.execute("CREATE TABLE page (page_id integer PRIMARY KEY, title text NOT NULL)")
        connection.execute(
            "INSERT INTO page SELECT n, 'title ' || n FROM generate_series(1, 1000) n"
        )
    with psycopg.connect(server.url(shelf), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute(roles_sql(shelf, shelf).encode())
        connection.execute("SELECT pg_stat_statements_reset()")


@contextmanager
def traffic(url: str, asked: Mapping[str, str], rows: int) -> Iterator[None]:
    """Let the application ask everything, in drawn order, until the block ends."""
    questions = [text.format(table=f"shelf_{table}") for table, text in asked.items()]
    questions += UNTOUCHED
    told = threading.Event()

    def ask(seed: int) -> None:
        drawn = random.Random(seed)  # noqa: S311 - traffic, not secrets
        with psycopg.connect(url, autocommit=True) as connection:
            while not told.is_set():
                for text in drawn.sample(questions, len(questions)):
                    key = drawn.randrange(min(1900, rows // 20))
                    # The application's driver sends texts, as most do.
                    psycopg.ClientCursor(connection).execute(text.encode(), {"k": key})
                    told.wait(PAUSE_S)

    threads = [threading.Thread(target=ask, args=(seed,), daemon=True) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        told.set()
        for thread in threads:
            thread.join()


def read(app: App, shelf: str) -> None:
    """Read production until there is enough to compare with."""
    target = app.target(shelf)
    with app.reading():
        while len(target.intervals()) < READINGS:
            time.sleep(app.settings.sample_interval_s / 2)


def show(judged: list[Mapping[str, Any]]) -> None:
    """Print what was foretold beside what was shown."""
    print("action                state        decided by      foretold  production  foretold/shown")
    for row in judged:
        print(
            f"{row['hypothesis_type']:21} {row['state']:12} {row['decided_by']:15}"
            f" {row['foretold_delta']:7.1f} %  {row['production_delta']:8.1f} %"
            f"  {row['foretold_by_shown']:8.3f}{'' if row['is_within_fifth'] else '  *'}"
        )
    within = sum(row["is_within_fifth"] for row in judged)
    print(f"within 20 %: {within} of {len(judged)} (goal: 9 of 10)")


if __name__ == "__main__":
    main()
