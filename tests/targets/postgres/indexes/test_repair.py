"""Repairs on a laboratory whose planner and whose truth are given."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import pytest
from tests.targets.postgres.indexes.test_selection import (
    MEGABYTE,
    PLENTY,
    SCAN,
    A,
    B,
    C,
    Toy,
    Way,
    bench_of,
)

from honed.targets.postgres.indexes.bench import Bench
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.indexes.pricing import Budget, Prices
from honed.targets.postgres.indexes.query import Query
from honed.targets.postgres.indexes.repair import without_harm

#: Without another index, A serves the first statement and harms the second.
BAIT = {
    "wins": [SCAN, Way((A,), 10.0, 0.01)],
    "loses": [SCAN, Way((A,), 10.0, 1.2), Way((B,), 5.0, 0.9)],
}


def repaired(
    bench: Bench,
    *chosen: str,
    prices: Prices | None = None,
    budget: Budget | None = None,
    build_for: Any = lambda _, __: None,
) -> set[str]:
    return set(
        without_harm(
            bench, frozenset(chosen), prices or Prices(), budget or Budget(PLENTY), build_for
        )
    )


def runs_of(bench: Bench) -> list[str]:
    laboratory = bench._laboratory
    assert isinstance(laboratory, Toy)
    return laboratory.runs


def test_an_index_that_spares_a_statement_is_built_for_it() -> None:
    bench = _bench_of(Toy(BAIT, {}), A)
    asked: list[tuple[list[str], frozenset[str]]] = []

    def build_for(harmed: Collection[Query], chosen: frozenset[str]) -> None:
        asked.append(([query.sql for query in harmed], chosen))
        bench.build([B])

    assert repaired(bench, A.name, build_for=build_for) == {A.name, B.name}
    assert asked == [(["loses"], frozenset({A.name}))]


def test_nothing_is_built_for_a_set_that_harms_nobody() -> None:
    def build_for(harmed: Collection[Query], chosen: frozenset[str]) -> None:
        pytest.fail(f"{harmed} are not harmed by {chosen}")

    bench = bench_of({"q": [SCAN, Way((A,), 10.0, 0.5)]})
    assert repaired(bench, A.name, build_for=build_for) == {A.name}


def test_harm_is_judged_by_the_mean_of_a_statements_examples() -> None:
    # What is slow for one tenant and fast for another is not slow.
    ways = {"few": [SCAN, Way((A,), 10.0, 0.1)], "many": [SCAN, Way((A,), 10.0, 1.4)]}
    bench = Bench(Toy(ways, {}), _examples_of_one(ways), cut_s=10.0, budget_s=60.0)
    bench.open(until=1.0)
    bench.build([A])
    assert repaired(bench, A.name) == {A.name}


def test_a_statement_whose_examples_are_slower_on_the_whole_is_spared() -> None:
    ways = {"few": [SCAN, Way((A,), 10.0, 0.9)], "many": [SCAN, Way((A,), 10.0, 1.4)]}
    bench = Bench(Toy(ways, {}), _examples_of_one(ways), cut_s=10.0, budget_s=60.0)
    bench.open(until=1.0)
    bench.build([A])
    assert repaired(bench, A.name) == set()


def test_an_index_may_harm_a_statement_that_does_not_use_it() -> None:
    bench = _bench_of(_Misled({"misled": [SCAN], "q": [SCAN, Way((A,), 10.0, 0.1)]}, {}), A)
    assert repaired(bench, A.name) == set()


def test_indexes_go_until_none_of_them_misleads_the_planner() -> None:
    ways = {"misled": [SCAN], "q": [SCAN, Way((A,), 10.0, 0.1)], "r": [SCAN, Way((B,), 10.0, 0.1)]}
    bench = _bench_of(_Misled(ways, {}), A, B, C)
    assert repaired(bench, A.name, B.name) == set()


def test_another_index_goes_only_where_there_is_no_room() -> None:
    ways = {**BAIT, "also": [SCAN, Way((C,), 10.0, 0.5)]}
    sizes = dict.fromkeys((A, B, C), 10 * MEGABYTE)
    for room, kept in ((30, {A.name, B.name, C.name}), (20, {A.name, B.name})):
        bench = bench_of(ways, sizes=sizes)
        budget = Budget(room * MEGABYTE)
        assert repaired(bench, A.name, C.name, budget=budget) == kept


def test_writers_bear_what_a_repair_adds_or_it_is_not_added() -> None:
    # One more index costs an insert twice what it costs without any.
    prices = Prices(writes=lambda _: 1e-6)
    for times, kept in ((5.0, {A.name, B.name}), (4.9, set[str]())):
        bench = bench_of(BAIT)
        assert repaired(bench, A.name, prices=prices, budget=Budget(PLENTY, times)) == kept


def test_what_a_later_repair_made_superfluous_is_left_out() -> None:
    ways = {"q": [SCAN, Way((A,), 10.0, 0.5)]}
    bench = bench_of({**ways, "other": [SCAN, Way((B,), 10.0, 0.1), Way((C,), 5.0, 0.1)]})
    assert repaired(bench, A.name, B.name, C.name) == {A.name, C.name}


def test_a_doubtful_plan_is_measured_some_more_times_and_then_believed() -> None:
    bench = bench_of({"q": [SCAN, Way((A,), 10.0, 1.1)]})
    (query,) = bench.queries
    planned = bench.plan(query, bench.built)
    bench.compare(query, planned)
    counts = [len(runs_of(bench))]
    for _ in range(9):
        bench.doubt(query, planned)
        counts.append(len(runs_of(bench)))
    assert counts[1] > counts[0]
    assert counts[-1] == counts[-2], "some time it is enough"
    assert counts[-1] <= counts[0] + 2 * 12


def test_a_baseline_that_looks_a_little_slower_is_measured_again_once() -> None:
    # Its first run read the pages.
    ways = {"q": [SCAN, Way((A,), 10.0, 0.9), Way((B,), 5.0, 0.8), Way((C,), 4.0, 0.1)]}
    bench = bench_of(ways)
    (query,) = bench.queries
    laboratory = bench._laboratory
    assert isinstance(laboratory, Toy)
    laboratory.ways = {"q": [Way((), 1000.0, 0.9), *ways["q"][1:]]}
    for index, base_s in ((C, 1.0), (A, 0.9), (B, 0.9)):
        before = len(laboratory.runs)
        bench.seconds(query, bench.plan(query, {index.name}))
        assert bench.base_s(query) == pytest.approx(base_s)
        assert len(laboratory.runs) - before == (2 if index is A else 1)


def test_a_plan_of_a_larger_set_is_asked_for_before_it_is_believed() -> None:
    bench = _bench_of(_Fickle({"q": [SCAN, Way((A,), 10.0, 0.1)]}, {}), A, B)
    (query,) = bench.queries
    with_both = bench.plan(query, {A.name, B.name})
    assert with_both.used == {A.name}
    assert bench.plan(query, {A.name}).used == {A.name}, "what needs nothing else is inferred"
    bench.ask_for_each_plan()
    assert bench.plan(query, {A.name}).used == set()
    assert bench.plan(query, {A.name, B.name}) is with_both


class _Fickle(Toy):
    """A planner that takes A only where B is there too."""

    def explain(self, sql: str) -> Mapping[str, Any]:
        shown, self.shown = self.shown, self.shown if B.name in self.shown else frozenset()
        try:
            return super().explain(sql)
        finally:
            self.shown = shown


class _Misled(Toy):
    """A planner that joins one statement in another order where A or B is there, unused."""

    def explain(self, sql: str) -> Mapping[str, Any]:
        plan = dict(super().explain(sql)["Plan"])
        return {"Plan": {**plan, "Node Type": "Hash Join" if self._misleads(sql) else "Scan"}}

    def cpu_s(self, sql: str, cut_s: float) -> float:
        return min(cut_s, super().cpu_s(sql, cut_s) * (1.5 if self._misleads(sql) else 1.0))

    def _misleads(self, sql: str) -> bool:
        return sql == "misled" and bool({A.name, B.name} & self.shown)


def _bench_of(laboratory: Toy, *built: IndexDefinition) -> Bench:
    queries = [Query(sql, sql, 1 / len(laboratory.ways)) for sql in laboratory.ways]
    bench = Bench(laboratory, queries, cut_s=10.0, budget_s=60.0)
    bench.open(until=1.0)
    bench.build(built)
    return bench


def _examples_of_one(ways: Mapping[str, Any]) -> list[Query]:
    queries = [Query("one", sql, 1.0 / len(ways)) for sql in ways]
    assert math.isclose(sum(query.weight for query in queries), 1.0)
    return queries
