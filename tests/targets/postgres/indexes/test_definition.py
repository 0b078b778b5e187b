import json
from dataclasses import replace
from typing import Any

import pytest

from honed.core.step import StepState
from honed.storage.db import Database
from honed.targets.postgres.indexes.definition import IndexDefinition, Key, gone_sql

ODD = IndexDefinition(
    'Odd "schema"',
    "Order {} 100%",
    (Key("Customer Id"), Key('lower("Note")', is_expression=True), Key("at", descending=True)),
    include=("amount",),
    where='"amount" > 0',
)


@pytest.fixture
def database(databases: Any) -> Database:
    made = Database(databases.create())
    with made.connect(autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "Odd ""schema"""')
        connection.execute(
            'CREATE TABLE "Odd ""schema"""."Order {} 100%" '
            '("Customer Id" integer, "Note" text, at date, amount numeric)'
        )
    return made


def run(database: Database, *statements: str) -> None:
    with database.connect(autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def state(database: Database, inspect: str) -> StepState:
    with database.connect() as connection:
        (row,) = connection.execute(inspect.encode()).fetchall()
    (word,) = row.values()
    return StepState(word)


def test_the_step_builds_it_and_takes_it_back(database: Database) -> None:
    step = ODD.step()
    assert state(database, step.inspect) is StepState.ABSENT
    run(database, *step.do)
    assert state(database, step.inspect) is StepState.DONE
    assert state(database, gone_sql(ODD.schema, ODD.name)) is StepState.ABSENT
    run(database, *step.undo)
    assert state(database, step.inspect) is StepState.ABSENT
    assert state(database, gone_sql(ODD.schema, ODD.name)) is StepState.DONE


def test_both_may_run_twice(database: Database) -> None:
    step = ODD.step()
    run(database, *step.do, *step.do, *step.undo, *step.undo)


def test_a_failed_build_is_told_from_a_whole_one(database: Database) -> None:
    step = ODD.step()
    run(database, *step.do)
    run(
        database,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text ~ 'honed'",
    )
    assert state(database, step.inspect) is StepState.PARTIAL


def test_it_blocks_nobody() -> None:
    step = ODD.step()
    assert not step.in_transaction
    assert all(" CONCURRENTLY " in statement for statement in (*step.do, *step.undo))


@pytest.mark.parametrize("table", ["t", "x" * 63, "ä" * 40, "日本語の表" * 12])
def test_a_name_fits_and_is_told_apart(table: str) -> None:
    one = replace(ODD, table=table)
    assert len(one.name.encode()) <= 63
    assert one.name != replace(one, where="").name
    assert one.name == replace(one).name


def test_it_survives_json() -> None:
    assert IndexDefinition.from_json(json.loads(json.dumps(ODD.to_json()))) == ODD


def test_a_person_can_read_it() -> None:
    definition = IndexDefinition("public", "orders", (Key("day", descending=True),), ("amount",))
    assert definition.summary == "orders (day DESC) INCLUDE (amount)"
