"""When a series crosses its limit, if it goes on as it did: trend, weekdays and an interval."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from honed.core.counted import counted
from honed.stats.moments import FloatArray

#: Fewer days show no weekday four times; with 21 the interval missed one crossing in four.
LEAST_DAYS = 28
#: The newest days that a trend is drawn through.
MOST_DAYS = 90
#: How far is looked ahead, in days: no further than the shortest past.
FARTHEST_DAYS = 28
#: The future is drawn so many times.
DRAWS = 400
#: Probability that the day of the crossing lies in the interval, by what was drawn.
CONFIDENCE = 0.9
#: Days that are drawn together, because what one day was the next is likely to be.
_BLOCK_DAYS = 7
#: Days that lie further from the trend, in median distances (three standard deviations), are drawn
#: as if they lay so far: what is foretold is where the level goes, not the next bad day.
_FARTHEST = 3.0 / 0.6745
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Crossing:
    """When a series crosses its limit, by the futures that were drawn."""

    #: Probability that it has crossed by now, within a day, within two, ... ``FARTHEST_DAYS``.
    by_day: tuple[float, ...]

    @property
    def days(self) -> float:
        """As many days pass as likely as not; 0: it lies beyond; infinite: it does not cross."""
        return self._quantile(0.5)

    @property
    def interval(self) -> tuple[float, float]:
        """Least and most days, with a probability of ``CONFIDENCE``."""
        return self._quantile((1.0 - CONFIDENCE) / 2.0), self._quantile((1.0 + CONFIDENCE) / 2.0)

    def tell(self, limit: str = "its target") -> str:
        """Return ``crosses its target in 9 days, 90 % interval 6 to 14 days``."""
        if self.days == 0:
            return f"is beyond {limit}"
        if math.isinf(self.days):
            return f"does not cross {limit} within {FARTHEST_DAYS} days"
        low, high = self.interval
        last = f"more than {FARTHEST_DAYS}" if math.isinf(high) else f"{high:.0f}"
        interval = f"{100 * CONFIDENCE:.0f} % interval {low:.0f} to {last} days"
        return f"crosses {limit} in {counted(self.days, 'day')}, {interval}"

    def _quantile(self, probability: float) -> float:
        reached = (day for day, share in enumerate(self.by_day) if share >= probability)
        return float(next(reached, math.inf))


def crossing(days: ArrayLike, values: ArrayLike, limit: float, *, seed: int) -> Crossing | None:
    """Return when a series crosses ``limit`` upwards; None: fewer than ``LEAST_DAYS`` days.

    Trend: the median of the slopes between all pairs of days (Theil 1950, "A rank-invariant method
    of linear and polynomial regression analysis"; Sen 1968, "Estimates of the regression
    coefficient based on Kendall's tau", JASA 63) of the same weekday (Hirsch, Slack and Smith 1982,
    "Techniques of trend analysis for monthly water quality data", Water Resources Research 18).
    Weekdays: the medians of what it leaves. Futures: the residuals are drawn again in blocks of a
    week around a circle (Kunsch 1989, "The jackknife and the bootstrap for general stationary
    observations", Annals of Statistics 17; Politis and Romano 1992, "A circular block-resampling
    procedure for stationary data"), the trend is estimated anew from each draw, and drawn residuals
    are added to what it foretells.

    Not guaranteed: that it goes on as it did. A level that changed inside the window is taken for
    a trend. Of 800 simulated series with 28 days the interval held what came in 84 and 89 % (with a
    correlation from day to day of 0.6 and 0), of as many with 70 days in 92 and 94 %.

    Args:
        days: when the values were, in days since whenever, ascending, shape (n,).

        values: shape (n,); the median of each 24 hours, counted back from the newest, is used.

        limit: what it should stay below; for what should stay above, negate both.

        seed: of the draws.
    """
    index, medians = _daily(np.asarray(days, dtype=np.float64), np.asarray(values, np.float64))
    if len(index) < LEAST_DAYS:
        return None
    trend = _Trend.of(index, medians[np.newaxis])
    if medians[-1] > limit and trend.at(index[-1:])[0, 0] > limit:
        return Crossing((1.0,) * (FARTHEST_DAYS + 1))
    residuals = _typical(medians - trend.at(index)[0])
    drawn = _blocks(residuals, len(index) + FARTHEST_DAYS, np.random.default_rng(seed))
    redrawn = _Trend.of(index, trend.at(index) + drawn[:, : len(index)])
    future = redrawn.at(np.arange(1, FARTHEST_DAYS + 1)) + drawn[:, len(index) :]
    crossed = np.maximum.accumulate(future > limit, axis=1)
    return Crossing((0.0, *crossed.mean(axis=0).tolist()))


@dataclass(frozen=True, slots=True, eq=False)
class _Trend:
    """Straight lines with weekdays, one a row of values."""

    #: Shape (rows,).
    slopes: FloatArray
    #: What the line leaves on each weekday, shape (rows, 7).
    weekdays: FloatArray

    @classmethod
    def of(cls, index: NDArray[np.int64], rows: FloatArray) -> "_Trend":
        """Draw a line through each of ``rows``, shape (rows, days)."""
        slopes = _slopes(index, rows)
        left = rows - slopes[:, np.newaxis] * index
        weekdays = np.repeat(np.median(left, axis=1)[:, np.newaxis], _WEEK, axis=1)
        for weekday in np.unique(index % _WEEK):
            weekdays[:, weekday] = np.median(left[:, index % _WEEK == weekday], axis=1)
        return cls(slopes, weekdays)

    def at(self, index: NDArray[np.int64]) -> FloatArray:
        """Return what is foretold for some days, shape (rows, days)."""
        foretold: FloatArray = self.slopes[:, np.newaxis] * index + self.weekdays[:, index % _WEEK]
        return foretold


def _daily(days: FloatArray, values: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the days that have values, 0 is the newest and they ascend, and their medians."""
    if not len(days):
        return np.zeros(0, np.int64), np.zeros(0)
    ago = np.floor(days[-1] - days).astype(np.int64)
    numbers, starts = np.unique(-ago, return_index=True)
    medians = np.array([np.median(part) for part in np.split(values, starts[1:])])
    return numbers[-MOST_DAYS:], medians[-MOST_DAYS:]


def _slopes(index: NDArray[np.int64], rows: FloatArray) -> FloatArray:
    first, second = np.triu_indices(len(index), k=1)
    is_same = (index[second] - index[first]) % _WEEK == 0
    first, second = first[is_same], second[is_same]
    rise = (rows[:, second] - rows[:, first]) / (index[second] - index[first])
    slopes: FloatArray = np.median(rise, axis=1)
    return slopes


def _typical(residuals: FloatArray) -> FloatArray:
    """Return residuals without the size of rare ones, and larger by what fitting took from them."""
    farthest = _FARTHEST * float(np.median(np.abs(residuals)))
    fitted = _WEEK + 1
    scale = math.sqrt(len(residuals) / (len(residuals) - fitted))
    return residuals.clip(-farthest, farthest) * scale


def _blocks(residuals: FloatArray, length: int, random: np.random.Generator) -> FloatArray:
    """Return ``DRAWS`` rows of residuals, drawn in blocks, shape (draws, length)."""
    count = -(-length // _BLOCK_DAYS)
    starts = random.integers(len(residuals), size=(DRAWS, count, 1))
    positions = (starts + np.arange(_BLOCK_DAYS)).reshape(DRAWS, -1)[:, :length]
    drawn: FloatArray = residuals[positions % len(residuals)]
    return drawn
