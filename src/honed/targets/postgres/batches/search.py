"""The search for a batch size: doubling and halving, until a row gets no cheaper."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: So many sizes in a row may be no cheaper than the best before the search turns back: noise.
_PATIENCE = 2
#: A size that costs so much more than the cheapest is as good; the smallest of them is chosen,
#: because rows wait for their batch, and a batch that fails takes all its rows with it.
_AS_GOOD = 1.05


@dataclass(frozen=True, slots=True)
class SizeSearch:
    """What a search found."""

    before: int
    size: int
    #: CPU microseconds a row, by size.
    costs: Mapping[int, float]

    @property
    def ratio(self) -> float:
        """Cost of a row after / before."""
        return self.costs[self.size] / self.costs[self.before]


def find_size(
    cost: Callable[[int], float | None], *, before: int, least: int, most: int
) -> SizeSearch | None:
    """Return the best size from ``least`` to ``most``; None where today's cannot be measured.

    Args:
        cost: of a row at a size; None: it cannot be measured, and neither can larger ones.

        before: the size of today; the search doubles and halves it.

        least: the smallest size that is allowed.

        most: the largest.
    """
    today = cost(before)
    if today is None:
        return None
    costs = {before: today}
    for factor in (2.0, 0.5):
        _walk(cost, costs, before=before, factor=factor, bounds=(least, most))
    limit = min(costs.values()) * _AS_GOOD
    size = min(each for each, value in costs.items() if value <= limit)
    return SizeSearch(before, size, dict(sorted(costs.items())))


def _walk(
    cost: Callable[[int], float | None],
    costs: dict[int, float],
    *,
    before: int,
    factor: float,
    bounds: tuple[int, int],
) -> None:
    """Measure sizes in one direction until some of them bring nothing more."""
    size, best, misses = before, costs[before], 0
    while misses < _PATIENCE:
        following = min(max(round(size * factor), bounds[0]), bounds[1])
        if following in costs:
            return
        value = cost(following)
        if value is None:
            return
        costs[following] = value
        misses = misses + 1 if value * _AS_GOOD > best else 0
        size, best = following, min(best, value)
