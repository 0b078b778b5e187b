"""Pytest fixtures with a real PostgreSQL: one server a session, one database a test.

Load them with ``pytest_plugins = ["honed.testing.postgres"]``. With pytest-xdist each worker has
its own server.
"""

import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from honed.storage.databases import create_database, drop_database
from honed.storage.db import Database
from honed.storage.migrate import migrate
from honed.storage.server import Server

#: Fast and without surprises: nothing must survive a crash, nothing runs in the background.
TEST_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_preload_libraries": "pg_stat_statements",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "100",
}

_TEMPLATE = "honed_template"
_PREFIX = "honed-test-"
_OWNED = "session.lock"
_NUMBERS = itertools.count(1)
#: The counters keep 5,000 statements; those of dropped databases would drive out the others.
_FORGET = "SELECT pg_stat_statements_reset(dbid => oid) FROM pg_database WHERE datname = %(name)s"


@dataclass(frozen=True, slots=True)
class Databases:
    """Makes databases on one server, and drops them all at the end."""

    server: Server
    _made: list[str]

    def create(self, template: str = "template0") -> str:
        """Return the URL of a new database, a copy of ``template``."""
        name = f"test_{next(_NUMBERS)}"
        server = Database(self.server.url())
        create_database(server, name, template=template, by_files=True)
        self._made.append(name)
        return self.server.url(name)

    def drop_all(self) -> None:
        """Drop what was created, whoever is still connected."""
        server = Database(self.server.url())
        while self._made:
            name = self._made.pop()
            with server.connect(autocommit=True) as connection:
                connection.execute(_FORGET, {"name": name})
            drop_database(server, name)


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """Return a folder for this session with a short path, which the server's user may enter.

    At the end every server in it is stopped. Folders of sessions that were killed before their end
    are cleared away first.
    """
    sweep_dead_sessions(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    folder.chmod(0o755)
    with (folder / "unnamed.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Named only once it is locked, so that nobody can see it free.
        Path(lock.name).rename(folder / _OWNED)
        yield folder
        _clear_away(folder)


def sweep_dead_sessions(parent: Path) -> list[Path]:
    """Stop the servers that test sessions of this user left running, and return their folders."""
    swept = []
    for folder in parent.glob(f"{_PREFIX}*"):
        owned = folder / _OWNED
        if not owned.is_file() or folder.stat().st_uid != os.geteuid():
            continue
        with owned.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _clear_away(folder)
            swept.append(folder)
    return swept


def _clear_away(folder: Path) -> None:
    for file in folder.rglob("postmaster.pid"):
        Server(file.parent).stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def honed_home(session_folder: Path) -> Path:
    """Return an empty folder for one test's ``HONED_HOME``; the server's user may enter it."""
    folder = Path(tempfile.mkdtemp(prefix="home-", dir=session_folder))
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def postgres_server(session_folder: Path) -> Iterator[Server]:
    """Return a running server with ``TEST_OPTIONS``; it stops at the end of the session."""
    server = Server(session_folder / "data", options=TEST_OPTIONS)
    server.start()
    with Database(server.url()).connect(autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: Server) -> str:
    """Return the name of a database with every migration, to be copied."""
    create_database(Database(postgres_server.url()), _TEMPLATE)
    migrate(Database(postgres_server.url(_TEMPLATE)))
    return _TEMPLATE


@pytest.fixture
def databases(postgres_server: Server) -> Iterator[Databases]:
    """Return a maker of databases on the session's server; they are dropped after the test."""
    made = Databases(postgres_server, [])
    yield made
    made.drop_all()


@pytest.fixture
def store(databases: Databases, migrated_template: str) -> Database:
    """Return a migrated store of this test alone, as its owner."""
    return Database(databases.create(migrated_template))


@pytest.fixture
def empty_database(databases: Databases) -> Callable[[], str]:
    """Return a maker of empty databases: each call returns the URL of a new one."""
    return databases.create
