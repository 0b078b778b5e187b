"""What detectors find in series, by which threshold, and the findings that come of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from honed.core.detector import Detector
from honed.core.finding import ANOMALY
from honed.core.plugins import discover
from honed.core.target import Series
from honed.loop.anomalies import anomaly_findings, detect
from honed.stats.alarms import LEAST_POINTS, asked_for
from honed.stats.calibration import LEAST_ROWS
from honed.testing.detector import series_of, usual_latency

START = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
A_DAY = 96


class Large(Detector):
    """Finds values above a threshold unusual."""

    name: ClassVar[str] = "large"
    threshold: ClassVar[float] = 10.0

    def scores(self, series: Series) -> NDArray[np.float64]:
        return np.asarray(series.values, dtype=np.float64)


class Small(Large):
    """Finds values below a threshold unusual."""

    name: ClassVar[str] = "small"

    def scores(self, series: Series) -> NDArray[np.float64]:
        return 20.0 - np.asarray(series.values, dtype=np.float64)


class Broken(Large):
    """Raises."""

    name: ClassVar[str] = "broken"

    def scores(self, series: Series) -> NDArray[np.float64]:
        msg = "no"
        raise ZeroDivisionError(msg)


class Rare(Large):
    """Runs where it is asked for, and looks at the newest values only."""

    name: ClassVar[str] = "rare"
    runs_by_default: ClassVar[bool] = False
    looks_at: ClassVar[int] = LEAST_ROWS

    def scores(self, series: Series) -> NDArray[np.float64]:
        scores = np.array(series.values)
        scores[: -self.looks_at] = np.nan
        return scores

    def explain(self, series: Series) -> str:
        return f"is {max(series.values):.0f} at most"


def series(*values: float, subject: str = "q1", metric: str = "exec_ms_per_call") -> Series:
    padded = (*[1.0] * (LEAST_POINTS - len(values)), *values)
    times = tuple(START + timedelta(minutes=n) for n in range(len(padded)))
    return Series(subject, metric, times, padded)


def history(seed: int, *newest: float, rows: int = LEAST_ROWS + A_DAY) -> Series:
    """Return usual latency, four values an hour, that ends with ``newest``."""
    values = usual_latency(seed, rows)
    values[rows - len(newest) :] = newest
    return series_of(values, every=QUARTER)


def test_each_subject_with_unusual_points_is_one_finding() -> None:
    one, other = series(20.0, 30.0), series(40.0, metric="rows")
    third = replace(series(50.0, subject="q2"), label="SELECT 1", weight=0.2)
    anomalies, failures = detect({"large": Large()}, [one, other, third, series(2.0)])
    findings = anomaly_findings(anomalies)
    assert failures == {}
    assert [finding.type for finding in findings] == [ANOMALY, ANOMALY]
    assert [finding.subject for finding in findings] == ["q1", "q2"]
    assert findings[0].evidence["metrics"] == ["exec_ms_per_call", "rows"]
    assert findings[0].evidence["points"] == 3
    assert findings[0].evidence["highest_scores"] == {"large": 40.0}
    assert (findings[1].title, findings[1].weight) == ("unusually dear 1 time: SELECT 1", 0.2)


def test_what_is_unusually_cheap_or_costs_next_to_nothing_is_no_trouble() -> None:
    cheap = series(*[30.0] * (LEAST_POINTS - 1))
    assert detect({"small": Small()}, [cheap]) == ([], {})
    rare = replace(series(20.0), weight=0.0005)
    assert detect({"large": Large()}, [rare]) == ([], {})


def test_value_on_the_threshold_is_usual() -> None:
    assert detect({"large": Large()}, [series(10.0)]) == ([], {})


def test_point_that_two_detectors_see_is_counted_once() -> None:
    found, _ = detect({"a": Large(), "b": Large()}, [series(20.0)])
    (finding,) = anomaly_findings(found)
    assert finding.evidence["points"] == 1
    assert finding.evidence["detectors"] == ["a", "b"]


def test_detector_that_raises_costs_only_itself() -> None:
    anomalies, failures = detect({"broken": Broken(), "large": Large()}, [series(20.0)])
    assert [anomaly.detector for anomaly in anomalies] == ["large"]
    assert failures == {"broken": "broken raised ZeroDivisionError: no"}


def test_nothing_is_unusual_before_there_is_a_usual() -> None:
    short = series(20.0)
    short = Series(short.subject, short.metric, short.times[1:], short.values[1:])
    assert detect({"large": Large()}, [short]) == ([], {})


def test_a_short_series_is_judged_by_the_detectors_own_threshold() -> None:
    (finding,) = anomaly_findings(detect({"large": Large()}, [series(20.0)])[0])
    assert finding.evidence["seen_by"] == [
        {"detector": "large", "metric": "exec_ms_per_call", "threshold": 10.0}
    ]


def test_a_long_series_is_judged_by_what_it_shows_and_the_evidence_tells_how() -> None:
    long = history(1, 30.0)
    found, _ = detect({"large": Large()}, [long], alarms_per_day=0.5)
    window = np.array(long.values[:LEAST_ROWS])
    dear = np.sort(np.where(window > np.median(long.values), window, 0.0))
    # 2,000 rows are 20.8 days: 10.4 alarms of 2,001 are wanted, so nine of the window lie above.
    assert {anomaly.threshold for anomaly in found} == {dear[-10]}
    assert [anomaly.index for anomaly in found][-1] == len(long.values) - 1
    (finding,) = anomaly_findings(found)
    told: Any = finding.evidence["seen_by"]
    assert told[0]["threshold"] == dear[-10]
    assert told[0]["wanted_alarms_per_day"] == 0.5
    assert told[0]["calibrated_on_rows"] == LEAST_ROWS
    assert 0.2 <= told[0]["achieved_alarms_per_day"] <= 1.0


def test_only_the_newest_day_of_a_long_series_is_judged() -> None:
    before, after = history(2, 99.0, *[20.0] * A_DAY), history(2, 99.0, *[20.0] * (A_DAY - 1))
    assert not detect({"large": Large()}, [before])[0]
    assert len(detect({"large": Large()}, [after])[0]) == 1


def test_long_series_share_the_alarms_that_are_wanted() -> None:
    both = [history(3, 30.0), replace(history(4, 30.0), subject="q2"), series(20.0, subject="q3")]
    found, _ = detect({"large": Large()}, both, alarms_per_day=1.0)
    wanted = {each.series.subject: each.calibration for each in found}
    assert [each and each.wanted_per_day for each in wanted.values()] == [0.5, 0.5, None]


@pytest.mark.parametrize(("looks_at", "is_calibrated"), [(A_DAY + LEAST_ROWS, 1), (LEAST_ROWS, 0)])
def test_what_a_detector_did_not_look_at_calibrates_nothing(
    looks_at: int, is_calibrated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rare, "looks_at", looks_at)
    long = history(5, 30.0, rows=LEAST_ROWS + 2 * A_DAY)
    (found, *_), _ = detect({"rare": Rare()}, [long])
    assert (found.calibration is not None) == is_calibrated


def test_what_a_detector_says_beyond_its_score_is_told() -> None:
    found, _ = detect({"large": Large(), "rare": Rare()}, [series(20.0, 30.0)])
    (finding,) = anomaly_findings(found)
    assert finding.title == "unusually dear 2 times, is 30 at most: q1"
    (alone,) = anomaly_findings(detect({"rare": Rare()}, [series(20.0)])[0])
    assert alone.title == "is 20 at most: q1"


def test_a_detector_that_does_not_run_by_default_runs_where_it_is_named() -> None:
    installed: dict[str, Detector] = {"large": Large(), "rare": Rare()}
    assert list(asked_for(installed, "")[0]) == ["large"]
    assert list(asked_for(installed, " rare, ")[0]) == ["large", "rare"]
    assert asked_for(installed, "rare,old")[1] == {"old": "no detector old is installed"}


def test_the_detectors_that_come_with_it_see_a_slow_call_in_long_history() -> None:
    installed = discover("honed.detectors", Detector)  # type: ignore[type-abstract]  # the base
    running, _ = asked_for(installed, "")
    assert set(installed) - set(running) == {"local_outlier_factor"}
    long = history(6, *[20.0] * 5, 90.0, *[20.0] * 5)
    found, failures = detect(running, [long])
    assert failures == {}
    seen = {each.detector for each in found if each.index == len(long.values) - 6}
    assert seen == {"isolation_forest", "robust_z"}
