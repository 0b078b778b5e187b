from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from honed.config import Settings
from honed.errors import (
    EvaluatorFailed,
    HonedError,
    MissingExtension,
    MissingPrivilege,
    StatementCut,
    TargetUnavailable,
)
from honed.storage.db import Connection, Database
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord

if TYPE_CHECKING:
    from honed.core.target import Target


def test_it_is_a_target(target: PostgresTarget) -> None:
    # The type checker sees to the rest.
    seen: Target = target
    assert (seen.name, seen.sort) == ("shop", "postgres")
    assert seen.target_id > 0
    target.check()


def test_a_query_returns_rows_with_and_without_parameters(target: PostgresTarget) -> None:
    assert target.query("SELECT 1 AS one, 'x%' AS percent;") == [{"one": 1, "percent": "x%"}]
    rows = target.query(
        "SELECT count(*) AS n FROM orders WHERE customer = %(customer)s", {"customer": 17}
    )
    assert rows == [{"n": 1}]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders",
        "WITH gone AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM gone",
        "CREATE TABLE mine (value integer)",
        "DROP TABLE orders",
        "SELECT * INTO mine FROM orders",
        "ANALYZE orders; DELETE FROM orders",
        "COMMIT; DELETE FROM orders",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "CREATE INDEX CONCURRENTLY mine ON orders (day)",
        "DO $$ BEGIN DELETE FROM orders; END $$",
    ],
)
def test_a_write_is_refused(production: Any, target: PostgresTarget, statement: str) -> None:
    before = target.fingerprint()
    with pytest.raises((MissingPrivilege, EvaluatorFailed)):
        target.query(statement)
    assert target.fingerprint() == before
    assert production.run("SELECT count(*) AS n FROM orders") == [{"n": 5000}]


def test_a_plain_write_names_the_privilege(target: PostgresTarget) -> None:
    with pytest.raises(MissingPrivilege, match="read-only transaction"):
        target.query("DELETE FROM orders")


def test_a_statement_of_a_file_without_parameters_is_refused(target: PostgresTarget) -> None:
    with pytest.raises(ValueError, match="needs parameters"):
        target.query("SELECT 5 %% 3 AS rest")
    assert target.query("SELECT 5 %% 3 AS rest", {}) == [{"rest": 2}]


def test_a_long_query_is_cut(target: PostgresTarget, store: Database, honed_home: Any) -> None:
    hasty = PostgresTarget(
        target.record, store, Settings(home=honed_home, statement_timeout_s=0.05)
    )
    with pytest.raises(StatementCut):
        hasty.query("SELECT count(*) FROM orders a, orders b, orders c")


def test_a_lock_is_not_waited_for(
    target: PostgresTarget, connected: Callable[..., Connection]
) -> None:
    locker = connected()
    with locker.transaction():
        locker.execute("LOCK TABLE orders")
        with pytest.raises(StatementCut):
            target.query("SELECT count(*) FROM orders")


def test_a_missing_extension_is_named_with_what_to_do(
    production: Any, target: PostgresTarget
) -> None:
    production.run("DROP EXTENSION pg_stat_statements")
    for read in (target.check, target.sample):
        with pytest.raises(MissingExtension, match="pg_stat_statements") as missing:
            read()
        assert "shared_preload_libraries" in missing.value.hint


def test_an_old_extension_is_named_with_what_to_do(production: Any, target: PostgresTarget) -> None:
    production.run("DROP EXTENSION pg_stat_statements")
    production.run("CREATE EXTENSION pg_stat_statements VERSION '1.8'")
    with pytest.raises(MissingExtension, match=r"1\.8") as missing:
        target.check()
    assert "ALTER EXTENSION" in missing.value.hint


def test_the_extension_is_found_in_any_schema(production: Any, target: PostgresTarget) -> None:
    production.run("DROP EXTENSION pg_stat_statements")
    production.run('CREATE SCHEMA "Odd Place"')
    production.run('CREATE EXTENSION pg_stat_statements SCHEMA "Odd Place"')
    target.check()
    production.run("SELECT max(day) FROM orders")
    target.sample()
    assert "SELECT max(day) FROM orders" in [item.text for item in target.workload().statements]


def test_without_query_identifiers_the_target_cannot_be_read(
    production: Any, target: PostgresTarget
) -> None:
    name = production.client.info.dbname
    production.run(f"ALTER DATABASE {name} SET compute_query_id = off")
    with pytest.raises(MissingExtension, match="compute_query_id"):
        target.check()


@pytest.fixture
def plain_role(production: Any) -> Iterator[str]:
    """Return the name of a role that may do nothing but log in."""
    name = f"plain_{production.client.info.backend_pid}"
    production.run(f"CREATE ROLE {name} LOGIN")
    yield name
    production.run(f"DROP OWNED BY {name}")
    production.run(f"DROP ROLE {name}")


@pytest.fixture
def plain_target(
    production: Any, plain_role: str, make_target: Callable[..., PostgresTarget]
) -> PostgresTarget:
    """Return production as the plain role sees it."""
    return make_target(make_conninfo(production.url, user=plain_role))


def test_a_role_that_sees_only_itself_is_refused(plain_target: PostgresTarget) -> None:
    for read in (plain_target.check, plain_target.sample):
        with pytest.raises(MissingPrivilege, match="pg_read_all_stats") as missing:
            read()
        assert "honed target add --sql" in missing.value.hint


def test_a_role_that_may_not_read_a_table_is_refused(
    production: Any, plain_role: str, plain_target: PostgresTarget
) -> None:
    production.run(f"GRANT pg_monitor TO {plain_role}")
    with pytest.raises(MissingPrivilege, match="orders"):
        plain_target.check()
    with pytest.raises(MissingPrivilege):
        plain_target.query("SELECT count(*) FROM orders")
    production.run(f"GRANT pg_read_all_data TO {plain_role}")
    plain_target.check()


@pytest.mark.parametrize(
    "wrong",
    [
        {"dbname": "no_such_database"},
        {"port": "1"},
        {"host": "/no/such/folder"},
        {"user": "nobody"},
    ],
)
def test_a_target_that_does_not_answer_is_unavailable(
    production: Any, make_target: Callable[..., PostgresTarget], wrong: dict[str, str]
) -> None:
    where = {**conninfo_to_dict(production.url), **wrong}
    gone = make_target(make_conninfo(**where))  # type: ignore[arg-type]  # libpq's options
    for read in (gone.check, gone.sample, gone.fingerprint):
        with pytest.raises(TargetUnavailable):
            read()


def test_a_connection_that_breaks_is_unavailable(target: PostgresTarget) -> None:
    with pytest.raises(TargetUnavailable):
        target.query("SELECT pg_terminate_backend(pg_backend_pid())")


def test_a_failed_reading_leaves_the_history_as_it_was(
    production: Any, target: PostgresTarget
) -> None:
    target.sample()
    production.run("SELECT max(day) FROM orders")
    production.run("ALTER EXTENSION pg_stat_statements SET SCHEMA pg_catalog")
    production.run("DROP EXTENSION pg_stat_statements")
    with pytest.raises(MissingExtension):
        target.sample()
    assert target.intervals() == []
    production.run("CREATE EXTENSION pg_stat_statements")
    target.sample()
    assert len(target.intervals()) == 1


def test_the_search_path_of_the_application_is_used(
    production: Any, make_target: Callable[..., PostgresTarget]
) -> None:
    production.run("CREATE SCHEMA app")
    production.run("CREATE TABLE app.item AS SELECT 1 AS item_id")
    production.run("SET search_path = app")
    production.run("SELECT item_id FROM item")
    blind = make_target(production.url, name="blind")
    seeing = make_target(production.url, name="seeing", search_path="app, public")
    for target in (blind, seeing):
        target.sample()
    assert len(blind.workload().skipped) == 1
    assert seeing.workload().skipped == {}


def test_the_lab_is_the_same_in_every_interval(production: Any, target: PostgresTarget) -> None:
    for _ in range(2):
        production.run("SELECT max(day) FROM orders")
        target.sample()
    (interval,) = target.intervals()
    then = target.during(interval)
    lab = then.lab
    assert target.lab is lab is target.during(interval).lab
    lab.close()


def test_errors_have_words_and_hints(make_target: Callable[..., PostgresTarget]) -> None:
    with pytest.raises(HonedError) as error:
        make_target("host=/no/such/folder dbname=x").check()
    assert str(error.value)
    assert error.value.hint


def test_one_connection_stays_open_until_the_target_is_closed(
    production: Any, target: PostgresTarget
) -> None:
    def connections() -> int:
        rows = production.run(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'honed'"
            " AND datname = current_database()"
        )
        return len(rows)

    target.sample()
    target.workload()
    target.catalog()
    # A backend ends a moment after its client went.
    while connections() > 1:
        pass
    assert connections() == 1
    target.close()
    while connections():
        pass


def test_a_record_needs_no_target(store: Database, honed_home: Any) -> None:
    record = TargetRecord("shop", "host=/no/such/folder dbname=x")
    assert PostgresTarget(record, store, Settings(home=honed_home)).name == "shop"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(record.observe_url)
