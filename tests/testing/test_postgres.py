"""The shipped fixtures: databases of one's own, and nothing left behind by who was killed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from honed.storage.databases import database_exists
from honed.storage.db import Database
from honed.storage.server import Server
from honed.testing.postgres import Databases, sweep_dead_sessions

SESSION = """
import fcntl, sys
from pathlib import Path
from honed.storage.server import Server
folder = Path(sys.argv[1]) / "honed-test-abc"
folder.mkdir()
lock = (folder / "session.lock").open("ab")
fcntl.flock(lock, fcntl.LOCK_EX)
Server(folder / "home" / "data", options={"fsync": "off"}).start()
print("started", flush=True)
sys.stdin.read()
"""


def test_two_databases_of_one_test_are_separate(empty_database: Callable[[], str]) -> None:
    one, other = Database(empty_database()), Database(empty_database())
    with one.transaction() as connection:
        connection.execute("CREATE TABLE mine (n integer)")
    with other.transaction() as connection:
        found = connection.execute("SELECT to_regclass('mine') AS mine").fetchone()
    assert found == {"mine": None}


def test_databases_are_dropped_even_while_somebody_is_connected(postgres_server: Server) -> None:
    databases = Databases(postgres_server, [])
    url = databases.create()
    name = url.partition("?")[0].rpartition("/")[2]
    with Database(url).connect(autocommit=True):
        databases.drop_all()
        assert not database_exists(Database(postgres_server.url()), name)


def test_what_a_killed_session_left_is_cleared_away_and_a_living_one_is_not(
    honed_home: Path,
) -> None:
    session = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(honed_home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    folder = honed_home / "honed-test-abc"
    server = Server(folder / "home" / "data")
    with session:
        assert session.stdout is not None
        assert session.stdout.readline() == "started\n"
        assert sweep_dead_sessions(honed_home) == []
        assert server.is_running()
        session.kill()
        session.wait()
    assert sweep_dead_sessions(honed_home) == [folder]
    assert not server.is_running()
    assert not folder.exists()
