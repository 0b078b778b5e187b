"""Indexes on partitioned tables, on a real server: built, stopped half-way, taken back."""

import re
from collections.abc import Iterable
from typing import Any

import pytest

from honed.core.step import Step, StepState, inverses
from honed.storage.db import Database
from honed.targets.postgres.catalog import Catalog, read_catalog, read_shape
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.targets.postgres.indexes.partitions import index_steps, leaf_definitions, read_trees

DONE, ABSENT, PARTIAL = StepState.DONE, StepState.ABSENT, StepState.PARTIAL
ON_VALUE = IndexDefinition("public", "Sale", (Key("value"),), where='"value" > 0')


@pytest.fixture
def database(databases: Any) -> Database:
    """Two partitions, one of which has two partitions itself."""
    made = Database(databases.create())
    run(
        made,
        'CREATE TABLE "Sale" (at integer, value integer) PARTITION BY RANGE (at)',
        'CREATE TABLE sale_1 PARTITION OF "Sale" FOR VALUES FROM (0) TO (10)',
        'CREATE TABLE sale_2 PARTITION OF "Sale" FOR VALUES FROM (10) TO (20)'
        " PARTITION BY LIST (value)",
        'CREATE SCHEMA "Old"',
        'CREATE TABLE "Old"."Sale 2a" PARTITION OF sale_2 FOR VALUES IN (1)',
        "CREATE TABLE sale_2b PARTITION OF sale_2 DEFAULT",
        "CREATE TABLE ordinary (value integer)",
        'INSERT INTO "Sale" SELECT n % 20, n % 7 FROM generate_series(1, 100) n',
    )
    return made


def run(database: Database, *statements: str) -> None:
    with database.connect(autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def carry_out(database: Database, steps: Iterable[Step]) -> None:
    run(database, *(statement for step in steps for statement in step.do))


def states(database: Database, steps: Iterable[Step]) -> list[StepState]:
    with database.connect() as connection:
        rows = [connection.execute(each.inspect.encode()).fetchall() for each in steps]
    return [StepState(word) for row in rows for word in row[0].values()]


def catalog(database: Database) -> Catalog:
    with database.connect() as connection:
        return read_catalog(connection)


def fingerprint(database: Database) -> str:
    with database.connect() as connection:
        return read_shape(connection).fingerprint


def steps_on(database: Database) -> list[Step]:
    return index_steps(ON_VALUE, read_trees(catalog(database)))


def verbs(steps: Iterable[Step]) -> list[str]:
    words = re.compile(r"ON ONLY|CONCURRENTLY|ATTACH")
    return [found.group() for step in steps if (found := words.search(step.do[0]))]


def test_each_partition_is_built_while_writers_go_on(database: Database) -> None:
    steps = steps_on(database)
    assert verbs(steps) == ["ON ONLY"] * 2 + ["CONCURRENTLY"] * 3 + ["ATTACH"] * 4
    assert [each.in_transaction for each in steps] == [True] * 2 + [False] * 3 + [True] * 4


def test_it_is_whole_with_the_last_partition_and_goes_as_a_whole(database: Database) -> None:
    steps, before = steps_on(database), fingerprint(database)
    for at, step in enumerate(steps):
        assert not any(i.is_valid for i in catalog(database).indexes if i.name == ON_VALUE.name)
        carry_out(database, [step])
        assert states(database, steps) == [DONE] * (at + 1) + [ABSENT] * (len(steps) - at - 1)
    found = {each.name: each for each in catalog(database).indexes}
    assert len(found) == 5
    assert all(each.is_valid for each in found.values())
    carry_out(database, inverses(steps))
    assert states(database, steps) == [ABSENT] * len(steps)
    assert fingerprint(database) == before


def test_stopped_after_any_step_it_goes_on_and_back(database: Database) -> None:
    steps, before = steps_on(database), fingerprint(database)
    for done in range(len(steps)):
        carry_out(database, steps[:done])
        carry_out(database, inverses(steps[:done]))
        assert states(database, steps) == [ABSENT] * len(steps)
        assert fingerprint(database) == before
        carry_out(database, steps[:done])
        missing = [
            step
            for step, state in zip(steps, states(database, steps), strict=True)
            if state is ABSENT
        ]
        assert missing == steps[done:]
        carry_out(database, missing)
        assert states(database, steps) == [DONE] * len(steps)
        carry_out(database, inverses(steps))


def test_everything_may_run_twice(database: Database) -> None:
    steps = steps_on(database)
    carry_out(database, (*steps, *steps))
    assert states(database, steps) == [DONE] * len(steps)
    carry_out(database, (*inverses(steps), *inverses(steps)))


def test_a_half_built_partition_is_told(database: Database) -> None:
    steps = steps_on(database)
    carry_out(database, steps[:3])
    run(
        database,
        "UPDATE pg_index SET indisvalid = false WHERE indrelid = 'sale_1'::regclass",
    )
    assert states(database, steps)[:4] == [DONE, DONE, PARTIAL, ABSENT]


def test_a_partition_without_its_index_leaves_the_whole_partial(database: Database) -> None:
    steps = steps_on(database)
    run(database, 'CREATE TABLE sale_3 PARTITION OF "Sale" FOR VALUES FROM (20) TO (30)')
    carry_out(database, steps)
    assert states(database, steps) == [DONE] * (len(steps) - 1) + [PARTIAL]


def test_a_partition_made_meanwhile_or_later_gets_its_index_by_itself(database: Database) -> None:
    steps = steps_on(database)
    carry_out(database, steps[:4])
    run(database, 'CREATE TABLE sale_3 PARTITION OF "Sale" FOR VALUES FROM (20) TO (30)')
    carry_out(database, steps[4:])
    assert states(database, steps) == [DONE] * len(steps)
    run(database, 'CREATE TABLE sale_4 PARTITION OF "Sale" FOR VALUES FROM (30) TO (40)')
    assert states(database, steps) == [DONE] * len(steps)
    assert {"public.sale_3", "public.sale_4"} <= {i.table for i in catalog(database).indexes}


def test_each_step_names_what_it_changes(database: Database) -> None:
    for step in steps_on(database):
        with database.connect() as connection:
            before = read_shape(connection)
        carry_out(database, [step])
        with database.connect() as connection:
            assert read_shape(connection).is_due_to(step, before)


def test_an_ordinary_table_is_built_in_one_step(database: Database) -> None:
    ordinary, trees = ON_VALUE.on("public", "ordinary"), read_trees(catalog(database))
    assert index_steps(ordinary, trees) == [ordinary.step()]
    assert leaf_definitions(ordinary, trees) == [ordinary]


def test_an_index_consists_of_those_where_rows_are(database: Database) -> None:
    leaves = leaf_definitions(ON_VALUE, read_trees(catalog(database)))
    assert {(each.schema, each.table) for each in leaves} == {
        ("public", "sale_1"),
        ("Old", "Sale 2a"),
        ("public", "sale_2b"),
    }
    assert len({each.name for each in leaves}) == 3
