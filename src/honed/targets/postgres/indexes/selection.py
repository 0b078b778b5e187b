"""Selection: the one set of candidates that is worth its price for the whole workload."""

from collections.abc import Callable, Collection

from honed.targets.postgres.indexes.bench import Bench
from honed.targets.postgres.indexes.budget import fit, has_room, payable, within
from honed.targets.postgres.indexes.elimination import objective, price_of, reduce_set, value
from honed.targets.postgres.indexes.pricing import Budget, Prices
from honed.targets.postgres.indexes.query import Planned, Query
from honed.targets.postgres.indexes.repair import without_harm

#: Choices, each by what was measured of the one before.
_ROUNDS = 3
#: Rounds in which left-out candidates are looked at again, and in which chosen ones are exchanged.
_FILLS, _EXCHANGES = 2, 2
#: Share of the time after which nothing is exchanged: what is chosen must be measured again.
_EXCHANGE_UNTIL = 0.65
#: An exchange must bring this share of what one more index must.
_WORTH_EXCHANGING = 0.25
#: The share of the time that repairs may take however late they begin.
_REPAIRING = 0.3


def select(
    bench: Bench,
    prices: Prices,
    budget: Budget,
    *,
    build_for: Callable[[Collection[Query], frozenset[str]], None] = lambda _, __: None,
) -> frozenset[str]:
    """Return the built candidates that are worth their price together.

    Backward elimination on measured plans, then single indexes are exchanged for others. What is
    chosen is measured again, and chosen anew by what that shows; what would harm a statement in the
    end is repaired. The result is a local optimum, not the best set.

    Args:
        bench: where they are measured.

        prices: what each must bring.

        budget: what all of them may take and cost.

        build_for: builds more candidates, for statements that a set harms.
    """
    for _ in range(_ROUNDS):
        chosen, _ = fit(bench, bench.built, prices, budget)
        chosen = _fill(bench, chosen, prices, budget)
        chosen = exchange(bench, chosen, prices, budget)
        chosen = payable(bench, chosen, prices, budget)
        if not _confirm(bench, chosen) or bench.is_late:
            break
    bench.ask_for_each_plan()
    _confirm(bench, chosen)
    chosen = payable(
        bench, within(bench, reduce_set(bench, chosen, prices), prices, budget), prices, budget
    )
    bench.give(_REPAIRING)
    return without_harm(bench, chosen, prices, budget, build_for)


def _fill(
    bench: Bench,
    chosen: frozenset[str],
    prices: Prices,
    budget: Budget,
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
            if hopes[name] <= cost[name] or bench.is_late:
                continue
            if not has_room(bench, chosen | {name}, budget):
                continue
            if _gain(bench, chosen, name, measure=True) > cost[name]:
                chosen |= {name}
        if chosen == before:
            break
        chosen = reduce_set(bench, chosen, prices)
    return chosen


def exchange(
    bench: Bench, chosen: frozenset[str], prices: Prices, budget: Budget
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
            if name not in chosen or bench.is_past(_EXCHANGE_UNTIL):
                continue
            rest = _fill(bench, chosen - {name}, prices, budget, besides={name})
            found = objective(bench, rest, prices)
            if found < lowest - enough:
                chosen, lowest = rest, found
        if chosen == before:
            break
    return chosen


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


def _confirm(bench: Bench, chosen: Collection[str]) -> bool:
    """Measure again what ``chosen`` changes; return whether anything of it was new.

    One run chose the plans, and of many the luckiest would win. Queries that keep their plan are
    not run: the same plan costs the same.
    """
    plans = [(query, bench.plan(query, chosen)) for query in bench.queries]
    known = [bench.is_compared(*each) for each in plans]
    for each in plans:
        bench.compare(*each)
    return not all(known)


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
