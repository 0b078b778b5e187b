"""Imagined indexes against real ones, on a clone of the shop."""

import pytest

from honed.errors import EvaluatorFailed
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.indexes.access import walk
from honed.targets.postgres.indexes.candidates import ColumnShape, TableShape
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.targets.postgres.indexes.imagination import Imagination
from honed.targets.postgres.indexes.laboratory import CloneLaboratory
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.metering import MeteredSession

ORDERS = TableShape(
    30_000,
    {
        "customer_id": ColumnShape(3_000, 4),
        "amount": ColumnShape(1_000, 5),
        "order_id": ColumnShape(30_000, 4),
    },
)
SHAPES = {("Shop", "Order"): ORDERS}
OF_CUSTOMER = IndexDefinition("Shop", "Order", (Key("customer_id"),))
COVERING = IndexDefinition("Shop", "Order", (Key("customer_id"),), include=("amount",))
SQL = 'SELECT sum(amount) FROM "Shop"."Order" WHERE customer_id = 5'


def used(plan: object) -> set[str]:
    assert isinstance(plan, dict)
    return {node["Index Name"] for node in walk(plan["Plan"]) if "Index Name" in node}


def cost(plan: object) -> float:
    assert isinstance(plan, dict)
    return float(plan["Plan"]["Total Cost"])


def test_the_planner_takes_an_imagined_index_for_a_real_one(clone: Clone, module_lab: Lab) -> None:
    imagination = Imagination(clone, SHAPES)
    imagined = imagination.add([OF_CUSTOMER, COVERING])
    assert set(imagined) == {OF_CUSTOMER.name, COVERING.name}
    with module_lab.clone("real") as other, MeteredSession(other, cut_s=1.0) as session:
        real = CloneLaboratory(other, session)
        built = real.add([OF_CUSTOMER, COVERING])
        for shown in ((), (OF_CUSTOMER.name,), (COVERING.name,), (OF_CUSTOMER.name, COVERING.name)):
            imagination.show(shown)
            real.show(shown)
            expected, found = real.explain(SQL), imagination.explain(SQL)
            # Of two that serve the same the planner may take either.
            assert cost(found) == pytest.approx(cost(expected), rel=0.05)
            for plan in (expected, found):
                assert used(plan) <= set(shown)
                assert bool(used(plan)) == bool(shown)
    for name, size in imagined.items():
        assert 1 / 3 < size.size_bytes / built[name].size_bytes < 3


def test_an_index_that_cannot_be_built_is_left_out(clone: Clone) -> None:
    imagination = Imagination(clone, SHAPES)
    nonsense = IndexDefinition("Shop", "Order", (Key("no_such_column"),))
    unstable = IndexDefinition("Shop", "Order", (Key("now()", is_expression=True),))
    assert set(imagination.add([nonsense, unstable, OF_CUSTOMER])) == {OF_CUSTOMER.name}


def test_nothing_is_run_with_imagined_indexes(clone: Clone) -> None:
    with pytest.raises(EvaluatorFailed, match="only imagined"):
        Imagination(clone, SHAPES).cpu_s(SQL, 1.0)


def test_expressions_are_known_to_the_planner(clone: Clone) -> None:
    expression = IndexDefinition(
        "Shop", "customer", (Key("upper(email::text)", is_expression=True),)
    )
    shapes = {("Shop", "customer"): TableShape(3_000, {})}
    imagination = Imagination(clone, shapes)
    imagination.add([expression])
    imagination.show([expression.name])
    sql = """SELECT city FROM "Shop".customer WHERE upper(email::text) = 'X'"""
    plan = imagination.explain(sql)
    assert used(plan) == {expression.name}
    assert clone.query(
        "SELECT n_distinct FROM pg_stats WHERE tablename = %(name)s", {"name": expression.name}
    )
