"""Migrations: applied once, in order, never edited; and what the first two of them promise."""

import importlib.metadata
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import resources
from pathlib import Path

import psycopg
import pytest
from procrastinate.schema import SchemaManager

from honed.errors import NotAllowed, StoreOutdated
from honed.storage.db import Database
from honed.storage.migrate import check, migrate

SHIPPED = sorted(
    (
        file
        for file in resources.files("honed.storage.migrations").iterdir()
        if file.name.endswith(".sql")
    ),
    key=lambda file: file.name,
)
FIRST = (
    "CREATE FUNCTION honed.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT clock_timestamp()';"
)


@pytest.fixture
def empty(empty_database: Callable[[], str]) -> Database:
    return Database(empty_database())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_begin.sql").write_text(FIRST)
    (tmp_path / "0002_create_things.sql").write_text("CREATE TABLE honed.thing (n integer);")
    return tmp_path


def rows(database: Database, query: bytes) -> list[tuple[object, ...]]:
    with database.connect() as connection:
        return [tuple(row.values()) for row in connection.execute(query)]


def test_migrations_are_applied_once_in_the_order_of_their_names(empty: Database) -> None:
    assert migrate(empty) == [file.name.removesuffix(".sql") for file in SHIPPED]
    assert migrate(empty) == []
    check(empty)


def test_a_new_migration_is_applied_to_an_old_store(empty: Database, folder: Path) -> None:
    migrate(empty, folder=folder)
    (folder / "0003_create_more.sql").write_text("CREATE TABLE honed.more (n integer);")
    with pytest.raises(StoreOutdated, match="0003_create_more was not applied yet"):
        check(empty, folder=folder)
    assert migrate(empty, folder=folder) == ["0003_create_more"]
    check(empty, folder=folder)


def test_an_edited_migration_is_refused(empty: Database, folder: Path) -> None:
    migrate(empty, folder=folder)
    (folder / "0002_create_things.sql").write_text("CREATE TABLE honed.thing (n bigint);")
    for act in (migrate, check):
        with pytest.raises(StoreOutdated, match="0002_create_things was edited"):
            act(empty, folder=folder)


def test_a_store_of_a_newer_honed_is_refused(empty: Database, folder: Path) -> None:
    migrate(empty, folder=folder)
    (folder / "0002_create_things.sql").unlink()
    for act in (migrate, check):
        with pytest.raises(StoreOutdated, match="applied by a newer honed"):
            act(empty, folder=folder)


def test_a_migration_that_fails_leaves_nothing(empty: Database, folder: Path) -> None:
    (folder / "0003_fail.sql").write_text("SELECT 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty, folder=folder)
    assert rows(empty, b"SELECT 1 FROM pg_namespace WHERE nspname = 'honed'") == []


def test_an_empty_database_needs_migrating(empty: Database) -> None:
    with pytest.raises(StoreOutdated, match=r"0001_\w+ was not applied yet") as error:
        check(empty)
    assert "honed store migrate" in error.value.hint


def test_of_two_who_migrate_at_once_one_does(empty: Database) -> None:
    with ThreadPoolExecutor(2) as pool:
        applied = list(pool.map(migrate, [empty, empty]))
    assert sorted(map(len, applied)) == [0, len(SHIPPED)]


def test_an_owner_who_is_no_superuser_can_migrate(empty: Database) -> None:
    owner = f"owner_of_{empty.url.rpartition('?')[0].rpartition('/')[2]}"
    with empty.transaction() as connection:
        connection.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE".encode())
        for role in ("viewer", "operator", "approver", "daemon"):
            # Other databases of this server have them already; so their creator lets the owner in.
            connection.execute(f"GRANT honed_{role} TO {owner} WITH ADMIN OPTION".encode())
        connection.execute(f"ALTER DATABASE {owner[9:]} OWNER TO {owner}".encode())
    theirs = Database(empty.url.replace("postgres@", f"{owner}@"))
    try:
        assert migrate(theirs)
        assert rows(replace(theirs, role="honed_daemon"), b"SELECT name FROM honed.migration")
    finally:
        with empty.transaction() as connection:
            connection.execute(f"DROP OWNED BY {owner} CASCADE".encode())
            connection.execute(f"ALTER DATABASE {owner[9:]} OWNER TO postgres".encode())
            connection.execute(f"DROP ROLE {owner}".encode())


def test_every_migration_says_why_and_what_it_locks() -> None:
    names = [file.name for file in SHIPPED]
    assert [name for name in names if not re.fullmatch(r"\d{4}_[a-z]+_[a-z_]+\.sql", name)] == []
    assert len({name[:4] for name in names}) == len(names)
    for file in SHIPPED:
        header = re.match(r"(--.*\n)+", file.read_text())
        assert header is not None, file.name
        words = header[0].lower()
        assert all(word in words for word in ("why:", "locks:", "rows rewritten:")), file.name


def test_each_role_may_do_what_the_one_below_may(store: Database) -> None:
    query = b"""
        SELECT above, below
        FROM unnest(ARRAY['viewer', 'operator', 'approver', 'daemon']) AS a
           , unnest(ARRAY['viewer', 'operator', 'approver', 'daemon']) AS b
           , LATERAL (SELECT 'honed_' || a AS above, 'honed_' || b AS below) AS names
        WHERE a <> b AND pg_has_role('honed_' || a, 'honed_' || b, 'MEMBER')
    """
    assert set(rows(store, query)) == {
        ("honed_operator", "honed_viewer"),
        ("honed_approver", "honed_viewer"),
        ("honed_approver", "honed_operator"),
    }
    assert rows(store, b"SELECT 1 FROM pg_roles WHERE rolname LIKE 'honed_%' AND rolcanlogin") == []


def test_a_viewer_may_read_every_table_but_production_values_and_write_none(
    store: Database,
) -> None:
    query = b"""
        SELECT relname::text
             , has_table_privilege('honed_viewer', oid, 'SELECT') AS reads
             , has_table_privilege('honed_viewer', oid, 'INSERT,UPDATE,DELETE,TRUNCATE') AS writes
        FROM pg_class
        WHERE relnamespace = 'honed'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
    """
    tables = rows(store, query)
    # What a statement asked for, and what was said to a model and by it.
    hidden = {"statement_example", "llm_recording", "text_request"}
    assert {name for name, reads, _ in tables if not reads} == hidden
    assert [name for name, _, writes in tables if writes] == []


def test_functions_with_their_owners_rights_are_pinned_and_not_for_everybody(
    store: Database,
) -> None:
    query = b"""
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'honed'::regnamespace AND prosecdef
        AND (NOT coalesce(array_to_string(proconfig, ',') LIKE '%search_path=%', false)
             OR has_function_privilege('public', oid, 'EXECUTE'))
    """
    assert rows(store, query) == []


def test_the_queue_is_the_schema_of_the_installed_procrastinate(store: Database) -> None:
    migration = resources.files("honed.storage.migrations") / "0002_create_queue.sql"
    copied = migration.read_text().split("-- procrastinate's schema begins --\n")[1]
    assert copied.split("-- procrastinate's schema ends --")[0] == SchemaManager.get_schema()
    version = importlib.metadata.version("procrastinate")
    assert rows(store, b"SELECT version FROM honed.queue_version") == [(version,)]


def test_the_daemon_may_queue_jobs_whatever_its_search_path(store: Database) -> None:
    with replace(store, role="honed_daemon").transaction() as connection:
        connection.execute("SET search_path = pg_catalog")
        connection.execute(
            """
            SELECT honed.procrastinate_defer_jobs_v1(ARRAY[
                ('learn', 'learn', 0, NULL, 'one', '{}', NULL)::honed.procrastinate_job_to_defer_v1
            ])
            """
        )
    events = rows(store, b"SELECT type::text FROM honed.procrastinate_events")
    assert events == [("deferred",)]
    with pytest.raises(NotAllowed), replace(store, role="honed_viewer").transaction() as connection:
        connection.execute("DELETE FROM procrastinate_jobs")
