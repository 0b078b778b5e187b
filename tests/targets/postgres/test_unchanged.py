"""What new indexes leave as it is, on a clone of the shop."""

from honed.targets.postgres.clone import Clone
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.unchanged import find_unchanged

BY_AMOUNT = IndexDefinition("Shop", "Order", (Key("amount"),))
STATEMENTS = {
    "served": ('SELECT * FROM "Shop"."Order" WHERE amount = 5',),
    "not served": ('SELECT count(*) FROM "Shop"."Order"',),
    "elsewhere": ("SELECT count(*) FROM generate_series(1, 10)",),
    "sometimes served": (
        'SELECT * FROM "Shop"."Order" WHERE amount = 5',
        'SELECT count(*) FROM "Shop"."Order"',
    ),
}


def test_a_statement_is_changed_by_its_plan_and_touched_by_its_tables(clone: Clone) -> None:
    clone.add([BY_AMOUNT])
    found = find_unchanged(clone, STATEMENTS, [BY_AMOUNT.name])
    assert found.same_plan == {"not served", "elsewhere"}
    assert found.untouched == {"elsewhere"}
    assert clone.visibility == (frozenset(), frozenset())


def test_what_a_function_runs_is_in_no_plan(clone: Clone) -> None:
    clone.add([BY_AMOUNT])
    clone.run(
        "CREATE FUNCTION orders_of(a int) RETURNS bigint LANGUAGE plpgsql STABLE AS $$BEGIN "
        'RETURN (SELECT count(*) FROM "Shop"."Order" WHERE amount = a); END$$',
        "CREATE OPERATOR ### (FUNCTION = orders_of, RIGHTARG = int)",
    )
    statements = {
        "plain": ("SELECT 5 FROM generate_series(1, 3)",),
        "calls": ("SELECT orders_of(i) FROM generate_series(1, 3) i",),
        "by operator": ("SELECT ### i FROM generate_series(1, 3) i",),
    }
    assert find_unchanged(clone, statements, [BY_AMOUNT.name]).same_plan == {"plain"}


def test_a_statement_is_planned_before_it_counts_once_indexes_came_or_went(clone: Clone) -> None:
    # The clone tells a session that asks whether anything changed since it planned.
    clone.add([BY_AMOUNT])
    statement = STATEMENTS["served"][0]
    with MeteredSession(clone, cut_s=1.0) as session:
        rows = session.run(statement).rows
        clone.show([BY_AMOUNT.name])
        assert clone.visibility == (frozenset({BY_AMOUNT.name}), frozenset())
        assert session.run(statement).rows == rows
        assert session._seen == clone.visibility
        assert session._planned == {statement}
