"""Connections: transactions, roles, the clock, and errors in honed's words."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from honed.errors import (
    DiskFull,
    HonedError,
    NotAllowed,
    StaleApproval,
    Stopped,
    StoreOutdated,
    StoreUnavailable,
    UnknownImprovement,
    WrongState,
)
from honed.storage.databases import create_database, database_exists, drop_database
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

RAISE = "DO $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '{}'; END $$"


@pytest.fixture
def numbers(empty_database: Callable[[], str]) -> Database:
    database = Database(empty_database())
    with database.transaction() as connection:
        connection.execute("CREATE TABLE numbers (n integer)")
    return database


def read(database: Database) -> list[int]:
    with database.transaction() as connection:
        return [row["n"] for row in connection.execute("SELECT n FROM numbers ORDER BY n")]


def test_a_transaction_is_committed_at_its_end(numbers: Database) -> None:
    with numbers.transaction() as connection:
        connection.execute("INSERT INTO numbers VALUES (1)")
    assert read(numbers) == [1]


def insert_and_fail(connection: Connection) -> None:
    connection.execute("INSERT INTO numbers VALUES (1)")
    raise ZeroDivisionError


def test_a_transaction_that_fails_leaves_nothing(numbers: Database) -> None:
    with pytest.raises(ZeroDivisionError), numbers.transaction() as connection:
        insert_and_fail(connection)
    assert read(numbers) == []


def test_autocommit_keeps_each_statement(numbers: Database) -> None:
    with pytest.raises(ZeroDivisionError), numbers.connect(autocommit=True) as connection:
        insert_and_fail(connection)
    assert read(numbers) == [1]


def test_a_connection_ends_with_its_block(numbers: Database) -> None:
    with numbers.connect() as connection:
        assert not connection.closed
    assert connection.closed


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://honed:hunter2@/store?host=/nowhere",
        "postgresql://honed:hunter2@127.0.0.1:1/store",
        "postgres honed:hunter2@nowhere",
    ],
)
def test_a_wrong_url_is_explained_without_its_password(url: str) -> None:
    with pytest.raises(StoreUnavailable) as error, Database(url).connect():
        pass
    assert "store_url" in error.value.hint
    assert "hunter2" not in f"{error.value!s} {error.value.__context__!s} {Database(url)!r}"


def test_a_connection_that_breaks_is_named(numbers: Database) -> None:
    with pytest.raises(StoreUnavailable), numbers.connect(autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize(
    ("sqlstate", "meaning"),
    [
        ("HN404", UnknownImprovement),
        ("HN409", StaleApproval),
        ("HN410", WrongState),
        ("HN423", Stopped),
        ("42501", NotAllowed),
        ("53100", DiskFull),
        ("57P03", StoreUnavailable),
        ("08006", StoreUnavailable),
    ],
)
def test_an_sqlstate_becomes_the_error_that_it_means(
    numbers: Database, sqlstate: str, meaning: type[HonedError]
) -> None:
    with pytest.raises(meaning, match="as asked"), numbers.connect() as connection:
        connection.execute(RAISE.format(sqlstate).encode())


@pytest.mark.parametrize(
    ("role", "statement", "who"),
    [
        ("honed_operator", "SELECT honed.approve(1, 'x')", "honed_approver"),
        ("honed_daemon", "SELECT honed.approve(1, 'x')", "honed_approver"),
        ("honed_viewer", "SELECT honed.stop('x')", "honed_operator"),
        ("honed_daemon", "SELECT honed.reject(1, 'x')", "honed_operator"),
        ("honed_viewer", "SELECT honed.approve_by_policy(1)", "honed_daemon"),
        ("honed_daemon", "INSERT INTO target (name) VALUES ('x')", "honed_operator"),
        ("honed_operator", "INSERT INTO analysis DEFAULT VALUES", "honed_daemon"),
        ("honed_viewer", "SELECT FROM statement_example", "honed_daemon"),
        ("honed_daemon", "INSERT INTO policy DEFAULT VALUES", "the store's owner"),
        ("honed_daemon", "DELETE FROM approval", "the store's owner"),
        ("honed_daemon", "ALTER TABLE approval RENAME TO mine", "the store's owner"),
    ],
)
def test_who_may_do_what_was_refused_is_named(
    store: Database, role: str, statement: str, who: str
) -> None:
    with pytest.raises(NotAllowed) as refused, replace(store, role=role).connect() as connection:
        connection.execute(statement.encode())
    assert f"member of {who} " in refused.value.hint or f"only {who} may" in refused.value.hint


def test_every_function_names_who_may_call_it(store: Database) -> None:
    queries = load_queries("honed.testing")
    with store.transaction() as connection:
        functions = connection.execute(queries["list_functions"]).fetchall()
    refused = [row for row in functions if row["roles"] and "honed_viewer" not in row["roles"]]
    assert len(refused) >= 8
    for row in refused:
        nulls = ", ".join(
            f"NULL::{argument.split()[1]}"
            for argument in row["arguments"].split(", ")
            if "DEFAULT" not in argument
            if argument
        )
        call = f"SELECT honed.{row['name']}({nulls})"
        with (
            pytest.raises(NotAllowed) as error,
            replace(store, role="honed_viewer").connect() as connection,
        ):
            connection.execute(call.encode())
        assert f"member of {row['roles'][0]} " in error.value.hint, call


def test_a_login_of_no_role_is_told_so(store: Database) -> None:
    with psycopg.connect(store.url, autocommit=True) as conn:
        conn.execute("CREATE ROLE stranger_of_db LOGIN")
        try:
            stranger = Database(store.url.replace("postgres@", "stranger_of_db@"))
            with pytest.raises(NotAllowed) as refused, stranger.connect() as connection:
                connection.execute("SELECT FROM honed.target")
            assert "member of honed_viewer " in refused.value.hint
            with (
                pytest.raises(NotAllowed) as refused,
                replace(stranger, role="honed_daemon").connect(),
            ):
                pass
            assert "member of honed_daemon " in refused.value.hint
        finally:
            conn.execute("DROP ROLE stranger_of_db")


def test_an_error_without_words_of_ours_passes_unchanged(numbers: Database) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), numbers.connect() as connection:
        connection.execute("SELECT 1 / 0")


def test_a_role_may_do_what_it_was_granted_and_no_more(store: Database) -> None:
    viewer = replace(store, role="honed_viewer")
    with viewer.transaction() as connection:
        assert connection.execute("SELECT name FROM migration").fetchone()
    with pytest.raises(NotAllowed, match="migration"), viewer.transaction() as connection:
        connection.execute("DELETE FROM migration")


def test_a_role_survives_a_rollback(store: Database) -> None:
    with replace(store, role="honed_viewer").connect() as connection:
        connection.rollback()
        assert connection.execute("SELECT current_user AS me").fetchone() == {"me": "honed_viewer"}


def test_a_role_that_does_not_exist_means_an_old_store(numbers: Database) -> None:
    stranger = replace(numbers, role="honed_nobody")
    with pytest.raises(StoreOutdated, match="honed_nobody"), stranger.connect():
        pass


def test_the_clock_is_real_unless_it_is_set(store: Database) -> None:
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    before = datetime.now(UTC)
    with store.connect() as connection:
        real = connection.execute("SELECT honed.now() AS now").fetchone()
    with replace(store, fake_now=noon).connect() as connection:
        connection.rollback()
        fake = connection.execute("SELECT honed.now() AS now").fetchone()
    assert real is not None
    assert before <= real["now"] <= datetime.now(UTC)
    assert fake == {"now": noon}


def test_honeds_schema_comes_first(store: Database) -> None:
    with store.connect() as connection:
        path = connection.execute("SELECT current_schemas(false)::text AS path").fetchone()
    assert path == {"path": "{honed,public}"}


def test_a_database_is_created_once_and_dropped_under_its_users(numbers: Database) -> None:
    name = 'with "quotes"'
    assert create_database(numbers, name)
    assert not create_database(numbers, name)
    assert database_exists(numbers, name)
    drop_database(numbers, name)
    assert not database_exists(numbers, name)
