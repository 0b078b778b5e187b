"""The price of writes: each index is paid for, and measuring leaves the rows as they were."""

from honed.targets.postgres.clone import Clone
from honed.targets.postgres.write_cost import write_cost

ORDER = '"Shop"."Order"'


def test_an_index_is_paid_for_by_every_row_written(clone: Clone) -> None:
    before = write_cost(clone, ORDER, rows=3000)
    clone.run(
        f"CREATE INDEX ON {ORDER} (customer_id, state)",
        f"CREATE INDEX ON {ORDER} (amount)",
        f"CREATE INDEX ON {ORDER} (state, ordered_on)",
    )
    after = write_cost(clone, ORDER, rows=3000)
    assert before is not None
    assert after is not None
    assert after.insert_us > 1.3 * before.insert_us
    assert after.insert_wal_bytes > before.insert_wal_bytes + 3 * 50


def test_measuring_changes_no_row(clone: Clone) -> None:
    contents = 'SELECT count(*), sum(hashtext(t::text)) FROM "Shop"."Order" t'
    before = clone.query(contents)
    assert write_cost(clone, ORDER, rows=500) is not None
    assert clone.query(contents) == before


def test_an_update_of_an_indexed_column_costs_more_than_of_another(clone: Clone) -> None:
    clone.run(f"ALTER TABLE {ORDER} SET (fillfactor = 50)", f"VACUUM FULL {ORDER}")
    free = write_cost(clone, ORDER, update_columns=["note"], rows=2000)
    indexed = write_cost(clone, ORDER, update_columns=["ordered_on"], rows=2000)
    assert free is not None
    assert indexed is not None
    assert indexed.update_wal_bytes > free.update_wal_bytes + 50


def test_generated_and_identity_columns_are_written_as_they_must_be(clone: Clone) -> None:
    cost = write_cost(clone, '"Shop".customer', rows=300)
    assert cost is not None
    assert cost.rows == 300


def test_an_empty_table_has_no_price(clone: Clone) -> None:
    assert write_cost(clone, "nothing") is None


def test_a_partitioned_table_has_no_price_of_its_own(clone: Clone) -> None:
    assert write_cost(clone, "event") is None
    assert write_cost(clone, "event_2025", rows=100) is not None
