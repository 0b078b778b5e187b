"""Selection: the one set of candidates that is worth its price for the whole workload."""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from honed.targets.postgres.indexes.bench import Bench, Planned, Query
from honed.targets.postgres.indexes.definition import IndexDefinition

#: A statement may cost this much more before its slowness counts, as a factor: noise of one run.
TOLERATED = 1.05
#: Added to both sides of each ratio, CPU seconds: below, neighbours on the processor make a
#: statement look twice as fast or slow for many runs in a row.
_RESOLUTION_S = 2e-4
#: What a statement that is slower costs the objective beside the slowness itself, by its excess.
_SLOWER_PRICE = 5.0
#: A statement that is slower by this factor without an index makes it worth any price.
_DEAR = 2.0
#: Bytes become dearer by this factor, at most so often, until what is chosen fits the budget.
_RAISE, _RAISES = 1.4, 12
#: Rounds in which left-out candidates are looked at again.
_FILLS = 2
#: Share of the time after which even choosing among what is known is not begun anew.
_MUCH_TOO_LATE = 1.5
#: Changes that are tried to spare statements that a set harms.
_REPAIRS = 4
#: Runs of each plan when a set is confirmed.
_CONFIRMING_RUNS = 2


@dataclass(frozen=True, slots=True)
class Prices:
    """What an index must bring, in the objective's unit: the mean logarithm of cost ratios.

    The sum is a judgement, not a measurement: a set that reads a little faster but costs every
    writer and the disk is no improvement.
    """

    #: For being there: one more thing to plan with, to vacuum and to understand.
    each: float = 0.02
    #: For each byte.
    per_byte: float = 0.0
    #: For the writes to its table: added CPU as a share of the workload's.
    writes: Callable[[IndexDefinition], float] = field(default=lambda _: 0.0)
    #: All of it times this.
    scale: float = 1.0

    def of(self, definition: IndexDefinition, size_bytes: int) -> float:
        """Return the price of one index."""
        return self.scale * (self.each + self.per_byte * size_bytes + self.writes(definition))


def select(
    bench: Bench, universe: frozenset[str], prices: Prices, *, budget_bytes: int
) -> frozenset[str]:
    """Return the candidates of ``universe`` that are worth their price together.

    Backward elimination on measured plans, then the chosen ones are measured again, and what
    would harm a statement is repaired. The result is a local optimum, not the best set.
    """
    chosen, _ = fit(bench, universe, prices, budget_bytes=budget_bytes)
    chosen = _fill(bench, chosen, prices, budget_bytes)
    if not bench.is_late:
        confirm(bench, chosen)
        chosen = reduce_set(bench, chosen, prices)
    return _within(bench, _without_harm(bench, chosen, prices), prices, budget_bytes)


def fit(
    bench: Bench, universe: frozenset[str], prices: Prices, *, budget_bytes: int
) -> tuple[frozenset[str], Prices]:
    """Return candidates of ``universe`` that fit into ``budget_bytes``, and the prices for it.

    Where too much would be chosen, bytes become dearer and the choice begins anew: indexes with
    fewer bytes then win over wide ones that would have driven them out.
    """
    chosen = reduce_set(bench, universe, prices)
    for _ in range(_RAISES):
        if _bytes(bench, chosen) <= budget_bytes or bench.is_past(_MUCH_TOO_LATE):
            break
        prices = replace(prices, per_byte=_RAISE * prices.per_byte)
        chosen = reduce_set(bench, universe, prices)
    return _within(bench, chosen, prices, budget_bytes), prices


def reduce_set(bench: Bench, universe: frozenset[str], prices: Prices) -> frozenset[str]:
    """Return what is left of ``universe`` once every candidate is worth its price.

    Beginning with all of them, the one whose absence costs least goes, until each that is left
    is worth its price. Indexes that only pay together stay together, which a forward choice of one
    index at a time would miss.
    """
    state = _Elimination.of(bench, universe, prices)
    while state.chosen:
        weakest = state.weakest()
        if state.worth[weakest] <= 0.0:
            state.remove(weakest)
        elif not state.measure_all():
            break
    return state.chosen


def _fill(
    bench: Bench, chosen: frozenset[str], prices: Prices, budget_bytes: int
) -> frozenset[str]:
    """Return ``chosen`` with the candidates that are worth their price beside it and still fit.

    What was driven out by an index that went itself later comes back here.
    """
    for _ in range(_FILLS):
        before = chosen
        hopes = {name: _gain(bench, chosen, name, measure=False) for name in bench.built - chosen}
        for name in sorted(hopes, key=lambda each: (-hopes[each], each)):
            price = _price(bench, name, prices)
            fits = _bytes(bench, chosen | {name}) <= budget_bytes
            if not fits or hopes[name] <= price or bench.is_late:
                continue
            if _gain(bench, chosen, name, measure=True) > price:
                chosen |= {name}
        if chosen == before:
            break
        chosen = reduce_set(bench, chosen, prices)
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


def _within(
    bench: Bench, chosen: frozenset[str], prices: Prices, budget_bytes: int
) -> frozenset[str]:
    """Return ``chosen`` without the indexes that bring least for their bytes, until they fit."""
    state = _Elimination.of(bench, chosen, prices)
    while _bytes(bench, state.chosen) > budget_bytes:
        state.remove(
            min(
                state.chosen,
                key=lambda name: (state.worth[name] / max(1, bench.size_bytes(name)), name),
            )
        )
    return state.chosen


def _bytes(bench: Bench, names: Iterable[str]) -> int:
    return sum(bench.size_bytes(name) for name in names)


def confirm(bench: Bench, chosen: Collection[str]) -> None:
    """Measure again what ``chosen`` changes, old and new plan in turns.

    One run chose the plans; of many, the luckiest would win. Queries that keep their plan are
    not run: the same plan costs the same.
    """
    for query in bench.queries:
        before, after = bench.plan(query, ()), bench.plan(query, chosen)
        if before.key != after.key and not bench.is_late:
            _compare(bench, query, after)


def _compare(bench: Bench, query: Query, planned: Planned) -> None:
    for _ in range(_CONFIRMING_RUNS):
        if not bench.was_cut(query):
            bench.measure_again(query, bench.plan(query, ()))
        bench.measure_again(query, planned)


def value(bench: Bench, query: Query, seconds: float) -> float:
    """Return what a cost of ``seconds`` adds to the objective for ``query``; negative is better."""
    ratio = _ratio(bench, query, seconds)
    return query.weight * (math.log(ratio) + _SLOWER_PRICE * max(0.0, ratio - TOLERATED))


def _ratio(bench: Bench, query: Query, seconds: float) -> float:
    return (seconds + _RESOLUTION_S) / (bench.base_s(query) + _RESOLUTION_S)


def objective(bench: Bench, chosen: Collection[str], prices: Prices) -> float:
    """Return the mean logarithm of cost ratios under ``chosen`` plus its prices; less is better."""
    return sum(_price(bench, name, prices) for name in chosen) + sum(
        value(bench, query, bench.seconds(query, bench.plan(query, chosen)))
        for query in bench.queries
    )


def _price(bench: Bench, name: str, prices: Prices) -> float:
    return prices.of(bench.definition(name), bench.size_bytes(name))


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


@dataclass(slots=True)
class _Elimination:
    """A set that is being made smaller.

    Worths are guessed from the planner's costs first and measured only for the candidate that is
    about to go or to stay last: most candidates are dear enough by any guess.
    """

    bench: Bench
    prices: Prices
    chosen: frozenset[str]
    plans: dict[Query, Planned]
    #: By candidate: how much worse the objective is without it, less its price.
    worth: dict[str, float] = field(default_factory=dict)
    #: Candidates whose worth is measured.
    measured: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, bench: Bench, universe: frozenset[str], prices: Prices) -> Self:
        """Return the beginning: all of ``universe``, their worths guessed."""
        plans = {query: bench.plan(query, universe) for query in bench.queries}
        state = cls(bench, prices, universe, plans)
        for name in sorted(universe):
            state.refresh(name, measure=False)
        return state

    def refresh(self, name: str, *, measure: bool) -> None:
        """Compute what ``name`` is worth now."""
        worth = -_price(self.bench, name, self.prices)
        is_measured = True
        for query, planned in self.plans.items():
            if name not in planned.used:
                continue
            without = self.bench.plan(query, self.chosen - {name})
            now_s = self.bench.seconds(query, planned)
            if measure and not self.bench.is_late:
                seconds = self.bench.seconds(query, without, enough_s=_DEAR * now_s)
            else:
                seconds = self.bench.guess_s(query, without, than=planned)
                is_measured &= self.bench.is_measured(query, without)
            worth += value(self.bench, query, seconds) - value(self.bench, query, now_s)
        self.worth[name] = worth
        (self.measured.add if measure or is_measured else self.measured.discard)(name)

    def weakest(self) -> str:
        """Return the candidate whose absence costs least."""
        while True:
            name = min(self.chosen, key=lambda each: (self.worth[each], each))
            if name in self.measured:
                return name
            self.refresh(name, measure=True)

    def measure_all(self) -> bool:
        """Measure every worth that is guessed; return whether there was one."""
        guessed = sorted(self.chosen - self.measured)
        for name in guessed:
            self.refresh(name, measure=True)
        return bool(guessed)

    def remove(self, name: str) -> None:
        """Take ``name`` out, and compute again what that touches."""
        self.chosen -= {name}
        touched: set[str] = set()
        for query, planned in self.plans.items():
            if name in planned.used:
                self.plans[query] = self.bench.plan(query, self.chosen)
                touched |= planned.used | self.plans[query].used
        for other in sorted(touched & self.chosen):
            self.refresh(other, measure=False)


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
            ways = [
                way for way in ways if not _is_slower(bench, query, bench.plan(query, way))
            ] or ways
        chosen = min(ways, key=lambda way: (objective(bench, way, prices), sorted(way)))
    return chosen


def _is_harmed(bench: Bench, query: Query, chosen: frozenset[str]) -> bool:
    planned = bench.plan(query, chosen)
    if not bench.is_measured(query, planned) or not planned.used & chosen:
        return False
    if not _is_slower(bench, query, planned):
        return False
    # One look proves no harm: of many statements, some always look slower.
    _compare(bench, query, planned)
    return _is_slower(bench, query, planned)


def _is_slower(bench: Bench, query: Query, planned: Planned) -> bool:
    return _ratio(bench, query, bench.seconds(query, planned)) > TOLERATED


__all__ = ["TOLERATED", "Prices", "confirm", "connected", "fit", "objective", "select", "value"]
