"""Values after the level of a series has changed.

What it does: it cuts the series where a kernel sees that what comes after is distributed otherwise
than what came before, and scores the values after each cut by how clear it is. Costs are taken as
robust distances from the same hour of the week, so that day and night are no change, and no further
than three, so that a few slow calls are none either.

Why it helps: a statement that became a fifth dearer and stays so has no value that is unusual by
itself; all of them together are. The finding says since when, and by how much.

Risk and rollback: it opens findings and does nothing else. No detector holds its error rate on
latency that depends on what came before: in none of 200 series of 200 values with a correlation of
0.6 it called a change, with 0.9 in a sixth of them.

How it is measured: kernel change-point detection with a Gaussian kernel by ruptures' KernelCPD,
penalty 3 log n (Celisse, Marot, Pierre-Jean and Rigaill 2018, "New efficient algorithms for
multiple change-point detection with reproducing kernels", Computational Statistics & Data Analysis
128). The score of a cut is how much it lowers the cost of its two segments, in penalties: above 1
it is there, by the definition of the penalty.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from honed.core.detector import Detector
from honed.core.target import Series
from honed.stats.season import departures

#: Fewer values cannot reach the penalty.
MIN_VALUES = 20
#: The series is cut in at most so many medians of neighbours: the work grows with their square.
MOST_BLOCKS = 1000
#: A value counts as no further from what is usual, so that those after a large change are alike.
FARTHEST = 3.0
#: The median heuristic, 1 over the median squared distance, for standard normal values.
GAMMA = 1.1
#: Penalty of a cut, in log n (Garreau and Arlot, "Consistent change-point detection with kernels",
#: JMLR 19, 2018, give the order; the factor is the one with which the errors above were counted).
PENALTY = 3.0


@dataclass(frozen=True, slots=True)
class _Cut:
    """One change of level, and the values between it and the next."""

    before: int
    start: int
    end: int
    score: float


class ChangePoint(Detector):
    """How clearly the level changed before a value, in penalties."""

    name: ClassVar[str] = "change_point"
    threshold: ClassVar[float] = 1.0

    def scores(self, series: Series) -> NDArray[np.float64]:
        """Return one score a value, shape (n,); 0 before the first change and in short series."""
        found = np.zeros(len(series.values))
        for cut in _cuts(departures(series).scores):
            found[cut.start : cut.end] = cut.score
        return found

    def explain(self, series: Series) -> str:
        """Return since when it is how many times as dear, by the last change for the worse."""
        usual = departures(series)
        said = ""
        for cut in _cuts(usual.scores):
            before = np.median(usual.log_ratios[cut.before : cut.start])
            times = float(np.exp(np.median(usual.log_ratios[cut.start : cut.end]) - before))
            if times > 1:
                said = f"{times:.2f} times as dear since {series.times[cut.start]:%F %R %Z}"
        return said


def _cuts(scores: NDArray[np.float64]) -> Iterator[_Cut]:
    """Yield the changes of level, oldest first."""
    if len(scores) < MIN_VALUES or not scores.any():
        return
    # It takes a while to import, and a look at a target without series does not need it.
    from ruptures import KernelCPD  # noqa: PLC0415

    size = -(-len(scores) // MOST_BLOCKS)
    # The oldest values that fill no block are left out.
    left_out = len(scores) % size
    medians = np.median(scores[left_out:].reshape(-1, size), axis=1).clip(-FARTHEST, FARTHEST)
    penalty = PENALTY * np.log(len(medians))
    search = KernelCPD(kernel="rbf", params={"gamma": GAMMA}).fit(medians.reshape(-1, 1))
    bounds = [0, *search.predict(pen=penalty)]
    likeness = np.exp(-GAMMA * np.subtract.outer(medians, medians) ** 2)
    for before, start, end in zip(bounds, bounds[1:], bounds[2:], strict=False):
        gain = _cost(likeness, before, end)
        gain -= _cost(likeness, before, start) + _cost(likeness, start, end)
        first, second, last = (left_out + size * bound for bound in (before, start, end))
        yield _Cut(first, second, last, float(gain / penalty))


def _cost(likeness: NDArray[np.float64], start: int, end: int) -> float:
    """Return how unlike each other the values of a segment are: its least squares in the kernel."""
    return float(end - start - likeness[start:end, start:end].sum() / (end - start))
