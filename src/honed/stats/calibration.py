"""A threshold from what a clean window shows, for as many false alarms a day as are wanted."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from honed.stats.moments import FloatArray

#: With fewer scores a rare alarm cannot be told from one that never comes.
LEAST_ROWS = 2000
#: A window that achieves no more than so many times the wanted alarms holds its budget: with ten
#: wanted in it, chance alone makes twice as many in one of about forty.
HOLDS = 2.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, and how many false alarms it was to give and gave."""

    #: So many scores of the window lie above it as are wanted.
    threshold: float
    wanted_per_day: float
    #: In the window itself: each half judged by the threshold that the other half gives.
    achieved_per_day: float
    #: Scores of the window.
    rows: int

    def to_json(self) -> dict[str, float]:
        """Return what evidence says of it, by name."""
        return {
            "wanted_alarms_per_day": self.wanted_per_day,
            "achieved_alarms_per_day": self.achieved_per_day,
            "calibrated_on_rows": self.rows,
        }

    def over(self, default: float) -> float:
        """Return the threshold to use where ``default`` is the detector's own.

        A lower one only if the window held its budget: one that drifts, or that is too short for
        so small a budget, shows no more than that the threshold is no lower than this.
        """
        if self.achieved_per_day <= HOLDS * self.wanted_per_day:
            return self.threshold
        return max(self.threshold, default)


def calibrate(scores: ArrayLike, days: float, *, alarms_per_day: float) -> Calibration | None:
    """Return the threshold that lets through as many scores of a clean window a day as are wanted.

    With n scores and alpha = alarms_per_day * days / n it is the k-th smallest score,
    k = ceil((n + 1) (1 - alpha)): the next score is above it with a probability of at most alpha
    if it is exchangeable with those of the window (Vovk, Gammerman and Shafer 2005, "Algorithmic
    learning in a random world", section 4.1; for anomalies Bates, Candes, Lei, Romano and Sesia
    2023, "Testing for outliers with conformal p-values", Annals of Statistics 51). Where k > n the
    budget is smaller than such a window can tell: it is then the highest score, which the next one
    exceeds with a probability of at most 1 / (n + 1).

    Not guaranteed: exchangeability. Series drift and depend on their past, so the achieved rate
    stands beside the wanted one. Troubles in the window raise the threshold.

    Args:
        scores: one a row of the window, in order of time, shape (n,).

        days: how long the window is.

        alarms_per_day: how many are wanted, on average.

    Returns:
        None where there are fewer than ``LEAST_ROWS`` scores or all are equal, which tells nothing.
    """
    given = np.asarray(scores, dtype=np.float64)
    count = len(given)
    if count < LEAST_ROWS or days <= 0 or np.ptp(given) == 0:
        return None
    alpha = min(alarms_per_day * days / count, 1.0)
    older, newer = given[: count // 2], given[count // 2 :]
    alarms = (newer > _threshold(older, alpha)).sum() + (older > _threshold(newer, alpha)).sum()
    return Calibration(_threshold(given, alpha), alarms_per_day, float(alarms) / days, count)


def _threshold(scores: FloatArray, alpha: float) -> float:
    rank = math.ceil((len(scores) + 1) * (1.0 - alpha))
    return float(np.sort(scores)[min(max(rank, 1), len(scores)) - 1])
