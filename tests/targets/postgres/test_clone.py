"""A clone: candidates that only the planner is told of, and builds that cost only themselves."""

from dataclasses import dataclass

import pytest

from honed.core.step import Step
from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.write_cost import write_cost

CITY = """SELECT * FROM "Shop".customer WHERE city = 'city 7'"""
DATE = """SELECT * FROM "Shop"."Order" WHERE ordered_on = '2025-03-01'"""


@dataclass(frozen=True, slots=True)
class Candidate:
    name: str
    build_sql: str


BY_CITY = Candidate("by_city", 'CREATE INDEX by_city ON "Shop".customer (city)')
BY_BOTH = Candidate("by_both", 'CREATE INDEX by_both ON "Shop".customer (city, email, country)')
BROKEN = Candidate("broken", 'CREATE INDEX broken ON "Shop".customer (no_such_column)')


def test_a_subset_of_candidates_is_planned_without_building_again(clone: Clone) -> None:
    built = clone.add([BY_CITY, BY_BOTH])
    files = clone.query("SELECT pg_relation_filenode('\"Shop\".by_city') AS file")
    without = clone.estimate(CITY, ())
    only_city = clone.estimate(CITY, {"by_city"})
    only_both = clone.estimate(CITY, {"by_both"})
    assert without.indexes == frozenset()
    assert only_city.indexes == frozenset({"by_city"})
    assert only_both.indexes == frozenset({"by_both"})
    assert max(only_city.cost, only_both.cost) < without.cost
    assert clone.estimate(CITY, ()) == without
    assert clone.query("SELECT pg_relation_filenode('\"Shop\".by_city') AS file") == files
    assert built.keys() == {"by_city", "by_both"}


def test_hidden_candidates_change_no_plan(clone: Clone) -> None:
    before = clone.explain(CITY)
    clone.add([BY_CITY])
    assert clone.explain(CITY) == before


def test_a_hidden_candidate_can_be_shown_after_an_analysis_without_it(clone: Clone) -> None:
    clone.add([Candidate("by_value", "CREATE INDEX by_value ON nothing (value)")])
    clone.run("ANALYZE nothing")
    clone.show({"by_value"})
    assert clone.query("SELECT relhasindex AS has FROM pg_class WHERE relname = 'nothing'") == [
        {"has": True}
    ]


def test_what_is_known_of_a_table_survives_the_analysis_of_an_index(clone: Clone) -> None:
    known = (
        "SELECT attname, n_distinct, most_common_freqs::text, histogram_bounds::text FROM pg_stats"
        """ WHERE tablename = 'Order' ORDER BY attname"""
    )
    clone.run('ALTER TABLE "Shop"."Order" ALTER amount SET STATISTICS 7', 'ANALYZE "Shop"."Order"')
    clone.run('ALTER TABLE "Shop"."Order" ALTER amount SET STATISTICS 90')
    before = clone.query(known)
    clone.run('CREATE INDEX of_expression ON "Shop"."Order" ((amount % 10))')
    clone.analyze_indexes('"Shop"."Order"')
    assert clone.query(known) == before
    found = clone.query("SELECT count(*) AS n FROM pg_stats WHERE tablename = 'of_expression'")
    assert found == [{"n": 1}]


def test_a_hidden_candidate_is_not_paid_for_by_writers(clone: Clone) -> None:
    built = clone.add([BY_CITY, BY_BOTH])
    hidden = write_cost(clone, '"Shop".customer', rows=500)
    clone.show(built)
    shown = write_cost(clone, '"Shop".customer', rows=500)
    assert hidden is not None
    assert shown is not None
    assert shown.insert_wal_bytes > hidden.insert_wal_bytes + 100


def test_sizes_of_candidates_are_those_of_their_files(clone: Clone) -> None:
    built = clone.add([BY_CITY])["by_city"]
    size = clone.query("SELECT pg_relation_size('\"Shop\".by_city') AS size")[0]["size"]
    assert built.size_bytes == size == clone.size_bytes("by_city") > 0


def test_a_candidate_that_cannot_be_built_costs_only_itself(clone: Clone) -> None:
    assert clone.add([BROKEN, BY_CITY]).keys() == {"by_city"}
    assert clone.estimate(CITY, {"by_city", "broken"}).indexes == {"by_city"}


def test_a_candidate_is_built_once(clone: Clone) -> None:
    clone.add([BY_CITY])
    assert clone.add([BY_CITY]) == {}
    assert clone.estimate(CITY, {"by_city"}).indexes == {"by_city"}


def test_an_index_of_production_can_be_hidden_and_shown_again(clone: Clone) -> None:
    before = clone.estimate(DATE, ())
    assert before.indexes == {"order_on"}
    clone.hide({"order_on"})
    assert clone.estimate(DATE, ()).indexes == frozenset()
    clone.hide(())
    assert clone.estimate(DATE, ()) == before


def test_steps_are_carried_out_as_in_production(clone: Clone) -> None:
    concurrently = 'CREATE INDEX CONCURRENTLY by_city ON "Shop".customer (city)'
    clone.carry_out(
        [
            Step("index", (concurrently,), in_transaction=False),
            Step("analyse", ('ANALYZE "Shop".customer',)),
        ]
    )
    assert clone.estimate(CITY, ()).indexes == {"by_city"}


def test_a_step_in_a_transaction_happens_whole_or_not_at_all(clone: Clone) -> None:
    step = Step("half", ("CREATE TABLE first_half ()", "CREATE TABLE nowhere.second_half ()"))
    with pytest.raises(EvaluatorFailed, match="second_half"):
        clone.carry_out([step])
    assert clone.query("SELECT to_regclass('first_half') AS there") == [{"there": None}]


def test_a_step_of_another_runner_is_refused(clone: Clone) -> None:
    with pytest.raises(EvaluatorFailed, match="git"):
        clone.carry_out([Step("commit", ("commit",), runner="git")])


def test_an_explained_statement_has_actual_rows_when_it_is_run(clone: Clone) -> None:
    plan = clone.explain(DATE, analyze=True)["Plan"]
    assert isinstance(plan, dict)
    assert plan["Actual Rows"] == 43


def test_a_statement_that_writes_is_planned_but_never_run(clone: Clone) -> None:
    statement = "DELETE FROM event"
    assert clone.explain(statement)["Plan"]
    with pytest.raises(EvaluatorFailed, match="read-only"):
        clone.explain(statement, analyze=True)


def test_an_odd_statement_is_named(clone: Clone) -> None:
    with pytest.raises(EvaluatorFailed, match="no_such_table"):
        clone.explain("SELECT * FROM no_such_table")


def test_an_endless_statement_is_cut(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("honed.targets.postgres.shadow_database.EXPLAIN_TIMEOUT_S", 0.1)
    with pytest.raises(StatementCut):
        clone.explain("SELECT pg_sleep(60)", analyze=True)
