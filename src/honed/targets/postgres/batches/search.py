"""The search for a batch size: sizes far apart, measured in turns until the best stands out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: Each size is so many times the one before: a row's share of what a batch costs falls so much.
_FACTOR = 4
#: Turns, in each of which every size is measured once and of which the least cost counts: what
#: disturbs a turn makes it dearer, and disturbs all sizes alike.
_TURNS = 5
#: A size that costs so many times the cheapest is measured no more.
_HOPELESS = 1.5
#: A size that costs so much more than the cheapest is as good; the smallest of them is chosen,
#: because rows wait for their batch, and a batch that fails takes all its rows with it.
_AS_GOOD = 1.1


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
        cost: of a row at a size, with noise; None: it cannot be measured, and larger ones neither.

        before: the size of today, which the others are multiples and parts of.

        least: the smallest size that is allowed.

        most: the largest.
    """
    sizes, costs = ladder(before, least, most), dict[int, float]()
    for _ in range(_TURNS):
        limit = _HOPELESS * min(costs.values(), default=float("inf"))
        sizes = [each for each in sizes if each == before or costs.get(each, 0.0) <= limit]
        for size in list(sizes):
            value = cost(size)
            if value is None:
                sizes = [each for each in sizes if each < size]
                break
            costs[size] = min(value, costs.get(size, value))
    if before not in costs:
        return None
    limit = min(costs.values()) * _AS_GOOD
    size = min(each for each, value in costs.items() if value <= limit)
    return SizeSearch(before, size, dict(sorted(costs.items())))


def ladder(before: int, least: int, most: int) -> list[int]:
    """Return the sizes to measure, smallest first; ``before`` is one of them."""
    sizes = {before}
    size = before
    while size > least:
        size = max(least, size // _FACTOR)
        sizes.add(size)
    size = before
    while size < most:
        size = min(most, size * _FACTOR)
        sizes.add(size)
    return sorted(sizes)
