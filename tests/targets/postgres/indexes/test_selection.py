"""Selection on a laboratory whose planner and whose truth are given."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from honed.errors import EvaluatorFailed
from honed.targets.postgres.indexes.bench import Bench
from honed.targets.postgres.indexes.budget import fit
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.targets.postgres.indexes.pricing import Budget, Prices
from honed.targets.postgres.indexes.query import Query
from honed.targets.postgres.indexes.selection import connected, exchange, select
from honed.targets.postgres.whatif import Built

MEGABYTE = 1_000_000
PLENTY = 10_000 * MEGABYTE


def index(*columns: str, **more: Any) -> IndexDefinition:
    return IndexDefinition("public", "t", tuple(Key(name) for name in columns), **more)


A, B, C, D = index("a"), index("b"), index("c"), index("d")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run a statement: which indexes it needs, what it seems to cost and does cost."""

    needs: tuple[IndexDefinition, ...]
    cost: float
    seconds: float


SCAN = Way((), 1000.0, 1.0)


@dataclass
class Toy:
    """A laboratory: each statement goes the way that seems cheapest, and takes what that takes."""

    ways: Mapping[str, list[Way]]
    sizes: Mapping[IndexDefinition, int]
    shown: frozenset[str] = frozenset()
    runs: list[str] = field(default_factory=list)

    def add(self, candidates: Collection[IndexDefinition]) -> Mapping[str, Built]:
        return {
            each.name: Built(each.name, self.sizes.get(each, MEGABYTE), 0.0) for each in candidates
        }

    def show(self, names: Collection[str]) -> None:
        self.shown = frozenset(names)

    def explain(self, sql: str) -> Mapping[str, Any]:
        way = self._way(sql)
        used = [{"Node Type": "Index Scan", "Index Name": each.name} for each in way.needs]
        root = {"Node Type": "Scan", "Relation Name": "t", "Schema": "public", "Alias": "t"}
        return {"Plan": {**root, "Total Cost": way.cost, "Plans": used}}

    def cpu_s(self, sql: str, cut_s: float) -> float:
        self.runs.append(sql)
        return min(cut_s, self._way(sql).seconds)

    def insert_us(self, schema: str, table: str) -> float:
        assert (schema, table) == ("public", "t")
        return 10.0 + 20.0 * len(self.shown)

    def _way(self, sql: str) -> Way:
        if sql not in self.ways:
            msg = f"cannot plan {sql}"
            raise EvaluatorFailed(msg)
        possible = [w for w in self.ways[sql] if {each.name for each in w.needs} <= self.shown]
        return min(possible, key=lambda way: way.cost)


def bench_of(
    ways: Mapping[str, list[Way]],
    *,
    sizes: Mapping[IndexDefinition, int] | None = None,
    budget_s: float = 60.0,
) -> Bench:
    """Return a bench on which every index of ``ways`` is built."""
    queries = [Query(sql, sql, 1 / len(ways)) for sql in ways]
    bench = Bench(Toy(ways, sizes or {}), queries, cut_s=10.0, budget_s=budget_s)
    bench.open(until=1.0)
    bench.build(list({each: None for all_ in ways.values() for w in all_ for each in w.needs}))
    return bench


def chosen_of(
    bench: Bench,
    prices: Prices | None = None,
    budget: int = PLENTY,
    write_times: float = math.inf,
) -> set[IndexDefinition]:
    names = select(bench, prices or Prices(), Budget(budget, write_times))
    return {bench.definition(name) for name in names}


def test_an_index_that_pays_is_chosen() -> None:
    bench = bench_of({"q": [SCAN, Way((A,), 10.0, 0.01)]})
    assert chosen_of(bench) == {A}


def test_an_index_that_brings_nothing_goes() -> None:
    bench = bench_of({"q": [SCAN, Way((A,), 10.0, 0.01), Way((A, B), 9.0, 0.01)]})
    assert chosen_of(bench) == {A}


def test_a_promise_of_the_planner_that_does_not_hold_is_no_gain() -> None:
    bench = bench_of({"q": [SCAN, Way((A,), 1.0, 1.0)]})
    assert chosen_of(bench) == set()


def test_indexes_that_only_pay_together_stay_together() -> None:
    bench = bench_of({"q": [SCAN, Way((A,), 900.0, 1.0), Way((A, B), 10.0, 0.01)]})
    assert chosen_of(bench) == {A, B}


def test_no_statement_becomes_slower_for_the_sake_of_another() -> None:
    # The planner takes the bait in the second statement; the first would gain a lot.
    bench = bench_of({"wins": [SCAN, Way((A,), 10.0, 0.01)], "loses": [SCAN, Way((A,), 10.0, 3.0)]})
    assert chosen_of(bench) == set()


def test_a_harmed_statement_is_repaired_by_another_index() -> None:
    bench = bench_of(
        {
            "wins": [SCAN, Way((A,), 10.0, 0.01)],
            "loses": [SCAN, Way((A,), 10.0, 3.0), Way((B,), 5.0, 0.9)],
        }
    )
    assert chosen_of(bench, Prices(each=0.2)) == {A, B}


def test_one_index_that_serves_all_beats_one_for_each() -> None:
    bench = bench_of(
        {
            "p": [SCAN, Way((A,), 10.0, 0.010), Way((C,), 11.0, 0.0101)],
            "q": [SCAN, Way((B,), 10.0, 0.010), Way((C,), 11.0, 0.0101)],
        }
    )
    assert chosen_of(bench, Prices(each=0.1)) == {C}


def test_what_is_chosen_fits_the_budget() -> None:
    # The wide index drives out the narrow one, until bytes are dear enough.
    wide, narrow = index("a", include=("b", "c")), A
    ways = {"q": [SCAN, Way((wide,), 10.0, 0.010), Way((narrow,), 20.0, 0.012)]}
    bench = bench_of(ways, sizes={wide: 90 * MEGABYTE, narrow: 10 * MEGABYTE})
    prices = Prices(each=0.02, per_byte=0.01 / (100 * MEGABYTE))
    assert chosen_of(bench, prices) == {wide}
    assert chosen_of(bench, prices, budget=50 * MEGABYTE) == {narrow}
    assert chosen_of(bench, prices, budget=5 * MEGABYTE) == set()


def test_an_index_gives_way_to_others_that_bring_more_in_its_room() -> None:
    wide, half, third = index("a", include=("b", "c")), B, C
    ways = {
        "p": [SCAN, Way((wide,), 10.0, 0.010), Way((A,), 20.0, 0.020)],
        "q": [SCAN, Way((half,), 10.0, 0.010)],
        "r": [SCAN, Way((third,), 10.0, 0.010)],
    }
    sizes = {wide: 90 * MEGABYTE, A: 30 * MEGABYTE, half: 30 * MEGABYTE, third: 30 * MEGABYTE}
    bench = bench_of(ways, sizes=sizes)
    found = exchange(bench, frozenset({wide.name}), Prices(), Budget(100 * MEGABYTE))
    assert {bench.definition(name) for name in found} == {A, half, third}


def test_inserts_do_not_cost_more_than_may_be_paid() -> None:
    # One more index costs an insert twice what it costs without any.
    ways = {
        each.name: [SCAN, Way((each,), 10.0, seconds)]
        for each, seconds in ((A, 0.1), (B, 0.01), (C, 0.001))
    }
    prices = Prices(writes=lambda _: 1e-6)
    assert chosen_of(bench_of(ways), prices, write_times=7.1) == {A, B, C}
    assert chosen_of(bench_of(ways), prices, write_times=6.0) == {B, C}
    assert chosen_of(bench_of(ways), prices, write_times=2.0) == set()
    assert chosen_of(bench_of(ways), Prices(), write_times=2.0) == {A, B, C}, "nobody writes"


def test_writes_have_their_price() -> None:
    bench = bench_of({"q": [SCAN, Way((A,), 10.0, 0.5)]})
    assert chosen_of(bench, Prices(writes=lambda _: 0.1)) == {A}
    assert chosen_of(bench, Prices(writes=lambda _: 2.0)) == set()


def test_each_plan_is_run_once_however_many_sets_have_it() -> None:
    slow = Way((), 1000.0, 0.5)
    ways = {"q": [slow, *(Way((each,), 10.0 + i, 0.2) for i, each in enumerate((A, B, C, D)))]}
    bench = bench_of(ways)
    laboratory = bench._laboratory
    assert isinstance(laboratory, Toy)
    fit(bench, bench.built, Prices(), Budget(PLENTY))
    assert len(laboratory.runs) == 1 + 4


def test_without_time_the_planner_is_believed() -> None:
    bench = bench_of({"q": [SCAN, Way((A,), 10.0, 0.01)]}, budget_s=0.0)
    laboratory = bench._laboratory
    assert isinstance(laboratory, Toy)
    runs = len(laboratory.runs)
    assert chosen_of(bench) == {A}
    assert len(laboratory.runs) == runs


def test_an_odd_statement_costs_one_statement() -> None:
    ways = {"q": [SCAN, Way((A,), 10.0, 0.01)]}
    bench = Bench(
        Toy(ways, {}), [Query("q", "q", 0.5), Query("odd", "?", 0.5)], cut_s=1.0, budget_s=60.0
    )
    bench.open(until=1.0)
    assert [query.statement_id for query in bench.queries] == ["q"]
    assert {q.statement_id: why for q, why in bench.left_out.items()} == {"odd": "cannot plan ?"}


def test_a_statement_that_is_surely_cut_is_not_run() -> None:
    laboratory = Toy({"q": [SCAN]}, {})
    bench = Bench(laboratory, [Query("q", "q", 1.0, 100.0)], cut_s=2.0, budget_s=60.0)
    bench.open(until=1.0)
    assert laboratory.runs == []
    assert bench.was_cut(bench.queries[0])
    assert bench.base_s(bench.queries[0]) == pytest.approx(2.0)


def test_a_late_opening_believes_production() -> None:
    laboratory = Toy({"q": [SCAN]}, {})
    bench = Bench(laboratory, [Query("q", "q", 1.0, 0.7)], cut_s=2.0, budget_s=60.0)
    bench.open(until=0.0)
    assert laboratory.runs == []
    assert bench.base_s(bench.queries[0]) == pytest.approx(0.7)
    assert not bench.is_measured(bench.queries[0], bench.plan(bench.queries[0], ()))


def test_groups_do_not_touch_each_others_statements() -> None:
    bench = bench_of(
        {
            "p": [SCAN, Way((A, B), 10.0, 0.01)],
            "q": [SCAN, Way((C,), 10.0, 0.01)],
        }
    )
    groups = connected(bench, bench.built)
    assert {frozenset({A.name, B.name}), frozenset({C.name})} == set(groups)


def test_an_index_that_leads_a_statement_astray_alone_belongs_to_the_one_that_saves_it() -> None:
    bench = bench_of(
        {
            "p": [SCAN, Way((A,), 10.0, 0.01)],
            "q": [SCAN, Way((A,), 10.0, 3.0), Way((B,), 5.0, 0.9)],
        }
    )
    assert connected(bench, bench.built) == [frozenset({A.name, B.name})]


def test_what_was_only_measured_in_part_is_not_believed_when_time_is_up() -> None:
    # The run is cut where it is no longer better than another plan: a bound, not a cost.
    ways = {"q": [SCAN, Way((A,), 10.0, 0.01), Way((B,), 500.0, 3.0)]}
    bench = bench_of(ways)
    (query,) = bench.queries
    names = {bench.definition(name): name for name in bench.built}
    slow = bench.plan(query, {names[B]})
    assert bench.seconds(query, slow, enough_s=0.02) < 0.1
    bench._clock.budget_s = 0.0
    assert bench.seconds(query, slow) == pytest.approx(0.5, rel=0.1)


def test_a_fresh_comparison_counts_from_then_on() -> None:
    bench = bench_of({"q": [SCAN, Way((A,), 10.0, 0.5)]})
    (query,) = bench.queries
    planned = bench.plan(query, bench.built)
    laboratory = bench._laboratory
    assert isinstance(laboratory, Toy)
    assert bench.seconds(query, planned) == pytest.approx(0.5)
    laboratory.ways = {"q": [SCAN, Way((A,), 10.0, 0.8)]}
    assert bench.compare(query, planned) == pytest.approx((1.0, 0.8))
    assert bench.seconds(query, planned) == pytest.approx(0.8)
    runs = len(laboratory.runs)
    bench.compare(query, planned)
    assert len(laboratory.runs) == runs
