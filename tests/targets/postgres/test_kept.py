"""The connection that stays open between looks is one, is replaced when it broke, and is closed."""

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from honed.config import Settings
from honed.errors import MissingPrivilege, TargetUnavailable
from honed.storage.db import Connection
from honed.targets.postgres.kept import KeptConnection
from honed.targets.postgres.target import PostgresTarget
from honed.testing.postgres import Databases

_SESSIONS = """
SELECT pid FROM pg_stat_activity
 WHERE application_name = 'honed' AND datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def kept() -> Any:
    made = KeptConnection()
    yield made
    made.close()


@pytest.fixture
def reading(kept: KeptConnection, production: Any, honed_home: Any) -> Callable[..., Any]:
    """Return what hands out a connection to production, with settings that are given."""

    def read(**limits: Any) -> Any:
        settings = Settings(home=honed_home, **limits)
        return kept.reading(production.url, settings, search_path="")

    return read


def sessions(production: Any) -> set[int]:
    return {row["pid"] for row in production.run(_SESSIONS)}


def pid_of(connection: Connection) -> int:
    return connection.info.backend_pid


def use_broken(production: Any, reading: Callable[..., Any], pids: list[int]) -> None:
    """Let the server end a connection while it is in use, and tell which it was."""
    with reading() as connection:
        pids.append(pid_of(connection))
        production.run("SELECT pg_terminate_backend(%(pid)s, 10000)", {"pid": pids[0]})
        connection.execute("SELECT 1")


def test_readings_and_glances_share_one_connection(production: Any, target: PostgresTarget) -> None:
    target.sample()
    first = sessions(production)
    target.glance()
    target.within({"statement_timeout_s": 1.0}).glance()
    assert len(first) == 1
    assert sessions(production) == first


def test_what_the_server_ended_is_opened_again(production: Any, target: PostgresTarget) -> None:
    target.glance()
    (before,) = sessions(production)
    production.run("SELECT pg_terminate_backend(%(pid)s, 10000)", {"pid": before})
    target.glance()
    (after,) = sessions(production)
    assert after != before


def test_a_closed_target_leaves_no_connection(production: Any, target: PostgresTarget) -> None:
    target.glance()
    assert sessions(production)
    target.close()
    target.glance()
    deadline = time.monotonic() + 30.0
    while sessions(production):
        assert time.monotonic() < deadline, "it is still there"


def test_what_is_in_use_when_it_ends_is_not_kept(
    kept: KeptConnection, reading: Callable[..., Any]
) -> None:
    with reading() as connection:
        kept.close()
        assert connection.execute("SELECT 1 AS one").fetchall() == [{"one": 1}]
    assert connection.closed


def test_who_comes_meanwhile_gets_another_and_one_is_kept(reading: Callable[..., Any]) -> None:
    with reading() as first, reading() as second:
        assert pid_of(first) != pid_of(second)
    assert (first.closed, second.closed) == (True, False)
    with reading() as third:
        assert third is second


def test_each_use_only_reads_within_its_own_limits(reading: Callable[..., Any]) -> None:
    for seconds in 5, 7:
        with reading(statement_timeout_s=seconds) as connection:
            (row,) = connection.execute("SHOW statement_timeout")
            assert row == {"statement_timeout": f"{seconds}s"}
    with pytest.raises(MissingPrivilege, match="read-only"), reading() as connection:
        connection.execute("CREATE TABLE mine ()")
    assert connection.closed


def test_what_broke_in_use_says_so_and_is_not_used_again(
    production: Any, reading: Callable[..., Any]
) -> None:
    broken: list[int] = []
    with pytest.raises(TargetUnavailable):
        use_broken(production, reading, broken)
    with reading() as again:
        assert pid_of(again) not in broken


def test_what_nobody_closes_is_closed_with_its_owner(production: Any, honed_home: Any) -> None:
    forgotten = KeptConnection()
    settings = Settings(home=honed_home)
    with forgotten.reading(production.url, settings, search_path="") as connection:
        pass
    assert not connection.closed
    del forgotten
    assert connection.closed


def test_a_target_that_is_away_says_so_each_time(
    databases: Databases, make_target: Callable[..., PostgresTarget]
) -> None:
    gone = make_target(psycopg.conninfo.make_conninfo(databases.create(), dbname="nowhere"))
    for _ in range(2):
        with pytest.raises(TargetUnavailable, match="nowhere"):
            gone.glance()
