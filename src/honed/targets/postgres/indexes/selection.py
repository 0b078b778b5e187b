"""Selection: the one set of candidates that is worth its price for the whole workload."""

from collections.abc import Collection

from honed.targets.postgres.indexes.bench import Bench
from honed.targets.postgres.indexes.elimination import (
    TOLERATED,
    Budget,
    Prices,
    fit,
    objective,
    price_of,
    ratio,
    reduce_set,
    total_bytes,
    value,
    within,
    worths,
)
from honed.targets.postgres.indexes.query import Planned, Query

#: Rounds in which left-out candidates are looked at again, and in which chosen ones are exchanged.
_FILLS, _EXCHANGES = 2, 2
#: An exchange must bring this share of what one more index must.
_WORTH_EXCHANGING = 0.25
#: Changes that are tried to spare statements that a set harms; and the share of the time that they
#: may take however late they begin.
_REPAIRS, _REPAIRING = 6, 0.2


def select(
    bench: Bench, universe: frozenset[str], prices: Prices, budget: Budget
) -> frozenset[str]:
    """Return the candidates of ``universe`` that are worth their price together.

    Backward elimination on measured plans, then single indexes are exchanged for others, the
    chosen ones are measured again, and what would harm a statement is repaired. The result is a
    local optimum, not the best set.

    Args:
        bench: where they are measured.

        universe: candidates that are built.

        prices: what each must bring.

        budget: what all of them may take and cost.
    """
    budget_bytes = budget.size_bytes
    chosen, _ = fit(bench, universe, prices, budget_bytes=budget_bytes)
    chosen = _fill(bench, chosen, prices, budget_bytes)
    chosen = exchange(bench, chosen, prices, budget_bytes)
    chosen = _payable(bench, chosen, prices, budget.write_times)
    _confirm(bench, chosen)
    chosen = reduce_set(bench, chosen, prices)
    bench.give(_REPAIRING)
    return within(bench, _without_harm(bench, chosen, prices), prices, budget_bytes)


def _fill(
    bench: Bench,
    chosen: frozenset[str],
    prices: Prices,
    budget_bytes: int,
    *,
    besides: Collection[str] = (),
) -> frozenset[str]:
    """Return ``chosen`` with the candidates that are worth their price beside it and still fit.

    What was driven out by an index that went itself later comes back here; not what is named
    ``besides``.
    """
    for _ in range(_FILLS):
        before, left = chosen, bench.built - chosen - set(besides)
        cost = {name: price_of(bench, name, prices) for name in left}
        hopes = {name: _gain(bench, chosen, name, measure=False) for name in left}
        for name in sorted(left, key=lambda each: (-hopes[each] / cost[each], each)):
            fits = total_bytes(bench, chosen | {name}) <= budget_bytes
            if not fits or hopes[name] <= cost[name] or bench.is_late:
                continue
            if _gain(bench, chosen, name, measure=True) > cost[name]:
                chosen |= {name}
        if chosen == before:
            break
        chosen = reduce_set(bench, chosen, prices)
    return chosen


def exchange(
    bench: Bench, chosen: frozenset[str], prices: Prices, budget_bytes: int
) -> frozenset[str]:
    """Return ``chosen``, better by what finds room once one index of it is gone.

    Elimination with dearer bytes does not find every set that fits: a large index that serves two
    statements stands in the way of three small ones that serve five.
    """
    lowest = objective(bench, chosen, prices)
    enough = _WORTH_EXCHANGING * prices.scale * prices.each
    for _ in range(_EXCHANGES):
        before = chosen
        for name in sorted(chosen, key=lambda each: (-bench.size_bytes(each), each)):
            if name not in chosen or bench.is_late:
                continue
            rest = _fill(bench, chosen - {name}, prices, budget_bytes, besides={name})
            found = objective(bench, rest, prices)
            if found < lowest - enough:
                chosen, lowest = rest, found
        if chosen == before:
            break
    return chosen


def _payable(
    bench: Bench, chosen: frozenset[str], prices: Prices, write_times: float
) -> frozenset[str]:
    """Return ``chosen`` without what brings least, until no written table's inserts cost more."""
    for table in sorted({bench.table(name) for name in written(bench, chosen, prices)}):
        while bench.insert_times(chosen, table) > write_times:
            worth = worths(bench, chosen, prices)
            own = (name for name in chosen if bench.table(name) == table)
            chosen -= {min(own, key=lambda name: (worth[name], name))}
    return chosen


def written(bench: Bench, chosen: frozenset[str], prices: Prices) -> frozenset[str]:
    """Return those of ``chosen`` whose table production writes to."""
    return frozenset(name for name in chosen if prices.writes(bench.definition(name)) > 0)


def _gain(bench: Bench, chosen: frozenset[str], name: str, *, measure: bool) -> float:
    """Return how much better the objective is with ``name`` beside ``chosen``."""
    gain = 0.0
    for query in bench.queries:
        planned, richer = bench.plan(query, chosen), bench.plan(query, chosen | {name})
        if name not in richer.used:
            continue
        seconds = bench.seconds(query, planned)
        richer_s = (
            bench.seconds(query, richer) if measure else bench.guess_s(query, richer, planned)
        )
        gain += value(bench, query, seconds) - value(bench, query, richer_s)
    return gain


def _confirm(bench: Bench, chosen: Collection[str]) -> None:
    """Measure again what ``chosen`` changes: one run chose the plans, and the luckiest would win.

    Queries that keep their plan are not run: the same plan costs the same.
    """
    for query in bench.queries:
        bench.compare(query, bench.plan(query, chosen))


def connected(bench: Bench, chosen: frozenset[str]) -> list[frozenset[str]]:
    """Return ``chosen`` in groups that do not touch each other's statements.

    Two indexes are of one group where one plan uses both, or where one alone would give a
    statement another plan than it has with all of them: each group can be tried and undone by
    itself.
    """
    groups = [frozenset({name}) for name in sorted(chosen)]
    plans = {query: bench.plan(query, chosen) for query in bench.queries}
    for planned in plans.values():
        groups = _joined(groups, planned.used & chosen)
    for _ in range(len(groups)):
        before = groups
        for group in before:
            groups = _joined(groups, group | _touched(bench, plans, group, chosen))
        if groups == before:
            break
    return groups


def _touched(
    bench: Bench, plans: dict[Query, Planned], group: frozenset[str], chosen: frozenset[str]
) -> frozenset[str]:
    """Return the indexes that statements need which ``group`` alone would lead astray."""
    touched: frozenset[str] = frozenset()
    for query, planned in plans.items():
        alone = bench.plan(query, group)
        if alone.key not in {bench.plan(query, ()).key, planned.key}:
            touched |= planned.used & chosen
    return touched


def _joined(groups: list[frozenset[str]], names: frozenset[str]) -> list[frozenset[str]]:
    touched = [group for group in groups if group & names]
    alone = [group for group in groups if not group & names]
    return [*alone, frozenset().union(*touched)] if touched else groups


def _without_harm(bench: Bench, chosen: frozenset[str], prices: Prices) -> frozenset[str]:
    """Return ``chosen``, changed so that it makes no statement slower than is tolerated.

    One index more or less gives the harmed statement another plan; the change that costs the
    objective least is made. Where repairs harm others in turn, indexes only go.
    """
    for repair in range(_REPAIRS + len(chosen)):
        harmed = [query for query in bench.queries if _is_harmed(bench, query, chosen)]
        if not harmed:
            break
        query = harmed[0]
        ways = [chosen - {name} for name in bench.plan(query, chosen).used & chosen]
        if repair < _REPAIRS and not bench.is_late:
            ways += [chosen | {name} for name in bench.built - chosen]
        ways.sort(key=lambda way: (objective(bench, way, prices), sorted(way)))
        chosen = next((way for way in ways if not _is_harmed(bench, query, way)), ways[0])
    return chosen


def _is_harmed(bench: Bench, query: Query, chosen: frozenset[str]) -> bool:
    planned = bench.plan(query, chosen)
    if not bench.is_measured(query, planned) or not planned.used & chosen:
        return False
    before_s, after_s = bench.compare(query, planned)
    return ratio(after_s, before_s) > TOLERATED
