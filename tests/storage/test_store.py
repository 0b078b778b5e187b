"""The store: embedded or elsewhere, it is opened with the schema of this honed."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from honed.config import Settings
from honed.errors import StoreOutdated, StoreUnavailable
from honed.storage.db import Database
from honed.storage.migrate import check
from honed.storage.server import Server
from honed.storage.store import DAEMON, open_store

OPEN_AND_STAY = """
import sys
from honed.config import load_settings
from honed.storage.store import open_store
store = open_store(load_settings(home=sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""
SYSTEM_PROGRAMS = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]


@pytest.fixture
def settings(honed_home: Path) -> Iterator[Settings]:
    yield Settings(home=honed_home)
    Server(honed_home / "store").stop()


def who(database: Database) -> object:
    with database.transaction() as connection:
        row = connection.execute("SELECT current_user AS me").fetchone()
    assert row is not None
    return row["me"]


def test_an_embedded_store_is_ready_when_it_is_opened_and_stops_when_it_is_closed(
    settings: Settings,
) -> None:
    store = open_store(settings)
    check(store.owner)
    assert who(store.owner) == "postgres"
    assert who(store.database()) == DAEMON
    assert who(store.database("honed_viewer")) == "honed_viewer"
    assert store.server is not None
    store.close()
    assert not store.server.is_running()


def test_what_was_written_is_there_when_it_is_opened_again(settings: Settings) -> None:
    store = open_store(settings)
    with store.owner.transaction() as connection:
        connection.execute("CREATE TABLE honed.kept AS SELECT 1 AS n")
    store.close()
    store = open_store(settings)
    with store.owner.transaction() as connection:
        assert connection.execute("SELECT n FROM honed.kept").fetchone() == {"n": 1}
    store.close()


def test_a_store_that_is_there_is_opened_without_an_error_in_its_log(settings: Settings) -> None:
    for _ in range(2):
        store = open_store(settings)
        store.close()
    assert store.server is not None
    assert "ERROR" not in store.server.log_file.read_text()


def test_a_store_goes_on_while_another_process_uses_it(settings: Settings) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_STAY, str(settings.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        store = open_store(settings)
        assert store.server is not None
        store.close()
        assert store.server.is_running()
        other.kill()
        other.wait()
        open_store(settings).close()
        assert not store.server.is_running()


def test_a_store_elsewhere_is_migrated_only_on_demand(empty_database: Callable[[], str]) -> None:
    settings = Settings(store_url=empty_database())
    with pytest.raises(StoreOutdated, match="not applied yet"):
        open_store(settings)
    store = open_store(settings, migrating=True)
    assert store.server is None
    store.close()
    assert who(open_store(settings).database()) == DAEMON


def test_a_wrong_store_url_is_explained() -> None:
    with pytest.raises(StoreUnavailable) as error:
        open_store(Settings(store_url="postgresql:///honed?host=/nowhere"))
    assert "store_url" in error.value.hint


def test_a_store_that_cannot_be_opened_leaves_no_server(settings: Settings) -> None:
    store = open_store(settings)
    with store.owner.transaction() as connection:
        connection.execute("UPDATE honed.migration SET sha256 = repeat('0', 64)")
    store.close()
    with pytest.raises(StoreOutdated, match="edited"):
        open_store(settings)
    assert store.server is not None
    assert not store.server.is_running()


@pytest.mark.skipif(not SYSTEM_PROGRAMS, reason="the system has no PostgreSQL of its own")
@pytest.mark.parametrize("programs", SYSTEM_PROGRAMS, ids=lambda path: path.parent.name)
def test_the_systems_postgresql_serves_as_well(settings: Settings, programs: Path) -> None:
    store = open_store(settings.model_copy(update={"postgres_bin": programs}))
    assert who(replace(store.owner, role=DAEMON)) == DAEMON
    with store.owner.transaction() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    assert row["server_version"].startswith(programs.parent.name)
    store.close()
