from collections.abc import Callable
from typing import Any

import pytest

from honed.storage.db import Connection, Database
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import WorkloadStatement

_BY_CUSTOMER = "SELECT state FROM orders WHERE customer = {}"


def _select(target: PostgresTarget, part: str) -> WorkloadStatement:
    (found,) = (item for item in target.workload().statements if part in item.text)
    return found


def _run_all(production: Any, statement: WorkloadStatement) -> list[list[Any]]:
    return [production.client.execute(example).fetchall() for example in statement.examples]


def test_an_example_is_what_was_really_executed(production: Any, target: PostgresTarget) -> None:
    text = "SELECT state FROM orders WHERE customer = 17 AND day > '2020-03-04'"
    production.client.execute(text)
    target.sample()
    statement = _select(target, "state FROM orders")
    assert statement.examples == (text,)
    assert statement.source == "activity"


def test_different_real_values_are_kept_up_to_a_limit(
    production: Any, target: PostgresTarget
) -> None:
    texts = [_BY_CUSTOMER.format(number) for number in range(9)]
    for text in texts:
        production.client.execute(text)
        target.sample()
    assert _select(target, "state FROM orders").examples == tuple(texts[:5])


def test_a_cut_text_is_no_example(production: Any, target: PostgresTarget) -> None:
    # Longer than track_activity_query_size, and still a statement where it is cut.
    text = "SELECT state FROM orders WHERE customer = 17 OR customer = 19" + " -- long" * 200
    production.client.execute(text)
    target.sample()
    statement = _select(target, "state FROM orders")
    assert statement.source == "statistics"
    assert len(_run_all(production, statement)) == len(statement.examples) > 0


def test_a_text_of_several_statements_is_no_example(
    production: Any, target: PostgresTarget
) -> None:
    production.client.execute("SELECT day FROM orders WHERE customer = 3; SELECT 1 AS one")
    target.sample()
    statement = _select(target, "day FROM orders")
    assert statement.source == "statistics"
    assert all(";" not in example for example in statement.examples)


def test_a_prepared_statement_gets_values_that_are_there(
    production: Any, target: PostgresTarget
) -> None:
    production.run("SELECT state FROM orders WHERE customer = %(customer)s", {"customer": 17})
    target.sample()
    statement = _select(target, "state FROM orders")
    assert "$1" in statement.text
    assert statement.source == "statistics"
    common, usual, absent = (len(rows) for rows in _run_all(production, statement))
    assert (common, usual, absent) == (2500, 1, 0)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("SELECT * FROM orders WHERE day BETWEEN %(low)s::date AND %(high)s::date", "2020-03-03"),
        ("SELECT * FROM orders WHERE order_id = ANY(%(low)s) OR order_id = %(high)s", [1]),
        ("SELECT * FROM orders WHERE state LIKE %(low)s OR upper(state) = %(high)s", "o"),
        ("SELECT * FROM orders o WHERE o.customer > %(low)s AND o.order_id <= %(high)s", 7),
        ("SELECT * FROM orders ORDER BY day LIMIT %(low)s OFFSET %(high)s", 5),
        ("SELECT customer FROM orders WHERE state = %(low)s || '$9' AND state > %(high)s", "o"),
    ],
)
def test_every_example_runs(
    production: Any, target: PostgresTarget, text: str, parameters: Any
) -> None:
    scalar = parameters[0] if isinstance(parameters, list) else parameters
    production.run(text, {"low": parameters, "high": scalar})
    target.sample()
    statement = _select(target, "FROM orders")
    assert statement.source == "statistics"
    assert statement.examples
    assert len(_run_all(production, statement)) == len(statement.examples)


def test_a_typed_constant_becomes_sql_again(production: Any, target: PostgresTarget) -> None:
    production.run(
        "SELECT count(*), max(extract(month FROM day)) FROM orders"
        " WHERE day < date '2020-05-05' - interval '3' day"
        " AND customer IN (1, 3, 5, 7)"
    )
    target.sample()
    statement = _select(target, "count(*)")
    assert (statement.source, target.workload().skipped) == ("statistics", {})
    assert len(_run_all(production, statement)) == len(statement.examples)


def test_a_parameter_that_looks_like_a_text_keeps_its_type(
    production: Any, target: PostgresTarget
) -> None:
    production.run("SELECT count(*) * 0.5 FROM orders WHERE substring(state FROM 1 FOR 2) = 'ne'")
    target.sample()
    statement = _select(target, "substring")
    assert statement.source == "statistics"
    assert all("FROM '1'::integer FOR '1'::integer" in each for each in statement.examples)


def test_a_character_of_fixed_length_is_not_cut(production: Any, target: PostgresTarget) -> None:
    production.run("CREATE TABLE letter (code character(3))")
    production.run("INSERT INTO letter SELECT 'abc' FROM generate_series(1, 500)")
    production.run("ANALYZE letter")
    production.run("SELECT count(*) FROM letter WHERE code = %(code)s", {"code": "abc"})
    target.sample()
    statement = _select(target, "FROM letter")
    assert "'abc'::bpchar" in statement.examples[0]
    assert _run_all(production, statement)[0] == [{"count": 500}]


def test_a_statement_without_parameters_is_its_own_example(
    production: Any, target: PostgresTarget
) -> None:
    production.run("SELECT max(day) FROM orders")
    target.sample()
    statement = _select(target, "max(day)")
    assert (statement.examples, statement.source) == (("SELECT max(day) FROM orders",), "text")


def test_an_odd_statement_costs_itself_alone(production: Any, target: PostgresTarget) -> None:
    production.run("CREATE TABLE fleeting (value integer)")
    production.run("SELECT value FROM fleeting WHERE value = %(value)s", {"value": 1})
    production.run("DROP TABLE fleeting")
    production.run("SELECT state FROM orders WHERE customer = %(customer)s", {"customer": 17})
    target.sample()
    workload = target.workload()
    (odd,) = (item for item in workload.statements if "fleeting" in item.text)
    assert odd.examples == ()
    assert odd not in workload.replayable
    assert list(workload.skipped) == [odd.statement_id]
    assert "fleeting" in workload.skipped[odd.statement_id]
    assert len(_select(target, "FROM orders").examples) == 3


def test_a_locked_table_costs_its_statements_alone(
    production: Any, target: PostgresTarget, connected: Callable[..., Connection]
) -> None:
    production.run("CREATE TABLE busy (value integer)")
    production.run("SELECT value FROM busy")
    production.run("SELECT max(day) FROM orders")
    target.sample()
    locker = connected()
    with locker.transaction():
        locker.execute("LOCK TABLE busy")
        workload = target.workload()
    assert [item.text for item in workload.replayable] == ["SELECT max(day) FROM orders"]
    assert len(workload.skipped) == 1
    assert target.workload().skipped == {}


def test_writes_have_no_examples(production: Any, target: PostgresTarget) -> None:
    production.run("UPDATE orders SET state = 'lost' WHERE order_id = 3")
    target.sample()
    statement = _select(target, "UPDATE")
    assert not statement.is_select
    assert statement.examples == ()


def test_examples_are_no_viewers_business(target: PostgresTarget, store: Database) -> None:
    target.sample()
    with store.transaction() as connection:
        allowed = connection.execute(
            "SELECT has_table_privilege('honed_viewer', 'honed.statement_example', 'SELECT') AS v"
            ", has_table_privilege('honed_viewer', 'honed.statement', 'SELECT') AS t"
        ).fetchone()
    assert allowed == {"v": False, "t": True}
