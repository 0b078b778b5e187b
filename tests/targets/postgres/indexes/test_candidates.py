from dataclasses import replace
from typing import Any

import pytest

from honed.targets.postgres.indexes.access import read_accesses
from honed.targets.postgres.indexes.candidates import (
    ColumnShape,
    Shapes,
    TableShape,
    base_candidates,
    merged,
    narrow_candidates,
    wide_candidates,
)
from honed.targets.postgres.indexes.definition import IndexDefinition, Key

COLUMNS = {
    "id": ColumnShape(100_000, 4),
    "customer": ColumnShape(5_000, 4),
    "state": ColumnShape(3, 4),
    "day": ColumnShape(1_000, 4),
    "sent": ColumnShape(1_000, 4),
    "amount": ColumnShape(10_000, 8),
    "note": ColumnShape(50_000, 200),
}


def index(*keys: str, **more: Any) -> IndexDefinition:
    return IndexDefinition("public", "orders", tuple(Key(name) for name in keys), **more)


@pytest.fixture
def shapes() -> dict[tuple[str, str], TableShape]:
    return {("public", "orders"): TableShape(100_000, COLUMNS, existing=(index("id"),))}


def scan(condition: str, *output: str, alias: str = "orders", **more: Any) -> dict[str, Any]:
    return {
        "Node Type": "Seq Scan",
        "Relation Name": "orders",
        "Schema": "public",
        "Alias": alias,
        "Filter": condition,
        "Output": list(output) or ["amount"],
        "Total Cost": 100.0,
        "Plan Rows": 10,
        **more,
    }


def narrow(plan: dict[str, Any], shapes: Shapes) -> list[IndexDefinition]:
    return [c for access in read_accesses(plan) for c in narrow_candidates(access, shapes)]


def test_equal_columns_come_first_the_rarest_value_leading(shapes: Shapes) -> None:
    plan = scan("((state = 'open'::text) AND (customer = 5) AND (day > '2020-01-01'::date))")
    assert index("customer", "state", "day") in narrow(plan, shapes)
    assert index("day", "customer", "state") not in narrow(plan, shapes)


def test_an_index_that_is_there_is_not_thought_of(shapes: dict[Any, TableShape]) -> None:
    plan = scan("(customer = 5)")
    assert narrow(plan, shapes) == [index("customer")]
    shape = shapes["public", "orders"]
    for existing in (
        index("customer"),
        index("customer", "day"),
        index("customer", include=("id",)),
    ):
        there = {("public", "orders"): replace(shape, existing=(existing,))}
        assert narrow(plan, there) == []


def test_the_beginning_of_the_primary_key_is_not_thought_of(shapes: dict[Any, TableShape]) -> None:
    shape = replace(shapes["public", "orders"], existing=(index("id", "day"),))
    assert narrow(scan("(id = 5)"), {("public", "orders"): shape}) == []


def test_an_index_in_another_order_or_on_other_rows_is_another_index(
    shapes: dict[Any, TableShape],
) -> None:
    for existing in (index("day", "customer"), index("customer", where='"state" IS NULL')):
        shape = replace(shapes["public", "orders"], existing=(existing,))
        there = {("public", "orders"): shape}
        assert narrow(scan("(customer = 5)"), there) == [index("customer")]


def test_a_small_table_needs_none(shapes: dict[Any, TableShape]) -> None:
    small = {key: replace(shape, rows=100) for key, shape in shapes.items()}
    assert narrow(scan("(customer = 5)"), small) == []


def test_an_unknown_table_is_left_alone() -> None:
    (access,) = read_accesses(scan("(customer = 5)"))
    assert narrow_candidates(access, {}) == []
    assert base_candidates(access, {}) == []
    assert wide_candidates(access, [index("customer")], {}) == []


def test_a_join_column_is_served(shapes: Shapes) -> None:
    plan = {
        "Node Type": "Hash Join",
        "Hash Cond": "(o.customer = c.id)",
        "Total Cost": 200.0,
        "Output": ["o.amount", "c.note"],
        "Plans": [
            scan("(o.state = 'open'::text)", "o.amount", alias="o"),
            scan("(c.day > '2020-01-01'::date)", "c.note", alias="c"),
        ],
    }
    found = narrow(plan, shapes)
    assert index("customer") in found
    assert index("customer", "state") in found


def test_an_order_is_served_after_what_is_equal(shapes: Shapes) -> None:
    plan = {
        "Node Type": "Sort",
        "Sort Key": ["orders.day DESC"],
        "Total Cost": 200.0,
        "Plans": [scan("(orders.customer = 5)")],
    }
    keys = (Key("customer"), Key("day", descending=True))
    assert IndexDefinition("public", "orders", keys) in narrow(plan, shapes)


def test_a_covering_index_holds_what_the_statement_reads(shapes: Shapes) -> None:
    plan = {
        "Node Type": "Aggregate",
        "Output": ["sum(amount)"],
        "Total Cost": 120.0,
        "Plans": [
            scan(
                "(customer = 5)",
                *COLUMNS,  # a scan may put out whole rows although nobody reads them
                **{"Parent Relationship": "Outer"},
            )
        ],
    }
    (access,) = read_accesses(plan)
    (covering,) = wide_candidates(access, [index("customer")], shapes)
    assert covering == index("customer", include=("amount",))


def test_a_wide_row_is_not_copied_into_an_index(shapes: Shapes) -> None:
    (access,) = read_accesses(scan("(customer = 5)", "note"))
    assert wide_candidates(access, [index("customer")], shapes) == []


def test_a_partial_index_has_only_conditions_without_values(shapes: Shapes) -> None:
    (access,) = read_accesses(scan("((customer = 5) AND (day < sent))", "customer"))
    found = wide_candidates(access, [index("customer")], shapes)
    assert index("customer", where='"day" < "sent"') in found
    assert all("5" not in each.where for each in found)


def test_one_covering_index_takes_in_a_narrower_one() -> None:
    wide, narrow_ = index("a", include=("b", "c")), index("a", include=("b",))
    plain, other = index("a"), index("z", include=("b",))
    found = merged({wide: 1.0, narrow_: 2.0, plain: 3.0, other: 4.0})
    assert found == {wide: 3.0, plain: 3.0, other: 4.0}


def test_the_same_plan_gives_the_same_candidates_in_the_same_order(shapes: Shapes) -> None:
    plan = scan("((state = 'open'::text) AND (customer = 5) AND (day > '2020-01-01'::date))")
    assert narrow(plan, shapes) == narrow(plan, shapes)


def test_shares_tell_where_the_time_goes() -> None:
    plan = {
        "Node Type": "Nested Loop",
        "Total Cost": 1000.0,
        "Plans": [
            scan("(o.state = 'x'::text)", alias="o", **{"Parent Relationship": "Outer"}),
            scan("(c.id = o.customer)", alias="c", **{"Parent Relationship": "Inner"}),
        ],
    }
    outer, inner = read_accesses(plan)
    assert outer.share == pytest.approx(0.1)
    assert inner.share == pytest.approx(1.0)


def test_an_expression_with_a_guessed_constant_is_no_key() -> None:
    plan = scan("((lower(note) = 'a'::text) AND (\"substring\"(note, 1, 2) = 'b'::text))")
    (access,) = read_accesses(plan)
    texts = {predicate.key.text for predicate in access.local}
    assert len(texts) == 2
    assert {p.key.text for p in access.without_constants().local} == {'LOWER("note")'}
