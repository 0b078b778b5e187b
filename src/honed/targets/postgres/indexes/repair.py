"""Repair: no statement pays for the others."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

from honed.targets.postgres.indexes.bench import Bench
from honed.targets.postgres.indexes.budget import best, has_room, is_payable
from honed.targets.postgres.indexes.elimination import TOLERATED, objective, ratio
from honed.targets.postgres.indexes.pricing import Budget, Prices
from honed.targets.postgres.indexes.query import Planned, Query

#: Changes that are tried to spare statements that a set harms, before indexes only go: however
#: late it is, and while there is time.
_LEAST_REPAIRS, _REPAIRS = 3, 6
#: The share of the time that each look for harm, and each repair, may take however late it is.
_CHECKING = 0.1
#: Of the changes that spare a statement so many are measured, the most promising.
_COMPARED = 3
#: A statement that is slower by more than this factor in one run is harmed; by less, it is measured
#: again.
_CLEARLY = 1.3
#: How often, at most.
_DOUBTS = 3


def without_harm(
    bench: Bench,
    chosen: frozenset[str],
    prices: Prices,
    budget: Budget,
    build_for: Callable[[Collection[Query], frozenset[str]], None],
) -> frozenset[str]:
    """Return ``chosen``, changed so that it makes no statement slower than is tolerated.

    One index more, less or instead of another gives the harmed statement another plan; of the
    changes that spare it the one that costs the objective least is made. Where repairs harm others
    in turn, indexes only go.

    Args:
        bench: where they are measured.

        chosen: candidates.

        prices: what each must bring.

        budget: what all of them may take and cost.

        build_for: builds more candidates for some queries beside a set.
    """
    for repair in range(2 * _REPAIRS + len(chosen)):
        can_repair = repair < (_LEAST_REPAIRS if bench.is_late else _REPAIRS)
        bench.give(_CHECKING)
        harmed = next((each for each in _statements(bench) if _is_harmed(bench, each, chosen)), ())
        if not harmed:
            break
        now = _plans(bench, harmed, chosen)
        removals = [chosen - {name} for name in sorted(chosen)]
        ways = list(removals)
        if can_repair:
            build_for(harmed, chosen)
            bench.give(_CHECKING)
            ways += _other(bench, harmed, chosen, budget)
            ways += _exchanged(bench, harmed, chosen, budget)
        ways = [way for way in ways if _plans(bench, harmed, way) != now]
        ways.sort(key=lambda way: (objective(bench, way, prices, measure=False), sorted(way)))
        sparing = (
            way
            for way in ways
            if not _is_harmed(bench, harmed, way)
            and (way <= chosen or is_payable(bench, way, prices, budget))
        )
        # Where each of two indexes alone misleads the planner, no single removal changes the plan.
        fewer = [way for way in ways if way < chosen] or removals
        chosen = best(bench, list(islice(sparing, _COMPARED)) or fewer, prices)
    # A later repair may have made the index of an earlier one superfluous.
    return chosen & _used_by(bench, bench.queries, chosen)


def _other(
    bench: Bench, harmed: Collection[Query], chosen: frozenset[str], budget: Budget
) -> Iterator[frozenset[str]]:
    """Yield ``chosen`` with one more that ``harmed`` would use; without room, instead of another.

    An index that goes may harm others in turn, so that none goes without need.
    """
    for name in sorted(bench.built - chosen):
        if any(name in bench.plan(query, chosen | {name}).used for query in harmed):
            ways = [chosen | {name}]
            if not has_room(bench, ways[0], budget):
                ways = [chosen - {other} | {name} for other in chosen]
            yield from (way for way in ways if has_room(bench, way, budget))


def _exchanged(
    bench: Bench, harmed: Collection[Query], chosen: frozenset[str], budget: Budget
) -> Iterator[frozenset[str]]:
    """Yield ``chosen`` with another index instead of one that misleads ``harmed``.

    What others had of it they may have of one that tempts these less: of a narrower one, or of one
    with its columns in another order.
    """
    misleading = _used_by(bench, harmed, chosen) & chosen
    for culprit in sorted(misleading):
        rest = chosen - {culprit}
        losing = [query for query in bench.queries if culprit in bench.plan(query, chosen).used]
        losing = [query for query in losing if query not in harmed]
        for name in sorted(bench.built - chosen):
            way = rest | {name}
            helps = any(name in bench.plan(query, way).used for query in losing)
            if helps and has_room(bench, way, budget):
                yield way


def _used_by(bench: Bench, queries: Iterable[Query], chosen: frozenset[str]) -> frozenset[str]:
    return frozenset().union(*(bench.plan(query, chosen).used for query in queries))


def _statements(bench: Bench) -> Iterable[list[Query]]:
    """Return the queries that are examples of one statement together."""
    examples: defaultdict[str, list[Query]] = defaultdict(list)
    for query in bench.queries:
        examples[query.statement_id].append(query)
    return examples.values()


def _plans(bench: Bench, queries: Iterable[Query], chosen: frozenset[str]) -> list[str]:
    return [bench.plan(query, chosen).key for query in queries]


def _is_harmed(bench: Bench, queries: Collection[Query], chosen: frozenset[str]) -> bool:
    """Return whether ``chosen`` makes the statement slower whose examples are ``queries``.

    It is judged as its trial will judge it: by the mean of its examples. Without time to run it,
    nothing is held against it.
    """
    plans = [(query, bench.plan(query, chosen)) for query in queries]
    # An index may change how tables are joined although the statement does not use it.
    if all(planned.key == bench.plan(query, ()).key for query, planned in plans):
        return False
    if bench.is_late and not all(bench.is_measured(*each) for each in plans):
        return False
    once_s = sum(bench.seconds(*each) for each in plans)
    if ratio(once_s, sum(bench.base_s(query) for query in queries)) > _CLEARLY:
        return True
    for _ in range(_DOUBTS):
        if not TOLERATED < _times(bench, plans) < _CLEARLY:
            break
        for each in plans:
            bench.doubt(*each)
    return _times(bench, plans) > TOLERATED


def _times(bench: Bench, plans: Iterable[tuple[Query, Planned]]) -> float:
    before_s, after_s = zip(*(bench.compare(*each) for each in plans), strict=True)
    return ratio(sum(after_s), sum(before_s))
