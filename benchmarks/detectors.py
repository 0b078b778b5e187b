"""How often detectors cry without need, what they see, and what they cost: on series with labels.

    python benchmarks/detectors.py [systems]

Two experiments on simulated latency, from one seed:

1. Five weeks of a value every quarter of an hour, of five sorts: quiet; seasonal by hour and
   weekday; drifting by 1 % a day; bursty, with stretches of up to two hours that are half as dear
   again and usual there; autocorrelated (.6). Into the last week come, in copies, ten isolated
   spikes of twice the cost, or a level 30 % higher for its last two days. The detectors judge that
   week, by their own thresholds and by those that the four weeks before give for one false alarm a
   day. Printed: false alarms a week where nothing came in, the share of spikes and of values on the
   new level that is seen, the rate that calibration says it achieves, and the CPU time.
2. Weeks of daily costs with weekdays, some of which rise towards a target: how many foretellings
   come true, how many crossings are foretold, how often the 90 % interval holds what comes.

As honed does, what is cheaper than usual is no alarm.
"""

import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from honed.core.detector import Detector
from honed.core.plugins import discover
from honed.detectors.forecast import HORIZON_DAYS, Forecast
from honed.stats.calibration import calibrate
from honed.stats.forecast import FARTHEST_DAYS, crossing
from honed.stats.moments import FloatArray
from honed.stats.season import departures
from honed.testing.detector import series_of
from honed.testing.simulated import Noise, log_costs

SEED = 20261121
QUARTER = timedelta(minutes=15)
A_DAY = 96
JUDGED = 7 * A_DAY
WINDOW_DAYS = 28
ROWS = WINDOW_DAYS * A_DAY + JUDGED
WANTED_PER_DAY = 1.0
#: Times the wanted rate that calibrated thresholds may reach where series do not drift.
MOST_TIMES_WANTED = 1.5
SPIKES = 10
SPIKE = math.log(2.0)
SHIFT = math.log(1.3)
SHIFTED = 2 * A_DAY


def quiet(random: np.random.Generator, *, correlation: float = 0.0) -> FloatArray:
    """Return logarithms of costs around 20 ms."""
    noise = Noise(environment=0.1, correlation=correlation, spikes=0.0)
    (logs,) = log_costs(noise, (1, ROWS), random)
    return np.asarray(logs + math.log(20.0))


def seasonal(random: np.random.Generator) -> FloatArray:
    """Return costs that are dearer by day and cheaper at weekends."""
    days = np.arange(ROWS) / A_DAY
    weekend = days.astype(int) % 7 >= 5
    return quiet(random) + 0.5 * np.sin(2 * np.pi * (days - 0.375)) - 0.4 * weekend


def drifting(random: np.random.Generator) -> FloatArray:
    """Return costs that grow by 1 % a day."""
    return quiet(random) + 0.01 * np.arange(ROWS) / A_DAY


def bursty(random: np.random.Generator) -> FloatArray:
    """Return costs with a dearer stretch every other day, which nobody needs to hear of."""
    logs = quiet(random)
    for start in np.flatnonzero(random.random(ROWS) < 0.5 / A_DAY):
        logs[start : start + random.integers(2, 9)] += abs(random.normal(0.5, 0.2))
    return logs


def autocorrelated(random: np.random.Generator) -> FloatArray:
    """Return costs of which each depends on the one before."""
    return quiet(random, correlation=0.6)


SORTS: tuple[Callable[[np.random.Generator], FloatArray], ...] = (
    quiet,
    seasonal,
    drifting,
    bursty,
    autocorrelated,
)


@dataclass
class Tally:
    """What one detector did on one sort of series, a number for each system."""

    false_a_week: list[float] = field(default_factory=list)
    spikes_seen: list[float] = field(default_factory=list)
    shift_seen: list[float] = field(default_factory=list)

    def add(self, alarms: Sequence[NDArray[np.bool_]], spikes: NDArray[np.int64]) -> None:
        """Add one system: its alarms as it was, with spikes, and with a shift."""
        as_it_was, spiky, shifted = alarms
        self.false_a_week.append(float(as_it_was[-JUDGED:].sum()))
        self.spikes_seen.append(float(spiky[spikes].mean()))
        self.shift_seen.append(float(shifted[-SHIFTED:].mean()))

    def __str__(self) -> str:
        """Return the means as a part of a row."""
        seen = f"{np.mean(self.spikes_seen):>9.2f}{np.mean(self.shift_seen):>8.2f}"
        return f"{np.mean(self.false_a_week):>10.1f}{seen}"


@dataclass
class Row:
    """One detector on one sort of series."""

    default: Tally = field(default_factory=Tally)
    calibrated: Tally = field(default_factory=Tally)
    #: Alarms a week that calibration says it achieves.
    achieved: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        """Return all but its name."""
        says = f"{np.mean(self.achieved):.1f}" if self.achieved else "default"
        return f"{self.default}    {self.calibrated}{says:>18}"


def judged_weeks(systems: int) -> None:
    """Print the first table."""
    detectors = discover("honed.detectors", Detector)  # type: ignore[type-abstract]  # the base
    seconds: dict[str, float] = defaultdict(float)
    print(
        f"\n1. {systems} systems of each sort; {7 * WANTED_PER_DAY:.0f} false alarms a week wanted"
    )
    heads = f"{'false/week':>10}{'spikes':>9}{'shift':>8}"
    print(f"{'':40}{'by default':>27}    {'calibrated':>27}")
    print(f"{'':40}{heads}    {heads}{'says it achieves':>18}")
    for sort in SORTS:
        for name, detector in detectors.items():
            row = Row()
            for system in range(systems):
                seconds[name] += _judge(detector, sort, system, row)
            print(f"  {sort.__name__:16}{name:22}{row}")
            limit = 7 * WANTED_PER_DAY * MOST_TIMES_WANTED
            assert sort is drifting or np.mean(row.calibrated.false_a_week) <= limit
    points = 3 * len(SORTS) * systems * ROWS / 1000
    print("\n  CPU ms for 1,000 points: ", end="")
    print(", ".join(f"{name} {1000 * spent / points:.1f}" for name, spent in seconds.items()))


def _judge(
    detector: Detector, sort: Callable[[np.random.Generator], FloatArray], system: int, row: Row
) -> float:
    """Add what one system shows to a row, and return the CPU seconds that its scores took."""
    random = np.random.default_rng([SEED, SORTS.index(sort), system])
    logs = sort(random)
    spikes = ROWS - JUDGED + random.choice(JUDGED, SPIKES, replace=False)
    spiky, shifted = logs.copy(), logs.copy()
    spiky[spikes] += SPIKE
    shifted[-SHIFTED:] += SHIFT
    series = [series_of(np.exp(each), every=QUARTER) for each in (logs, spiky, shifted)]
    started = time.process_time()
    scores = [detector.scores(each) for each in series]
    spent = time.process_time() - started
    found = [
        each * (departures(of).log_ratios > 0) for each, of in zip(scores, series, strict=True)
    ]
    window = [
        calibrate(each[:-JUDGED], WINDOW_DAYS, alarms_per_day=WANTED_PER_DAY) for each in found
    ]
    own = detector.threshold
    row.default.add([each > own for each in found], spikes)
    limits = [own if each is None else each.over(own) for each in window]
    row.calibrated.add([each > limit for each, limit in zip(found, limits, strict=True)], spikes)
    if window[0] is not None:
        row.achieved.append(7 * window[0].achieved_per_day)
    return spent


def foretellings(systems: int) -> None:
    """Print the second table."""
    print(f"\n2. Forecasts within {HORIZON_DAYS} days, {systems} systems a row")
    heads = ("told", "came true", "crossings told", "Brier", "interval holds", "CPU ms")
    print(f"{'':28}" + "".join(f"{head:>16}" for head in heads))
    for days in (28, 42, 70):
        for correlation in (0.0, 0.6):
            random = np.random.default_rng([SEED, days])
            started = time.process_time()
            rows = np.array(list(_foretell(random, systems, days, correlation)))
            spent = 1000 * (time.process_time() - started) / systems
            chance, came, held = rows.T
            told = chance > Forecast.threshold
            figures = (
                f"{told.sum()}",
                f"{came[told].mean():.2f}",
                f"{told[came == 1].mean():.2f}",
                f"{np.square(chance - came).mean():.3f}",
                f"{held.mean():.2f}",
                f"{spent:.0f}",
            )
            print(f"  {f'{days} days, AR {correlation}':26}" + "".join(f"{f:>16}" for f in figures))
            assert held.mean() >= 0.8, "the interval is too narrow"


def _foretell(
    random: np.random.Generator, systems: int, days: int, correlation: float
) -> Iterator[tuple[float, bool, bool]]:
    """Yield how likely a crossing was told to be, whether it came, and if the interval held."""
    noise = Noise(environment=0.08, correlation=correlation, spikes=0.0)
    at = np.arange(days + FARTHEST_DAYS)
    for row in log_costs(noise, (systems, len(at)), random):
        slope = random.choice([0.0, 0.0, 0.005, 0.01, 0.02])
        values = 1.0 + row + slope * at + random.normal(0.0, 0.05, 7)[at % 7]
        values[:days] += 0.5 * (random.random(days) < 0.03)
        limit = 1.0 + slope * days + random.uniform(0.1, 0.4)
        seen = crossing(at[:days], values[:days], limit, seed=SEED)
        if seen is None or seen.days == 0:
            continue
        above = np.flatnonzero(values[days:] > limit)
        came = float(above[0] + 1) if len(above) else math.inf
        low, high = seen.interval
        yield seen.by_day[HORIZON_DAYS], came <= HORIZON_DAYS, low <= came <= high


def main() -> None:
    """Run both experiments."""
    systems = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    started = time.perf_counter()
    judged_weeks(systems)
    foretellings(50 * systems)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
