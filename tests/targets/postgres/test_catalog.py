from typing import Any

import pytest

from honed.targets.postgres.target import PostgresTarget


def test_a_table_is_told_with_its_columns(production: Any, target: PostgresTarget) -> None:
    production.run('CREATE SCHEMA "My App"')
    production.run('CREATE TABLE "My App"."Order" (id bigint, total numeric(12,2) NOT NULL)')
    catalog = target.catalog()
    assert sorted(catalog.tables) == ['"My App"."Order"', "public.orders"]
    orders = catalog.tables["public.orders"]
    assert (orders.rows, orders.live_rows, orders.inserted) == (5000, 5000, 5000)
    assert [column.name for column in orders.columns] == ["order_id", "customer", "day", "state"]
    state = orders.column("state")
    assert state is not None
    assert (state.type, state.distinct, state.not_null) == ("text", 2, True)
    unknown = catalog.tables['"My App"."Order"']
    assert unknown.rows == -1
    assert unknown.analyzed_at is None
    total = unknown.column("total")
    assert total is not None
    assert (total.type, total.distinct, total.width_bytes) == ("numeric(12,2)", None, None)
    assert unknown.column("no_such") is None


def test_an_index_is_told_with_everything_it_is_made_of(
    production: Any, target: PostgresTarget
) -> None:
    production.run(
        "CREATE INDEX odd ON orders USING btree (lower(state), day DESC) INCLUDE (customer)"
        " WHERE customer > 0"
    )
    catalog = target.catalog()
    by_name = {index.name: index for index in catalog.indexes_of("public.orders")}
    odd, primary = by_name["odd"], by_name["orders_pkey"]
    assert odd.keys == ("lower(state)", "day")
    assert odd.included == ("customer",)
    assert odd.predicate == "customer > 0"
    assert (odd.is_unique, odd.is_primary, odd.is_valid, odd.constraint) == (False, False, True, "")
    assert (primary.is_unique, primary.is_primary, primary.constraint) == (
        True,
        True,
        "orders_pkey",
    )
    assert odd.size_bytes > 0


def test_statistics_objects_are_told(production: Any, target: PostgresTarget) -> None:
    production.run(
        "CREATE STATISTICS s (dependencies, mcv) ON day, state, (customer % 7) FROM orders"
    )
    production.run("ALTER STATISTICS s SET STATISTICS 500")
    (found,) = target.catalog().statistics
    assert found.table == "public.orders"
    assert found.qualified_name == "public.s"
    assert sorted(found.kinds) == ["dependencies", "expressions", "mcv"]
    assert found.keys[:2] == ("day", "state")
    assert "customer" in found.keys[2]
    assert found.target == 500


def test_a_partition_names_its_parent(production: Any, target: PostgresTarget) -> None:
    production.run("CREATE TABLE event (at date) PARTITION BY RANGE (at)")
    production.run(
        "CREATE TABLE event_2025 PARTITION OF event"
        " FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    )
    tables = target.catalog().tables
    assert tables["public.event"].sort == "p"
    assert tables["public.event_2025"].partition_of == "public.event"


def test_settings_and_size_are_told(target: PostgresTarget) -> None:
    catalog = target.catalog()
    assert catalog.settings["random_page_cost"] == "4"
    assert catalog.size_bytes > 1_000_000
    assert catalog.server_version == target.server_version >= 140000


_CHANGES = [
    ("CREATE INDEX honed_i ON orders (day)", "DROP INDEX honed_i"),
    ("CREATE STATISTICS honed_s (mcv) ON day, state FROM orders", "DROP STATISTICS honed_s"),
    (
        "ALTER TABLE orders ALTER COLUMN day SET STATISTICS 500",
        "ALTER TABLE orders ALTER COLUMN day SET STATISTICS -1",
    ),
    (
        "ALTER TABLE orders ALTER COLUMN day SET (n_distinct = 9)",
        "ALTER TABLE orders ALTER COLUMN day RESET (n_distinct)",
    ),
    (
        "ALTER TABLE orders SET (autovacuum_analyze_scale_factor = 0.01)",
        "ALTER TABLE orders RESET (autovacuum_analyze_scale_factor)",
    ),
    ("ALTER TABLE orders ADD COLUMN more integer", "ALTER TABLE orders DROP COLUMN more"),
    (
        "ALTER TABLE orders ADD CONSTRAINT positive CHECK (customer >= 0) NOT VALID",
        "ALTER TABLE orders DROP CONSTRAINT positive",
    ),
    (
        "ALTER ROLE postgres IN DATABASE {database} SET work_mem = '5MB'",
        "ALTER ROLE postgres IN DATABASE {database} RESET work_mem",
    ),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_customer_idx'::regclass",
        "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'orders_customer_idx'::regclass",
    ),
]


@pytest.mark.parametrize(("change", "undo"), _CHANGES)
def test_a_change_changes_the_fingerprint_and_its_undo_restores_it(
    production: Any, target: PostgresTarget, change: str, undo: str
) -> None:
    database = production.client.info.dbname
    before = target.fingerprint()
    production.run(change.format(database=database))
    changed = target.fingerprint()
    production.run(undo.format(database=database))
    assert changed != before
    assert target.fingerprint() == before


def test_data_and_traffic_do_not_change_the_fingerprint(
    production: Any, target: PostgresTarget
) -> None:
    before = target.fingerprint()
    production.run(
        "INSERT INTO orders SELECT 9000 + n, 1, now(), '' FROM generate_series(1, 900) n"
    )
    production.run("ANALYZE orders")
    production.run("VACUUM FULL orders")
    production.run("CREATE TEMPORARY TABLE passing (value integer PRIMARY KEY)")
    assert target.fingerprint() == before
