from collections.abc import Mapping
from dataclasses import replace

import pytest

from honed.targets.postgres.catalog import Catalog, Index, Table
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.targets.postgres.indexes.pricing import budget_left_bytes, prices_of, updated_columns
from honed.targets.postgres.workload import Workload, WorkloadStatement, WriteMix


def statement(text: str, *, is_select: bool) -> WorkloadStatement:
    return WorkloadStatement(text, text, (text,), 10.0, 1000.0, 1.0, is_select, 1.0)


def workload(writes: Mapping[str, WriteMix], *texts: str) -> Workload:
    reads = [statement("SELECT 1", is_select=True)]
    return Workload(
        (*reads, *(statement(text, is_select=False) for text in texts)), writes, {}, None, None
    )


def catalog(*, honed_bytes: int = 0) -> Catalog:
    table = Table(
        "public", "orders", "public.orders", "r", 1000, 10, 81920, (), 0, 0, 0, 0, 1000, 0, None, ()
    )
    index = Index(
        schema="public",
        name="honed_orders_0123456789",
        qualified_name="public.honed_orders_0123456789",
        table="public.orders",
        definition="",
        method="btree",
        keys=("day",),
        included=(),
        orderings=("1 0 0",),
        predicate="",
        is_unique=False,
        is_primary=False,
        is_valid=True,
        constraint="",
        is_chosen=False,
        size_bytes=honed_bytes,
        scans=0,
    )
    return Catalog({"public.orders": table}, (index,), (), {}, 81920, 180000)


ON_STATE = IndexDefinition("public", "orders", (Key("state"),))
ON_DAY = IndexDefinition("public", "orders", (Key("day"),))


def write_price(definition: IndexDefinition, load: Workload) -> float:
    return prices_of(load, catalog(), 1000).writes(definition)


def test_each_inserted_row_is_paid_for() -> None:
    one = write_price(ON_DAY, workload({"public.orders": WriteMix(inserted=1000.0)}))
    two = write_price(ON_DAY, workload({"public.orders": WriteMix(inserted=2000.0)}))
    assert 0 < one < two
    assert two == pytest.approx(2 * one)


def test_an_update_that_touches_no_index_is_free_until_it_does() -> None:
    hot = {"public.orders": WriteMix(updated=1000.0, hot_updated=1000.0)}
    load = workload(hot, "UPDATE orders SET state = $1 WHERE id = $2")
    assert write_price(ON_DAY, load) == 0.0
    assert write_price(ON_STATE, load) > 0.0


def test_a_table_that_nobody_writes_is_free() -> None:
    assert write_price(ON_DAY, workload({})) == 0.0


def test_updated_columns_are_read_from_the_statements() -> None:
    load = workload(
        {},
        "UPDATE orders SET state = $1, note = lower($2) WHERE id = $3",
        "UPDATE this is no SQL",
        "INSERT INTO orders VALUES ($1)",
    )
    assert updated_columns(load) == {"orders": frozenset({"state", "note"})}


def test_what_honed_built_before_is_taken_from_the_budget() -> None:
    assert budget_left_bytes(catalog(), 1) == 1024 * 1024
    assert budget_left_bytes(catalog(honed_bytes=1024), 1) == 1023 * 1024
    assert budget_left_bytes(catalog(honed_bytes=1 << 30), 1) == 0


def test_rows_of_every_partition_are_paid_for() -> None:
    whole = replace(catalog().tables["public.orders"], sort="p")
    parts = [
        replace(
            whole,
            name=name,
            qualified_name=f"public.{name}",
            sort="r",
            partition_of="public.orders",
        )
        for name in ("orders_1", "orders_2")
    ]
    tables = {each.qualified_name: each for each in (whole, *parts)}
    written = {each.qualified_name: WriteMix(updated=100.0, hot_updated=100.0) for each in parts}

    def price(*texts: str) -> float:
        load = workload(written, "SELECT 1", *texts)
        return prices_of(load, replace(catalog(), tables=tables), 1000).writes(ON_DAY)

    assert price() == 0.0
    one = price("UPDATE orders_1 SET day = $1")
    assert one > 0
    assert price("UPDATE orders SET day = $1") == pytest.approx(2 * one)
