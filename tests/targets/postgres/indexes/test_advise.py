"""The whole search on real servers: what it must survive, and what it must not do."""

from typing import LiteralString

from honed.targets.postgres.indexes.advise import advise
from honed.testing.worlds import MISSING_INDEX, MakeWorld, WorldPlan

TABLES: tuple[LiteralString, ...] = (
    """
    CREATE TABLE "Sale" (sale_id integer PRIMARY KEY, "Customer" integer NOT NULL, day date,
                         state text)
    """,
    """
    INSERT INTO "Sale" SELECT n, n % 1000, date '2026-01-01' + n % 300, 'open'
      FROM generate_series(1, 20000) n
    """,
    "CREATE TABLE measured (at date NOT NULL, value integer) PARTITION BY RANGE (at)",
    """
    CREATE TABLE measured_1 PARTITION OF measured
      FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
    """,
    """
    INSERT INTO measured SELECT date '2026-01-01' + n % 300, n FROM generate_series(1, 20000) n
    """,
    "CREATE FUNCTION fails() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$",
    'VACUUM ANALYZE "Sale"',
    "VACUUM ANALYZE measured",
)
SLOW: LiteralString = """SELECT count(*) FROM "Sale" WHERE "Customer" = 17"""


def test_odd_names_are_no_obstacle(make_world: MakeWorld) -> None:
    result = advise(make_world(WorldPlan(TABLES, (SLOW,))).target)
    (found,) = result.sets
    assert [each.table for each in found.definitions] == ["Sale"]
    assert found.definitions[0].keys[0].text == "Customer"


def test_partitioned_tables_are_served_as_a_whole(make_world: MakeWorld) -> None:
    plan = WorldPlan(TABLES, ("SELECT count(*) FROM measured WHERE value = 17",))
    (found,) = advise(make_world(plan).target).sets
    assert [(each.table, each.keys[0].text) for each in found.definitions] == [
        ("measured", "value")
    ]


def test_an_index_of_every_partition_is_one_of_the_whole(make_world: MakeWorld) -> None:
    index: LiteralString = "CREATE INDEX ON measured_1 (value)"
    plan = WorldPlan((*TABLES, index), ("SELECT count(*) FROM measured WHERE value = 17",))
    assert advise(make_world(plan).target).sets == ()


def test_without_time_it_ends_and_says_so(make_world: MakeWorld) -> None:
    result = advise(make_world(MISSING_INDEX).target, seconds=1e-6)
    assert result.examined["ran_out_of_time"] is True
    assert result.examined["built"] == 0
    assert result.sets == ()


def test_a_database_without_traffic_needs_nothing(make_world: MakeWorld) -> None:
    assert advise(make_world(WorldPlan(TABLES, ())).target).sets == ()
