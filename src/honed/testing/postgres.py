"""Pytest fixtures with a real PostgreSQL: one server a session, one database a test.

Load them with ``pytest_plugins = ["honed.testing.postgres"]``. With pytest-xdist each worker has
its own server.
"""

import itertools
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
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Databases:
    """Makes databases on one server, and drops them all at the end."""

    server: Server
    _made: list[str]

    def create(self, template: str = "template0") -> str:
        """Return the URL of a new database, a copy of ``template``."""
        name = f"test_{next(_NUMBERS)}"
        create_database(Database(self.server.url()), name, template=template)
        self._made.append(name)
        return self.server.url(name)

    def drop_all(self) -> None:
        """Drop what was created, whoever is still connected."""
        while self._made:
            drop_database(Database(self.server.url()), self._made.pop())


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """Return a folder for this session with a short path, which the server's user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="honed-test-"))
    folder.chmod(0o755)
    yield folder
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
