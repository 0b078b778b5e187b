"""What a detector finds unusual in the newest of a series, above what the rest of it shows."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from honed.core.detector import Detector
from honed.core.target import Series
from honed.stats.calibration import LEAST_ROWS, Calibration, calibrate
from honed.stats.moments import FloatArray
from honed.stats.season import departures

#: A shorter series has no usual to be unusual against: of 20 points, median and MAD still move by
#: a fifth of a standard deviation.
LEAST_POINTS = 20
#: The newest of a series is judged by what all of it shows.
JUDGED = timedelta(days=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A series, and which of its points may be called unusual."""

    series: Series
    #: Natural logarithms of the values over what is usual, shape (n,).
    log_ratios: FloatArray
    #: From this position on they may; what lies before tells what is usual.
    start: int

    @classmethod
    def of(cls, series: Series, since: datetime) -> "Judged":
        """Return the series with those of its points to be judged that are newer than ``since``."""
        return cls(series, departures(series).log_ratios, bisect_right(series.times, since))


@dataclass(frozen=True, slots=True)
class Alarm:
    """What one detector finds unusual in one series."""

    #: Positions of the unusual points, at least one, and the score of each.
    indices: tuple[int, ...]
    scores: tuple[float, ...]
    #: What the scores are above.
    threshold: float
    #: Where the threshold comes from; None: from the detector's own default.
    calibration: Calibration | None
    #: What the detector says of the series; empty: the score says it.
    explanation: str


def asked_for(
    detectors: Mapping[str, Detector], also: str
) -> tuple[dict[str, Detector], dict[str, str]]:
    """Return the detectors that run, and what is wrong with each that was named and cannot.

    Args:
        detectors: those that are installed, by name.

        also: names of those that do not run by default, with commas between.
    """
    named = {name.strip() for name in also.split(",")} - {""}
    running = {
        name: detector
        for name, detector in detectors.items()
        if detector.runs_by_default or name in named
    }
    missing = {name: f"no detector {name} is installed" for name in sorted(named - set(detectors))}
    return running, missing


def share_of_alarms(every: Iterable[Judged], alarms_per_day: float) -> float:
    """Return the false alarms a day that are wanted of one series, where it is a long one."""
    return alarms_per_day / max(sum(each.start >= LEAST_ROWS for each in every), 1)


def look(detector: Detector, judged: Judged, alarms_per_day: float) -> Alarm | None:
    """Return what a detector finds dearer than usual; None: nothing.

    What is cheaper is no alarm, now or in the window. With ``LEAST_ROWS`` scores before the judged
    points the threshold is calibrated on them, else it is the detector's own.

    Args:
        detector: who looks.

        judged: the series.

        alarms_per_day: false alarms that are wanted of this detector on this series.
    """
    scores = detector.scores(judged.series) * (judged.log_ratios > 0)
    calibration = _calibration(scores, judged, alarms_per_day)
    threshold = detector.threshold if calibration is None else calibration.over(detector.threshold)
    indices = judged.start + np.flatnonzero(scores[judged.start :] > threshold)
    if not len(indices):
        return None
    return Alarm(
        indices=tuple(indices.tolist()),
        scores=tuple(scores[indices].tolist()),
        threshold=threshold,
        calibration=calibration,
        explanation=detector.explain(judged.series),
    )


def _calibration(scores: FloatArray, judged: Judged, alarms_per_day: float) -> Calibration | None:
    looked = np.flatnonzero(~np.isnan(scores[: judged.start]))
    if len(looked) < LEAST_ROWS:
        return None
    times = judged.series.times
    days = (times[judged.start] - times[looked[0]]) / _DAY
    return calibrate(scores[looked], days, alarms_per_day=alarms_per_day)
