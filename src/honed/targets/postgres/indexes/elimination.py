"""Elimination: which of many candidates are worth their price together."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from honed.targets.postgres.indexes.bench import Bench
from honed.targets.postgres.indexes.pricing import Prices
from honed.targets.postgres.indexes.query import Planned, Query

#: A statement may cost this much more before its slowness counts, as a factor: noise of one run.
TOLERATED = 1.05
#: Added to both sides of each ratio, CPU seconds: below, neighbours on the processor make a
#: statement look twice as fast or slow for many runs in a row.
_RESOLUTION_S = 2e-4
#: What a statement that is slower costs the objective beside the slowness itself, by its excess.
_SLOWER_PRICE = 20.0
#: A statement that is slower by this factor without an index makes it worth any price.
_DEAR = 2.0
#: Elimination goes on uphill, through sets that are worse than the best by so many times what one
#: index must bring: two steps may lead where one does not.
_UPHILL = 1.5


def reduce_set(bench: Bench, universe: frozenset[str], prices: Prices) -> frozenset[str]:
    """Return the candidates of ``universe`` that are worth their price together.

    Backward elimination: beginning with all of them, the used one whose absence costs least goes,
    and what was not used stands in for it where that helps. Of all sets on this way the best is
    returned. Indexes that only pay together stay together, which a forward choice of one index at
    a time would miss.
    """
    state = _Elimination.of(bench, universe, prices)
    best, lowest = state.used, state.objective
    while state.used and state.objective <= lowest + _UPHILL * prices.scale * prices.each:
        state.remove(state.weakest())
        if state.objective <= lowest:
            best, lowest = state.used, state.objective
    return best


def worths(bench: Bench, chosen: frozenset[str], prices: Prices) -> dict[str, float]:
    """Return how much worse the objective is without each of ``chosen``; 0: no plan uses it."""
    state = _Elimination.of(bench, chosen, prices)
    return {name: state.worth.get(name, 0.0) for name in chosen}


def objective(
    bench: Bench, chosen: frozenset[str], prices: Prices, *, measure: bool = True
) -> float:
    """Return the mean logarithm of cost ratios under ``chosen`` plus its prices; less is better.

    Without ``measure`` nothing is run: what was not run before is guessed.
    """
    plans = {query: bench.plan(query, chosen) for query in bench.queries}
    return _total(bench, plans, chosen, prices, measure=measure)


def value(bench: Bench, query: Query, seconds: float) -> float:
    """Return what a cost of ``seconds`` adds to the objective for ``query``; negative is better."""
    times = ratio(seconds, bench.base_s(query))
    return query.weight * (math.log(times) + _SLOWER_PRICE * max(0.0, times - TOLERATED))


def ratio(after_s: float, before_s: float) -> float:
    """Return ``after_s`` over ``before_s``, as far as that can be told apart from noise."""
    return (after_s + _RESOLUTION_S) / (before_s + _RESOLUTION_S)


def price_of(bench: Bench, name: str, prices: Prices) -> float:
    """Return the price of candidate ``name``."""
    return prices.of(bench.definition(name), bench.size_bytes(name))


def _total(
    bench: Bench,
    plans: dict[Query, Planned],
    used: frozenset[str],
    prices: Prices,
    *,
    measure: bool = True,
) -> float:
    seconds = bench.seconds if measure else bench.guess_s
    return sum(price_of(bench, name, prices) for name in used) + sum(
        value(bench, query, seconds(query, planned)) for query, planned in plans.items()
    )


@dataclass(slots=True)
class _Elimination:
    """A set that is being made smaller. What no plan uses waits in reserve and costs nothing.

    Worths are guessed from the planner's costs first and measured only for the candidate that is
    about to go: most candidates are dear enough by any guess.
    """

    bench: Bench
    prices: Prices
    #: Used ones and reserve.
    chosen: frozenset[str]
    plans: dict[Query, Planned]
    #: By used candidate: how much worse the objective is without it.
    worth: dict[str, float] = field(default_factory=dict)
    #: Candidates whose worth is measured.
    measured: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, bench: Bench, universe: frozenset[str], prices: Prices) -> Self:
        """Return the beginning: all of ``universe``, the worths guessed."""
        plans = {query: bench.plan(query, universe) for query in bench.queries}
        state = cls(bench, prices, universe, plans)
        for name in sorted(state.used):
            state.refresh(name, measure=False)
        return state

    @property
    def used(self) -> frozenset[str]:
        """The candidates that a plan uses."""
        return self._used_by(self.plans.values())

    @property
    def objective(self) -> float:
        """What the used candidates are worth together; less is better."""
        return _total(self.bench, self.plans, self.used, self.prices)

    def weakest(self) -> str:
        """Return the used candidate whose absence costs least."""
        while True:
            name = min(self.used, key=lambda each: (self.worth[each], each))
            if name in self.measured:
                return name
            self.refresh(name, measure=True)

    def remove(self, name: str) -> None:
        """Take ``name`` out, and compute again what that touches."""
        touched: set[str] = set()
        after = self._without(name)
        for query, planned in after.items():
            touched |= self.plans[query].used | planned.used
        self.chosen -= {name}
        self.plans |= after
        for other in sorted(touched & self.used):
            self.refresh(other, measure=False)

    def refresh(self, name: str, *, measure: bool) -> None:
        """Compute what ``name`` is worth now: what others gain or lose, and what stands in."""
        after = self._without(name)
        used, left = self.used, self._used_by({**self.plans, **after}.values())
        worth = sum(price_of(self.bench, each, self.prices) for each in left - used)
        worth -= sum(price_of(self.bench, each, self.prices) for each in used - left)
        is_measured = True
        for query, without in after.items():
            now_s = self.bench.seconds(query, self.plans[query])
            if measure and not self.bench.is_late:
                seconds = self.bench.seconds(query, without, enough_s=_DEAR * now_s)
            else:
                seconds = self.bench.guess_s(query, without, than=self.plans[query])
                is_measured &= self.bench.is_measured(query, without)
            worth += value(self.bench, query, seconds) - value(self.bench, query, now_s)
        self.worth[name] = worth
        (self.measured.add if measure or is_measured else self.measured.discard)(name)

    def _without(self, name: str) -> dict[Query, Planned]:
        """Return the plans that would change if ``name`` were gone."""
        rest = self.chosen - {name}
        users = (query for query, planned in self.plans.items() if name in planned.used)
        return {query: self.bench.plan(query, rest) for query in users}

    def _used_by(self, plans: Iterable[Planned]) -> frozenset[str]:
        return frozenset().union(*(planned.used for planned in plans)) & self.chosen
