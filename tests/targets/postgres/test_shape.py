"""What a step changed is told from what somebody else changed while it ran."""

from typing import Any

import pytest

from honed.core.step import Step
from honed.targets.postgres.shape import Shape
from honed.targets.postgres.target import PostgresTarget

STEPS = [
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS new ON public.orders (day)",
    'CREATE INDEX "New one" ON orders (day)',
    "DROP INDEX CONCURRENTLY IF EXISTS public.orders_customer_idx",
    "CREATE STATISTICS IF NOT EXISTS public.both (dependencies) ON customer, day FROM orders",
    "ALTER TABLE ONLY public.orders ALTER COLUMN day SET STATISTICS 500",
    "ALTER TABLE orders SET (autovacuum_analyze_scale_factor = 0.01)",
    "alter table if exists orders add column more integer",
    "ALTER ROLE postgres IN DATABASE {database} SET work_mem = '5MB'",
    "ALTER ROLE postgres IN DATABASE {database} RESET work_mem",
    "ANALYZE orders",
]
#: What another one does meanwhile, to other objects of the same table.
OTHERS = [
    "CREATE INDEX another ON orders (day)",
    "ALTER INDEX orders_customer_idx RENAME TO customers",
    "CREATE STATISTICS other ON customer, day FROM orders",
    "CREATE TABLE other (day int)",
    "ALTER ROLE postgres IN DATABASE {database} SET random_page_cost = 2",
]


@pytest.fixture
def run(production: Any) -> Any:
    """Return what runs a statement on production."""
    database = production.client.info.dbname
    production.run(f"ALTER ROLE postgres IN DATABASE {database} SET work_mem = '6MB'")

    def run_one(statement: str) -> str:
        written = statement.format(database=database)
        production.run(written)
        return str(written)

    return run_one


@pytest.mark.parametrize("statement", STEPS)
def test_what_a_step_names_is_its_own_doing(
    target: PostgresTarget, run: Any, statement: str
) -> None:
    before = target.shape()
    step = Step("change something", do=(run(statement),))
    after = target.shape()
    assert (after != before) is (statement != "ANALYZE orders")
    assert after.is_due_to(step, before)
    assert before.is_due_to(step, after)


@pytest.mark.parametrize("other", OTHERS)
def test_what_a_step_does_not_name_is_somebody_elses_doing(
    target: PostgresTarget, run: Any, other: str
) -> None:
    before = target.shape()
    step = Step("change something", do=(run(STEPS[0]),))
    run(other)
    assert not target.shape().is_due_to(step, before)


@pytest.mark.parametrize(
    ("statement", "name", "is_named"),
    [
        ("CREATE INDEX new ON orders (day)", "new", True),
        ("CREATE INDEX new ON orders (day)", "day", False),
        ("CREATE INDEX new ON orders (day)", "ne", False),
        ("CREATE INDEX new_day ON orders (day)", "new", False),
        ("CREATE INDEX new$1 ON orders (day)", "new", False),
        ('DROP INDEX "My Schema"."say ""so"""', 'say "so"', True),
        ('DROP INDEX "My Schema"."say"', "My Schema", False),
    ],
)
def test_object_is_named_by_its_whole_name(statement: str, name: str, *, is_named: bool) -> None:
    after = Shape({"index": ("INDEX", name)})
    assert after.is_due_to(Step("change something", do=(statement,)), Shape({})) is is_named


def test_fingerprint_is_of_the_lines_alone() -> None:
    one, other = Shape({"a": ("INDEX", "a")}), Shape({"a": ("TABLE", "b")})
    assert one.fingerprint == other.fingerprint != Shape({}).fingerprint
