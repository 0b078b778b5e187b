"""What detectors find unusual in the newest of series, strictly enough to be worth a ticket."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from honed.core.canonical import Json
from honed.core.detector import Detector
from honed.core.plugins import discover
from honed.core.target import Series
from honed.stats.alarms import (
    JUDGED,
    LEAST_POINTS,
    Judged,
    asked_for,
    look,
    share_of_alarms,
)
from honed.stats.calibration import Calibration

#: One slow moment is no trouble yet: so many points of the newest day are. A detector that explains
#: itself has looked at more than single points.
_LEAST_UNUSUAL: Final = 3
#: Points whose median stands for the last of them: what lasts is looked for, and not the one slow
#: moment, which would also raise the threshold that is calibrated on it. With 8 quarters of an
#: hour, after four simulated weeks (as in the test: correlation 0.6, one point in 200 a spike),
#: robust z gave a false alarm on 1 of 100 days, and saw 39 of 40 that were half as slow again.
_LASTING: Final = 8
#: What costs less than so many times as much as usual is not worth a person's time.
_LEAST_EXCESS: Final = 1.25


@dataclass(frozen=True, slots=True)
class Unusual:
    """What one detector sees in the newest day of one series."""

    series: Series
    detector: str
    #: Positions of the unusual points.
    indices: tuple[int, ...]
    #: The highest of their scores, and what it is above.
    score: float
    threshold: float
    #: How many times as much as is usual at their hours of the week, at the median of them.
    excess: float
    #: Where the threshold comes from; None: from the detector's own default.
    calibration: Calibration | None = None
    #: What the detector says of the series; empty: the score says it.
    explanation: str = ""

    @property
    def times(self) -> tuple[datetime, datetime]:
        """When the first and the last of the points were."""
        return self.series.times[self.indices[0]], self.series.times[self.indices[-1]]

    def to_json(self) -> dict[str, Json]:
        """Return what saw it, above which threshold and how that was chosen, for the evidence."""
        told: dict[str, Json] = {
            "detector": self.detector,
            "metric": self.series.metric,
            "points": len(self.indices),
            "score": round(self.score, 3),
            "threshold": round(self.threshold, 3),
        }
        if self.calibration is not None:
            told |= self.calibration.to_json()
        return told | ({"explanation": self.explanation} if self.explanation else {})


def running_detectors(also: str) -> dict[str, Detector]:
    """Return the detectors that look, by name.

    Args:
        also: names of those that do not run by default, with commas between.
    """
    installed = discover("honed.detectors", Detector)  # type: ignore[type-abstract]  # the family's base
    return asked_for(installed, also)[0]


def unusual(
    detectors: Mapping[str, Detector],
    series: Sequence[Series],
    now: datetime,
    *,
    alarms_per_day: float,
) -> Iterator[Unusual]:
    """Yield what each detector sees in the newest day of each series, if it is dearer than usual.

    Args:
        detectors: by name.

        series: what to look at; those without a point in the newest day are left out.

        now: when that day ends.

        alarms_per_day: false alarms that are wanted of each detector, over all long series
            together; each has an equal share.
    """
    known = (each for each in series if len(each.values) >= LEAST_POINTS)
    every = [Judged.of(lasting(each), now - JUDGED) for each in known]
    news = [each for each in every if each.start < len(each.series.values)]
    share = share_of_alarms(news, alarms_per_day)
    for name, detector in detectors.items():
        for each in news:
            found = _seen(name, detector, each, share)
            if found is not None:
                yield found


def lasting(series: Series) -> Series:
    """Return a series of the medians of the last ``_LASTING`` points; it begins so much later."""
    windows = sliding_window_view(np.asarray(series.values, dtype=np.float64), _LASTING)
    medians = np.median(windows, axis=1)
    return replace(series, times=series.times[_LASTING - 1 :], values=tuple(medians.tolist()))


def _seen(name: str, detector: Detector, judged: Judged, share: float) -> Unusual | None:
    alarm = look(detector, judged, share)
    if alarm is None:
        return None
    excess = float(np.exp(np.median(judged.log_ratios[list(alarm.indices)])))
    if excess < _LEAST_EXCESS or not (alarm.explanation or len(alarm.indices) >= _LEAST_UNUSUAL):
        return None
    return Unusual(
        series=judged.series,
        detector=name,
        indices=alarm.indices,
        score=max(alarm.scores),
        threshold=alarm.threshold,
        excess=excess,
        calibration=alarm.calibration,
        explanation=alarm.explanation,
    )
