from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from honed.errors import MissingPrivilege
from honed.targets.postgres.roles import actor_name, observer_name, roles_sql
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.warming.cache import (
    ServerStart,
    Warming,
    read_relations,
    read_start,
    why_not,
)

_OWNER = "role_test_owner"


@pytest.fixture
def name(production: Any) -> Iterator[str]:
    """Return a target's name whose roles were made by the SQL; they are dropped at the end."""
    name = f"shop-{production.client.info.backend_pid}"
    database = production.client.info.dbname
    production.run(f"CREATE ROLE {_OWNER} LOGIN")
    production.run(f'CREATE SCHEMA "My App" AUTHORIZATION {_OWNER}')
    production.run('CREATE TABLE "My App".item AS SELECT n AS item_id FROM generate_series(1, 9) n')
    production.run(f'ALTER TABLE "My App".item OWNER TO {_OWNER}')
    production.run("DROP EXTENSION pg_stat_statements")
    production.client.execute(roles_sql(name, database))
    yield name
    for role in (observer_name(name), actor_name(name), _OWNER):
        production.run(f'DROP OWNED BY "{role}" CASCADE')
        production.run(f'DROP ROLE "{role}"')


@pytest.fixture
def observed(
    production: Any, name: str, make_target: Callable[..., PostgresTarget]
) -> PostgresTarget:
    """Return production as the observing role sees it."""
    return make_target(make_conninfo(production.url, user=observer_name(name)), name=name)


def test_the_observing_role_can_do_all_that_honed_reads(
    production: Any, observed: PostgresTarget
) -> None:
    observed.check()
    observed.sample()
    production.client.execute("SELECT state FROM orders WHERE customer = 17")
    observed.sample()
    production.run('SELECT count(*) FROM "My App".item WHERE item_id > %(low)s', {"low": 3})
    observed.sample()
    workload = observed.workload()
    assert workload.skipped == {}
    assert {item.source for item in workload.replayable} == {"activity", "statistics"}
    assert '"My App".item' in observed.catalog().tables
    assert observed.fingerprint()
    assert observed.observe(timedelta(hours=1)).record["totalInferences"]


def test_the_observing_role_writes_nothing(
    production: Any, name: str, observed: PostgresTarget
) -> None:
    with pytest.raises(MissingPrivilege):
        observed.query("DELETE FROM orders")
    url = make_conninfo(production.url, user=observer_name(name))
    with psycopg.connect(url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM orders")
        # Even where it says that it may write, it has no privilege to.
        connection.execute("SET default_transaction_read_only = off")
        for statement in ("DELETE FROM orders", 'CREATE TABLE "My App".mine (value integer)'):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_both_roles_can_do_what_warming_takes(
    production: Any, name: str, observed: PostgresTarget
) -> None:
    start = read_start(observed)
    assert why_not(observed, start) == ""
    assert "orders" in {each.name for each in read_relations(observed, start)}
    url = make_conninfo(production.url, user=actor_name(name))
    with psycopg.connect(url, autocommit=True) as connection:
        (step,) = warming_of(start).steps([("My App", "item", 1, 1)])
        connection.execute(step.do[0].encode())
        assert connection.execute(step.do[1].encode()).fetchall() == [(1,)]
        # It sees what is in memory, and drives nothing out.
        (step,) = warming_of(start).steps([("My App", "item", 2**24, 2**24)])[:1]
        with pytest.raises(psycopg.errors.RaiseException, match="driven out"):
            connection.execute(step.do[0].encode())


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"started_at": "2020-01-01 00:00+00"}, "started again"), ({"young_s": 0.0}, "too long ago")],
)
def test_nothing_is_read_hours_after_it_made_sense(
    production: Any, name: str, observed: PostgresTarget, change: dict[str, Any], reason: str
) -> None:
    warming = replace(warming_of(read_start(observed)), **change)
    (step,) = warming.steps([("My App", "item", 1, 1)])
    url = make_conninfo(production.url, user=actor_name(name))
    with (
        psycopg.connect(url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.RaiseException, match=reason),
    ):
        connection.execute(step.do[0].encode())


def warming_of(start: ServerStart) -> Warming:
    return Warming(
        start.started_at.isoformat(),
        1e6,
        start.block_bytes,
        start.prewarm_schema,
        start.buffercache_schema,
    )


def test_what_the_observing_role_runs_is_no_workload(
    production: Any, name: str, observed: PostgresTarget
) -> None:
    observed.sample()
    url = make_conninfo(production.url, user=observer_name(name))
    with psycopg.connect(url, autocommit=True) as dump:
        dump.execute("SELECT * FROM orders")
        observed.sample()
    assert [item for item in observed.workload().statements if "FROM orders" in item.text] == []


def test_the_acting_role_can_build_and_drop_what_honed_builds(production: Any, name: str) -> None:
    url = make_conninfo(production.url, user=actor_name(name))
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            'CREATE INDEX CONCURRENTLY honed_i ON "My App".item (item_id)',
            'CREATE STATISTICS "My App".honed_s ON item_id, (item_id + 1) FROM "My App".item',
            'ALTER STATISTICS "My App".honed_s SET STATISTICS 500',
            'ANALYZE "My App".item',
            'DROP STATISTICS "My App".honed_s',
            'DROP INDEX CONCURRENTLY "My App".honed_i',
        ):
            connection.execute(statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE INDEX CONCURRENTLY honed_i ON orders (day)")


def test_the_sql_can_be_run_again(production: Any, name: str) -> None:
    production.run(f'ALTER ROLE "{observer_name(name)}" CONNECTION LIMIT 3')
    production.run("CREATE SCHEMA later CREATE TABLE later.part (value integer)")
    production.run(f"ALTER TABLE later.part OWNER TO {_OWNER}")
    production.client.execute(roles_sql(name, production.client.info.dbname))
    (role,) = production.run(
        "SELECT rolconnlimit FROM pg_roles WHERE rolname = %(name)s", {"name": observer_name(name)}
    )
    assert role["rolconnlimit"] == 3
    with psycopg.connect(
        make_conninfo(production.url, user=actor_name(name)), autocommit=True
    ) as connection:
        connection.execute("CREATE INDEX CONCURRENTLY honed_i ON later.part (value)")


def test_the_roles_can_have_other_names() -> None:
    text = roles_sql("shop", "shop", observer="reader", actor="changer")
    assert "honed_" not in text
    assert 'CREATE ROLE "reader" LOGIN' in text
    assert 'CREATE ROLE "changer" LOGIN' in text


def test_names_and_databases_are_quoted() -> None:
    text = roles_sql("my-shop", 'odd "name"')
    assert '"honed_observe_my-shop"' in text
    assert 'ON DATABASE "odd ""name"""' in text
