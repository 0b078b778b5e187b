"""The whole search on real servers: what it must survive, and what it must not do."""

from typing import LiteralString

import pytest

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


NESTED: tuple[LiteralString, ...] = (
    """
    CREATE TABLE event (at integer, kind text, device integer, load integer)
      PARTITION BY RANGE (at)
    """,
    "CREATE TABLE device AS SELECT n device_id, n % 1000 AS owner FROM generate_series(1, 4000) n",
    "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (100) PARTITION BY LIST (kind)",
    "CREATE TABLE event_1a PARTITION OF event_1 FOR VALUES IN ('a')",
    "CREATE TABLE event_1b PARTITION OF event_1 DEFAULT",
    "CREATE TABLE event_2 PARTITION OF event DEFAULT",
    """
    INSERT INTO event SELECT n % 200, chr(97 + n % 3), n % 4000, n
      FROM generate_series(1, 40000) n
    """,
    "VACUUM ANALYZE event_1a",
    "VACUUM ANALYZE event_1b",
    "VACUUM ANALYZE event_2",
    "VACUUM ANALYZE device",
)


@pytest.mark.slow
def test_partitions_of_partitions_are_served_without_statistics_of_the_whole(
    make_world: MakeWorld,
) -> None:
    joined: LiteralString = """
        SELECT e.at, e.load FROM event e JOIN device d ON e.device = d.device_id
         WHERE d.owner = 17 ORDER BY e.at
    """
    (found,) = advise(make_world(WorldPlan(NESTED, (joined,))).target).sets
    keys = {(each.table, each.keys[0].text) for each in found.definitions}
    assert ("event", "device") in keys


def test_an_index_of_every_partition_is_one_of_the_whole(make_world: MakeWorld) -> None:
    index: LiteralString = "CREATE INDEX ON measured_1 (value)"
    plan = WorldPlan((*TABLES, index), ("SELECT count(*) FROM measured WHERE value = 17",))
    assert advise(make_world(plan).target).sets == ()


FOREIGN: tuple[LiteralString, ...] = (
    "CREATE FOREIGN DATA WRAPPER nothing",
    "CREATE SERVER far FOREIGN DATA WRAPPER nothing",
    """
    CREATE FOREIGN TABLE measured_far PARTITION OF measured
      FOR VALUES FROM ('2027-01-01') TO ('2028-01-01') SERVER far
    """,
)


@pytest.mark.slow
def test_a_table_with_a_part_elsewhere_is_left_alone(make_world: MakeWorld) -> None:
    asked: LiteralString = "SELECT count(*) FROM measured WHERE value = 17 AND at < '2026-09-01'"
    assert advise(make_world(WorldPlan((*TABLES, *FOREIGN), (asked,))).target).sets == ()
    (found,) = advise(make_world(WorldPlan(TABLES, (asked,))).target).sets
    assert [each.table for each in found.definitions] == ["measured"]


def test_without_time_it_ends_and_says_so(make_world: MakeWorld) -> None:
    result = advise(make_world(MISSING_INDEX).target, seconds=1e-6)
    assert result.examined["ran_out_of_time"] is True
    assert result.examined["built"] == 0
    assert result.sets == ()


def test_a_database_without_traffic_needs_nothing(make_world: MakeWorld) -> None:
    assert advise(make_world(WorldPlan(TABLES, ())).target).sets == ()
