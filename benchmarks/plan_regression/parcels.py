"""Production of the drills: a parcel service's database under pgbench's load."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

from honed.storage.databases import create_database
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.roles import roles_sql

NAME = "parcels"
APPLICATION = "parcels_app"
_ROWS = 10_000
SERVER = {
    "shared_preload_libraries": "pg_stat_statements",
    "track_activity_query_size": "4096",
    "max_parallel_workers_per_gather": "0",
    "shared_buffers": "128MB",
    "jit": "off",
}

#: Of a server that can stash advice.
STASHING = {"shared_preload_libraries": "pg_stat_statements,pg_stash_advice"}
_STASH: Sequence[LiteralString] = (
    "CREATE EXTENSION pg_stash_advice",
    "SELECT pg_create_advice_stash('honed')",
    "ALTER DATABASE parcels SET pg_stash_advice.stash_name = 'honed'",
    """
    GRANT EXECUTE ON FUNCTION pg_get_advice_stashes(), pg_get_advice_stash_contents(text)
    TO honed_observe_parcels
    """,
    """
    GRANT EXECUTE ON FUNCTION pg_set_stashed_advice(text, bigint, text),
                              pg_get_advice_stash_contents(text)
    TO honed_act_parcels
    """,
)
_STASHED = "SELECT * FROM pg_get_advice_stash_contents(NULL) ORDER BY stash_name, query_id"
_ASSIGNED = "SELECT * FROM pg_db_role_setting ORDER BY setdatabase, setrole"

MAKE_STATISTICS: Sequence[LiteralString] = (
    "CREATE STATISTICS of_parcel (mcv) ON is_cold, is_fragile, is_express FROM parcel",
    "CREATE STATISTICS of_scan (mcv) ON is_cold, is_fragile, is_express FROM scan",
    "VACUUM ANALYZE parcel",
    "VACUUM ANALYZE scan",
)
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
    *MAKE_STATISTICS,
)

#: The statements of the load, by the drill that is about each.
BY_DEPOT: LiteralString = (
    "SELECT count(*), sum(p.weight) FROM parcel p JOIN scan s ON s.barcode = p.barcode"
    " WHERE p.depot = 7 AND s.depot = 7"
)
BY_CARE: LiteralString = (
    "SELECT count(*), max(p.weight) FROM parcel p JOIN scan s ON s.barcode = p.barcode"
    " WHERE p.is_cold AND p.is_fragile AND p.is_express"
    " AND s.is_cold AND s.is_fragile AND s.is_express"
)
LOOKUP: LiteralString = "SELECT weight, depot FROM parcel WHERE parcel_id = 4711"
_LOAD = "\n".join(
    (
        f"\\set id random(1, {_ROWS})",
        f"{BY_DEPOT};",
        f"{BY_CARE};",
        LOOKUP.replace("4711", ":id") + ";",
        "INSERT INTO event (parcel_id) VALUES (:id);",
        "\\sleep 20 ms",
    )
)


def make(server: Server) -> None:
    """Make the database, its application's role and the two of honed."""
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


def can_stash(programs: Path) -> bool:
    """Return whether servers of ``programs`` can stash advice."""
    asked = [str(programs / "pg_config"), "--sharedir"]
    share = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return Path(share, "extension", "pg_stash_advice.control").is_file()


def make_stash(server: Server) -> None:
    """Let sessions use a stash, and honed write it."""
    with Database(server.url(NAME)).connect(autocommit=True) as connection:
        for statement in _STASH:
            connection.execute(statement)


def read_state(server: Server) -> str:
    """Return schema, settings and stash as text."""
    command = [str(server.program("pg_dump")), "--schema-only", "--restrict-key=same"]
    dump = subprocess.run([*command, server.url(NAME)], capture_output=True, text=True, check=True)
    with Database(server.url(NAME)).connect() as connection:
        stash: LiteralString = "SELECT to_regproc('pg_get_advice_stash_contents') AS stash"
        (row,) = connection.execute(stash).fetchall()
        queries = (_ASSIGNED, *([_STASHED] if row["stash"] else []))
        found = [connection.execute(query).fetchall() for query in queries]
    return "".join([dump.stdout, *(f"{each}\n" for rows in found for each in rows)])


@contextmanager
def load(server: Server, folder: Path) -> Iterator[None]:
    """Keep pgbench running while the block is open; each transaction is a session of its own."""
    script = folder / "load.sql"
    script.write_text(_LOAD)
    program = server.program("pgbench")
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
