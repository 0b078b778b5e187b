"""A campaign of crashes: whatever dies under a writer, each acknowledged commit is there after."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from honed.storage.db import Database
from honed.storage.server import Server

ROUNDS = 12
SEED = 20261121

#: Commits one number after the other, saying each only once it is committed.
WRITER = """
import sys
from honed.storage.db import Database
with Database(sys.argv[1]).connect(autocommit=True) as connection:
    print(connection.info.backend_pid, flush=True)
    while True:
        row = connection.execute("INSERT INTO written DEFAULT VALUES RETURNING n").fetchone()
        print(row["n"], flush=True)
"""


def write_until_killed(server: Server, database: Database, victim: str, commits: int) -> list[int]:
    """Kill ``victim`` after ``commits`` commits and return all that were acknowledged."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, database.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with writer:
        assert writer.stdout is not None
        backend = int(writer.stdout.readline())
        acknowledged = [int(writer.stdout.readline()) for _ in range(commits)]
        os.kill(server.postmaster_pid() if victim == "postmaster" else backend, signal.SIGKILL)
        rest, complaint = writer.communicate()
    assert "StoreUnavailable" in complaint
    return acknowledged + [int(line) for line in rest.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["postmaster", "backend"])
def test_no_acknowledged_commit_is_lost(victim: str, honed_home: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311 - it chooses moments, not secrets
    server = Server(honed_home / "data")
    server.start()
    database = Database(server.url())
    with database.transaction() as connection:
        connection.execute("CREATE TABLE written (n bigint GENERATED ALWAYS AS IDENTITY)")
    acknowledged: list[int] = []
    for _ in range(ROUNDS):
        commits = chance.randint(1, 200)
        acknowledged += write_until_killed(server, database, victim, commits)
        server.start()
    with database.transaction() as connection:
        found = {row["n"] for row in connection.execute("SELECT n FROM written")}
    assert set(acknowledged) <= found
    server.stop()
