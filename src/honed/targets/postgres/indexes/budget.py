"""Budget: what all indexes together may take on disk and cost writers."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from honed.targets.postgres.indexes.bench import Bench
from honed.targets.postgres.indexes.elimination import objective, reduce_set, worths
from honed.targets.postgres.indexes.pricing import Budget, Prices

#: Bytes become dearer by this factor, at most so often, until what is chosen fits the budget.
_RAISE, _RAISES = 1.4, 12
#: Share of the time after which even choosing among what is known is not begun anew.
_MUCH_TOO_LATE = 1.5


def fit(
    bench: Bench, universe: frozenset[str], prices: Prices, budget: Budget
) -> tuple[frozenset[str], Prices]:
    """Return candidates of ``universe`` that find room in ``budget``, and the prices for it.

    Where there is no room for what would be chosen, bytes become dearer and the choice begins anew:
    indexes with fewer bytes then win over wide ones that would have driven them out.
    """
    chosen = reduce_set(bench, universe, prices)
    for _ in range(_RAISES):
        if has_room(bench, chosen, budget) or bench.is_past(_MUCH_TOO_LATE):
            break
        prices = replace(prices, per_byte=_RAISE * prices.per_byte)
        chosen = reduce_set(bench, universe, prices)
    return within(bench, chosen, prices, budget), prices


def has_room(bench: Bench, names: frozenset[str], budget: Budget) -> bool:
    """Return whether ``budget`` has the bytes for ``names``."""
    return total_bytes(bench, names) <= budget.size_bytes


def within(bench: Bench, chosen: frozenset[str], prices: Prices, budget: Budget) -> frozenset[str]:
    """Return ``chosen`` without the indexes that bring least for their bytes, until they fit."""
    while not has_room(bench, chosen, budget):
        worth = worths(bench, chosen, prices)
        density = {name: worth[name] / max(1, bench.size_bytes(name)) for name in chosen}
        chosen -= {min(chosen, key=lambda name: (density[name], name))}
    return chosen


def payable(bench: Bench, chosen: frozenset[str], prices: Prices, budget: Budget) -> frozenset[str]:
    """Return ``chosen`` without what brings least, until writers are measured to bear it."""
    for table in written_tables(bench, chosen, prices):
        while bench.insert_times(chosen, table) > budget.write_times:
            less = (chosen - {name} for name in chosen if bench.table(name) == table)
            chosen = best(bench, less, prices)
    return chosen


def is_payable(bench: Bench, names: frozenset[str], prices: Prices, budget: Budget) -> bool:
    """Return whether writers are measured to bear ``names``."""
    tables = written_tables(bench, names, prices)
    return all(bench.insert_times(names, table) <= budget.write_times for table in tables)


def best(bench: Bench, sets: Iterable[frozenset[str]], prices: Prices) -> frozenset[str]:
    """Return the one of ``sets`` that serves the objective best."""
    return min(sets, key=lambda each: (objective(bench, each, prices), sorted(each)))


def written_tables(
    bench: Bench, chosen: Iterable[str], prices: Prices
) -> Iterator[tuple[str, str]]:
    """Return schema and name of the tables of ``chosen`` that production writes to."""
    written = (name for name in chosen if prices.writes(bench.definition(name)) > 0)
    return iter(sorted({bench.table(name) for name in written}))


def total_bytes(bench: Bench, names: Iterable[str]) -> int:
    """Return the bytes of the candidates ``names``."""
    return sum(bench.size_bytes(name) for name in names)
