"""A full disk: it is named, and nothing that was committed is lost."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from honed.errors import DiskFull
from honed.storage.db import Database
from honed.storage.server import Server

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")

FILL = "CREATE TABLE filling AS SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"


@pytest.fixture
def small_disk(honed_home: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    disk = honed_home / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let root mount a file system in memory")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def count(database: Database) -> int:
    with database.connect() as connection:
        row = connection.execute("SELECT count(*) AS rows FROM kept").fetchone()
    assert row is not None
    return int(row["rows"])


@pytest.mark.parametrize("small_disk", ["120m"], indirect=True)
def test_a_full_disk_is_named_and_nothing_committed_is_lost(small_disk: Path) -> None:
    # CREATE TABLE AS needs no log at this level, so it is the table that finds no space.
    server = Server(small_disk / "data", options={"wal_level": "minimal", "max_wal_senders": "0"})
    server.start()
    database = Database(server.url())
    with database.transaction() as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    with pytest.raises(DiskFull, match="No space left") as full, database.connect() as connection:
        connection.execute(FILL)
    assert "free space" in full.value.hint
    assert count(database) == 1000
    os.kill(server.postmaster_pid(), signal.SIGKILL)
    server.start()
    assert count(database) == 1000
    server.stop()


@pytest.mark.parametrize("small_disk", ["10m"], indirect=True)
def test_a_disk_too_small_for_a_server_is_named_and_left_empty(small_disk: Path) -> None:
    with pytest.raises(DiskFull):
        Server(small_disk / "data").start()
    assert not (small_disk / "data").exists()
    assert not (small_disk / "data.unfinished").exists()
