"""What detectors find in the series of a target, and the findings that come of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter

from honed.core.canonical import Json
from honed.core.counted import counted
from honed.core.detector import Detector
from honed.core.finding import ANOMALY, Finding
from honed.core.target import Series
from honed.errors import KindFailed
from honed.loop.boundary import asking
from honed.stats.alarms import JUDGED, LEAST_POINTS, Judged, look, share_of_alarms
from honed.stats.calibration import Calibration

#: Share of the target's cost below which nobody needs to hear of a series.
LEAST_WEIGHT = 0.001
#: False alarms a day that are wanted of each detector, over all series.
ALARMS_PER_DAY = 1.0


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One point of a series that a detector finds unusual."""

    series: Series
    #: Position in the series.
    index: int
    detector: str
    score: float
    #: What the score is above.
    threshold: float
    #: Where the threshold comes from; None: from the detector's own default.
    calibration: Calibration | None = None
    #: What the detector says of the series; empty: the score says it.
    explanation: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return the anomaly as it stands in the analysis record."""
        return {
            "subject": self.series.subject,
            "metric": self.series.metric,
            "at": self.series.times[self.index].isoformat(),
            "value": self.series.values[self.index],
            "detector": self.detector,
            "score": self.score,
        }

    def seen_by(self) -> dict[str, Json]:
        """Return what saw it, above which threshold and how that was chosen, for the evidence."""
        told: dict[str, Json] = {
            "detector": self.detector,
            "metric": self.series.metric,
            "threshold": self.threshold,
        }
        if self.calibration is not None:
            told |= self.calibration.to_json()
        if self.explanation:
            told["explanation"] = self.explanation
        return told


def detect(
    detectors: Mapping[str, Detector],
    series: Iterable[Series],
    *,
    judged: timedelta = JUDGED,
    alarms_per_day: float = ALARMS_PER_DAY,
) -> tuple[list[Anomaly], dict[str, str]]:
    """Return the points that some detector finds unusual, and the error of each that failed.

    Series of next to nothing of the target's cost are left out, and so are points below what is
    usual: an unusually cheap call is no trouble. Only the newest points of a series are judged:
    with ``LEAST_ROWS`` before them by a threshold that those give, else by the detector's own.

    Args:
        detectors: by name.

        series: what to look at.

        judged: how long the newest points are that may be called unusual.

        alarms_per_day: false alarms that are wanted of each detector, over all long series
            together; each has an equal share.
    """
    every = [
        Judged.of(each, each.times[-1] - judged)
        for each in series
        if len(each.values) >= LEAST_POINTS and each.weight >= LEAST_WEIGHT
    ]
    share = share_of_alarms(every, alarms_per_day)
    found: list[Anomaly] = []
    failures: dict[str, str] = {}
    for name, detector in detectors.items():
        try:
            with asking(name):
                for each in every:
                    found += _unusual(name, detector, each, share)
        except KindFailed as error:
            failures[name] = str(error)
    return found, failures


def _unusual(name: str, detector: Detector, judged: Judged, share: float) -> Iterator[Anomaly]:
    """Yield the anomalies of one series."""
    alarm = look(detector, judged, share)
    if alarm is None:
        return
    for index, score in zip(alarm.indices, alarm.scores, strict=True):
        yield Anomaly(
            series=judged.series,
            index=index,
            detector=name,
            score=score,
            threshold=alarm.threshold,
            calibration=alarm.calibration,
            explanation=alarm.explanation,
        )


def anomaly_findings(anomalies: Sequence[Anomaly]) -> list[Finding]:
    """Return one finding for each subject with anomalies, whichever detectors saw them."""
    by_subject: dict[str, list[Anomaly]] = {}
    for anomaly in anomalies:
        by_subject.setdefault(anomaly.series.subject, []).append(anomaly)
    return [_finding(seen) for _, seen in sorted(by_subject.items())]


def _finding(anomalies: Sequence[Anomaly]) -> Finding:
    series = anomalies[0].series
    points = {(anomaly.series.metric, anomaly.index) for anomaly in anomalies}
    detectors = sorted({anomaly.detector for anomaly in anomalies})
    # Threshold and explanation are of a whole series: one of its anomalies tells them.
    looks = {(each.detector, each.series.metric): each for each in anomalies}
    return Finding(
        type=ANOMALY,
        subject=series.subject,
        title=f"{_what(anomalies)}: {series.label or series.subject}",
        weight=series.weight,
        evidence={
            "subject": series.subject,
            "metrics": sorted({anomaly.series.metric for anomaly in anomalies}),
            "detectors": detectors,
            "points": len(points),
            "highest_scores": {
                name: max(each.score for each in anomalies if each.detector == name)
                for name in detectors
            },
            "seen_by": [each.seen_by() for _, each in sorted(looks.items(), key=itemgetter(0))],
            "latest": max(anomalies, key=lambda each: each.index).to_json(),
        },
    )


def _what(anomalies: Sequence[Anomaly]) -> str:
    """Return what is the matter: how often it was dear, and what detectors say beyond that."""
    alone = {(each.series.metric, each.index) for each in anomalies if not each.explanation}
    said = sorted({each.explanation for each in anomalies} - {""})
    return ", ".join([f"unusually dear {counted(len(alone), 'time')}"] * bool(alone) + said)
