"""Conversions of tables that grow along a number: boundaries, and what stops one that is late."""

from dataclasses import replace
from datetime import datetime, timedelta

import psycopg
import pytest

from honed.core.step import Step, StepState, inverses
from honed.targets.postgres.partitioning.ahead import find_endings
from honed.targets.postgres.partitioning.conversion import (
    CHECK,
    Conversion,
    plan_conversion,
)
from honed.targets.postgres.partitioning.growing import Growing, find_growing, past_ranges
from honed.targets.postgres.partitioning.ranges import Key, Width
from honed.targets.postgres.partitioning.swap import conversion_steps
from honed.targets.postgres.partitioning.tables import read_partitioned
from honed.testing.worlds import MakeWorld, PostgresWorld, WorldPlan

NUMBERED = WorldPlan(
    (
        'CREATE TABLE "Odd item" (item_id bigserial PRIMARY KEY, what text)',
        "INSERT INTO \"Odd item\" (what) SELECT repeat('x', 40) FROM generate_series(1, 30000)",
        'VACUUM ANALYZE "Odd item"',
    ),
    (
        "INSERT INTO \"Odd item\" (what) VALUES ('new') RETURNING item_id",
        'SELECT count(what) FROM "Odd item" WHERE item_id > 29000',
    ),
    settings={"partition_min_mb": 1},
)


class TestNumbers:
    @pytest.fixture(scope="class")
    @classmethod
    def world(cls, make_world: MakeWorld) -> PostgresWorld:
        return make_world(NUMBERED)

    @pytest.fixture(scope="class")
    @classmethod
    def growing(cls, world: PostgresWorld) -> Growing:
        (found,) = find_growing(world.target)
        return found

    @pytest.fixture(scope="class")
    @classmethod
    def steps(cls, world: PostgresWorld, growing: Growing) -> list[Step]:
        return conversion_steps(plan_conversion(world.target, growing))

    def test_boundaries_are_round_and_not_near(self, growing: Growing) -> None:
        assert growing.obstacles == ()
        assert (growing.width, growing.cut) == (Width(distance=2000), 36000)
        past = past_ranges(growing)
        assert (past[0].lower, past[-1].upper) == (2000, growing.cut)

    def test_numbers_go_on_and_all_rows_come_back(
        self, world: PostgresWorld, steps: list[Step]
    ) -> None:
        before = world.target.fingerprint()
        world.carry_out(steps)
        assert find_endings(world.target, read_partitioned(world.target)) == []
        with world.database.connect(autocommit=True) as connection:
            connection.execute("INSERT INTO \"Odd item\" VALUES (36001, 'next'), (99999, 'rest')")
            rows = connection.execute('SELECT DISTINCT tableoid::regclass FROM "Odd item"')
            assert len(rows.fetchall()) == 3
        world.carry_out(inverses(steps))
        assert world.target.fingerprint() == before
        with world.database.connect(autocommit=True) as connection:
            moved = connection.execute('DELETE FROM "Odd item" WHERE item_id > 36000').rowcount
        assert moved == 2

    def test_a_table_that_has_nearly_come_to_the_boundary_is_left_alone(
        self, world: PostgresWorld, steps: list[Step]
    ) -> None:
        promise, look_through, swap, _ = steps
        world.carry_out([promise, look_through])
        with world.database.connect(autocommit=True) as connection:
            connection.execute("INSERT INTO \"Odd item\" VALUES (35999, 'nearly')")
            with pytest.raises(psycopg.errors.RaiseException, match="has nearly come to 36000"):
                world.carry_out([swap])
            assert world.inspect(swap) is StepState.ABSENT
            world.carry_out(inverses([promise, look_through]))
            with pytest.raises(psycopg.errors.RaiseException, match="has nearly come to 36000"):
                world.carry_out([promise])
            connection.execute('DELETE FROM "Odd item" WHERE item_id = 35999')


def day(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_promise_has_the_name_that_the_server_gives_it() -> None:
    letters = "д" * 31
    plan = Conversion(
        schema="public",
        name=letters,
        key=Key("at", "date", "UTC"),
        cut=day("2026-05-01"),
        before="",
        rest="",
        new=(),
        past=(),
        indexes=(),
        foreign_keys=(),
        sequences=(),
        options=(),
        columns=(),
    )
    assert plan.names["check_name"].as_string(None) == f"'{letters[:26]}{CHECK}'"


GROWING = Growing(
    schema="public",
    name="event",
    qualified_name="public.event",
    key=Key("at", "date", "UTC"),
    heap_bytes=1,
    options=(),
    columns=("at",),
    least=day("2020-01-01"),
    largest=day("2026-04-01"),
    reached=day("2026-04-01"),
    width=Width(months=1),
    cut=day("2026-05-01"),
    readers=(),
    obstacles=(),
)


@pytest.mark.parametrize(
    ("width", "cut", "first", "count"),
    [
        (Width(months=1), day("2026-05-01"), day("2024-05-01"), 24),
        (Width(distance=timedelta(days=7)), day("2026-05-04"), day("2025-11-17"), 24),
    ],
)
def test_history_is_cut_into_ranges_up_to_the_boundary(
    width: Width, cut: datetime, first: datetime, count: int
) -> None:
    growing = replace(GROWING, width=width, cut=cut)
    past = past_ranges(growing)
    assert (past[0].lower, past[-1].upper, len(past)) == (first, cut, count)
